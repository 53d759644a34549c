"""Candidates: a household's own products and those it might discover, each once, with all that is known of them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from typing import Any

import ibis
import pandas as pd
import pytest

from assets.grocery.candidates.candidates import FEATURES, best_sellers, candidates, in_subcategories, labelled
from assets.grocery.features.definitions import FeatureTables, build
from resources.config.retailer import RecommenderConfig
from resources.tables.store import TableStore
from tests.support.histories import CLOSE, Line, examples, offers, products, transactions

# Popularity (30-day half-life), from most to least: P1, then P2 and P3 alike, then P4 of long ago.
HISTORY: list[Line] = [
    ("H1", "P1", 20, 1, 1.0),
    ("H1", "P1", 10, 1, 1.0),
    ("H1", "P1", 0, 1, 3.0),
    ("H1", "P2", 5, 1, 1.0),
    ("H1", "P4", 80, 1, 1.0),
    ("H2", "P3", 5, 1, 1.0),
]


@pytest.fixture(scope="module")
def built(engine) -> FeatureTables:
    return build(transactions(engine, HISTORY), products(), offers(), as_of=CLOSE)


@functools.cache
def rows_of(tables: FeatureTables, *, own: int = 10, new: int = 2) -> list[dict[str, Any]]:
    """The candidates; those that several tests look at are found once."""
    return candidates(tables, own=own, new=new).to_pyarrow().to_pylist()


def found(tables: FeatureTables, *, own: int, new: int) -> dict[str, list[str]]:
    rows = rows_of(tables, own=own, new=new)
    households = {row["household_id"] for row in rows}
    return {who: sorted(row["product_id"] for row in rows if row["household_id"] == who) for who in sorted(households)}


def test_best_sellers_are_in_order_and_a_tie_goes_to_the_lower_product(built):
    assert best_sellers(built, most=3).product_id.to_pyarrow().to_pylist() == ["P1", "P2", "P3"]


def test_best_sellers_of_a_subcategory_have_their_places_and_the_next_best_the_others(engine):
    catalogue = [{"product_id": f"P{n}", "category": "PAPER", "subcategory": "DAILY"} for n in (1, 2, 3)]
    made = build(transactions(engine, HISTORY), products([*catalogue, {"product_id": "P4"}]), offers(), as_of=CLOSE)
    for places, expected in ((0, "P1 P2 P3 P4"), (1, "P1 P4 P2 P3"), (2, "P1 P2 P4 P3"), (3, "P1 P2 P3 P4")):
        assert best_sellers(made, most=4, places=places).product_id.to_pyarrow().to_pylist() == expected.split()


def test_subcategories_are_those_of_the_catalogue_in_the_order_of_the_rows():
    frame = pd.DataFrame({"product_id": ["P4", "P2", "unknown", "P1", "P2"]})
    assert in_subcategories(frame, products())["subcategory"].tolist() == ["", "OAT MILK", "", "WHOLE MILK", "OAT MILK"]


def test_household_has_its_own_products_and_new_ones_each_once(built):
    assert found(built, own=10, new=2) == {"H1": ["P1", "P2", "P3", "P4"], "H2": ["P1", "P2", "P3"]}


def test_own_products_are_those_bought_most_and_latest(built):
    assert found(built, own=2, new=0)["H1"] == ["P1", "P2"]
    assert found(built, own=1, new=0)["H1"] == ["P1"]


def test_what_was_ever_bought_is_not_new_also_when_it_is_no_favourite(built):
    assert found(built, own=1, new=10)["H1"] == ["P1", "P3"]


def test_repeats_are_told_from_what_was_never_bought(built):
    by_pair = {(row["household_id"], row["product_id"]): row for row in rows_of(built)}
    assert {pair for pair, row in by_pair.items() if row["is_repeat"]} == {
        ("H1", "P1"),
        ("H1", "P2"),
        ("H1", "P4"),
        ("H2", "P3"),
    }
    new = by_pair["H2", "P2"]
    assert (new["purchases"], new["overdue"], new["category_purchases"]) == (None, None, None)  # no history, no zeros
    assert (new["buyers"], new["trips"]) == (1, 1)  # but the product's and the household's own
    assert by_pair["H1", "P3"]["subcategory_purchases"] is None


class TestNew:
    """H buys tea, G only what has no category. The best seller is T1, then come C1 and C2, at last T2."""

    LINES: tuple[Line, ...] = (
        *(("H", "T1", age, 1, 1.0) for age in range(10)),
        ("G", "N1", 0, 1, 1.0),
        *((f"K{n}", product, 0, 1, 1.0) for product in ("C1", "C2") for n in range(6)),
        *((f"K{n}", "T2", 0, 1, 1.0) for n in range(4)),
    )
    CATEGORIES = {"T1": "TEA", "T2": "TEA", "C1": "COFFEE", "C2": "COFFEE", "N1": None}  # noqa: RUF012

    @pytest.fixture(scope="class")
    @classmethod
    def shops(cls, engine) -> dict[bool, FeatureTables]:
        """What is known with and without categories."""
        return {
            has: build(
                transactions(engine, cls.LINES),
                products([{"product_id": key, "category": of if has else None} for key, of in cls.CATEGORIES.items()]),
                offers(),
                as_of=CLOSE,
            )
            for has in (True, False)
        }

    def new(self, shops: dict[bool, FeatureTables], *, most: int, categories: bool = True) -> dict[str, list[str]]:
        return {who: found(shops[categories], own=0, new=most)[who] for who in "GH"}

    def test_it_is_from_the_categories_that_the_household_needs(self, shops):
        # Need for tea: H's own 9.7 decayed purchases of tea, and 5 of everybody's, of whom 13 / 26 buy tea: 84 %.
        # T2 is 4 of the 13 (10-fold T1 is 9.0 by now): .84 x .31 = .26. C1 is half of the other 16 %: .08.
        # G has no need: everybody's it is, the best seller first.
        assert self.new(shops, most=1) == {"G": ["T1"], "H": ["T2"]}

    def test_then_from_everybodys(self, shops):
        assert self.new(shops, most=2) == {"G": ["C1", "T1"], "H": ["C1", "T2"]}  # C1 and C2 tie: the lower product

    def test_product_without_a_category_can_be_new_too(self, shops):
        assert self.new(shops, most=10) == {"G": ["C1", "C2", "T1", "T2"], "H": ["C1", "C2", "N1", "T2"]}

    def test_retailer_without_categories_has_best_sellers(self, shops):
        assert self.new(shops, most=1, categories=False) == {"G": ["T1"], "H": ["C1"]}
        assert self.new(shops, most=3, categories=False) == {"G": ["C1", "C2", "T1"], "H": ["C1", "C2", "T2"]}


def row_of(tables: FeatureTables, household: str, product: str) -> dict[str, Any]:
    return next(row for row in rows_of(tables) if (row["household_id"], row["product_id"]) == (household, product))


def test_derived_features_by_hand(built):
    row = row_of(built, "H1", "P1")
    decayed = sum(0.5 ** (age / 90) for age in (20, 10, 0))
    expected = {
        "purchase_rate": 3 / 4,  # on three of the four trips since the first (20, 10, 5 and 0 days ago)
        "category_share": decayed / (decayed + 0.5 ** (5 / 90)),  # beside P2's
        "subcategory_share": 1,
        "category_overdue": 0,  # bought today; the gap is 20 days / 3
        "subcategory_overdue": 0,
        "price_against_own": (5 / 3) / (5 / 3),
        "price_week_against_own": 3 / (5 / 3),
        "expected_week": 7 * decayed * 0.693147 / (90 * (1 - 0.5 ** (21 / 90))),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_needs_are_overdue_by_their_own_gap_and_prices_are_against_the_households_own(engine):
    lines: list[Line] = [
        ("H1", "P1", 30, 1, 1.0),
        ("H1", "P1", 20, 1, 1.0),
        ("H1", "P2", 12, 1, 1.0),
        ("H2", "P1", 3, 1, 1.5),
    ]
    tables = build(transactions(engine, lines), products(), offers(), as_of=CLOSE)
    row = row_of(tables, "H1", "P1")
    assert row["category_overdue"] == pytest.approx(12 / 9)  # milk 30, 20 and 12 days ago
    assert row["subcategory_overdue"] == 20 / 10  # whole milk 30 and 20 days ago
    assert (row["price_against_own"], row["price_week_against_own"]) == (1.25, 1.5)
    assert row_of(tables, "H1", "P2")["subcategory_overdue"] is None  # bought once: no gap


def test_columns_are_the_keys_and_the_features_in_their_order(built):
    assert candidates(built, own=1, new=1).columns == ("household_id", "product_id", "category", "is_repeat", *FEATURES)


class TestLabels:
    # What was bought in the week after, on the household's first day of it or not, and never before or not
    TRUTH = ibis.memtable(
        [("H1", "P1", True, False), ("H1", "P2", False, False), ("H1", "P7", False, True), ("H9", "P1", True, True)],
        schema={"household_id": "string", "product_id": "string", "is_next": "boolean", "is_new": "boolean"},
    )

    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, built: FeatureTables) -> dict[tuple[str, str], dict[str, Any]]:
        rows = labelled(candidates(built, own=10, new=2), cls.TRUTH).to_pyarrow().to_pylist()
        return {(row["household_id"], row["product_id"]): row for row in rows}

    def test_bought_is_true_and_all_else_is_false(self, rows):
        assert {pair for pair, row in rows.items() if row["label"]} == {("H1", "P1"), ("H1", "P2")}
        assert {pair for pair, row in rows.items() if row["label_next"]} == {("H1", "P1")}
        assert {type(row[name]) for row in rows.values() for name in ("label", "label_next")} == {bool}

    def test_truth_counts_what_is_no_candidate_too(self, rows):
        sizes = [
            tuple(row[name] for name in ("truth_size", "new_size", "next_size"))
            for (who, _), row in rows.items()
            if who == "H1"
        ]
        assert set(sizes) == {(3, 1, 1)}  # P1, P2, and P7 that nobody ever bought before

    def test_household_that_bought_nothing_has_an_empty_truth(self, rows):
        rows = [row for (who, _), row in rows.items() if who == "H2"]
        assert [row["product_id"] for row in rows if not row["label"]] == [row["product_id"] for row in rows]
        assert {(row["truth_size"], row["new_size"], row["next_size"]) for row in rows} == {(0, 0, 0)}

    def test_household_without_candidates_is_left_out(self, rows):
        assert {who for who, _ in rows} == {"H1", "H2"}

    def test_columns_are_not_doubled(self, built):
        table = candidates(built, own=10, new=2)
        added = ("truth_size", "new_size", "next_size", "label", "label_next")
        assert labelled(table, self.TRUTH).columns == (*table.columns, *added)


def made_up_history(*, households: int, days: int) -> list[Line]:
    """Lines from `days` before the close to two weeks after it, the same every time."""
    import numpy as np

    random = np.random.default_rng(7)
    return [
        (f"H{who}", f"P{random.integers(1, 5)}", int(age), float(random.integers(0, 3)), float(random.integers(1, 5)))
        for who in range(households)
        for age in random.integers(-14, days, size=12)
    ]


def sorted_frame(table: ibis.Table, columns: Sequence[str]) -> pd.DataFrame:
    return table.select(*columns).order_by("household_id", "product_id").to_pandas()


def test_training_and_scoring_see_the_same_candidates(engine, tmp_path):
    lines, model = made_up_history(households=12, days=60), RecommenderConfig(candidates=10, new_candidates=10)
    later = CLOSE + dt.timedelta(days=7)
    history, planned = transactions(engine, lines), offers([("P1", 3, -3, 3, 0.5), ("P2", -1, -7, 0, 1.0)])
    # The night of CLOSE: features are stored, and read again to be scored.
    tables = TableStore(root=str(tmp_path))
    known = history.filter(history.business_date <= CLOSE)
    for name, table in build(known, products(), planned, as_of=CLOSE).by_name().items():
        tables.replace_days(name, table.mutate(business_date=ibis.literal(CLOSE)).to_pyarrow(), days=[CLOSE])
    stored = FeatureTables.of(lambda name: tables.read(name, since=CLOSE, until=CLOSE).drop("business_date"))
    scored = candidates(stored, own=model.candidates, new=model.new_candidates)
    # A week later the same close is learnt from.
    until_then = history.filter(history.business_date <= later)
    week = examples(until_then, products(), planned, as_of=CLOSE, model=model)

    learnt = sorted_frame(week, scored.columns)
    assert len(learnt) > 20
    everybody = sorted_frame(scored, scored.columns)
    of_those = everybody[everybody.household_id.isin(learnt.household_id.unique())].reset_index(drop=True)
    pd.testing.assert_frame_equal(learnt, of_those, rtol=1e-6)
    assert sorted(learnt.offered_next.unique()) == pytest.approx([0, 3 / 14, 1])  # P1's on three of seven days
    assert week.label.any().execute()


def test_new_products_are_as_many_as_there_are_and_none_was_ever_bought(engine):
    import numpy as np

    random = np.random.default_rng(8)
    catalogue = [{"product_id": f"P{n}", "category": "ABC"[n % 3] if n % 4 else None} for n in range(24)]
    lines: list[Line] = [
        (f"H{who}", f"P{product}", int(random.integers(0, 60)), 1.0, 1.0)
        for who in range(20)
        for product in random.choice(24, size=random.integers(1, 20), replace=False)
    ]
    bought = pd.DataFrame([line[:2] for line in lines], columns=["household_id", "product_id"]).drop_duplicates()
    tables = build(transactions(engine, lines), products(catalogue), offers(), as_of=CLOSE)
    sold = set(bought.product_id)
    for own, new in ((3, 5), (10, 24)):
        rows = candidates(tables, own=own, new=new).select("household_id", "product_id", "is_repeat").to_pandas()
        assert not rows.duplicated(["household_id", "product_id"]).any()
        both = rows.merge(bought, on=["household_id", "product_id"], how="left", indicator=True)
        assert (both.is_repeat == (both._merge == "both")).all()
        for household, products_of in bought.groupby("household_id"):
            of_it = rows[rows.household_id == household]
            assert of_it.is_repeat.sum() == min(own, len(products_of))
            if new == 24:  # all that there are
                assert set(of_it.product_id[~of_it.is_repeat]) == sold - set(products_of.product_id)
            else:
                assert (~of_it.is_repeat).sum() <= new
