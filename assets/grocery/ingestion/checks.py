"""What must hold of the delivered tables before anything is built on them: every check is a gate."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from assets.grocery.ingestion import catalogue, deliveries
from assets.grocery.ingestion.profile import profile
from assets.grocery.ingestion.rules import DAY_RULES, expectations, fault
from assets.grocery.partitions import settings as configured
from assets.grocery.tables import HOUSEHOLDS, OFFERS, PRODUCTS, QUARANTINE, TRANSACTIONS
from assets.partitions import days_of
from assets.quality.evaluation import GateResult, gate_checks, gate_result
from assets.quality.gates import Gate
from assets.quality.rules import between, unique_and_given
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.records.feeds import Delivery
from resources.records.store import OperationsDatabase
from resources.tables.engine import count_values
from resources.tables.slices import groups_of_days
from resources.tables.store import TableStore
from resources.text import listed
from resources.validation import validate

if TYPE_CHECKING:
    import pandas as pd

BYTES_A_LINE = 400  # of a day's baskets and their products, as they are counted
LATELY = dt.timedelta(days=27)  # and the last day itself: four weeks
DAY_GATES = {
    rule.check: Gate(subject=TRANSACTIONS, check=rule.check, description=rule.sentence)
    for rule in DAY_RULES
    if rule.expectations(configured.transactions)
}


@gate_checks(list(DAY_GATES.values()))
def transactions_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Profile the run's days once, and let Great Expectations judge the profile."""
    feed, days = settings.transactions, days_of(context)
    frame = profiled(days, settings, tables)
    expected = expectations(feed)
    outcomes = iter(validate(frame, [each for group in expected.values() for each in group]))
    by_check = {check: [next(outcomes) for _ in group] for check, group in expected.items()}
    bad = sorted({day for group in by_check.values() for outcome in group for day in outcome.offenders})
    changes = {day: _changes(day, bad, days, settings, tables, operations) for day in bad}
    asides = deliveries.set_aside(tables.read(QUARANTINE, since=bad[0], until=bad[-1])) if bad else {}
    last = frame.iloc[-1].to_dict()
    for check, group in by_check.items():
        faults: dict[dt.date | None, dict[str, None]] = {}
        for outcome in group:
            for day in outcome.offenders:
                column = outcome.expectation.kwargs["column"]
                text = fault(column, frame.loc[day].to_dict(), feed, aside=asides.get(day))
                faults.setdefault(day, {})[text] = None  # both ends of a range say the same
        columns = {outcome.expectation.kwargs["column"]: None for outcome in group}
        numbers = {name: float(last[name]) for name in columns if last[name] == last[name]}  # no NaN
        yield replace(
            gate_result(DAY_GATES[check], group, **numbers),
            broken={day: f"{', '.join(texts)}; {changes[day]}" for day, texts in faults.items()},
        )


def profiled(days: Sequence[dt.date], settings: Settings, tables: TableStore) -> "pd.DataFrame":
    """The profile of each day, worked out for as many days at a time as memory holds."""
    import pandas as pd

    lines_by_day = tables.rows_by_day(TRANSACTIONS)
    return pd.concat(
        profile(
            tables.read(TRANSACTIONS, since=group[0], until=group[-1]),
            tables.read(QUARANTINE, since=group[0], until=group[-1]),
            days=group,
            closed=[day for day in group if settings.is_closed(day)],
            lines_by_day=lines_by_day,
            feed=settings.transactions,
            timezone=settings.timezone,
        )
        for group in groups_of_days(days, lines_by_day, bytes_a_row=BYTES_A_LINE)
    )


def _changes(
    day: dt.date,
    bad: Sequence[dt.date],
    days: Sequence[dt.date],
    settings: Settings,
    tables: TableStore,
    operations: OperationsDatabase,
) -> str:
    """What changed on `day` since the last good day: one of the same run, or one on record."""
    of_run = [other for other in days if other < day and other not in bad and not settings.is_closed(other)]
    newest = operations.records(Delivery, business_date=of_run[-1], last=1) if of_run else []
    good = newest[0] if newest else deliveries.last_good_delivery(operations, settings.transactions, before=days[0])
    now = operations.records(Delivery, business_date=day, last=1)
    lines, before = tables.read(TRANSACTIONS, since=day, until=day), tables.read(TRANSACTIONS, until=day - ONE_DAY)
    unseen = lines.filter(lines.store_id.notnull()).anti_join(before, "store_id") if good else None
    unseen_stores = count_values(unseen.store_id) if unseen is not None else {}
    return deliveries.compared(now[0] if now else None, good, unseen_stores=unseen_stores)


def _of(table: str, check: str, description: str) -> Gate:
    return Gate(subject=table, check=check, description=description, has_days=False)


PRODUCT_GATE = _of(PRODUCTS, "product_is_known_once", "A product stands once in the catalogue, with a name.")
RECOMMENDABLE_GATE = _of(PRODUCTS, "something_is_recommendable", "There is something to recommend.")
EXCLUSION_GATE = _of(
    PRODUCTS,
    "every_exclusion_matches",
    "Every value of `not_recommendable` is a product's: what was ruled out by another spelling would be recommended.",
)
KNOWN_GATE = replace(
    _of(PRODUCTS, "products_sold_are_known", "The catalogue has nearly all that was sold in the last four weeks."),
    reads=(TRANSACTIONS,),
)
HOUSEHOLD_GATE = replace(
    _of(HOUSEHOLDS, "household_is_known_once", "A household stands once in the household file."), quotes=False
)
OFFER_GATE = _of(OFFERS, "offer_is_known_once", "A product has one offer for a period.")
REACH_GATE = _of(
    OFFERS,
    "offer_has_days_and_reach",
    "An offer ends on or after its first day, was known by then, and holds for some stores, at most all.",
)


@gate_checks([PRODUCT_GATE, RECOMMENDABLE_GATE, EXCLUSION_GATE, KNOWN_GATE])
def products_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Let Great Expectations judge the catalogue."""
    rows = tables.read(PRODUCTS)
    frame = rows.select("product_id", "name").to_pandas()
    outcomes = validate(frame, unique_and_given("product_id", "name"))
    yield gate_result(PRODUCT_GATE, outcomes, products=len(frame))
    counted = rows.agg(recommendable=rows.is_recommendable.sum().fill_null(0)).to_pandas()
    outcomes = validate(counted, [between("recommendable", catalogue.FEWEST_PRODUCTS, None)])
    yield gate_result(RECOMMENDABLE_GATE, outcomes, recommendable=int(counted["recommendable"].item()))
    if settings.products is None:  # then it is what was sold
        yield from (GateResult(gate=EXCLUSION_GATE), GateResult(gate=KNOWN_GATE))
        return
    missing = catalogue.unmatched(rows, settings.products)
    says = f"no product has {listed(missing)}: correct it under [products.not_recommendable], or take it out"
    yield GateResult(
        gate=EXCLUSION_GATE, broken={None: says} if missing else {}, metadata={"values_without_products": len(missing)}
    )
    last, least = max(filter(None, tables.rows_by_day(TRANSACTIONS)), default=None), settings.products.least_known_share
    share = catalogue.known_share(tables.read(TRANSACTIONS, since=last - LATELY), rows) if last else None
    is_broken = share is not None and share < least
    says = (
        f"of the lines sold in the four weeks up to {last} it knows the products of {share or 0:.1%}; "
        f"least_known_share under [products] is {least:.1%}"
    )
    yield GateResult(
        gate=KNOWN_GATE,
        broken={None: says} if is_broken else {},
        metadata={} if share is None else {"known_share": share},
    )


@gate_checks([HOUSEHOLD_GATE])
def households_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Let Great Expectations judge the household file."""
    rows = tables.read(HOUSEHOLDS).select("household_id").to_pandas()
    yield gate_result(HOUSEHOLD_GATE, validate(rows, unique_and_given("household_id")), households=len(rows))


@gate_checks([OFFER_GATE, REACH_GATE])
def offers_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Count what is wrong with the offers, and let Great Expectations judge the counts."""
    rows = tables.read(OFFERS)
    keys = rows.select("product_id", "starts_on", "ends_on").distinct()
    frame = keys.agg(repeated=rows.count().as_scalar() - keys.count()).to_pandas()
    yield gate_result(OFFER_GATE, validate(frame, [between("repeated", 0, 0)]), repeated=int(frame["repeated"].item()))
    is_incomplete = rows.product_id.isnull()
    for column in (rows.starts_on, rows.ends_on, rows.known_from, rows.reach):
        is_incomplete |= column.isnull()
    wrong = {
        "ends_before_it_starts": rows.ends_on < rows.starts_on,
        "known_too_late": rows.known_from > rows.starts_on,
        "reach_is_no_share": ~((rows.reach > 0) & (rows.reach <= 1)),
        "incomplete": is_incomplete,
    }
    frame = rows.agg(**{name: is_wrong.sum().fill_null(0) for name, is_wrong in wrong.items()}).to_pandas()
    counts = {name: int(frame[name].item()) for name in wrong}
    yield gate_result(REACH_GATE, validate(frame, [between(name, 0, 0) for name in wrong]), **counts)
