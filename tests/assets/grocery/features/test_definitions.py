"""Features by hand on two households, and the rule that holds for all of them: the future changes nothing."""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.grocery.candidates.candidates import candidates
from assets.grocery.features.definitions import FeatureTables, build, build_of
from assets.grocery.features.purchases import purchases
from assets.grocery.features.shared_days import shared_days
from assets.grocery.features.tables import FEATURES_OF
from tests.support.histories import CLOSE, Line, Offer, offers, products, transactions

KEYS = {
    "household_product_features": ["household_id", "product_id"],
    "household_features": ["household_id"],
    "product_features": ["product_id", "category", "subcategory"],
    "category_affinity": ["household_id", "category"],
    "subcategory_affinity": ["household_id", "subcategory"],
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


def made(engine, lines: Sequence[Line], planned: Sequence[Offer] = (), *, as_of: dt.date = CLOSE) -> FeatureTables:
    """The five tables; those of lines that several tests look at are built once."""
    return _made(engine, tuple(lines), tuple(planned), as_of)


@functools.cache
def _made(engine, lines: Sequence[Line], planned: Sequence[Offer], as_of: dt.date) -> FeatureTables:
    return build(transactions(engine, lines), products(), offers(planned), as_of=as_of)


@functools.cache
def rows(table: ibis.Table) -> list[dict[str, Any]]:
    return table.to_pyarrow().to_pylist()


def row(table: ibis.Table, **keys: str) -> dict[str, Any]:
    """The features of one row, rounded to what can be written down by hand."""
    (found,) = [each for each in rows(table) if all(each[name] == value for name, value in keys.items())]
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
            "decayed_14": round(0.5 ** (30 / 14) + 0.5 ** (10 / 14), 4),
            "decayed_30": round(0.5 + 0.5 ** (1 / 3), 4),
            "decayed_60": round(0.5 ** (1 / 2) + 0.5 ** (1 / 6), 4),
            "decayed_90": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9), 4),
            "decayed_180": round(0.5 ** (1 / 6) + 0.5 ** (1 / 18), 4),
            "decayed_trips_80": round(0.8**2 + 0.8, 4),
            "decayed_trips_90": round(0.9**2 + 0.9, 4),
            "decayed_trips_97": round(0.97**2 + 0.97, 4),
            "decayed_share": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9) / 2, 4),
            "decayed_root_share": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9) / math.sqrt(2), 4),
            "days_since_last": 10,
            "days_since_2": 30,
            "days_since_3": None,
            "days_since_4": None,
            "days_since_5": None,
            "days_since_first": 30,
            "trips_since_last": 1,
            "trips_since_first": 3,
            "gap": round(52 / 3, 4),
            "gap_deviation": None,  # of a single gap
            "gap_shortest": 20,
            "gap_longest": 20,
            "overdue": round(10 / (52 / 3), 4),
            "quantity": 1.5,
            "price": round(7 / 3, 4),
            "decayed_on_offer": 0,
            "days_since_on_offer": None,
            "days_since_off_offer": 10,
            "subcategory_offered": 0,
            "rivals_offered": None,  # it buys no other whole milk
        }

    def test_gaps_of_three_purchases(self, engine):
        found = row(made(engine, HISTORY).household_product, household_id="H2", product_id="P1")
        # own gaps 8 and 20; (28 + 2 x 16) / (2 + 2) = 15; bought today
        assert (found["gap"], found["overdue"]) == (15, 0)
        assert found["gap_deviation"] == round(math.sqrt(72), 4)
        assert (found["gap_shortest"], found["gap_longest"]) == (8, 20)

    def test_ages_of_the_latest_purchases_are_told_one_by_one(self, engine):
        lines: list[Line] = [("H1", "P1", age, 1, 1.0) for age in (41, 2, 23, 3, 13, 7)]  # told in any order
        found = row(made(engine, lines).household_product, household_id="H1", product_id="P1")
        ages = [found[f"days_since_{n}"] for n in ("last", 2, 3, 4, 5, "first")]
        assert ages == [2, 3, 7, 13, 23, 41]
        assert (found["gap_shortest"], found["gap_longest"]) == (1, 18)  # 1, 4, 6, 10 and 18 days
        bought_twice_that_day = [*lines, ("H1", "P1", 3, 1, 1.0)]
        again = row(made(engine, bought_twice_that_day).household_product, household_id="H1", product_id="P1")
        assert again["days_since_3"] == 7

    def test_product_bought_once_by_everybody_is_not_overdue_before_its_time_has_passed(self, engine):
        tables = made(engine, HISTORY)
        found = row(tables.household_product, household_id="H1", product_id="P2")
        # nobody repeated it: the gap is the 10 + 1 days that have passed
        assert (found["purchases"], found["gap"], found["overdue"]) == (1, 11, round(10 / 11, 4))
        today = row(tables.household_product, household_id="H1", product_id="P3")
        assert (today["gap"], today["overdue"], today["trips_since_first"]) == (1, 0, 1)
        assert today["days_since_2"] is today["gap_shortest"] is today["gap_longest"] is None

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
            "basket_products_lately": round(4 / 3, 4),  # there are no more than five
            "products": 3,
            "product_days": 4,
            "repeat_share": 0.25,  # one of the four purchases was a repeat
            "spend_month": 10,  # 3 + 5 and 2; 30 days ago is before
            "offer_share": 0,
        }

    def test_single_purchase_has_no_gap(self, engine):
        found = row(made(engine, [("H9", "P1", 5, 1, 2.5)]).household, household_id="H9")
        assert (found["trips"], found["trip_gap"], found["repeat_share"], found["spend_month"]) == (1, None, 0, 2.5)

    def test_baskets_lately_are_the_last_five(self, engine):
        lines: list[Line] = [("H9", "P1", age, 1, 1.0) for age in (9, 8, 7, 6, 5, 4)]
        lines += [("H9", "P2", 9, 1, 1.0), ("H9", "P3", 9, 1, 1.0)]
        found = row(made(engine, lines).household, household_id="H9")
        # three products, then one five times
        assert (found["basket_products"], found["basket_products_lately"]) == (round(8 / 6, 4), 1)

    def test_month_is_four_whole_weeks(self, engine):
        found = row(made(engine, [("H9", "P1", 28, 1, 1.0), ("H9", "P1", 27, 1, 1.0)]).household, household_id="H9")
        assert (found["trips"], found["trips_month"]) == (2, 1)


class TestProduct:
    def test_sales(self, engine):
        found = row(made(engine, HISTORY).product, product_id="P1")
        assert found == {
            "category": "MILK",
            "subcategory": "WHOLE MILK",
            "buyers": 2,
            "buyers_month": 2,
            "buyers_week": 1,
            "popularity": round(sum(0.5 ** (age / 30) for age in (30, 10, 28, 20, 0)), 4),
            "trend": 1.8,  # three purchases of the month, times three, over five of the quarter
            "trend_week": round(4 / 3, 4),  # one purchase of the week, times four, over three of the month
            "repeat_rate": 1,
            "purchases_per_buyer": 2.5,
            "product_gap": 16,
            "price_month": 2,  # (3 + 1 + 2) for three
            "price_week": 2,
            "price_change": 1,  # 12 for six: as ever
            "price_change_week": 1,
            # Nobody owned anything 84 days ago. 14 days ago P1 alone was owned: it is what it is measured by.
            **{f"{level}pace_{days}": 1 for level in ("", "subcategory_", "category_") for days in (14, 84)},
            "offered_next": 0,
            "offered_last": 0,
            "offered_half_year": 0,
            "days_since_offer": None,
            "offer_uplift": 1,
            "offer_price": None,
            "subcategory_offered_next": 0,
        }

    def test_week_is_seven_days(self, engine):
        lines: list[Line] = [
            ("H1", "P1", 7, 1, 3.0),
            ("H1", "P2", 6, 1, 5.0),
            ("H2", "P2", 0, 2, 2.0),
            ("H2", "P2", 9, 1, 1.0),
        ]
        tables = made(engine, lines)
        found = row(tables.product, product_id="P2")
        assert (found["buyers_week"], found["trend_week"]) == (2, round(4 * 2 / 3, 4))
        assert found["price_week"] == round(7 / 3, 4)
        assert found["price_change_week"] == round(7 / 3 / 2, 4)  # 8 for four of all time
        a_day_late = row(tables.product, product_id="P1")
        assert (a_day_late["buyers_week"], a_day_late["trend_week"], a_day_late["price_week"]) == (0, 0, None)

    def test_product_that_nobody_repeats(self, engine):
        found = row(made(engine, HISTORY).product, product_id="P2")
        assert (found["repeat_rate"], found["product_gap"]) == (0, None)

    def test_product_that_was_not_sold_for_a_quarter(self, engine):
        found = row(made(engine, [("H1", "P1", 100, 1, 2.0)]).product, product_id="P1")
        assert found["buyers_month"] == 0
        assert found["trend"] is found["price_month"] is found["price_change"] is None
        assert found["trend_week"] is found["price_week"] is found["price_change_week"] is None

    def test_offers_near_the_close_as_far_as_they_were_announced(self, engine):
        planned: list[Offer] = [
            ("P1", -1, -7, 0, 0.5),  # the whole next week, announced today
            ("P2", 6, 0, 8, 1.0),  # the whole last week
            ("P3", -1, -7, -1, 1.0),  # announced tomorrow
        ]
        product = made(engine, HISTORY, planned).product
        found = {name: row(product, product_id=name) for name in ("P1", "P2", "P3")}
        offered = {name: (of["offered_next"], of["offered_last"]) for name, of in found.items()}
        assert offered == {"P1": (0.5, 0), "P2": (0, 1), "P3": (0, 0)}


class TestOffersOfThePast:
    """P1 was on offer in half of the stores from 29 to 16 days ago, and is everywhere from tomorrow on."""

    PLANNED: tuple[Offer, ...] = (
        ("P1", 29, 16, 30, 0.5),
        ("P1", -1, -7, 0, 1.0),
        ("P1", 12, 8, -1, 1.0),
    )  # the last is told too late
    CATALOGUE = (
        {"product_id": "P1", "subcategory": "MILK"},
        {"product_id": "P2", "subcategory": "MILK"},
        {"product_id": "P3"},
    )
    LINES: tuple[Line, ...] = (
        ("H1", "P1", 30, 1, 2.0),
        ("H1", "P1", 20, 1, 1.0),
        ("H1", "P1", 10, 1, 2.0),
        ("H1", "P2", 0, 1, 1.0),
        ("H1", "P3", 0, 1, 1.0),
        ("H2", "P1", 28, 2, 2.0),
    )

    def tables(self, engine) -> FeatureTables:
        return build(transactions(engine, self.LINES), products(self.CATALOGUE), offers(self.PLANNED), as_of=CLOSE)

    def test_what_a_household_bought_on_offer(self, engine):
        tables = self.tables(engine)
        found = row(tables.household_product, household_id="H1", product_id="P1")
        on_offer = 0.5 * 0.5 ** (20 / 90)
        assert found["decayed_on_offer"] == round(on_offer, 4)
        # Half of the stores is not more than half: nothing of it counts as bought on offer for sure.
        assert (found["days_since_on_offer"], found["days_since_off_offer"]) == (None, 10)
        all_of_it = sum(0.5 ** (age / 90) for age in (30, 20, 10, 0, 0))
        assert row(tables.household, household_id="H1")["offer_share"] == round(on_offer / all_of_it, 4)

    def test_what_replaces_a_product_may_be_on_offer(self, engine):
        tables = self.tables(engine)
        p1 = sum(0.5 ** (age / 90) for age in (30, 20, 10))
        milk = {what: row(tables.household_product, household_id="H1", product_id=what) for what in ("P1", "P2")}
        assert {found["subcategory_offered"] for found in milk.values()} == {round(p1 / (p1 + 1), 4)}
        assert (milk["P1"]["rivals_offered"], milk["P2"]["rivals_offered"]) == (0, 1)
        alone = row(tables.household_product, household_id="H1", product_id="P3")
        assert alone["subcategory_offered"] is alone["rivals_offered"] is None  # of no subcategory
        assert row(tables.product, product_id="P2")["subcategory_offered_next"] == 0.8  # four purchases of five

    def test_what_an_offer_does_to_sales_and_price(self, engine):
        found = row(self.tables(engine).product, product_id="P1")
        assert found["offered_half_year"] == round(14 * 0.5 / 182, 4)
        assert found["days_since_offer"] == 16
        # Two of four purchases were in its one full week of offers (14 half days), the other half of them off offer.
        usual = 2 * 4 / 26
        assert found["offer_uplift"] == round(((1 + usual) / (1 + 2)) / ((3 + usual) / (25 + 2)), 4)
        # On offer 1.0 for one and 2.0 for two, each by half; off offer the other halves, and 2.0 twice.
        assert found["offer_price"] == round((1.5 / 1.5) / ((1.5 + 4) / (1.5 + 2)), 4)


class TestPace:
    """Owners bought a product before the last `days` days. A single purchase on the very day before them lets expect
    1 - exp(-1 / 8), up to the factor that makes all that is expected as much as all that was bought again.
    """

    CATALOGUE = (
        {"product_id": "A1", "category": "X", "subcategory": "A"},
        {"product_id": "A2", "category": "X", "subcategory": "A"},
        {"product_id": "B1", "category": "X", "subcategory": "B"},
        {"product_id": "N1"},
    )

    def paces(self, engine, lines: Sequence[Line], *, days: int) -> dict[str, list[float]]:
        table = build(transactions(engine, lines), products(self.CATALOGUE), offers(), as_of=CLOSE).product
        found = {key: row(table, product_id=key) for key in table.product_id.to_pyarrow().to_pylist()}
        levels = ("category_", "subcategory_", "")
        return {key: [of[f"{level}pace_{days}"] for level in levels] for key, of in found.items()}

    @pytest.mark.parametrize("days", [14, 84])
    def test_level_with_little_to_expect_is_drawn_towards_the_one_above(self, engine, days):
        owned = [("H1", "A1"), ("H2", "A1"), ("H1", "A2"), ("H2", "B1"), ("H1", "N1"), ("H2", "N1")]
        # Six pairs, and six purchases again: one is expected of each.
        again = [("H1", age) for age in (days - 1, 3, 1, 0)] + [("H2", age) for age in (2, 0)]
        lines: list[Line] = [
            *((who, what, days, 1, 1.0) for who, what in owned),
            *((who, "A1", age, 1, 1.0) for who, age in again),
            ("H3", "A1", 3, 1, 1.0),  # never owned it before: nothing of it is again
            ("H3", "A1", 0, 1, 1.0),
        ]
        found = self.paces(engine, lines, days=days)
        category = (6 + 3 * 1) / (4 + 3)
        a, b = (6 + 3 * category) / (3 + 3), (0 + 3 * category) / (1 + 3)
        expected = {
            "A1": [category, a, (6 + 3 * a) / (2 + 3)],
            "A2": [category, a, (0 + 3 * a) / (1 + 3)],
            "B1": [category, b, (0 + 3 * b) / (1 + 3)],
            "N1": [1, 1, (0 + 3 * 1) / (2 + 3)],  # of no category: drawn towards 1 itself
        }
        assert found == {key: pytest.approx(values, abs=1e-4) for key, values in expected.items()}

    def test_purchases_long_before_let_less_expect_and_many_do_not_add_up(self, engine):
        # days before the last 14: H1's B1 0 and 60, worth 1 + 0.5; H2's N1 0 alone; one purchase again in all
        lines: list[Line] = [("H1", "B1", age, 1, 1.0) for age in (74, 14)]
        lines += [("H2", "N1", age, 1, 1.0) for age in (14, 13)]
        b, n = 1 - math.exp(-1.5 / 8), 1 - math.exp(-1 / 8)
        shrinking = 3 / (b / (b + n) + 3)
        found = self.paces(engine, lines, days=14)
        assert found["B1"] == pytest.approx([shrinking, shrinking**2, shrinking**3], abs=1e-4)
        assert found["N1"] == pytest.approx([1, 1, (1 + 3) / (n / (b + n) + 3)], abs=1e-4)

    def test_without_owners_everything_goes_at_its_pace(self, engine):
        assert self.paces(engine, [("H1", "A1", 13, 1, 1.0)], days=14) == {"A1": [1, 1, 1]}


class TestAffinity:
    def test_needs_of_a_category(self, engine):
        assert row(made(engine, HISTORY).category_affinity, household_id="H1", category="MILK") == {
            "category_purchases": 2,  # P1 alone, then P1 and P2 on one day
            "category_purchases_month": 1,
            "category_purchases_week": 0,
            "category_decayed_30": round(0.5 + 0.5 ** (1 / 3), 4),
            "category_decayed_90": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9), 4),
            "category_products": 2,
            "category_days_since_last": 10,
            "category_gap": 20,
        }

    def test_needs_of_its_subcategories(self, engine):
        needs = made(engine, HISTORY).subcategory_affinity
        assert row(needs, household_id="H1", subcategory="WHOLE MILK") == {
            "subcategory_purchases": 2,
            "subcategory_purchases_month": 1,
            "subcategory_purchases_week": 0,
            "subcategory_decayed_30": round(0.5 + 0.5 ** (1 / 3), 4),
            "subcategory_decayed_90": round(0.5 ** (1 / 3) + 0.5 ** (1 / 9), 4),
            "subcategory_products": 1,
            "subcategory_days_since_last": 10,
            "subcategory_gap": 20,
        }
        once = row(needs, household_id="H1", subcategory="OAT MILK")
        assert (once["subcategory_purchases"], once["subcategory_gap"]) == (1, None)

    def test_week_and_month_are_of_whole_days(self, engine):
        lines: list[Line] = [("H1", "P1", age, 1, 1.0) for age in (28, 27, 7, 6)]
        needs = row(made(engine, lines).subcategory_affinity, household_id="H1", subcategory="WHOLE MILK")
        counts = [needs[f"subcategory_purchases{name}"] for name in ("", "_month", "_week")]
        assert counts == [4, 3, 1]

    def test_product_of_no_category_is_a_need_of_none(self, engine):
        tables = made(engine, [("H1", "P4", 3, 1, 2.0)])
        assert tables.category_affinity.count().execute() == tables.subcategory_affinity.count().execute() == 0
        found = row(tables.product, product_id="P4")
        assert found["category"] is found["subcategory"] is None


class TestWhatIsNoPurchase:
    LINES: Mapping[str, Line] = {
        "quantity 0": ("H1", "P2", 5, 0, 2.0),
        "return": ("H1", "P3", 5, -1, 2.0),
        "not recommendable": ("H1", "BAG", 5, 1, 2.0),
        "not in the catalogue": ("H1", "UNKNOWN", 5, 1, 2.0),
        "anonymous": (None, "P4", 5, 1, 2.0),
    }

    def test_is_left_out_of_every_feature(self, engine):
        alone = [("H1", "P1", 5, 1, 2.0)]
        assert_same(made(engine, [*alone, *self.LINES.values()]), made(engine, alone))

    @pytest.mark.parametrize("line", LINES.values(), ids=LINES)
    def test_is_none(self, engine, line):
        bought = purchases(transactions(engine, [line, ("H1", "P1", 5, 1, 2.0)]), products())
        assert bought.select("household_id", "product_id").to_pyarrow().to_pylist() == [
            {"household_id": "H1", "product_id": "P1"}
        ]

    def test_nothing_at_all_is_five_empty_tables(self, engine):
        tables = made(engine, [("H1", "BAG", 5, 1, 2.0)])
        assert {name: table.count().execute() for name, table in tables.by_name().items()} == dict.fromkeys(KEYS, 0)


def test_tables_have_the_described_columns(engine):
    for name, table in made(engine, HISTORY).by_name().items():
        assert table.columns == (*KEYS[name], *FEATURES_OF[name])
        assert {str(table[feature].type()) for feature in FEATURES_OF[name]} == {"float32"}


def test_other_households_change_only_what_is_shared(engine):
    both, alone = made(engine, HISTORY), made(engine, [line for line in HISTORY if line[0] == "H1"])
    assert row(both.household, household_id="H1") == row(alone.household, household_id="H1")
    # alone, P1's usual gap is H1's own 20 days
    assert row(alone.household_product, household_id="H1", product_id="P1")["gap"] == 20


def test_leaving_households_out_leaves_the_others_as_they_are(engine):
    lines, only = transactions(engine, HISTORY), ibis.memtable({"household_id": ["H1"]})
    whole = build(lines, products(), offers(), as_of=CLOSE)
    with shared_days(lines, products(), until=CLOSE) as days:
        part = build_of(days, offers(), as_of=CLOSE, only=only, parts=1)[0]
    of_h1 = {
        name: table.filter(table.household_id == "H1") if "household_id" in table.columns else table
        for name, table in whole.by_name().items()
    }
    assert_same(part, FeatureTables.of(lambda name: of_h1[name]))


LINES = st.lists(
    st.tuples(
        st.sampled_from(["H1", "H2", "H3", None]),
        st.sampled_from(["P1", "P2", "P3", "P4", "BAG"]),
        st.integers(-10, 100),  # below zero: after the close
        st.sampled_from([0.0, 1.0, 2.0]),
        st.sampled_from([1.0, 2.5, 4.0]),
    ),
    min_size=1,
    max_size=60,
)


@hypothesis_settings(max_examples=4)
@given(LINES)
def test_what_happens_after_the_close_changes_nothing(engine, lines):
    future: list[Line] = [("H1", "P1", -1, 1.0, 1.0), ("H4", "P2", -3, 1.0, 1.0)]
    secret: list[Offer] = [("P1", 3, -9, -1, 1.0)]  # it runs already, and is announced tomorrow
    assert_same(made(engine, [*lines, *future], secret), made(engine, [line for line in lines if line[2] >= 0]))


@hypothesis_settings(max_examples=4)
@given(LINES, st.randoms(use_true_random=False))
def test_order_of_lines_changes_nothing(engine, lines, random):
    shuffled = random.sample(lines, len(lines))
    assert_same(made(engine, shuffled), made(engine, lines))


def test_earlier_close_is_the_same_as_having_stopped_there(engine):
    earlier = CLOSE - dt.timedelta(days=10)
    known = [line for line in HISTORY if line[2] >= 10]
    assert_same(made(engine, HISTORY, as_of=earlier), made(engine, known, as_of=earlier))
    assert row(made(engine, HISTORY, as_of=earlier).household, household_id="H1")["days_since_trip"] == 0


def test_no_number_depends_on_the_order_in_which_an_engine_adds(monkeypatch):
    """The last digits of a sum of floats do, and where they differ a model's trees may split elsewhere."""
    import ibis.expr.operations as ops

    # What is cached is a table like any other, of which nobody sees what it was made from.
    monkeypatch.setattr("ibis.expr.types.Table.cache", lambda table: table)
    planned = offers([("P1", 1, -1, 3, 0.5)])
    tables = build(transactions(ibis.duckdb.connect(), HISTORY), products(), planned, as_of=CLOSE)
    sums = [
        node
        for table in (*tables.by_name().values(), candidates(tables, own=3, new=3))
        for node in table.op().find((ops.Sum, ops.Mean, ops.Variance, ops.StandardDev, ops.Covariance, ops.Correlation))
    ]
    assert len(sums) > 20
    for node in sums:
        assert isinstance(node, ops.Sum | ops.Mean), node
        assert node.arg.dtype.is_integer() or node.arg.dtype.is_boolean(), node
