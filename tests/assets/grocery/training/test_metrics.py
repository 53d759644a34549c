"""Metrics on lists short enough to be worked out by hand, and the interval that goes with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.grocery.training.metrics import (
    METRICS,
    by_list,
    explored,
    top,
)
from assets.lifecycle import estimates
from assets.lifecycle.estimates import Bootstrap, Estimate, calibration_error, reliability

SECOND = 1 / math.log2(3)  # what a hit in the second place gains
THIRD = 1 / math.log2(4)


def frame(rows: Sequence[tuple[str, str, bool]], *, truth: dict[str, int], week: str = "2024-03-24") -> pd.DataFrame:
    """Candidates as (household, product, bought); `truth` is how many products each household bought."""
    candidates = pd.DataFrame(rows, columns=["household_id", "product_id", "label"])
    return candidates.assign(as_of_date=week, truth_size=candidates.household_id.map(truth))


def metrics(candidates: pd.DataFrame, scores: Sequence[float], *, k: int) -> dict[str, dict[str, Any]]:
    lists = by_list(candidates, np.array(scores, dtype=float), k=k).round(6)
    return {household: dict(row) for (_, household), row in lists.iterrows()}


def rounded(*values: float) -> dict[str, float]:
    return {name: round(value, 6) for name, value in zip(METRICS, values, strict=True)}


def test_list_by_hand():
    # ranked: a (no), c (hit, second), d (hit, third); b falls out. Bought: c, d and something that is no candidate
    rows = [("H", "a", False), ("H", "b", True), ("H", "c", True), ("H", "d", True)]
    found = metrics(frame(rows, truth={"H": 4}), [9, 1, 8, 7], k=3)
    assert found["H"] == rounded(2 / 4, (SECOND + THIRD) / (1 + SECOND + THIRD), 1)


def test_household_without_hits_counts_as_zero():
    candidates = frame([("H", "a", True), ("G", "a", False)], truth={"H": 1, "G": 5})
    assert metrics(candidates, [1, 1], k=1) == {"G": rounded(0, 0, 0), "H": rounded(1, 1, 1)}


def test_perfect_list_is_one_and_recall_is_bound_by_its_length():
    # bought three, of which a list of two can hold two: nDCG asks for no more, recall does
    rows = [("H", product, product != "z") for product in "abcz"]
    assert metrics(frame(rows, truth={"H": 3}), [4, 3, 2, 1], k=2)["H"] == rounded(2 / 3, 1, 1)


def test_order_within_the_list_matters_to_ndcg_alone():
    rows = [("H", "a", True), ("H", "b", False)]
    first, second = (metrics(frame(rows, truth={"H": 1}), scores, k=2)["H"] for scores in ([2, 1], [1, 2]))
    assert (first, second) == (rounded(1, 1, 1), rounded(1, SECOND, 1))


def test_tie_goes_to_the_lower_product_whatever_the_order_of_rows():
    rows = [("H", "p2", False), ("H", "p10", True), ("H", "p1", False)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        candidates = frame([rows[place] for place in order], truth={"H": 1})
        # as text: p1, p10, p2
        assert metrics(candidates, [0.5, 0.5, 0.5], k=2)["H"] == rounded(1, SECOND, 1)


def test_list_shorter_than_k_is_judged_as_it_is():
    assert metrics(frame([("H", "a", True)], truth={"H": 2}), [0], k=10)["H"] == rounded(0.5, 1 / (1 + SECOND), 1)


def test_weeks_of_a_household_are_lists_of_their_own():
    rows = [("H", "a", True), ("H", "b", False)]
    both = pd.concat([frame(rows, truth={"H": 1}), frame(rows, truth={"H": 1}, week="2024-03-17")], ignore_index=True)
    lists = by_list(both, np.array([1.0, 2.0, 2.0, 1.0]), k=1)
    assert lists["recall"].to_dict() == {("2024-03-17", "H"): 1.0, ("2024-03-24", "H"): 0.0}


def test_top_ranks_from_one_and_keeps_the_scores():
    candidates = frame([("H", "a", True), ("G", "b", True), ("H", "c", True)], truth={"H": 2, "G": 1})
    best = top(candidates, np.array([0.1, 0.2, 0.3]), k=1, by=["household_id"])
    assert best[["household_id", "product_id", "rank", "score"]].to_numpy().tolist() == [
        ["G", "b", 1, 0.2],
        ["H", "c", 1, 0.3],
    ]


def test_household_that_bought_nothing_has_no_list():
    candidates = frame([("H", "a", True), ("G", "a", False)], truth={"H": 1, "G": 0})
    assert metrics(candidates, [1, 1], k=1) == {"H": rounded(1, 1, 1)}


class TestExplorePlaces:
    """A list of four with two places for what was never bought: n, m and o; a … d are repeats."""

    SCORES: Mapping[str, float] = {"a": 9, "b": 8, "c": 7, "n": 3, "d": 2, "m": 1, "o": 0}

    def rows(self, bought: str = "", *, new_size: int = 1, scores: Mapping[str, float] = SCORES) -> pd.DataFrame:
        rows = frame([("H", product, product in bought) for product in scores], truth={"H": 5})
        return rows.assign(is_repeat=~rows["product_id"].isin(list("nmo")), new_size=new_size, score=scores.values())

    def listed(self, rows: pd.DataFrame, *, k: int = 4, explore: int = 2) -> list[tuple[str, int, bool]]:
        best = top(rows, rows["score"].to_numpy(dtype=float), k=k, by=["household_id"], explore=explore)
        return list(best[["product_id", "rank", "is_explore"]].itertuples(index=False, name=None))

    def explored(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        found = explored(rows, rows["score"].to_numpy(dtype=float), k=4, explore=2).round(6)
        return [dict(row) for _, row in found.iterrows()]

    def test_last_places_are_for_the_best_that_were_never_bought(self):
        assert self.listed(self.rows()) == [("a", 1, False), ("b", 2, False), ("n", 3, True), ("m", 4, True)]

    def test_without_such_places_the_scores_alone_decide(self):
        expected = [("a", 1, False), ("b", 2, False), ("c", 3, False), ("n", 4, False)]
        assert self.listed(self.rows(), explore=0) == expected

    def test_new_product_that_made_it_by_its_score_takes_no_such_place(self):
        found = self.listed(self.rows(scores={**self.SCORES, "n": 8.5}))
        assert found == [("a", 1, False), ("n", 2, False), ("m", 3, True), ("o", 4, True)]

    def test_next_best_fill_up_where_nothing_is_new(self):
        few = {product: score for product, score in self.SCORES.items() if product not in "mo"}
        assert self.listed(self.rows(scores=few)) == [("a", 1, False), ("b", 2, False), ("n", 3, True), ("c", 4, False)]
        none = {product: score for product, score in self.SCORES.items() if product in "abcd"}
        assert self.listed(self.rows(scores=none))[2:] == [("c", 3, False), ("d", 4, False)]

    def test_every_household_has_its_own(self):
        both = pd.concat([self.rows(), self.rows().assign(household_id="G")], ignore_index=True).sample(
            frac=1, random_state=1
        )
        best = top(both, both["score"].to_numpy(dtype=float), k=4, by=["household_id"], explore=2)
        assert best["household_id"].tolist() == ["G"] * 4 + ["H"] * 4
        assert best["product_id"].tolist() == list("abnm") * 2
        assert best["rank"].tolist() == [1, 2, 3, 4] * 2

    def test_list_shorter_than_its_places_by_score_has_no_others(self):
        assert self.listed(self.rows(scores={"a": 2, "n": 1}), k=5) == [("a", 1, False), ("n", 2, False)]

    def test_discoveries_are_judged_by_themselves(self):
        # The places have n and m. Of three products that were new to the household it bought m, the second of them.
        (found,) = self.explored(self.rows("am", new_size=3))
        assert found == rounded(1 / 3, SECOND / (1 + SECOND), 1)
        (both,) = self.explored(self.rows("nm", new_size=2))
        assert both == rounded(1, 1, 1)

    def test_repeats_and_places_by_score_are_no_discoveries(self):
        (found,) = self.explored(self.rows("abcd"))
        assert found == rounded(0, 0, 0)
        by_score = self.rows("n", scores={**self.SCORES, "n": 8.5})
        assert self.explored(by_score) == [rounded(0, 0, 0)]
        filled_up = self.rows("c", scores={"a": 4, "b": 3, "n": 2, "c": 1})
        assert self.explored(filled_up) == [rounded(0, 0, 0)]

    def test_household_that_bought_nothing_new_to_it_is_not_judged(self):
        assert self.explored(self.rows("ab", new_size=0)) == []


class TestReliability:
    def test_curve_by_hand(self):
        # two bins of three scores, given in any order: .1 .2 .3, of which the second was bought, and .5 .6 .7, all bought
        scores, labels = np.array([0.6, 0.1, 0.7, 0.2, 0.5, 0.3]), np.array([True, False, True, True, True, False])
        curve = reliability(scores, labels, np.ones(6), bins=2)
        expected = {"score": [0.2, 0.6], "share": [1 / 3, 1], "weight": [3, 3]}
        assert curve.to_dict(orient="list") == {name: pytest.approx(values) for name, values in expected.items()}
        assert calibration_error(curve) == pytest.approx(((1 / 3 - 0.2) + (1 - 0.6)) / 2)

    def test_row_counts_for_as_many_as_it_stands_for(self):
        scores, labels, weights = np.array([0.2, 0.4, 0.9]), np.array([False, True, True]), np.array([5.0, 1.0, 2.0])
        curve = reliability(scores, labels, weights, bins=1)
        assert curve.to_dict(orient="list") == {
            "score": [pytest.approx((5 * 0.2 + 0.4 + 2 * 0.9) / 8)],
            "share": [3 / 8],
            "weight": [8],
        }
        apart = reliability(scores, labels, weights, bins=3)
        assert calibration_error(apart) == pytest.approx((5 * 0.2 + 1 * 0.6 + 2 * 0.1) / 8)

    def test_scores_that_come_true_have_no_error_and_others_have_theirs(self):
        random = np.random.default_rng(2)
        said = random.uniform(0, 1, 50_000)
        labels = random.random(50_000) < said
        assert calibration_error(reliability(said, labels, np.ones(50_000))) < 0.01
        too_sure = np.clip(said + 0.1, 0, 1)
        assert calibration_error(reliability(too_sure, labels, np.ones(50_000))) == pytest.approx(0.1, abs=0.01)

    def test_too_much_and_too_little_do_not_cancel(self):
        labels = np.array([False] * 5 + [True] * 5)
        curve = reliability(np.array([0.3] * 5 + [0.7] * 5), labels, np.ones(10), bins=2)
        assert calibration_error(curve) == pytest.approx(0.3)

    def test_fewer_scores_than_bins(self):
        curve = reliability(np.array([0.4]), np.array([True]), np.ones(1))
        assert calibration_error(curve) == pytest.approx(0.6)


def values(per_household: Sequence[Sequence[float]]) -> pd.Series:
    """One list a week for each household."""
    found = {
        (week, f"H{number:03}"): value for number, weeks in enumerate(per_household) for week, value in enumerate(weeks)
    }
    index = pd.MultiIndex.from_tuples(list(found), names=["as_of_date", "household_id"]) if found else EMPTY
    return pd.Series(list(found.values()), index=index, dtype=float)


def estimate(series: pd.Series, *, samples: int, confidence: float, seed: int) -> Estimate:
    return Bootstrap(subject="household_id", samples=samples, confidence=confidence, seed=seed).mean(series)


EMPTY = pd.MultiIndex.from_arrays([[], []], names=["as_of_date", "household_id"])
HABITS = np.random.default_rng(1).normal(0.3, 0.1, 200)


class TestEstimate:
    def test_interval_holds_the_mean_and_is_as_wide_as_the_textbook_says(self):
        found = estimate(values([[value] for value in HABITS]), samples=2_000, confidence=0.95, seed=1)
        half = 1.96 * HABITS.std() / math.sqrt(len(HABITS))
        assert found.value == pytest.approx(HABITS.mean())
        assert found.low < found.value < found.high
        assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)

    def test_more_confidence_is_wider(self):
        series = values([[value] for value in HABITS])
        wide, narrow = (estimate(series, samples=1_000, confidence=c, seed=1) for c in (0.99, 0.8))
        assert wide.low < narrow.low < narrow.high < wide.high

    def test_weeks_of_a_household_that_are_all_alike_add_no_certainty(self):
        def width(series: pd.Series) -> float:
            found = estimate(series, samples=2_000, confidence=0.95, seed=1)
            return found.high - found.low

        once, four_times = width(values([[v] for v in HABITS])), width(values([[v] * 4 for v in HABITS]))
        as_if_independent = width(values([[v] for v in np.repeat(HABITS, 4)]))
        assert four_times == pytest.approx(once)
        assert four_times / as_if_independent == pytest.approx(2, rel=0.1)  # the root of four

    def test_household_of_many_weeks_weighs_more_as_in_the_mean(self):
        found = estimate(values([[1.0, 1.0, 1.0], [0.0]]), samples=200, confidence=0.95, seed=1)
        assert (found.value, found.low, found.high) == (0.75, 0.0, 1.0)

    def test_no_difference_anywhere_is_an_interval_of_nothing(self):
        found = estimate(values([[0.2]] * 50), samples=200, confidence=0.95, seed=1)
        assert (found.low, found.value, found.high) == pytest.approx((0.2, 0.2, 0.2))

    def test_seed_decides_and_the_order_of_rows_does_not(self):
        series = values([[value] for value in HABITS])
        one, same, other = (estimate(series, samples=300, confidence=0.95, seed=seed) for seed in (1, 1, 2))
        assert one == same
        assert one != other
        shuffled = estimate(series.sample(frac=1, random_state=3), samples=300, confidence=0.95, seed=1)
        assert (shuffled.low, shuffled.high) == (one.low, one.high)

    def test_nobody_is_no_number(self):
        found = estimate(values([]), samples=200, confidence=0.95, seed=1)
        assert all(math.isnan(value) for value in (found.value, found.low, found.high))

    def test_all_metrics_are_estimated(self):
        lists = by_list(frame([("H", "a", True)], truth={"H": 1}), np.array([1.0]), k=1)
        found = Bootstrap(subject="household_id", samples=200, confidence=0.95, seed=1).means(lists)
        assert {name: str(value) for name, value in found.items()} == dict.fromkeys(METRICS, "1.0000 [1.0000, 1.0000]")

    def test_metrics_that_share_draws_are_estimated_as_alone(self, monkeypatch: pytest.MonkeyPatch):
        draw = Bootstrap(subject="household_id", samples=250, confidence=0.95, seed=1)
        one = values([[value] for value in HABITS])
        columns = {"all": one, "other way": one[::-1] * 2, "some": one[:60], "none": one[:0]}
        found = draw.means(columns)
        assert {name: str(draw.mean(column)) for name, column in columns.items()} == {
            name: str(each) for name, each in found.items()
        }
        assert found["all"] == draw.mean(one)
        monkeypatch.setattr(estimates, "NUMBERS", 7 * len(HABITS))  # of so many subjects, fewer draws at a time
        assert found["all"].as_list() == pytest.approx(draw.mean(one).as_list(), rel=1e-12)


class TestPlacesOfASubcategory:
    """At most so many of what replaces each other: p, q, r and s are newspapers, a and b milk, x is of no subcategory."""

    KIND: Mapping[str, str | None] = {
        **dict.fromkeys("pqrs", "PAPER"),
        **dict.fromkeys("ab", "MILK"),
        "x": None,
        "y": "",
    }

    def rows(self, scores: str, *, new: str = "", household: str = "H", bought: str = "") -> pd.DataFrame:
        rows = frame([(household, product, product in bought) for product in scores], truth={household: 3})
        kinds = [self.KIND[product] for product in scores]
        numbers = np.arange(len(scores), 0, -1.0)
        return rows.assign(subcategory=kinds, is_repeat=~rows["product_id"].isin(list(new)), score=numbers, new_size=1)

    def listed(self, rows: pd.DataFrame, *, k: int = 4, explore: int = 0, places: int = 2) -> str:
        best = top(rows, rows["score"].to_numpy(), k=k, by=["household_id"], explore=explore, places=places)
        assert best["rank"].tolist() == list(range(1, len(best) + 1))
        return "".join(best["product_id"])

    def test_next_best_get_the_places(self):
        assert self.listed(self.rows("pqrsabx")) == "pqab"
        assert self.listed(self.rows("pqrsabx"), places=1) == "paxq"  # there is nothing else left
        assert self.listed(self.rows("pqrsabx"), places=3) == "pqra"

    def test_zero_is_any_number(self):
        assert self.listed(self.rows("pqrsab"), places=0) == "pqrs"

    def test_next_best_fill_up_where_there_is_nothing_else(self):
        assert self.listed(self.rows("pqrsa")) == "pqar"
        assert self.listed(self.rows("pqrs"), places=1) == "pqrs"

    def test_what_is_of_no_subcategory_is_never_too_much(self):
        rows = pd.concat([self.rows("xyp"), self.rows("xy").assign(product_id=["v", "w"])], ignore_index=True)
        assert self.listed(rows.assign(score=[9, 8, 1, 7, 6]), places=1) == "xyvw"

    def test_without_subcategories_nothing_changes(self):
        rows = self.rows("pqrsab").drop(columns="subcategory")
        assert self.listed(rows, places=1) == "pqrs"

    def test_every_list_has_its_own(self):
        both = pd.concat([self.rows("pqrsab", household="G"), self.rows("srqpba")], ignore_index=True)
        best = top(both, both["score"].to_numpy(), k=4, by=["household_id"], places=2)
        assert "".join(best["product_id"]) == "pqabsrba"

    def test_discoveries_count_with_the_places_by_score(self):
        # r is the best that was never bought, and the third newspaper: b is next.
        assert self.listed(self.rows("pqarbx", new="rb"), k=4, explore=1) == "pqab"
        assert self.listed(self.rows("paxrqb", new="rb"), k=4, explore=1) == "paxr"

    def test_newspapers_that_are_not_listed_take_no_place_of_a_discovery(self):
        # q, r and s come after the places by score, and none is listed: the discovery b is milk, and its second.
        assert self.listed(self.rows("apxqrsb", new="b"), k=4, explore=1) == "apxb"
        assert self.listed(self.rows("abxpqrs", new="s"), k=4, explore=1, places=1) == "axps"

    def test_judge_measures_the_lists_that_are_served(self):
        rows = self.rows("pqrsab", bought="rsa")
        scores = rows["score"].to_numpy()
        assert by_list(rows, scores, k=3)["recall"].tolist() == [1 / 3]  # p q r
        assert by_list(rows, scores, k=4)["recall"].tolist() == [2 / 3]  # p q r s
        assert by_list(rows, scores, k=4, places=2)["recall"].tolist() == [1 / 3]  # p q a b

    @given(
        st.lists(
            st.tuples(st.sampled_from("GH"), st.sampled_from(["A", "B", "C", "", None]), st.booleans()),
            min_size=1,
            max_size=30,
        ),
        st.integers(1, 8),
        st.integers(1, 3),
        st.integers(0, 3),
    )
    def test_list_is_as_long_as_ever_and_holds_more_only_when_nothing_else_is_left(self, products, k, places, explore):
        rows = pd.DataFrame(products, columns=["household_id", "subcategory", "is_repeat"])
        rows = rows.assign(product_id=[f"{n:02}" for n in range(len(rows))])
        scores, explore = np.arange(len(rows), 0, -1.0), min(explore, k - 1)
        best = top(rows, scores, k=k, by=["household_id"], explore=explore, places=places)
        every = top(rows, scores, k=k, by=["household_id"], explore=explore)
        assert best.groupby("household_id").size().to_dict() == every.groupby("household_id").size().to_dict()
        left = rows[~rows["product_id"].isin(best["product_id"])]
        for household, one in best.groupby("household_id"):
            listed = one["subcategory"].replace("", None).dropna().value_counts()
            if (listed > places).any():
                others = left[left["household_id"] == household]["subcategory"]
                assert all(kind and listed.get(kind, 0) >= places for kind in others.where(others.notna(), None))
