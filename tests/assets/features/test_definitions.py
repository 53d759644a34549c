"""Features by hand on two households, and the rule that holds for all of them: the future changes nothing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.features import definitions
from assets.features.definitions import FeatureTables, build
from tests.tiny import CLOSE, Line, products, transactions

KEYS = {
    "household_product_features": ["household_id", "product_id"],
    "household_features": ["household_id"],
    "product_features": ["product_id", "category"],
    "category_affinity": ["household_id", "category"],
}
HISTORY: list[Line] = [
    ("H1", "P1", 30, 2, 4.00),
    ("H1", "P1", 10, 1, 3.00),
    ("H1", "P2", 10, 1, 5.00),
    ("H1", "P3", 0, 4, 2.00),
    ("H2", "P1", 28, 1, 2.00),
    ("H2", "P1", 20, 1, 1.00),
    ("H2", "P1", 0, 1, 2.00),
]


def made(engine, lines: Sequence[Line], *, as_of: dt.date = CLOSE) -> FeatureTables:
    return build(transactions(engine, lines), products(), as_of=as_of)


def row(table: ibis.Table, **keys: str) -> dict[str, Any]:
    """The features of one row, rounded to what can be written down by hand."""
    (found,) = table.filter([table[name] == value for name, value in keys.items()]).to_pyarrow().to_pylist()
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items() if k not in keys}


def frames(tables: FeatureTables) -> dict[str, pd.DataFrame]:
    return {name: table.order_by(KEYS[name]).to_pandas() for name, table in tables.by_name().items()}


def assert_same(left: FeatureTables, right: FeatureTables) -> None:
    expected = frames(right)
    for name, frame in frames(left).items():
        pd.testing.assert_frame_equal(frame, expected[name], rtol=1e-6)


class TestHouseholdProduct:
    def test_every_feature_of_a_product_bought_twice(self, engine):
        # H1's shopping days, 30, 10 and 0 days ago, are trips 2, 1 and 0; on the second it bought two products.
        # All households' gaps of P1: H1's 20 days once, H2's 28 days in two: 48 / 3 = 16.
        # gap = (own 20 + 2 prior x 16) / (1 own + 2 prior) = 52 / 3
        assert row(made(engine, HISTORY).household_product, household_id="H1", product_id="P1") == {
            "purchases": 2,
            "purchases_month": 1,
            "decayed_30": round(0.5 + 0.5 ** (1 / 3), 4),
            "decayed_90": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9), 4),
            "decayed_180": round(0.5 ** (1 / 6) + 0.5 ** (1 / 18), 4),
            "decayed_trips": round(0.9**2 + 0.9, 4),
            "decayed_share": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9) / 2, 4),
            "days_since_last": 10,
            "days_since_first": 30,
            "trips_since_last": 1,
            "trips_since_first": 3,
            "gap": round(52 / 3, 4),
            "gap_deviation": None,  # of a single gap
            "overdue": round(10 / (52 / 3), 4),
            "quantity": 1.5,
            "price": round(7 / 3, 4),
        }

    def test_gaps_of_three_purchases(self, engine):
        found = row(made(engine, HISTORY).household_product, household_id="H2", product_id="P1")
        # own gaps 8 and 20; (28 + 2 x 16) / (2 + 2) = 15; bought today
        assert (found["gap"], found["overdue"]) == (15, 0)
        assert found["gap_deviation"] == round(math.sqrt(72), 4)

    def test_product_bought_once_by_everybody_is_not_overdue_before_its_time_has_passed(self, engine):
        tables = made(engine, HISTORY)
        found = row(tables.household_product, household_id="H1", product_id="P2")
        # nobody repeated it: the gap is the 10 + 1 days that have passed
        assert (found["purchases"], found["gap"], found["overdue"]) == (1, 11, round(10 / 11, 4))
        today = row(tables.household_product, household_id="H1", product_id="P3")
        assert (today["gap"], today["overdue"], today["trips_since_first"]) == (1, 0, 1)

    def test_lines_of_a_day_are_one_purchase(self, engine):
        twice = made(engine, [("H1", "P1", 3, 1, 2.0), ("H1", "P1", 3, 2, 4.0)])
        found = row(twice.household_product, household_id="H1", product_id="P1")
        assert (found["purchases"], found["quantity"], found["price"]) == (1, 3, 2)

    def test_feed_without_prices_has_no_price(self, engine):
        found = made(engine, [("H1", "P1", 3, 1, None)])
        assert row(found.household_product, household_id="H1", product_id="P1")["price"] is None
        assert row(found.product, product_id="P1")["price_change"] is None


class TestHousehold:
    def test_habits(self, engine):
        assert row(made(engine, HISTORY).household, household_id="H1") == {
            "trips": 3,
            "trips_month": 2,
            "days_since_trip": 0,
            "trip_gap": 15,  # 30 days in two gaps
            "basket_products": round(4 / 3, 4),  # 1, 2 and 1
            "products": 3,
            "repeat_share": 0.25,  # one of the four purchases was a repeat
            "spend_month": 10,  # 3 + 5 and 2; 30 days ago is before
        }

    def test_single_purchase_has_no_gap(self, engine):
        found = row(made(engine, [("H9", "P1", 5, 1, 2.5)]).household, household_id="H9")
        assert (found["trips"], found["trip_gap"], found["repeat_share"], found["spend_month"]) == (1, None, 0, 2.5)

    def test_month_is_four_whole_weeks(self, engine):
        found = row(made(engine, [("H9", "P1", 28, 1, 1.0), ("H9", "P1", 27, 1, 1.0)]).household, household_id="H9")
        assert (found["trips"], found["trips_month"]) == (2, 1)


class TestProduct:
    def test_sales(self, engine):
        found = row(made(engine, HISTORY).product, product_id="P1")
        assert found == {
            "category": "MILK",
            "buyers": 2,
            "buyers_month": 2,
            "popularity": round(sum(0.5 ** (age / 30) for age in (30, 10, 28, 20, 0)), 4),
            "trend": 1.8,  # three purchases of the month, times three, over five of the quarter
            "repeat_rate": 1,
            "product_gap": 16,
            "price_month": 2,  # (3 + 1 + 2) for three
            "price_change": 1,  # 12 for six: as ever
        }

    def test_product_that_nobody_repeats(self, engine):
        found = row(made(engine, HISTORY).product, product_id="P2")
        assert (found["repeat_rate"], found["product_gap"]) == (0, None)

    def test_product_that_was_not_sold_for_a_quarter(self, engine):
        found = row(made(engine, [("H1", "P1", 100, 1, 2.0)]).product, product_id="P1")
        assert found["buyers_month"] == 0
        assert found["trend"] is found["price_month"] is found["price_change"] is None


class TestCategoryAffinity:
    def test_needs(self, engine):
        assert row(made(engine, HISTORY).category_affinity, household_id="H1", category="MILK") == {
            "category_purchases": 2,  # P1 alone, then P1 and P2 on one day
            "category_decayed_30": round(0.5 + 0.5 ** (1 / 3), 4),
            "category_decayed_90": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9), 4),
            "category_products": 2,
            "category_days_since_last": 10,
            "category_gap": 20,
        }

    def test_product_of_no_category_is_a_need_of_none(self, engine):
        tables = made(engine, [("H1", "P4", 3, 1, 2.0)])
        assert tables.category_affinity.count().execute() == 0
        assert row(tables.product, product_id="P4")["category"] is None


class TestWhatIsNoPurchase:
    @pytest.mark.parametrize(
        "line",
        [
            ("H1", "P2", 5, 0, 2.0),
            ("H1", "P2", 5, -1, 2.0),
            ("H1", "BAG", 5, 1, 2.0),
            ("H1", "UNKNOWN", 5, 1, 2.0),
            (None, "P2", 5, 1, 2.0),
        ],
        ids=["quantity 0", "return", "not recommendable", "not in the catalogue", "anonymous"],
    )
    def test_is_left_out_of_every_feature(self, engine, line):
        alone = [("H1", "P1", 5, 1, 2.0)]
        assert_same(made(engine, [*alone, line]), made(engine, alone))

    def test_nothing_at_all_is_four_empty_tables(self, engine):
        tables = made(engine, [("H1", "BAG", 5, 1, 2.0)])
        assert {name: table.count().execute() for name, table in tables.by_name().items()} == dict.fromkeys(KEYS, 0)


def test_tables_have_the_described_columns(engine):
    described = {
        "household_product_features": definitions.HOUSEHOLD_PRODUCT,
        "household_features": definitions.HOUSEHOLD,
        "product_features": definitions.PRODUCT,
        "category_affinity": definitions.CATEGORY_AFFINITY,
    }
    for name, table in made(engine, HISTORY).by_name().items():
        assert table.columns == (*KEYS[name], *described[name])
        assert {str(table[feature].type()) for feature in described[name]} == {"float32"}


def test_other_households_change_only_what_is_shared(engine):
    both, alone = made(engine, HISTORY), made(engine, [line for line in HISTORY if line[0] == "H1"])
    assert row(both.household, household_id="H1") == row(alone.household, household_id="H1")
    # alone, P1's usual gap is H1's own 20 days
    assert row(alone.household_product, household_id="H1", product_id="P1")["gap"] == 20


LINES = st.lists(
    st.tuples(
        st.sampled_from(["H1", "H2", "H3", None]),
        st.sampled_from(["P1", "P2", "P3", "P4", "BAG"]),
        st.integers(-10, 100),  # below zero: after the close
        st.sampled_from([0.0, 1.0, 2.0]),
        st.sampled_from([1.0, 2.5, 4.0]),
    ),
    min_size=1,
    max_size=25,
)


@hypothesis_settings(max_examples=10)
@given(LINES)
def test_what_happens_after_the_close_changes_nothing(engine, lines):
    future: list[Line] = [("H1", "P1", -1, 1.0, 1.0), ("H4", "P2", -3, 1.0, 1.0)]
    assert_same(made(engine, [*lines, *future]), made(engine, [line for line in lines if line[2] >= 0]))


@hypothesis_settings(max_examples=10)
@given(LINES, st.randoms(use_true_random=False))
def test_order_of_lines_changes_nothing(engine, lines, random):
    shuffled = random.sample(lines, len(lines))
    assert_same(made(engine, shuffled), made(engine, lines))


def test_earlier_close_is_the_same_as_having_stopped_there(engine):
    earlier = CLOSE - dt.timedelta(days=10)
    known = [line for line in HISTORY if line[2] >= 10]
    assert_same(made(engine, HISTORY, as_of=earlier), made(engine, known, as_of=earlier))
    assert row(made(engine, HISTORY, as_of=earlier).household, household_id="H1")["days_since_trip"] == 0
