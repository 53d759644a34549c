"""Candidates: a household's own products and the best sellers, each once, with all that is known of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import ibis
import pandas as pd
import pytest

from assets.features.definitions import FeatureTables, build
from assets.training.candidates import FEATURES, best_sellers, candidates, labelled
from assets.training.examples import examples
from resources.settings import Model
from resources.table_store import TableStore
from tests.tiny import CLOSE, Line, products, transactions

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
    return build(transactions(engine, HISTORY), products(), as_of=CLOSE)


def found(tables: FeatureTables, *, own: int, popular: int) -> dict[str, list[str]]:
    rows = candidates(tables, own=own, popular=popular).to_pyarrow().to_pylist()
    households = {row["household_id"] for row in rows}
    return {who: sorted(row["product_id"] for row in rows if row["household_id"] == who) for who in sorted(households)}


def test_best_sellers_are_in_order_and_a_tie_goes_to_the_lower_product(built):
    assert best_sellers(built, most=3).product_id.to_pyarrow().to_pylist() == ["P1", "P2", "P3"]


def test_household_has_its_own_products_and_the_best_sellers_each_once(built):
    assert found(built, own=10, popular=2) == {"H1": ["P1", "P2", "P4"], "H2": ["P1", "P2", "P3"]}


def test_own_products_are_those_bought_most_and_latest(built):
    assert found(built, own=2, popular=0)["H1"] == ["P1", "P2"]
    assert found(built, own=1, popular=0)["H1"] == ["P1"]


def test_repeats_are_told_from_what_was_never_bought(built):
    rows = candidates(built, own=10, popular=2).to_pyarrow().to_pylist()
    by_pair = {(row["household_id"], row["product_id"]): row for row in rows}
    assert {pair for pair, row in by_pair.items() if row["is_repeat"]} == {
        ("H1", "P1"),
        ("H1", "P2"),
        ("H1", "P4"),
        ("H2", "P3"),
    }
    new = by_pair["H2", "P2"]
    assert (new["purchases"], new["overdue"], new["category_purchases"]) == (None, None, None)  # no history, no zeros
    assert (new["buyers"], new["trips"]) == (1, 1)  # but the product's and the household's own


def test_derived_features_by_hand(built):
    rows = candidates(built, own=10, popular=2).to_pyarrow().to_pylist()
    row = next(row for row in rows if (row["household_id"], row["product_id"]) == ("H1", "P1"))
    decayed = sum(0.5 ** (age / 90) for age in (20, 10, 0))
    expected = {
        "purchase_rate": 3 / 4,  # on three of the four trips since the first (20, 10, 5 and 0 days ago)
        "category_share": decayed / (decayed + 0.5 ** (5 / 90)),  # beside P2's
        "category_overdue": 0,  # bought today; the gap is 20 days / 3
        "price_against_own": (5 / 3) / (5 / 3),
        "expected_week": 7 * decayed * 0.693147 / (90 * (1 - 0.5 ** (21 / 90))),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_columns_are_the_keys_and_the_features_in_their_order(built):
    assert candidates(built, own=1, popular=1).columns == (
        "household_id",
        "product_id",
        "category",
        "is_repeat",
        *FEATURES,
    )


class TestLabels:
    TRUTH = ibis.memtable({"household_id": ["H1", "H1", "H9"], "product_id": ["P1", "P7", "P1"]})

    def rows(self, built: FeatureTables) -> list[dict[str, Any]]:
        return labelled(candidates(built, own=10, popular=2), self.TRUTH).to_pyarrow().to_pylist()

    def test_bought_is_true_and_all_else_is_false(self, built):
        labels = {row["product_id"]: row["label"] for row in self.rows(built)}
        assert labels == {"P1": True, "P2": False, "P4": False}

    def test_truth_counts_what_is_no_candidate_too(self, built):
        assert {row["truth_size"] for row in self.rows(built)} == {2}  # P1, and P7 that nobody ever bought before

    def test_household_that_bought_nothing_is_left_out(self, built):
        assert {row["household_id"] for row in self.rows(built)} == {"H1"}  # H9 has no candidates, H2 no truth

    def test_columns_are_not_doubled(self, built):
        table = candidates(built, own=10, popular=2)
        assert labelled(table, self.TRUTH).columns == (*table.columns, "truth_size", "label")


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
    lines, model = made_up_history(households=12, days=60), Model(candidates=10, popular_candidates=10)
    later = CLOSE + dt.timedelta(days=7)
    history = transactions(engine, lines)
    # The night of CLOSE: features are stored, and read again to be scored.
    tables = TableStore(root=str(tmp_path))
    for name, table in build(history.filter(history.business_date <= CLOSE), products(), as_of=CLOSE).by_name().items():
        tables.replace_days(name, table.mutate(business_date=ibis.literal(CLOSE)).to_pyarrow(), days=[CLOSE])
    stored = FeatureTables.of(lambda name: tables.read(name, since=CLOSE, until=CLOSE).drop("business_date"))
    scored = candidates(stored, own=model.candidates, popular=model.popular_candidates)
    # A week later the same close is learnt from.
    week = examples(history.filter(history.business_date <= later), products(), as_of=CLOSE, model=model)

    learnt = sorted_frame(week, scored.columns)
    assert len(learnt) > 20
    everybody = sorted_frame(scored, scored.columns)
    of_those = everybody[everybody.household_id.isin(learnt.household_id.unique())].reset_index(drop=True)
    pd.testing.assert_frame_equal(learnt, of_those, rtol=1e-6)
    assert week.label.any().execute()
