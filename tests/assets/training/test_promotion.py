"""The rule of promotion: better than everybody by more than chance, or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.training.judging import evaluated, judge
from assets.training.metrics import METRICS, Estimate
from assets.training.models.baselines import GlobalTop, PersonalTopFrequency
from assets.training.promotion import Decision, best_of, decide
from assets.training.slices import SliceComparison
from resources.settings import Model, Promotion

RULE = Promotion(bootstrap_samples=300, min_households=20)
HOUSEHOLDS = 100
USUAL = np.random.default_rng(5).uniform(0.1, 0.5, HOUSEHOLDS)


def lists(recall: Sequence[float] | np.ndarray, **other: Any) -> pd.DataFrame:
    """Lists of one week, one a household, with this recall; the other metrics the same unless told otherwise."""
    index = pd.MultiIndex.from_tuples(
        [("2024-03-24", f"H{number:03}") for number in range(len(recall))], names=["as_of_date", "household_id"]
    )
    return pd.DataFrame({metric: other.get(metric, recall) for metric in METRICS}, index=index)


WORSE, BETTER = lists(USUAL - 0.05), lists(USUAL + 0.05)


def decided(
    challenger: pd.DataFrame,
    baselines: Mapping[str, pd.DataFrame],
    champion: pd.DataFrame | None = None,
    **rule: Any,
) -> Decision:
    return decide(
        challenger,
        baselines=baselines,
        champion=("champion (version 1)", champion) if champion is not None else None,
        rule=RULE.model_copy(update=rule),
        seed=1,
    )


def test_first_challenger_that_beats_every_baseline_is_promoted():
    decision = decided(lists(USUAL), {"global top": WORSE, "habit": WORSE})
    assert decision.is_promoted
    assert decision.reasons == (
        "Promoted: recall over 100 households, paired interval of 95%.",
        "beats global top by +0.0500 [+0.0500, +0.0500]",
        "beats habit by +0.0500 [+0.0500, +0.0500]",
    )


def test_one_baseline_that_is_not_beaten_is_enough_to_stay():
    decision = decided(lists(USUAL), {"global top": WORSE, "habit": BETTER})
    assert not decision.is_promoted
    assert [comparison.is_won for comparison in decision.comparisons] == [True, False]
    assert decision.reasons[2] == "does not beat habit by -0.0500 [-0.0500, -0.0500]"


@pytest.mark.parametrize(("champion", "is_promoted"), [(WORSE, True), (BETTER, False)])
def test_champion_has_to_be_beaten_too(champion, is_promoted):
    assert decided(lists(USUAL), {"global top": WORSE}, champion).is_promoted is is_promoted


def test_exact_tie_does_not_promote():
    assert not decided(lists(USUAL), {"global top": WORSE}, lists(USUAL)).is_promoted


def test_better_on_average_but_within_chance_does_not_promote():
    noise = np.random.default_rng(6).normal(0.005, 0.1, HOUSEHOLDS)
    assert noise.mean() > 0
    assert not decided(lists(USUAL + noise), {"global top": lists(USUAL)}).is_promoted


def test_comparison_is_paired():
    # a hundredth better for every household: far less than households differ, and yet certain
    assert decided(lists(USUAL + 0.01), {"global top": lists(USUAL)}).is_promoted
    shuffled = np.random.default_rng(7).permutation(USUAL)
    assert not decided(lists(shuffled + 0.01), {"global top": lists(USUAL)}).is_promoted


def test_pairs_are_found_by_household_not_by_place():
    backwards = lists(USUAL).iloc[::-1]
    assert decided(lists(USUAL + 0.01), {"global top": backwards}).is_promoted


def test_only_the_metric_of_the_rule_decides():
    challenger = lists(USUAL + 0.1, ndcg=USUAL - 0.1)
    assert decided(challenger, {"global top": lists(USUAL)}).is_promoted
    assert not decided(challenger, {"global top": lists(USUAL)}, metric="ndcg").is_promoted


def test_too_few_households_decide_nothing():
    few = {"global top": lists(USUAL[:19] - 0.3)}
    decision = decided(lists(USUAL[:19]), few)
    assert (decision.is_promoted, decision.comparisons) == (False, ())
    assert "19 households in the holdout are too few to judge (at least 20)" in decision.reasons[0]
    assert decided(lists(USUAL[:19]), few, min_households=19).is_promoted


def test_weeks_are_not_counted_as_households():
    weeks = pd.concat([lists(USUAL[:15]), lists(USUAL[:15]).rename(index={"2024-03-24": "2024-03-17"}, level=0)])
    assert not decided(weeks, {"global top": weeks - 0.3}).is_promoted


def test_best_baseline_is_that_of_the_metric():
    bar = {"a": lists([0.1, 0.2]), "b": lists([0.3, 0.0], hit_rate=[0, 0]), "c": lists([0.2, 0.2])}
    assert (best_of(bar, metric="recall"), best_of(bar, metric="hit_rate")) == ("c", "c")
    assert best_of({"a": lists([0.1]), "b": lists([0.1])}, metric="recall") == "a"


def part(value: str, *, high: float) -> SliceComparison:
    difference = Estimate(value=high - 0.02, low=high - 0.04, high=high)
    return SliceComparison(slice="department", value=value, households=1_234, recall=0.3, difference=difference)


def test_slice_that_is_worse_is_named_and_does_not_decide():
    slices = [part("FRESH", high=0.03), part("BAKERY", high=-0.01), part("TILL", high=0.0)]
    decision = decide(lists(USUAL), baselines={"global top": WORSE}, champion=None, rule=RULE, seed=1, slices=slices)
    assert decision.is_promoted
    assert decision.reasons[2:] == ("worse in department BAKERY by -0.0300 [-0.0500, -0.0100] over 1,234 households",)


def test_that_no_slice_is_worse_is_said_too():
    slices = [part("FRESH", high=0.03), part("TILL", high=0.0)]
    rule = {"baselines": {"global top": BETTER}, "champion": None, "rule": RULE, "seed": 1}
    decision = decide(lists(USUAL), **rule, slices=slices)
    assert not decision.is_promoted
    assert decision.reasons[-1] == "worse in none of 2 slices by history, department and weekday"
    assert len(decide(lists(USUAL), **rule).reasons) == 2  # no slices, nothing said of them


class Known(PersonalTopFrequency):
    """A family whose scores are probabilities: of what the household bought thrice it says .9, of all else .1."""

    scores_are_probabilities = True

    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        return np.where(candidates["purchases"] == 3, 0.9, 0.1)


def holdout(households: int = 30) -> pd.DataFrame:
    """Households that buy again what they bought, and what is new to them; the best seller is bought by nobody."""
    rows = [
        {"household_id": f"H{n:02}", "product_id": product, "label": product != "best", "truth_size": 2, "new_size": 1}
        | {"purchases": 3.0 if product == "own" else float("nan"), "popularity": 9.0 if product == "best" else 1.0}
        for n in range(households)
        for product in ("best", "own", "unknown")
    ]
    frame = pd.DataFrame(rows).assign(as_of_date="2024-03-24", stands_for=1.0)
    return frame.assign(is_repeat=frame["purchases"].notna())


def bought(households: int = 30) -> pd.DataFrame:
    rows = [
        {"household_id": f"H{n:02}", "product_id": product, "department": department, "weekday": 0, "history": "new"}
        for n in range(households)
        for product, department in (("own", "FRESH"), ("unknown", "BAKERY"))
    ]
    return pd.DataFrame(rows).assign(as_of_date="2024-03-24")


class TestJudging:
    HABIT, POPULAR = PersonalTopFrequency(), GlobalTop()

    def judged(self, **others: Any) -> Any:
        given: dict[str, Any] = {
            "challenger": ("challenger (version 2)", self.HABIT),
            "baselines": {self.POPULAR.title: self.POPULAR},
            "champion": ("champion (version 1)", self.POPULAR),
            "model": Model(top_k=1, explore_places=0),
            "rule": RULE,
        }
        return judge(holdout(), bought(), **given | others)

    def test_everybody_scores_the_same_holdout(self):
        found = self.judged()
        assert found.decision.is_promoted
        assert (found.households, found.best_baseline) == (30, "global top")
        assert list(found.quality) == ["global top", "champion (version 1)", "challenger (version 2)"]
        numbers = found.numbers()
        assert numbers["quality"]["challenger (version 2)"]["recall"] == [0.5, 0.5, 0.5]
        assert numbers["quality"]["global top"]["hit_rate"] == [0.0, 0.0, 0.0]

    def test_only_the_places_by_score_are_judged(self):
        # The second place would hold the best seller for the challenger, for the others what was bought.
        found = self.judged(model=Model(top_k=2, explore_places=1))
        assert found.numbers()["quality"]["global top"]["recall"] == [0.0, 0.0, 0.0]
        both = self.judged(model=Model(top_k=2, explore_places=0))
        assert both.numbers()["quality"]["global top"]["recall"] == [0.5, 0.5, 0.5]

    def test_slices_are_against_the_champion(self):
        tied = self.judged(champion=("champion (version 1)", self.HABIT))
        assert tied.best_baseline == "global top"
        assert {row.difference.value for row in tied.slices} == {0}
        found = self.judged()
        recalls = {(row.slice, row.value): (row.recall, row.difference.value) for row in found.slices}
        assert recalls == {
            ("history", "new"): (0.5, 0.5),
            ("department", "FRESH"): (1, 1),
            ("department", "BAKERY"): (0, 0),
            ("weekday", "Monday"): (0.5, 0.5),
        }
        assert found.decision.reasons[-1] == "worse in none of 4 slices by history, department and weekday"
        assert found.numbers()["slices"][0] == {
            "slice": "department",
            "value": "BAKERY",
            "households": 30,
            "recall": 0.0,
            "difference": [0.0, 0.0, 0.0],
        }

    def test_without_a_champion_slices_are_against_the_best_baseline(self):
        baselines = {"popular": self.POPULAR, "habit": self.HABIT}
        found = self.judged(challenger=("challenger", self.POPULAR), baselines=baselines, champion=None)
        assert found.best_baseline == "habit"
        worse = {row.value for row in found.slices if row.is_worse}
        assert worse == {"new", "FRESH", "Monday"}
        assert sum("worse in department FRESH by -1.0000" in reason for reason in found.decision.reasons) == 1

    def test_record_of_it_is_json(self):
        assert json.loads(json.dumps(self.judged().numbers())) == self.judged().numbers()


class TestEvaluating:
    def test_places_by_score_and_for_discoveries_have_metrics_of_their_own(self):
        found = evaluated(PersonalTopFrequency(), holdout(), model=Model(top_k=3, explore_places=1), rule=RULE)
        # By score: own, then the best seller. The place that is left has the other product, which was bought.
        assert found.metrics() == {
            "recall_at_2": 0.5,
            "ndcg_at_2": pytest.approx(1 / (1 + 1 / math.log2(3))),
            "hit_rate_at_2": 1,
            "explore_recall_at_1": 1,
            "explore_ndcg_at_1": 1,
            "explore_hit_rate_at_1": 1,
        }
        assert found.curve is None

    def test_probabilities_are_held_against_what_became_of_the_lists(self):
        found = evaluated(Known(), holdout(), model=Model(top_k=2, explore_places=0), rule=RULE)
        # Listed are own at .9, bought by all, and of two at .1 the first, bought by nobody.
        assert found.metrics()["calibration_error"] == pytest.approx(0.1)
        assert set(found.metrics()) == {"recall_at_2", "ndcg_at_2", "hit_rate_at_2", "calibration_error"}

    def test_households_that_did_not_shop_count_for_calibration_and_for_nothing_else(self):
        idle = holdout(10).assign(truth_size=0, new_size=0, label=False, stands_for=5.0)
        idle["household_id"] = "I" + idle["household_id"]
        both = pd.concat([holdout(), idle], ignore_index=True)
        alone, together = (
            evaluated(Known(), rows, model=Model(top_k=1, explore_places=0), rule=RULE) for rows in (holdout(), both)
        )
        assert together.metrics()["recall_at_1"] == alone.metrics()["recall_at_1"] == 0.5
        assert alone.metrics()["calibration_error"] == pytest.approx(0.1)
        # .9 was said of 30 that bought and of 50 that did not: 30 / 80 on the whole curve. All say the same, so which
        # of them share a bin is up to their order; the mean of the curve is not.
        curve = together.curve
        assert curve is not None
        assert (curve["share"] * curve["weight"]).sum() / curve["weight"].sum() == pytest.approx(30 / 80)
