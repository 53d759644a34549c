"""What must hold of what was learnt before it may score a household."""

import datetime as dt

import dagster as dg

from assets.partitions import days_of
from assets.training.assets import challenger, champion, training_examples
from assets.training.label_weeks import AS_OF, EXAMPLES
from resources.model_registry import CHAMPION, ModelRegistry
from resources.operations import OperationsDatabase
from resources.table_store import TableStore


@dg.asset_check(
    asset=training_examples,
    blocking=True,
    description="Every label week is over by the business day's close, and has households that bought and that did not.",
)
def label_weeks_are_over(context: dg.AssetCheckExecutionContext, tables: TableStore) -> dg.AssetCheckResult:
    from assets.training.examples import LABEL_DAYS

    day = days_of(context)[-1]
    last_close = day - dt.timedelta(days=LABEL_DAYS)
    rows = tables.read(EXAMPLES, until=last_close)
    weeks = rows.group_by(AS_OF).agg(examples=rows.count(), positives=rows.label.sum()).to_pandas()
    is_learnable = bool(((weeks["positives"] > 0) & (weeks["positives"] < weeks["examples"])).all())
    return dg.AssetCheckResult(
        passed=is_learnable and len(weeks) > 0,
        metadata={"weeks": len(weeks), "share_of_positives": float(weeks["positives"].sum() / weeks["examples"].sum())},
    )


@dg.asset_check(
    asset=challenger,
    blocking=True,
    description="The version's files can be loaded, and their digest is the one on record.",
)
def version_can_be_loaded(context: dg.AssetCheckExecutionContext, registry: ModelRegistry) -> dg.AssetCheckResult:
    from assets.training.models.interface import Recommender

    version = registry.challenger_of(days_of(context)[-1].isoformat())
    with registry.files(version) as folder:
        model = Recommender.load(folder)
    return dg.AssetCheckResult(passed=True, metadata={"model_version": version.version, "family": model.family()})


@dg.asset_check(
    asset=champion,
    blocking=True,
    description="The registry's alias `champion` is the version that the ledger of promotions names.",
)
def alias_is_what_was_decided(registry: ModelRegistry, operations: OperationsDatabase) -> dg.AssetCheckResult:
    decided, alias = operations.promotions()[-1].champion_after, registry.aliased(CHAMPION)
    return dg.AssetCheckResult(
        passed=decided == alias,
        description=None if decided == alias else f"The alias points to {alias}, the ledger says {decided}.",
        metadata={"decided": str(decided), "alias": str(alias)},
    )
