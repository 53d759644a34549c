"""What the recommendations of earlier nights were worth: `realised_performance`."""

import datetime as dt
from collections.abc import Callable

import dagster as dg

from assets.failures import RETRIES
from assets.grocery.features.purchases import baskets_after, purchases
from assets.grocery.monitoring import pictures
from assets.grocery.monitoring.realised import HORIZONS, VERSION, realised_lists, summary, table
from assets.grocery.partitions import business_days
from assets.grocery.tables import PERFORMANCE, PRODUCTS, RECOMMENDATIONS, TABLES, TRANSACTIONS
from assets.lifecycle.estimates import Bootstrap
from assets.partitions import days_back, days_of
from assets.quality.fence import fenced
from assets.quality.gates import Gates, Versions, of_days, whole
from assets.quality.staleness import latest_delivery_id, record_made
from assets.reporting import OWNERS, columns, picture, report_days, written
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[
        dg.AssetDep(TRANSACTIONS, partition_mapping=days_back(6)),
        dg.AssetDep(
            RECOMMENDATIONS,
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-7, end_offset=-1, allow_nonexistent_upstream_partitions=True
            ),
        ),
        PRODUCTS,
    ],
    code_version=VERSION,
    kinds={"deltalake", "duckdb"},
    owners=OWNERS,
    retry_policy=RETRIES,
    metadata={"dagster/column_schema": columns(TABLES[PERFORMANCE])},
)
@fenced
def realised_performance(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    gates: dg.ResourceParam[Gates],
) -> dg.MaterializeResult:
    """Yesterday's lists against today's baskets, and last week's against the week: in the metrics of the promotion.

    A series by business day, with bootstrap intervals over households. Nights without earlier lists add nothing to it.
    """
    days, now = days_of(context), dt.datetime.now(dt.UTC)
    watermarks = dict.fromkeys(days, latest_delivery_id(operations))
    baskets = of_days(tables, TRANSACTIONS, sorted({day - n * ONE_DAY for day in days for n in range(7)}))
    first = settings.first_business_day
    needed: Versions = {day: version for day, version in baskets.items() if day and day >= first}
    gates.require(operations, {TRANSACTIONS: needed, PRODUCTS: whole(tables, PRODUCTS)}, now=now)

    def may_be_used(day: dt.date) -> bool:
        """Whether the lists of a night were let out: others are nobody's, and no measure of anything."""
        lists = {RECOMMENDATIONS: of_days(tables, RECOMMENDATIONS, [day])}
        return not gates.closed(operations, lists, now=now)

    rows, notes = zip(*(_compare(day, settings, tables, may_be_used) for day in days), strict=True)
    commit = tables.replace_days(PERFORMANCE, table([row for of_day in rows for row in of_day]), days=days)
    record_made(operations, PERFORMANCE, watermarks, run_id=context.run.run_id, now=now)
    series = tables.read(PERFORMANCE, until=days[-1]).to_pandas()
    report_days(
        context,
        commit,
        days,
        on_last={"series": picture(pictures.series(series, k=settings.model.ranked_places))} if len(series) else None,
    )
    return dg.MaterializeResult(
        metadata={
            **written(commit, tables),
            **{f"{row['metric']}_{row['horizon']}": row["value"] for row in rows[-1]},
            "notes": list(notes[-1]),
        }
    )


def _compare(
    day: dt.date, settings: Settings, tables: TableStore, may_be_used: Callable[[dt.date], bool]
) -> tuple[list[dict[str, object]], list[str]]:
    """The rows of the series that are known at `day`'s close, and why any are missing."""
    rule, made = settings.promotion, tables.rows_by_day(RECOMMENDATIONS)
    draw = Bootstrap(
        subject="household_id",
        samples=rule.bootstrap_samples,
        confidence=rule.confidence,
        seed=settings.model.seed,
    )
    rows, notes = [], []
    for horizon, length in HORIZONS.items():
        recommended_on = day - dt.timedelta(days=length)
        if not made.get(recommended_on):
            notes.append(f"There are no recommendations of {recommended_on} to compare.")
            continue
        if not may_be_used(recommended_on):
            notes.append(f"The recommendations of {recommended_on} did not pass their checks.")
            continue
        lists = tables.read(RECOMMENDATIONS, since=recommended_on, until=recommended_on)
        lines = tables.read(TRANSACTIONS, since=recommended_on + ONE_DAY, until=day)
        bought = baskets_after(purchases(lines, tables.read(PRODUCTS)), as_of=recommended_on, days=length)
        metrics = realised_lists(lists, bought, k=settings.model.ranked_places)
        if metrics.empty:
            notes.append(f"No household with a list of {recommended_on} bought anything in the {horizon} after it.")
            continue
        rows += summary(
            metrics,
            business_date=day,
            recommended_on=recommended_on,
            horizon=horizon,
            model_version=int(lists.model_version.max().execute()),  # pyright: ignore[reportArgumentType]
            draw=draw,
        )
    return rows, notes
