"""What must hold of the delivered tables before anything is built on them; all of it blocks the rest of the run."""

from collections.abc import Iterator

import dagster as dg

from assets.ingestion.assets import (
    HOUSEHOLDS,
    OFFERS,
    PRODUCTS,
    QUARANTINE,
    TRANSACTIONS,
    households,
    offers,
    products,
    transactions,
)
from assets.ingestion.profile import expectations, profile
from assets.partitions import days_of
from assets.partitions import settings as configured
from resources.settings import Settings
from resources.table_store import TableStore
from resources.validation import Expectation, Outcome, validate

DESCRIPTIONS = {
    "day_has_lines_unless_closed": "A business day that was not declared closed has lines.",
    "columns_have_their_types": "The table has its columns, with their types.",
    "keys_are_complete": "Every line names its product, and its household and basket unless anonymous ones are allowed.",
    "product_is_once_a_basket": "A product is one line of a basket.",
    "basket_has_one_household": "All lines of a basket are of one household.",
    "timestamps_are_inside_the_day": "Every purchase happened on the partition's local day.",
    "amounts_are_in_range": "Quantities and values are within the contract's ranges.",
    "quarantined_share_is_small": "No more lines were quarantined than the contract allows: else the feed is to be mended.",
    "volume_is_like_the_same_weekday": "The day has about as many lines as the same weekday of the eight weeks before: "
    "far fewer is a feed that broke off, far more one that was sent twice.",
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=transactions, blocking=True, description=DESCRIPTIONS[name])
        for name in expectations(configured.transactions)
    ]
)
def transactions_are_fit_to_use(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], tables: TableStore
) -> Iterator[dg.AssetCheckResult]:
    """Profile the run's days once, and let Great Expectations judge the profile."""
    days = days_of(context)
    frame = profile(
        tables.read(TRANSACTIONS, since=days[0], until=days[-1]),
        tables.read(QUARANTINE, since=days[0], until=days[-1]),
        days=days,
        closed=[day for day in days if settings.is_closed(day)],
        lines_by_day=tables.rows_by_day(TRANSACTIONS),
        feed=settings.transactions,
        timezone=settings.timezone,
    )
    expected = expectations(settings.transactions)
    outcomes = iter(validate(frame, [each for group in expected.values() for each in group]))
    for check, group in expected.items():
        yield _result(check, transactions, [next(outcomes) for _ in group])


def _unique_and_given(key: str) -> list[Expectation]:
    return [
        Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": key}),
        Expectation(type="expect_column_values_to_be_unique", kwargs={"column": key}),
    ]


@dg.asset_check(asset=products, blocking=True, description="A product stands once in the catalogue, with a name.")
def product_is_known_once(tables: TableStore) -> dg.AssetCheckResult:
    rows = tables.read(PRODUCTS).select("product_id", "name").to_pandas()
    named = Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "name"})
    return _result("product_is_known_once", products, validate(rows, [*_unique_and_given("product_id"), named]))


@dg.asset_check(asset=products, blocking=True, description="There is something to recommend.")
def something_is_recommendable(tables: TableStore) -> dg.AssetCheckResult:
    rows = tables.read(PRODUCTS)
    frame = rows.agg(recommendable=rows.is_recommendable.sum().fill_null(0)).to_pandas()
    some = Expectation(type="expect_column_values_to_be_between", kwargs={"column": "recommendable", "min_value": 10})
    return _result("something_is_recommendable", products, validate(frame, [some]))


@dg.asset_check(asset=households, blocking=True, description="A household stands once in the household file.")
def household_is_known_once(tables: TableStore) -> dg.AssetCheckResult:
    rows = tables.read(HOUSEHOLDS).select("household_id").to_pandas()
    return _result("household_is_known_once", households, validate(rows, _unique_and_given("household_id")))


@dg.asset_check(asset=offers, blocking=True, description="A product has one offer for a period.")
def offer_is_known_once(tables: TableStore) -> dg.AssetCheckResult:
    rows = tables.read(OFFERS)
    keys = rows.select("product_id", "starts_on", "ends_on").distinct()
    frame = keys.agg(repeated=rows.count().as_scalar() - keys.count()).to_pandas()
    return _result("offer_is_known_once", offers, validate(frame, [_none("repeated")]))


@dg.asset_check(
    asset=offers,
    blocking=True,
    description="An offer ends on or after its first day, was known by then, and holds for some stores, at most all.",
)
def offer_has_days_and_reach(tables: TableStore) -> dg.AssetCheckResult:
    rows = tables.read(OFFERS)
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
    return _result("offer_has_days_and_reach", offers, validate(frame, [_none(name) for name in wrong]))


def _none(column: str) -> Expectation:
    return Expectation(
        type="expect_column_values_to_be_between", kwargs={"column": column, "min_value": 0, "max_value": 0}
    )


def _result(check: str, asset: dg.AssetsDefinition, outcomes: list[Outcome]) -> dg.AssetCheckResult:
    """One check's result: what was expected, and for each day or row that broke it what was seen."""
    broken = [outcome for outcome in outcomes if not outcome.is_met]
    seen = {
        f"{outcome.expectation.kwargs.get('column', 'table')} of {where}": str(value)
        for outcome in broken
        for where, value in list(zip(outcome.offenders, outcome.observed, strict=True))[:20]
    }
    expected = [{"type": o.expectation.type, **o.expectation.kwargs} for o in outcomes]
    says = "; ".join(f"{where} is {value}" for where, value in list(seen.items())[:5])
    return dg.AssetCheckResult(
        check_name=check,
        asset_key=asset.key,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{says}. Expected: {expected}" if broken else None,
        metadata={"expected": expected, "seen": seen},
    )
