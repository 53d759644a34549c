"""The benchmark's two truths, its metrics and its comparisons, worked out by hand."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.grocery.evaluation.protocol import Comparison, closes, compared, judged, truths
from assets.grocery.training.metrics import METRICS, by_list
from tests.support.histories import CLOSE, Line, products, transactions

SECOND, THIRD = 1 / math.log2(3), 1 / math.log2(4)


def test_closes_are_before_the_last_whole_weeks_oldest_first():
    assert closes(dt.date(2024, 3, 31), weeks=3) == [dt.date(2024, 3, day) for day in (10, 17, 24)]


class TestTruths:
    LINES: tuple[Line, ...] = (
        ("H1", "P1", 40, 1, 1.0),
        ("H1", "P1", 0, 1, 1.0),
        ("H1", "P2", -1, 0, 1.0),  # no purchase
        ("H1", "BAG", -1, 1, 1.0),  # nothing to recommend
        ("H1", "P1", -2, 1, 1.0),
        ("H1", "P3", -2, 1, 1.0),
        ("H1", "P3", -5, 1, 1.0),
        ("H1", "P2", -7, 1, 1.0),  # the seventh day
        ("H1", "P4", -8, 1, 1.0),  # too late
        ("H2", "P3", 3, 1, 1.0),
        ("H2", "P3", -20, 1, 1.0),  # not in the week, but its next basket
        ("H2", "P1", -20, 1, 1.0),
        ("H2", "P2", -21, 1, 1.0),
        ("H3", "P1", 3, 1, 1.0),  # never came back
        ("H8", "BAG", 3, 1, 1.0),  # bought nothing before
        ("H8", "P1", -1, 1, 1.0),
        ("H9", "P1", -1, 1, 1.0),  # not known before
    )

    def found(self, engine) -> pd.DataFrame:
        return truths(transactions(engine, self.LINES), products(), as_of=CLOSE)

    def of(self, engine, truth: str) -> dict[tuple[str, str], bool]:
        rows = self.found(engine)
        rows = rows[rows["truth"] == truth]
        assert not rows.duplicated(["household_id", "product_id"]).any()
        return {(row.household_id, row.product_id): row.is_repeat for row in rows.itertuples()}

    def test_week_is_all_of_the_seven_days_after(self, engine):
        assert self.of(engine, "week") == {("H1", "P1"): True, ("H1", "P3"): False, ("H1", "P2"): False}

    def test_next_is_all_of_the_first_shopping_day_after_however_late(self, engine):
        assert self.of(engine, "next") == {
            ("H1", "P1"): True,
            ("H1", "P3"): False,
            ("H2", "P3"): True,
            ("H2", "P1"): False,
        }

    def test_repeat_is_of_what_was_bought_before_the_close_alone(self, engine):
        again: list[Line] = [("H1", "P1", 3, 1, 1.0), ("H1", "P2", -1, 1, 1.0), ("H1", "P2", -3, 1, 1.0)]
        rows = truths(transactions(engine, again), products(), as_of=CLOSE)
        assert rows[["truth", "product_id", "is_repeat"]].to_numpy().tolist() == [
            ["week", "P2", False],
            ["next", "P2", False],
        ]
        assert rows["is_repeat"].dtype == bool


DATE, LATER = dt.date(2024, 3, 24), dt.date(2024, 3, 31)


def listed(lists: Mapping[str, str], *, date: dt.date = DATE) -> pd.DataFrame:
    """Lists by household, best first; given worst first, as order of rows says nothing."""
    rows = [
        {"as_of_date": date, "household_id": who, "product_id": product, "rank": rank}
        for who, products in lists.items()
        for rank, product in enumerate(products, start=1)
    ]
    return pd.DataFrame(rows[::-1])


def bought(truth: Mapping[str, str], *, date: dt.date = DATE) -> pd.DataFrame:
    """What was bought by household; a capital letter had been bought before."""
    rows = [
        {"as_of_date": date, "household_id": who, "product_id": product.lower(), "is_repeat": product.isupper()}
        for who, products in truth.items()
        for product in products
    ]
    return pd.DataFrame(rows)


class TestJudged:
    def of(self, lists: Mapping[str, str], truth: Mapping[str, str], *, k: int) -> dict[str, Any]:
        found = judged(listed(lists), bought(truth), k=k)
        assert list(found.columns) == [*METRICS, "repeat", "explore"]
        return {who: pytest.approx(list(row), nan_ok=True) for (_, who), row in found.iterrows()}

    def test_list_by_hand(self):
        # Places two and three hit, of four bought: one of the two repeats, one of the two new ones.
        found = self.of({"H": "xbcd"}, {"H": "ABcz"}, k=3)
        assert found == {"H": [2 / 4, (SECOND + THIRD) / (1 + SECOND + THIRD), 1, 1 / 2, 1 / 2]}

    def test_only_the_first_k_count(self):
        assert self.of({"H": "xbc"}, {"H": "Bc"}, k=2) == {"H": [1 / 2, SECOND / (1 + SECOND), 1, 1, 0]}

    def test_household_of_one_kind_has_no_number_for_the_other(self):
        found = self.of({"G": "a", "H": "a"}, {"G": "A", "H": "a"}, k=1)
        assert found == {"G": [1, 1, 1, 1, math.nan], "H": [1, 1, 1, math.nan, 1]}

    def test_household_without_a_list_counts_and_one_without_a_truth_does_not(self):
        assert self.of({"G": "a"}, {"H": "Ab"}, k=1) == {"H": [0, 0, 0, 0, 0]}

    def test_dates_of_a_household_are_lists_of_their_own(self):
        lists = pd.concat([listed({"H": "a"}), listed({"H": "b"}, date=LATER)])
        truth = pd.concat([bought({"H": "A"}), bought({"H": "A"}, date=LATER)])
        assert judged(lists, truth, k=1)["recall"].to_dict() == {(DATE, "H"): 1, (LATER, "H"): 0}

    def test_metrics_are_those_of_the_promotion(self):
        lists, truth = {"G": "abc", "H": "cab"}, {"G": "Bcxy", "H": "A"}
        frame = listed(lists)
        pairs = {(who, product.lower()) for who, products in truth.items() for product in products}
        frame["label"] = [pair in pairs for pair in zip(frame["household_id"], frame["product_id"], strict=True)]
        frame["truth_size"] = frame["household_id"].map({who: len(products) for who, products in truth.items()})
        promised = by_list(frame, -frame["rank"].to_numpy(dtype=float), k=3)
        found = judged(listed(lists), bought(truth), k=3)[list(METRICS)]
        np.testing.assert_allclose(found.to_numpy(), promised.loc[found.index].to_numpy())


def lists_of(recall: Mapping[dt.date, np.ndarray], *, hit_rate: float = 0.5) -> pd.DataFrame:
    """Judged lists with this recall by date, one a household; what they explored is known of the first alone."""
    rows = [
        {"as_of_date": date, "household_id": f"H{n:03}", "recall": value, "ndcg": value, "hit_rate": hit_rate}
        | {"repeat": value, "explore": 0.25 if n == 0 else math.nan}
        for date, values in recall.items()
        for n, value in enumerate(values)
    ]
    return pd.DataFrame(rows).set_index(["as_of_date", "household_id"])


class TestCompared:
    USUAL = np.random.default_rng(5).uniform(0.1, 0.5, 60)

    def compared(self, by_method: Mapping[str, pd.DataFrame]) -> dict[str, Comparison]:
        rows = compared(by_method, model="ours", truth="week", samples=300, confidence=0.95, seed=1)
        assert [row.method for row in rows] == list(by_method)
        assert {row.truth for row in rows} == {"week"}
        return {row.method: row for row in rows}

    def test_lead_is_paired_by_household(self):
        ours = lists_of({DATE: self.USUAL + 0.01, LATER: self.USUAL + 0.03})
        rival = lists_of({LATER: self.USUAL, DATE: self.USUAL}).iloc[::-1]
        lead = self.compared({"ours": ours, "rival": rival})["rival"].leads["recall"]
        assert (lead.value, lead.low, lead.high) == pytest.approx((0.02, 0.02, 0.02))

    def test_dates_are_won_one_by_one_and_a_tie_is_not(self):
        won, lost, tied = (lists_of({DATE: self.USUAL + d, LATER: self.USUAL}) for d in (-0.1, 0.1, 0.0))
        ours = lists_of({DATE: self.USUAL, LATER: self.USUAL}, hit_rate=0.75)
        found = self.compared({"won": won, "lost": lost, "tied": tied, "ours": ours})
        dates = {method: row.dates_won["recall"] for method, row in found.items() if method != "ours"}
        assert dates == {"won": 1, "lost": 0, "tied": 0}
        assert found["tied"].dates_won["hit_rate"] == 2
        assert found["lost"].leads["recall"].value == pytest.approx(-0.05)

    def test_means_are_over_the_households_that_have_a_number(self):
        ours = lists_of({DATE: np.array([0.1, 0.2, 0.6])})
        row = self.compared({"ours": ours})["ours"]
        assert row.means == pytest.approx({"recall": 0.3, "ndcg": 0.3, "hit_rate": 0.5, "repeat": 0.3, "explore": 0.25})
        assert (row.leads, row.dates_won) == ({}, {})  # of itself it has none
