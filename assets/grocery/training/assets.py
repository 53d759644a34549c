"""Labelled weeks to learn from: `training_examples`, for one business day's night."""

import datetime as dt

import dagster as dg

from assets.failures import RETRIES
from assets.grocery.partitions import HISTORY, business_days
from assets.grocery.tables import EXAMPLES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.examples import VERSION
from assets.grocery.training.label_weeks import delivered, make_missing, windows
from assets.partitions import days_of
from assets.quality.fence import fenced
from assets.quality.gates import Gates
from assets.reporting import OWNERS, written
from resources.config.deployment import pod_for
from resources.config.retailer import Settings
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep(TRANSACTIONS, partition_mapping=HISTORY), PRODUCTS, OFFERS],
    code_version=VERSION,
    kinds={"deltalake", "duckdb"},
    owners=OWNERS,
    op_tags=pod_for("training"),
    pool="training",
    retry_policy=RETRIES,
)
@fenced
def training_examples(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    gates: dg.ResourceParam[Gates],
) -> dg.MaterializeResult:
    """Labelled weeks for a night: what each household could have been offered, and what it then bought.

    The label weeks end on the partition's day, a week before, and so on; the candidates of each are made with the
    features as of the close before its first day. A week is made once and kept: it is made again only when the lines
    up to its end, the catalogue or the definitions have changed. The newest weeks are the holdout that nobody trains on.
    """
    days = days_of(context)
    gates.require(operations, delivered(tables, until=days[-1]), now=dt.datetime.now(dt.UTC))
    asked = [windows(day, settings) for day in days]
    done = make_missing(
        sorted({as_of for each in asked for as_of in each.all}, reverse=True),
        sources=tables.at_scale,
        kept_in=tables.at_scale,
        model=settings.model,
        say=context.log.info,
        judging={as_of for each in asked for as_of in each.holdout},
    )
    counts = tables.rows_by_day(EXAMPLES)
    weeks = windows(days[-1], settings).all
    return dg.MaterializeResult(
        metadata={
            **(written(done.commit, tables) if done.commit else {"table_version": tables.version(EXAMPLES)}),
            "dagster/partition_row_count": sum(counts.get(as_of, 0) for as_of in weeks),
            "weeks_made": done.made,
            "weeks_kept": done.kept,
            "label_weeks_from_closes": [as_of.isoformat() for as_of in weeks],
        }
    )
