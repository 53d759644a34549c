"""What the recommendations of earlier nights were worth (`realised_performance`), and whether to train anew."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from assets.failures import explained
from assets.grocery.monitoring.realised import table
from assets.grocery.tables import FEATURES, PERFORMANCE, PRODUCTS, RECOMMENDATIONS, TABLES, TRANSACTIONS
from assets.lifecycle import retraining_ledger as ledger
from assets.lifecycle.champions import let_out
from assets.lifecycle.retraining import Known, choose
from assets.partitions import ONE_DAY, business_days, days_back, days_of
from assets.quality import gates, staleness
from assets.reporting import OWNERS, columns, picture, report_days, written
from resources.config.retailer import Settings
from resources.records.lifecycle import PromotionRecord, RetrainingDecision, RetrainingRequest, Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

SIGNALS_READ = 500  # of the newest: four watches over the nights that are judged, looked at again many times
LEDGER_ROWS = 60  # decisions that the asset's page shows: two months of nights


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
    code_version="1",
    kinds={"deltalake", "duckdb"},
    owners=OWNERS,
    metadata={"dagster/column_schema": columns(TABLES[PERFORMANCE])},
)
@explained
def realised_performance(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.MaterializeResult:
    """Yesterday's lists against today's baskets, and last week's against the week: in the metrics of the promotion.

    A series by business day, with bootstrap intervals over households. Nights without earlier lists add nothing to it.
    """
    from assets.grocery.monitoring import pictures

    days, now = days_of(context), dt.datetime.now(dt.UTC)
    known = dict.fromkeys(days, staleness.so_far(operations))
    baskets = gates.of_days(tables, TRANSACTIONS, sorted({day - n * ONE_DAY for day in days for n in range(7)}))
    first = settings.first_business_day
    needed = {day: version for day, version in baskets.items() if day and day >= first}
    gates.require(operations, {TRANSACTIONS: needed, PRODUCTS: gates.whole(tables, PRODUCTS)}, now=now)

    def may_be_used(day: dt.date) -> bool:
        """Whether the lists of a night were let out: others are nobody's, and no measure of anything."""
        lists = {RECOMMENDATIONS: gates.of_days(tables, RECOMMENDATIONS, [day])}
        return not gates.closed(operations, lists, now=now)

    rows, notes = zip(*(_compare(day, settings, tables, may_be_used) for day in days), strict=True)
    commit = tables.replace_days(PERFORMANCE, table([row for of_day in rows for row in of_day]), days=days)
    staleness.made(operations, staleness.PERFORMANCE, known, run_id=context.run.run_id, now=now)
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
    from assets.grocery.features.purchases import baskets_after, purchases
    from assets.grocery.monitoring.realised import HORIZONS, realised_lists, summary

    rule, made = settings.promotion, tables.rows_by_day(RECOMMENDATIONS)
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
        lines = tables.read(TRANSACTIONS, since=recommended_on + dt.timedelta(days=1), until=day)
        bought = baskets_after(purchases(lines, tables.read(PRODUCTS)), as_of=recommended_on, days=length)
        found = realised_lists(lists, bought, k=settings.model.ranked_places)
        if found.empty:
            notes.append(f"No household with a list of {recommended_on} bought anything in the {horizon} after it.")
            continue
        rows += summary(
            found,
            business_date=day,
            recommended_on=recommended_on,
            horizon=horizon,
            model_version=int(lists.model_version.max().execute()),
            samples=rule.bootstrap_samples,
            confidence=rule.confidence,
            seed=settings.model.seed,
        )
    return rows, notes


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[realised_performance, RECOMMENDATIONS, *FEATURES],
    # The watches are checks that nobody waits for: the last step of the night has seen them all.
    op_tags={"dagster/priority": "-1"},
    output_required=False,
    code_version="1",
    owners=OWNERS,
    kinds={"python"},
)
def retraining_decision(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[dg.MaterializeResult]:
    """Whether to train the model anew, decided once for every night: by drift, decay, new labels, age, or a person's wish.

    The decision goes on record with its reasons, those against it too, and the sensor `retrain_on_decision` carries it
    out. Decided again from the same, it stays as it is. An error here costs no night: the lists are made by then, the
    day stays undecided, and the next night decides.
    """
    try:
        for day in days_of(context):
            _decide_on_retraining(context, day, settings, tables, operations)
        entries = ledger.read(operations, now=dt.datetime.now(dt.UTC)).entries(rule=settings.retraining)
    except Exception as error:  # not to decide costs a day; to fail would cost the night its lists
        context.log.exception(f"Whether to retrain stays undecided tonight: {type(error).__name__}: {error}")
        return
    own = [entry.decision for entry in entries if entry.decision.business_date == days_of(context)[-1]]
    reasons = own[-1].reasons if own else ["A later night was decided before."]
    yield dg.MaterializeResult(
        metadata={
            "is_retraining": bool(own) and own[-1].is_retraining,
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in reasons)),
            "ledger": _ledger_table(entries[-LEDGER_ROWS:]),
        }
    )


def _decide_on_retraining(
    context: dg.AssetExecutionContext,
    day: dt.date,
    settings: Settings,
    tables: TableStore,
    operations: OperationsDatabase,
) -> None:
    """Put the decision of `day` on record, unless it is there."""
    now, rule = dt.datetime.now(dt.UTC), settings.retraining
    trained = [record for _, record in let_out(operations, until=day, now=now)]
    serving = trained[-1].champion_after if trained else None
    its_nights = list(itertools.takewhile(lambda record: record.champion_after == serving, reversed(trained)))
    numbered = operations.numbered(PromotionRecord, last=1)
    known = Known(
        signals=operations.records(Signal, last=SIGNALS_READ),
        decisions=operations.records(RetrainingDecision),
        wishes=operations.numbered(RetrainingRequest),
        trained_on=trained[-1].business_date if trained else None,
        serving=serving,
        serving_since=its_nights[-1].business_date if its_nights else None,
        newest_promotion=numbered[-1][0] if numbered else 0,
        days_with_baskets=[made for made, rows in tables.rows_by_day(TRANSACTIONS).items() if made and rows],
    )
    choice = choose(day, known, rule=rule)
    decided = [decision for decision in known.decisions if decision.business_date == day]
    if choice is None or (decided and choice.is_that_of(decided[-1])):
        context.log.info(f"What was decided for {day} stays as it is.")
        return
    context.log.info(f"{'Retraining' if choice.is_retraining else 'No retraining'}: {'; '.join(choice.reasons)}")
    operations.record(
        RetrainingDecision(
            business_date=day,
            is_retraining=choice.is_retraining,
            reasons=choice.reasons,
            numbers=choice.numbers,
            run_id=context.run.run_id,
            decided_at=now,
        )
    )


def _ledger_table(entries: Sequence[ledger.Entry]) -> dg.TableMetadataValue:
    """The ledger as the UI shows it, the newest first."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "business_date": entry.decision.business_date.isoformat(),
                    "is_retraining": entry.decision.is_retraining,
                    "reasons": "; ".join(entry.decision.reasons),
                    "attempts": "; ".join(attempt.summary() for attempt in entry.attempts),
                    "state": entry.state or "",
                }
            )
            for entry in reversed(entries)
        ]
    )
