"""Quality by slices: a part that is ruined is found, also while the total gains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from assets.grocery.training.slices import SLICES, recalls
from assets.lifecycle.estimates import Bootstrap, Estimate
from assets.lifecycle.evaluation import SliceComparison, compare_slices

NEW, HEAVY = "new: up to 5 trips", "heavy: more trips"


def truth(rows: Sequence[tuple[str, str, str | None, int, str]]) -> pd.DataFrame:
    """What was bought: household, product, department, weekday, history."""
    columns = ["household_id", "product_id", "department", "weekday", "history"]
    return pd.DataFrame(rows, columns=columns).assign(as_of_date="2024-03-24")


def candidates(pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["household_id", "product_id"]).assign(as_of_date="2024-03-24")


class TestRecalls:
    def test_by_hand(self):
        # H's list of two is a and b; bought: a and c of FRESH, b of BAKERY, and x of no department, which is no candidate
        frame = candidates([("H", "a"), ("H", "b"), ("H", "c"), ("G", "a")])
        bought = truth(
            [
                ("H", "a", "FRESH", 0, HEAVY),
                ("H", "c", "FRESH", 6, HEAVY),
                ("H", "b", "BAKERY", 0, HEAVY),
                ("H", "x", None, 6, HEAVY),
                ("G", "b", "BAKERY", 0, NEW),  # G's list has a alone
            ]
        )
        found = recalls(frame, np.array([9.0, 8.0, 1.0, 5.0]), bought, k=2)
        rows = {(who, row.slice, row.value): row.score for (_, who), row in found.iterrows()}
        assert rows == {
            ("H", "history", HEAVY): 2 / 4,
            ("G", "history", NEW): 0,
            ("H", "department", "FRESH"): 1 / 2,
            ("H", "department", "BAKERY"): 1,
            ("G", "department", "BAKERY"): 0,
            ("H", "weekday", "Monday"): 1,
            ("H", "weekday", "Sunday"): 0,
            ("G", "weekday", "Monday"): 0,
        }
        assert found.index.names == ["as_of_date", "household_id"]

    def test_weekdays_are_named_and_in_order(self):
        frame = candidates([("H", "a")])
        bought = truth([("H", "a", None, day, NEW) for day in (6, 0, 2)])
        found = recalls(frame, np.array([1.0]), bought, k=1)
        assert found.loc[found["slice"] == "weekday", "value"].tolist() == ["Monday", "Wednesday", "Sunday"]

    def test_household_without_a_list_is_not_judged(self):
        bought = truth([("H", "a", "FRESH", 0, NEW), ("G", "a", "FRESH", 0, NEW)])
        found = recalls(candidates([("H", "a")]), np.array([1.0]), bought, k=1)
        assert found.reset_index()["household_id"].tolist() == ["H", "H", "H"]

    def test_weeks_of_a_household_are_lists_of_their_own(self):
        frame, bought = candidates([("H", "a"), ("H", "b")]), truth([("H", "a", "FRESH", 0, NEW)])
        later = "2024-03-31"
        found = recalls(
            pd.concat([frame, frame.assign(as_of_date=later)], ignore_index=True),
            np.array([2.0, 1.0, 1.0, 2.0]),
            pd.concat([bought, bought.assign(as_of_date=later)], ignore_index=True),
            k=1,
        )
        by_week = found[found["slice"] == "history"]["score"].droplevel("household_id")
        assert by_week.to_dict() == {"2024-03-24": 1, later: 0}


def parts(recall_of: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """Recalls of one week by slice and value; the first households of as many as there are numbers."""
    rows = [
        {"as_of_date": "2024-03-24", "household_id": f"H{n:03}", "slice": name, "value": value, "score": recall}
        for (name, value), recalls in recall_of.items()
        for n, recall in enumerate(recalls)
    ]
    return pd.DataFrame(rows).set_index(["as_of_date", "household_id"])


def found(challenger: pd.DataFrame, opponent: pd.DataFrame, *, confidence: float = 0.95) -> dict[str, SliceComparison]:
    draw = Bootstrap(subject="household_id", samples=400, confidence=confidence, seed=1)
    rows = compare_slices(challenger, opponent, draw, min_subjects=30)
    return {row.value: row for row in rows}


USUAL = np.random.default_rng(4).uniform(0.1, 0.5, 100)
FRESH, BAKERY = ("department", "FRESH"), ("department", "BAKERY")


class TestCompared:
    def test_ruined_slice_is_found_while_the_total_gains(self):
        ruined, gains = USUAL[:40] - 0.05, USUAL + 0.1
        rows = found(parts({FRESH: gains, BAKERY: ruined}), parts({FRESH: USUAL, BAKERY: USUAL[:40]}))
        assert np.concatenate([gains, ruined]).mean() > np.concatenate([USUAL, USUAL[:40]]).mean()
        assert {value for value, row in rows.items() if row.is_worse} == {"BAKERY"}
        bakery = rows["BAKERY"]
        assert (bakery.slice, bakery.subjects) == ("department", 40)
        assert bakery.score == pytest.approx(ruined.mean())
        difference = bakery.difference
        assert (difference.value, difference.low, difference.high) == pytest.approx((-0.05, -0.05, -0.05))

    def test_no_difference_is_not_worse(self):
        rows = found(parts({FRESH: USUAL}), parts({FRESH: USUAL}))
        assert not rows["FRESH"].is_worse

    def test_worse_within_chance_is_not_worse(self):
        noise = np.random.default_rng(6).normal(-0.005, 0.1, 100)
        assert noise.mean() < 0
        assert not found(parts({FRESH: USUAL + noise}), parts({FRESH: USUAL}))["FRESH"].is_worse

    def test_slice_of_too_few_households_is_left_out(self):
        rows = found(parts({FRESH: USUAL, BAKERY: USUAL[:29] - 1}), parts({FRESH: USUAL, BAKERY: USUAL[:29]}))
        assert set(rows) == {"FRESH"}
        enough = found(parts({FRESH: USUAL, BAKERY: USUAL[:30] - 1}), parts({FRESH: USUAL, BAKERY: USUAL[:30]}))
        assert set(enough) == {"FRESH", "BAKERY"}

    def test_weeks_of_a_household_do_not_make_it_two(self):
        one = parts({FRESH: USUAL[:20]})
        both = pd.concat([one, one.rename(index={"2024-03-24": "2024-03-17"}, level=0)])
        assert found(both, both) == {}

    def test_pairs_are_found_by_household_not_by_place(self):
        opponent = parts({FRESH: USUAL})
        difference = found(parts({FRESH: USUAL - 0.01}), opponent.iloc[::-1])["FRESH"].difference
        assert (difference.low, difference.high) == pytest.approx((-0.01, -0.01))

    def test_the_more_slices_the_more_it_takes_to_call_one_worse(self):
        # A twentieth of the alone-standing slices is called worse by chance; of twenty that is one.
        noise = np.random.default_rng(11).normal(-0.024, 0.1, 100)
        alone = found(parts({FRESH: USUAL + noise}), parts({FRESH: USUAL}))["FRESH"].difference
        others = {("department", f"D{n}"): USUAL for n in range(19)}
        among = found(parts({FRESH: USUAL + noise} | others), parts({FRESH: USUAL} | others))["FRESH"].difference
        assert alone.high < 0 < among.high
        # Together they hold with 95 %: each with 1 - .05 / 20.
        each = found(parts({FRESH: USUAL + noise}), parts({FRESH: USUAL}), confidence=1 - 0.05 / 20)["FRESH"].difference
        assert among == each

    def test_nothing_to_compare_is_nothing_found(self):
        nothing = parts({FRESH: USUAL[:1]})
        assert found(nothing, nothing) == {}


@pytest.mark.parametrize(("high", "is_worse"), [(-0.001, True), (0.0, False), (0.2, False)])
def test_worse_is_a_whole_interval_below_zero(high, is_worse):
    difference = Estimate(value=-0.1, low=-0.3, high=high)
    row = SliceComparison(slice=SLICES[0], value=NEW, subjects=50, score=0.2, difference=difference)
    assert row.is_worse is is_worse
