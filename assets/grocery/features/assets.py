"""The five feature tables, one partition a business day: what was known at its close.

They are made together, in one step: they share the shopping days, which cost more than any of them.
"""

import datetime as dt

import dagster as dg

from assets.failures import RETRIES
from assets.grocery.features import definitions
from assets.grocery.features.shared_days import shared_days, slices_of_lines
from assets.grocery.features.tables import FEATURES_OF, TABLES
from assets.grocery.partitions import HISTORY, business_days
from assets.grocery.staleness import FEATURES
from assets.grocery.tables import (
    BUSINESS_DATE,
    CATEGORY_AFFINITY,
    HOUSEHOLD,
    HOUSEHOLD_PRODUCT,
    OFFERS,
    PRODUCT,
    PRODUCTS,
    SUBCATEGORY_AFFINITY,
    TRANSACTIONS,
)
from assets.partitions import days_of
from assets.quality.fence import fenced
from assets.quality.gates import Gates, history, whole
from assets.quality.staleness import latest_delivery_id, record_made
from assets.reporting import OWNERS, columns, lineage, report_days, written
from resources.config.retailer import Settings
from resources.records.store import OperationsDatabase
from resources.tables.store import Commit, TableStore

DESCRIPTIONS = {
    HOUSEHOLD_PRODUCT: "History of each household with each product that it ever bought: how often, how lately, how "
    "regularly, how overdue, at what price.",
    HOUSEHOLD: "Habits of each household that ever bought: how often it shops, how much, how much of it anew.",
    PRODUCT: "How each recommendable product sells, and how it is repeated.",
    CATEGORY_AFFINITY: "What each household needs of each category: it buys milk, not this milk. Empty without categories.",
    SUBCATEGORY_AFFINITY: "The same for each subcategory. Empty without subcategories.",
}


def _made_of(feature: str) -> tuple[str, list[str]]:
    """The table and the columns of it that a feature is made of; those of the catalogue are the keys."""
    if "offer" in feature:
        return OFFERS, ["starts_on", "ends_on", "known_from", "reach"]
    if feature.startswith(("price", "spend")):
        return TRANSACTIONS, ["business_date", "sales_value", "quantity"]
    return TRANSACTIONS, ["business_date", "quantity"]


def _spec(name: str) -> dg.AssetSpec:
    table, features = TABLES[name], FEATURES_OF[name]
    return dg.AssetSpec(
        name,
        description=f"{DESCRIPTIONS[name]}\n\nFrom the baskets up to the partition's close in the retailer's time zone, and the "
        "catalogue; later lines change nothing. The same functions make the features that models are trained on.",
        deps=[dg.AssetDep(TRANSACTIONS, partition_mapping=HISTORY), PRODUCTS, OFFERS],
        kinds={"deltalake", "duckdb"},
        owners=OWNERS,
        code_version=definitions.VERSION,
        metadata={
            "dagster/column_schema": columns(table),
            "dagster/column_lineage": lineage(
                **{
                    key: (PRODUCTS if key.endswith("category") else TRANSACTIONS, [key])
                    for key in table.columns
                    if key not in features and key != BUSINESS_DATE
                },
                **{feature: _made_of(feature) for feature in features},
            ),
        },
    )


@dg.multi_asset(
    specs=[_spec(name) for name in TABLES],
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRIES,
)
@fenced
def features(  # noqa: ANN201 (Dagster takes no tuple[MaterializeResult, ...])
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],  # of the tariff that the step is priced by
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    gates: dg.ResourceParam[Gates],
):
    """Build the five tables of each day of the run, one day after the other."""
    days, commits = days_of(context), {}
    watermarks = dict.fromkeys(days, latest_delivery_id(operations))
    gates.require(
        operations,
        {
            TRANSACTIONS: history(tables, TRANSACTIONS, until=days[-1]),
            PRODUCTS: whole(tables, PRODUCTS),
            OFFERS: whole(tables, OFFERS),
        },
        now=dt.datetime.now(dt.UTC),
    )
    tables = tables.at_scale
    for day in days:
        context.log.info(f"Features as of the close of {day}")
        commits = make(day, sources=tables, kept_in=tables)
    record_made(operations, FEATURES, watermarks, run_id=context.run.run_id, now=dt.datetime.now(dt.UTC))
    for name, commit in commits.items():
        report_days(context, commit, days, asset=name)
    return tuple(
        dg.MaterializeResult(asset_key=name, metadata=written(commit, tables)) for name, commit in commits.items()
    )


def make(day: dt.date, *, sources: TableStore, kept_in: TableStore, slices: int | None = None) -> dict[str, Commit]:
    """Make the tables of a day's close, in as many slices of households as the granted memory asks for."""
    import ibis

    lines = sources.read(TRANSACTIONS, until=day)
    slices = slices or slices_of_lines(sources.count(TRANSACTIONS, until=day))
    with shared_days(lines, sources.read(PRODUCTS), until=day, slices=slices) as shared:
        parts = [built.by_name() for built in definitions.build_slices(shared, sources.read(OFFERS), as_of=day)]
        return {
            name: kept_in.replace_days(
                name,
                # The products' are the same in each.
                [
                    part[name].mutate(business_date=ibis.literal(day))
                    for part in (parts[:1] if name == PRODUCT else parts)
                ],
                days=[day],
            )
            for name in TABLES
        }
