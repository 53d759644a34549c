"""The checks of a day: each holds on a good day and fails on a day that is bad in that one way."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from assets.grocery.ingestion.cleaning import TYPES
from assets.grocery.ingestion.profile import profile, volume_against_weekday
from assets.grocery.ingestion.rules import IN_ONE_FILE, expectations
from resources.config.retailer import TransactionsConfig
from resources.days import ONE_DAY
from resources.validation import validate

DAY = dt.date(2024, 3, 5)
NAMES = ("household_id", "product_id", "occurred_at", "basket_id", "quantity", "sales_value", "store_id")
FEED = {
    "path": "x.csv",
    "columns": {column: column for column in NAMES},
}
GOOD = {
    "business_date": DAY,
    "household_id": "H1",
    "basket_id": "R1",
    "store_id": "S1",
    "product_id": "P1",
    "occurred_at": dt.datetime(2024, 3, 5, 9),
    "quantity": 1.0,
    "sales_value": 2.5,
}
LINES = [GOOD, GOOD | {"product_id": "P2"}, GOOD | {"basket_id": "R2"}]


def feed(**contract: Any) -> TransactionsConfig:
    return TransactionsConfig.model_validate(FEED | {"contract": contract})


def frame(
    engine,
    lines: Sequence[dict[str, Any]],
    *,
    quarantined: int = 0,
    taken_once: int = 0,
    days: Sequence[dt.date] = (DAY,),
    closed: Sequence[dt.date] = (),
    by_day: dict[dt.date | None, int] | None = None,
    contract: dict[str, Any] | None = None,
    types: dict[str, pa.DataType] | None = None,
):
    import ibis

    schema = {name: ibis.dtype(type_).to_pyarrow() for name, type_ in TYPES.items()} | (types or {})
    rows = pa.Table.from_pylist(list(lines), schema=pa.schema(schema))
    transactions = engine.create_table("profiled", rows, overwrite=True, temp=True)
    held_back = pa.table(
        {
            "business_date": pa.array([DAY] * (quarantined + taken_once), pa.date32()),
            "rule": pa.array(["R"] * quarantined + [IN_ONE_FILE.name] * taken_once, pa.string()),
        }
    )
    return profile(
        transactions,
        engine.create_table("held_back", held_back, overwrite=True, temp=True),
        days=days,
        closed=closed,
        lines_by_day=by_day or {DAY: len(lines)},
        feed=feed(**contract or {}),
        timezone="Europe/Berlin",
    )


def broken(frame, **contract: Any) -> set[str]:
    """The checks that fail, with what Great Expectations says of the frame."""
    expected = expectations(feed(**contract))
    outcomes = validate(frame, [each for group in expected.values() for each in group])
    failed = [outcome.expectation for outcome in outcomes if not outcome.is_met]
    return {check for check, group in expected.items() if any(each in failed for each in group)}


def changed(place: int, **values: Any) -> list[dict[str, Any]]:
    return [line | values if number == place else line for number, line in enumerate(LINES)]


WEEKS = {DAY - dt.timedelta(weeks=week): 3 for week in range(1, 5)}
BAD: dict[str, dict[str, Any]] = {
    "day_has_lines_unless_closed": {"lines": []},
    "columns_have_their_types": {"lines": LINES, "types": {"source_row": pa.int32()}},
    "keys_are_complete": {"lines": changed(1, household_id=None)},
    "product_is_once_a_basket": {"lines": changed(1, product_id="P1")},
    "basket_has_one_household": {"lines": changed(1, household_id="H2")},
    "timestamps_are_inside_the_day": {"lines": changed(0, occurred_at=dt.datetime(2024, 3, 5, 23))},  # Berlin: the 6th
    "amounts_are_in_range": {"lines": changed(2, sales_value=10_000.5)},
    "values_are_allowed": {"lines": changed(0, store_id="S2"), "contract": {"allowed": {"store_id": ["S1"]}}},
    "quarantined_share_is_small": {"lines": LINES, "quarantined": 1},  # a quarter; 2 % are allowed
    "volume_is_like_the_same_weekday": {"lines": LINES, "by_day": {DAY: 8, **WEEKS}},  # 8 / 3 is above 2.5
}


def test_every_check_has_a_bad_day_here():
    assert set(BAD) == set(expectations(feed(allowed={"store_id": ["S1"]})))


def test_good_day_passes_every_check(engine):
    assert broken(frame(engine, LINES, by_day={DAY: 3, **WEEKS})) == set()


@pytest.mark.parametrize("check", BAD)
def test_bad_day_fails_exactly_its_check(engine, check):
    assert broken(frame(engine, **BAD[check]), **BAD[check].get("contract", {})) == {check}


def test_lowest_amount_counts_too(engine):
    assert broken(frame(engine, changed(0, quantity=-1.0))) == {"amounts_are_in_range"}


def test_closed_day_may_be_empty_and_the_day_beside_it_not(engine):
    both = [DAY, DAY + ONE_DAY]
    assert broken(frame(engine, LINES, days=both, closed=[DAY + ONE_DAY])) == set()
    assert broken(frame(engine, LINES, days=both, closed=[])) == {"day_has_lines_unless_closed"}


def test_anonymous_lines_pass_where_the_contract_allows_them(engine):
    anonymous = [GOOD | {"household_id": None, "basket_id": None}] * 2  # of no basket: not twice in one
    contract = {"is_household_required": False}
    assert broken(frame(engine, [*LINES, *anonymous], contract=contract), **contract) == set()
    assert "keys_are_complete" in broken(frame(engine, [*LINES, *anonymous]))


def test_contract_without_unique_products_has_no_check_for_it():
    assert "product_is_once_a_basket" not in expectations(feed(is_product_once_a_basket=False))


def test_amounts_that_the_feed_lacks_are_not_expected():
    columns = {name: name for name in ("household_id", "product_id", "occurred_at")}
    assert "amounts_are_in_range" not in expectations(
        TransactionsConfig.model_validate({"path": "x", "columns": columns})
    )


def test_profile_is_worked_out_by_day(engine):
    lines = [*changed(1, household_id=None, quantity=4.0), GOOD | {"business_date": DAY + ONE_DAY, "quantity": 0.0}]
    # what an earlier file has too is no mistake of a line
    row = frame(engine, lines, quarantined=1, taken_once=5, days=[DAY, DAY + ONE_DAY]).loc[DAY]
    assert row["lines"] == 3
    assert row["missing_keys"] == 1
    assert (row["lowest_quantity"], row["highest_quantity"]) == (1, 4)
    assert row["quarantined_share"] == 0.25  # one of the three good and one bad


class TestVolume:
    def test_is_lines_over_the_median_of_the_weekdays_before(self):
        # weeks before:       1   2   3   4     (9 is too long ago, and yesterday is another weekday)
        weeks = zip((1, 2, 3, 4, 9), (10, 20, 30, 100, 999), strict=True)
        lines = {DAY - dt.timedelta(weeks=week): n for week, n in weeks} | {DAY: 50, DAY - ONE_DAY: 7}
        assert volume_against_weekday(DAY, lines) == 50 / 25

    def test_days_without_lines_are_not_compared_with(self):
        lines = {DAY: 30, **{DAY - dt.timedelta(weeks=week): n for week, n in ((1, 0), (2, 20), (3, 10), (4, 30))}}
        assert volume_against_weekday(DAY, lines) == 30 / 20

    @pytest.mark.parametrize("lines", [{DAY: 5, DAY - dt.timedelta(weeks=1): 5, DAY - dt.timedelta(weeks=2): 5}, {}])
    def test_is_unknown_with_too_little_to_compare_with(self, lines):
        assert math.isnan(volume_against_weekday(DAY, lines))
