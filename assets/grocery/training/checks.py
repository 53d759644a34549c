"""What must hold of what was learnt before it may score a household."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from assets.grocery.tables import AS_OF, EXAMPLES, TRANSACTIONS
from assets.lifecycle.decision import CHALLENGER
from assets.lifecycle.versions import sound
from assets.partitions import ONE_DAY, days_of
from assets.quality.gates import Found, Gate, gate_checks
from resources.config.retailer import Settings
from resources.errors import Refused
from resources.models.registry import CHAMPION, ModelRegistry
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

EXAMPLES_GATE = Gate(
    subject=EXAMPLES,
    check="label_weeks_are_over",
    description="Every label week is over by the business day's close, and has households that bought and that did not.",
)
CHALLENGER_GATE = Gate(
    subject=CHALLENGER,
    check="version_scores_as_it_did",
    description="The version's files can be loaded, their digest is the one on record, and they score the frozen sample "
    "that was registered with them as they did then.",
)
CHAMPION_GATE = Gate(
    subject=CHAMPION,
    check="alias_is_what_was_decided",
    description="The registry's alias `champion` is the version that the ledger of promotions names.",
)


def _label_weeks(days: Iterable[dt.date], *, tables: TableStore, **_: Any) -> dict[dt.date | None, str]:
    return dict(tables.fingerprints(EXAMPLES))


@gate_checks([EXAMPLES_GATE], versions=_label_weeks)
def training_examples_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[Found]:
    """Look at every label week that is stored."""
    from assets.grocery.training.examples import LABEL_DAYS

    last_day = max(filter(None, tables.rows_by_day(TRANSACTIONS)))
    while settings.is_closed(last_day + ONE_DAY):  # it has no rows, and will have none
        last_day += ONE_DAY
    rows = tables.read(EXAMPLES)
    weeks = rows.group_by(AS_OF).agg(examples=rows.count(), positives=rows.label.sum()).to_pyarrow().to_pylist()
    broken = {
        week[AS_OF]: f"{week['positives']:,} of {week['examples']:,} examples are purchases: nothing to tell apart"
        for week in weeks
        if not 0 < week["positives"] < week["examples"]
    }
    broken |= {
        week[AS_OF]: f"its week is not over: baskets are there up to {last_day}"
        for week in weeks
        if week[AS_OF] + dt.timedelta(days=LABEL_DAYS) > last_day
    }
    total = sum(week["examples"] for week in weeks)
    yield Found(
        gate=EXAMPLES_GATE,
        broken=broken,
        metadata={
            "weeks": len(weeks),
            "share_of_positives": sum(week["positives"] for week in weeks) / total if total else 0.0,
        },
    )


def _challengers(days: Iterable[dt.date], *, registry: ModelRegistry, **_: Any) -> dict[dt.date | None, str]:
    return {day: str(registry.challenger_of(day.isoformat()).version) for day in days}


@gate_checks([CHALLENGER_GATE], versions=_challengers)
def challenger_is_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    registry: dg.ResourceParam[ModelRegistry],
) -> Iterator[Found]:
    """Load the version of each day and let it score its sample; what cannot says why."""
    broken: dict[dt.date | None, str] = {}
    loaded = {}
    for day in days_of(context):
        version = registry.challenger_of(day.isoformat())
        try:
            loaded[day.isoformat()] = f"version {version.version}, {sound(registry, version).family()}"
        except Refused as error:
            broken[day] = error.message
    yield Found(gate=CHALLENGER_GATE, broken=broken, metadata={"loaded": loaded})


def _champions(days: Iterable[dt.date], *, operations: OperationsDatabase, **_: Any) -> dict[dt.date | None, str]:
    decided = filter(None, (operations.promotion_as_of(day) for day in days))
    return {record.business_date: str(record.champion_after) for record in decided}


@gate_checks([CHAMPION_GATE], versions=_champions)
def champion_is_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    registry: dg.ResourceParam[ModelRegistry],
) -> Iterator[Found]:
    """Compare the registry's alias with the ledger's last word."""
    newest, alias = operations.promotions()[-1], registry.aliased(CHAMPION)
    said = f"the alias points to version {alias}, the ledger says {newest.champion_after}"
    yield Found(
        gate=CHAMPION_GATE,
        broken={} if alias == newest.champion_after else {newest.business_date: said},
        metadata={"decided": str(newest.champion_after), "alias": str(alias)},
    )
