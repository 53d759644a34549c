"""The rule of promotion: better than everybody by more than chance, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.training.judging import judge
from assets.training.metrics import METRICS
from assets.training.models.baselines import GlobalTop, PersonalTopFrequency
from assets.training.promotion import Decision, best_of, decide
from resources.settings import Promotion

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


def holdout() -> pd.DataFrame:
    """30 households that buy again what they bought; the best seller is bought by nobody."""
    rows = [
        {"household_id": f"H{n:02}", "product_id": product, "label": product == "own", "truth_size": 1}
        | {"purchases": 3.0 if product == "own" else float("nan"), "popularity": 9.0 if product == "best" else 1.0}
        for n in range(30)
        for product in ("best", "own")
    ]
    return pd.DataFrame(rows).assign(as_of_date="2024-03-24")


def test_judging_scores_everybody_on_the_same_holdout():
    habit, popular = PersonalTopFrequency(), GlobalTop()
    found = judge(
        holdout(),
        challenger=("challenger (version 2)", habit),
        baselines={popular.title: popular},
        champion=("champion (version 1)", popular),
        k=1,
        rule=RULE,
        seed=1,
    )
    assert found.decision.is_promoted
    assert (found.households, found.best_baseline) == (30, "global top")
    assert list(found.quality) == ["global top", "champion (version 1)", "challenger (version 2)"]
    numbers = found.numbers()
    assert numbers["quality"]["challenger (version 2)"]["recall"] == [1.0, 1.0, 1.0]
    assert numbers["quality"]["global top"]["hit_rate"] == [0.0, 0.0, 0.0]
