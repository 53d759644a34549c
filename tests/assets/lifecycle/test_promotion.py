"""Promotion: what is measured, what the policy is asked, and what the shipped policy says to it."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.grocery.domain import GROCERY, Grocery
from assets.grocery.training.examples import LABEL_DAYS
from assets.grocery.training.metrics import METRICS
from assets.grocery.training.models.baselines import GlobalTop, PersonalTopFrequency
from assets.grocery.training.slices import recalls
from assets.lifecycle.domain import Lifecycle
from assets.lifecycle.estimates import Bootstrap, Estimate
from assets.lifecycle.evaluation import Comparison, Evaluation, Judgement, SliceComparison, evaluate, judge
from assets.lifecycle.model import Model
from assets.lifecycle.promotion import (
    HOLDOUT,
    NIGHT,
    OF_PROBABILITIES,
    PACKAGE,
    PROMOTE,
    ROLLBACK,
    Candidate,
    DataHealth,
    HumanOverride,
    question,
    reasons,
)
from resources import home
from resources.config.retailer import RecommenderConfig, RecommenderPromotionConfig
from resources.models.registry import BUSINESS_DATE, ModelVersion
from resources.policy.client import Answer, Policy
from resources.records.lifecycle import Signal

RULE = RecommenderPromotionConfig(bootstrap_samples=300, min_households=20)
POLICY = Policy(folder=str(home.PROJECT / "config" / "policy"))
DAY = dt.date(2024, 3, 31)
HOUSEHOLDS = 100
USUAL = np.random.default_rng(5).uniform(0.1, 0.5, HOUSEHOLDS)


def lists(recall: Sequence[float] | np.ndarray, **other: Any) -> pd.DataFrame:
    """Lists of one week, one a household, with this recall; the other metrics the same unless told otherwise."""
    index = pd.MultiIndex.from_tuples(
        [("2024-03-24", f"H{number:03}") for number in range(len(recall))], names=["as_of_date", "household_id"]
    )
    return pd.DataFrame({metric: other.get(metric, recall) for metric in METRICS}, index=index)


WORSE, BETTER = lists(USUAL - 0.05), lists(USUAL + 0.05)


def won(challenger: pd.DataFrame, opponent: pd.DataFrame, *, metric: str = "recall") -> bool:
    draw = Bootstrap(subject="household_id", samples=300, confidence=0.95, seed=1)
    return Comparison(opponent="opponent", difference=draw.mean(challenger[metric] - opponent[metric])).is_won


def test_better_for_everybody_is_a_win():
    assert won(lists(USUAL), WORSE)
    assert not won(lists(USUAL), BETTER)


def test_exact_tie_is_no_win():
    assert not won(lists(USUAL), lists(USUAL))


def test_better_on_average_but_within_chance_is_no_win():
    noise = np.random.default_rng(6).normal(0.005, 0.1, HOUSEHOLDS)
    assert noise.mean() > 0
    assert not won(lists(USUAL + noise), lists(USUAL))


def test_comparison_is_paired():
    # a hundredth better for every household: far less than households differ, and yet certain
    assert won(lists(USUAL + 0.01), lists(USUAL))
    shuffled = np.random.default_rng(7).permutation(USUAL)
    assert not won(lists(shuffled + 0.01), lists(USUAL))


def test_pairs_are_found_by_household_not_by_place():
    assert won(lists(USUAL + 0.01), lists(USUAL).iloc[::-1])


def test_only_the_metric_of_the_rule_is_compared():
    challenger = lists(USUAL + 0.1, ndcg=USUAL - 0.1)
    assert won(challenger, lists(USUAL))
    assert not won(challenger, lists(USUAL), metric="ndcg")


def part(value: str, *, high: float, recall: float = 0.3, households: int = 1_234) -> SliceComparison:
    difference = Estimate(value=high - 0.02, low=high - 0.04, high=high)
    return SliceComparison(slice="department", value=value, subjects=households, score=recall, difference=difference)


def against(name: str, low: float) -> Comparison:
    return Comparison(opponent=name, difference=Estimate(value=low + 0.01, low=low, high=low + 0.02))


def measured(*, baseline: float = 0.01, champion: float | None = 0.01, **other: Any) -> Judgement:
    """A judgement in which all is well; `baseline` and `champion` are the lower ends of the intervals."""
    compared = [against("global top", 0.02), against("habit", baseline)]
    given: dict[str, Any] = {
        "metric": "recall",
        "confidence": 0.95,
        "subjects": 400,
        "quality": {},
        "comparisons": [*compared, *([against("champion (version 6)", champion)] if champion is not None else [])],
        "champion": "champion (version 6)" if champion is not None else None,
        "best_baseline": "habit",
        "slices": [part("FRESH", high=0.03), part("TILL", high=0.0)],
        "scores_are_probabilities": True,
        "calibration_error": 0.01,
    }
    return Judgement(**given | other)


CANDIDATE = Candidate(version=7, made_on=DAY, newest_label=DAY)


def signal(level: str, *, watch: str = "inputs") -> Signal:
    return Signal(
        business_date=DAY, watch=watch, level=level, value=1.0, says="lines of FRESH are gone", model_version=6,
        run_id="run", seen_at=dt.datetime(2024, 4, 1, tzinfo=dt.UTC),
    )  # fmt: skip


def asked(
    kind: str = NIGHT,
    *,
    candidate: Candidate = CANDIDATE,
    judgement: Judgement | None = None,
    health: DataHealth | None = None,
    **other: Any,
) -> Answer:
    """What the shipped policy says to a case in which all is well but what is given."""
    return POLICY.ask(
        PACKAGE,
        question(
            kind,
            DAY,
            candidate,
            GROCERY,
            judgement=judgement or measured(),
            health=health or DataHealth(signals=[signal("ok")]),
            **other,
        ),
    )


def denied_by(answer: Answer) -> set[str]:
    assert answer.is_allowed is not bool(answer.fired)
    return {denial.rule for denial in answer.fired}


class TestShippedPolicy:
    def test_all_is_well(self):
        assert asked().is_allowed
        assert asked(judgement=measured(champion=None)).is_allowed
        assert asked(PROMOTE).is_allowed

    @pytest.mark.parametrize(
        ("judgement", "rule"),
        [
            (measured(baseline=0.0), "better_than_every_baseline"),
            (measured(baseline=-0.01), "better_than_every_baseline"),
            (measured(baseline=math.nan), "better_than_every_baseline"),
            (measured(champion=0.0), "better_than_the_champion"),
            (measured(subjects=29), "holdout_has_enough_households"),
            (measured(slices=[part("FRESH", high=-0.02)]), "no_slice_lost_too_much"),  # .34 → .30: by 12 %
        ],
    )
    def test_each_rule_on_what_was_measured_flips_the_decision(self, judgement, rule):
        assert denied_by(asked(judgement=judgement)) == {rule}
        assert denied_by(asked(PROMOTE, judgement=judgement)) == {rule}

    @pytest.mark.parametrize("error", [0.051, None])
    def test_scores_that_are_off_are_an_order_and_no_probabilities(self, error):
        answer = asked(judgement=measured(calibration_error=error))
        assert answer.is_allowed
        assert [denial.rule for denial in answer.fired] == [OF_PROBABILITIES]

    @pytest.mark.parametrize(
        "judgement",
        [
            measured(subjects=30),
            measured(slices=[part("FRESH", high=-0.005)]),  # by 8 %, more than chance
            measured(slices=[part("FRESH", high=0.001, recall=0.05)]),  # by 28 %, perhaps by chance
            measured(slices=[part("FRESH", high=-0.02, households=49)]),
            measured(calibration_error=0.05),
            measured(calibration_error=None, scores_are_probabilities=False),
        ],
    )
    def test_what_is_within_the_limits_is_allowed(self, judgement):
        assert asked(judgement=judgement).is_allowed

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"made_on": DAY - dt.timedelta(days=15)}, "version_is_recent"),
            ({"made_on": None}, "version_is_recent"),
            ({"newest_label": DAY - dt.timedelta(days=22)}, "labels_are_fresh"),
            ({"newest_label": None}, "labels_are_fresh"),
            ({"can_be_loaded": False}, "version_can_be_loaded"),
            ({"sample_matches": False}, "version_scores_its_sample_as_recorded"),
        ],
    )
    def test_each_rule_on_the_version_flips_the_decision(self, change, rule):
        assert denied_by(asked(candidate=replace(CANDIDATE, **change))) == {rule}

    def test_shut_gate_denies(self):
        answer = asked(health=DataHealth(closed_gates=["transactions of 2024-03-30: volume failed (half)"]))
        assert denied_by(answer) == {"inputs_passed_their_gates"}
        assert "volume failed (half)" in answer.fired[0].says

    def test_alarm_of_the_inputs_denies_and_of_what_a_new_model_answers_does_not(self):
        assert denied_by(asked(health=DataHealth(signals=[signal("error")]))) == {"inputs_have_not_drifted"}
        assert asked(health=DataHealth(signals=[signal("warn"), signal("error", watch="outcomes")])).is_allowed

    def test_incomplete_card_denies(self):
        answer = asked(missing_on_card=["known limits", "population"])
        assert denied_by(answer) == {"model_card_is_complete"}
        assert answer.fired[0].says == "its model card lacks known limits, population"

    def test_what_was_not_measured_denies(self):
        bare = question(NIGHT, DAY, CANDIDATE, GROCERY)
        assert denied_by(POLICY.ask(PACKAGE, bare)) >= {"question_is_complete"}

    def test_person_lets_through_what_is_denied_and_the_denial_stays_on_record(self):
        said = HumanOverride(by="ada", reason="the old one is broken")
        answer = asked(PROMOTE, judgement=measured(champion=0.0), override=said)
        assert answer.is_allowed
        assert [denial.rule for denial in answer.fired] == ["better_than_the_champion"]
        assert not asked(NIGHT, judgement=measured(champion=0.0), override=said).is_allowed
        assert not asked(PROMOTE, candidate=replace(CANDIDATE, can_be_loaded=False), override=said).is_allowed

    def test_rollback_asks_whether_it_was_champion_and_works(self):
        def back(**found: bool) -> Answer:
            old = Candidate(version=3, made_on=dt.date(2023, 1, 1), newest_label=None, **{"was_champion": True} | found)
            return POLICY.ask(PACKAGE, question(ROLLBACK, DAY, old, GROCERY))

        assert back().is_allowed
        assert denied_by(back(was_champion=False)) == {"version_was_champion_before"}
        assert denied_by(back(can_be_loaded=False)) == {"version_can_be_loaded"}
        assert denied_by(back(sample_matches=False)) == {"version_scores_its_sample_as_recorded"}


class TestQuestion:
    def test_it_is_json_also_where_nothing_could_be_measured(self):
        found = question(NIGHT, DAY, CANDIDATE, GROCERY, judgement=measured(baseline=math.nan), health=DataHealth())
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["measured"]["baselines"][1]["low"] is None

    def test_champion_is_told_apart_from_the_baselines(self):
        found = question(NIGHT, DAY, CANDIDATE, GROCERY, judgement=measured())["measured"]
        assert [one["name"] for one in found["baselines"]] == ["global top", "habit"]
        assert found["champion"]["name"] == "champion (version 6)"

    def test_version_is_described_by_its_record(self):
        made_on, close = DAY - dt.timedelta(days=2), DAY - dt.timedelta(days=2 + LABEL_DAYS)
        record = ModelVersion(
            version=7, run_id="", source="", tags={BUSINESS_DATE: str(made_on)}, metrics={}, aliases=[],
            parameters={HOLDOUT: f"{close} {close - dt.timedelta(days=7)}"},
        )  # fmt: skip
        assert Candidate.of(record, GROCERY, was_champion=True) == Candidate(
            version=7, made_on=made_on, newest_label=made_on, was_champion=True
        )
        assert question(NIGHT, DAY, Candidate.of(record, GROCERY), GROCERY)["version"]["days_since_labels"] == 2
        unknown = Candidate.of(replace(record, tags={}, parameters={}), GROCERY)
        assert (unknown.made_on, unknown.newest_label) == (None, None)


class TestReasons:
    def test_promotion_tells_what_was_won(self):
        judgement = measured(champion=None)
        assert reasons(asked(judgement=judgement), judgement, GROCERY) == (
            "Promoted: recall over 400 households, paired interval of 95%.",
            "beats global top by +0.0300 [+0.0200, +0.0400]",
            "beats habit by +0.0200 [+0.0100, +0.0300]",
            "worse in none of 2 slices by department",
        )

    def test_refusal_tells_what_fired_with_its_numbers(self):
        judgement = measured(champion=-0.01)
        told = reasons(asked(judgement=judgement), judgement, GROCERY)
        assert told[:2] == (
            "Not promoted: recall over 400 households, paired interval of 95%.",
            "does not beat champion (version 6) by more than chance in recall: +0.0000 [-0.0100, +0.0100]",
        )
        assert sum(reason.startswith("beats") for reason in told) == 2

    def test_slice_that_is_worse_within_the_limit_is_told(self):
        judgement = measured(slices=[part("FRESH", high=0.03), part("BAKERY", high=-0.005), part("TILL", high=0.0)])
        answer = asked(judgement=judgement)
        assert answer.is_allowed
        assert reasons(answer, judgement, GROCERY)[-1] == (
            "worse in department BAKERY by -0.0250 [-0.0450, -0.0050] over 1,234 households"
        )


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


class Told(Grocery):
    """Grocery, with what was bought by hand."""

    def slice_metrics(self, holdout, as_of, work):
        return lambda scores: recalls(holdout, scores, bought(), k=work.settings.model.ranked_places)


@dataclass(frozen=True)
class ToldSettings:
    model: RecommenderConfig
    promotion: RecommenderPromotionConfig = RULE


def work(**model: int) -> Lifecycle:
    """The lifecycle as far as a measurement needs it."""
    nothing: Any = None
    return Lifecycle(
        domain=Told(),
        settings=ToldSettings(RecommenderConfig(**model)),
        tables=nothing,
        registry=nothing,
        operations=nothing,
        policy=nothing,
    )


def evaluated(model: Model, rows: pd.DataFrame, **config: int) -> Evaluation:
    return evaluate(model, [rows], work(**config))


def numbers_of(judgement: Judgement) -> dict[str, Any]:
    return judgement.numbers(subjects="households", slice_metric="recall")


class TestJudging:
    HABIT, POPULAR = PersonalTopFrequency(), GlobalTop()

    def judged(self, top_k: int = 1, explore_places: int = 0, **others: Any) -> Judgement:
        given: dict[str, Any] = {
            "candidate": ("challenger (version 2)", self.HABIT),
            "baselines": {self.POPULAR.title: self.POPULAR},
            "champion": ("champion (version 1)", self.POPULAR),
        }
        return judge([holdout()], [], work=work(top_k=top_k, explore_places=explore_places), **given | others)

    def test_everybody_scores_the_same_holdout(self):
        found = self.judged()
        assert [(one.opponent, one.is_won) for one in found.comparisons] == [
            ("global top", True), ("champion (version 1)", True),
        ]  # fmt: skip
        assert (found.champion, found.scores_are_probabilities, found.calibration_error) == (
            "champion (version 1)", False, None,
        )  # fmt: skip
        assert (found.subjects, found.best_baseline) == (30, "global top")
        assert list(found.quality) == ["global top", "champion (version 1)", "challenger (version 2)"]
        numbers = numbers_of(found)
        assert numbers["quality"]["challenger (version 2)"]["recall"] == [0.5, 0.5, 0.5]
        assert numbers["quality"]["global top"]["hit_rate"] == [0.0, 0.0, 0.0]

    def test_only_the_places_by_score_are_judged(self):
        # The second place would hold the best seller for the challenger, for the others what was bought.
        found = self.judged(top_k=2, explore_places=1)
        assert numbers_of(found)["quality"]["global top"]["recall"] == [0.0, 0.0, 0.0]
        both = self.judged(top_k=2)
        assert numbers_of(both)["quality"]["global top"]["recall"] == [0.5, 0.5, 0.5]

    def test_slices_are_against_the_champion(self):
        tied = self.judged(champion=("champion (version 1)", self.HABIT))
        assert tied.best_baseline == "global top"
        assert {row.difference.value for row in tied.slices} == {0}
        found = self.judged()
        recalls = {(row.slice, row.value): (row.score, row.difference.value) for row in found.slices}
        assert recalls == {
            ("history", "new"): (0.5, 0.5),
            ("department", "FRESH"): (1, 1),
            ("department", "BAKERY"): (0, 0),
            ("weekday", "Monday"): (0.5, 0.5),
        }
        assert numbers_of(found)["slices"][0] == {
            "slice": "department",
            "value": "BAKERY",
            "households": 30,
            "recall": 0.0,
            "difference": [0.0, 0.0, 0.0],
        }

    def test_without_a_champion_slices_are_against_the_best_baseline(self):
        baselines = {"popular": self.POPULAR, "habit": self.HABIT}
        found = self.judged(candidate=("challenger", self.POPULAR), baselines=baselines, champion=None)
        assert found.best_baseline == "habit"
        worse = {row.value for row in found.slices if row.is_worse}
        assert worse == {"new", "FRESH", "Monday"}
        assert found.champion is None

    def test_weeks_are_not_counted_as_households(self):
        weeks = pd.concat([holdout(), holdout().assign(as_of_date="2024-03-17")])
        found = judge(
            [weeks],
            [],
            candidate=("challenger", self.HABIT),
            baselines={"popular": self.POPULAR},
            champion=None,
            work=work(top_k=1, explore_places=0),
        )
        assert found.subjects == 30

    def test_holdout_in_parts_is_the_same_measurement(self):
        def odd(frame: pd.DataFrame) -> pd.Series:
            return frame["household_id"].str[1:].astype(int) % 2 == 1

        whole, given = holdout(), {"candidate": ("challenger", Known()), "baselines": {"popular": self.POPULAR}}
        found = [
            numbers_of(judge(parts, [], champion=None, work=work(top_k=2, explore_places=0), **given))
            for parts in ([whole], [whole[odd(whole)], whole[~odd(whole)]])
        ]
        assert found[0] == found[1]

    def test_scores_that_are_probabilities_are_held_against_the_holdout(self):
        found = self.judged(candidate=("challenger", Known()), top_k=2)
        assert found.scores_are_probabilities
        assert found.calibration_error == pytest.approx(0.1)

    def test_record_of_it_is_json(self):
        assert json.loads(json.dumps(numbers_of(self.judged()))) == numbers_of(self.judged())


class TestEvaluating:
    def test_places_by_score_and_for_discoveries_have_metrics_of_their_own(self):
        found = evaluated(PersonalTopFrequency(), holdout(), top_k=3, explore_places=1)
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
        found = evaluated(Known(), holdout(), top_k=2, explore_places=0)
        # Listed are own at .9, bought by all, and of two at .1 the first, bought by nobody.
        assert found.metrics()["calibration_error"] == pytest.approx(0.1)
        assert set(found.metrics()) == {"recall_at_2", "ndcg_at_2", "hit_rate_at_2", "calibration_error"}

    def test_households_that_did_not_shop_count_for_calibration_and_for_nothing_else(self):
        idle = holdout(10).assign(truth_size=0, new_size=0, label=False, stands_for=5.0)
        idle["household_id"] = "I" + idle["household_id"]
        both = pd.concat([holdout(), idle], ignore_index=True)
        alone, together = (evaluated(Known(), rows, top_k=1, explore_places=0) for rows in (holdout(), both))
        assert together.metrics()["recall_at_1"] == alone.metrics()["recall_at_1"] == 0.5
        assert alone.metrics()["calibration_error"] == pytest.approx(0.1)
        # .9 was said of 30 that bought and of 50 that did not: 30 / 80 on the whole curve. All say the same, so which
        # of them share a bin is up to their order; the mean of the curve is not.
        curve = together.curve
        assert curve is not None
        assert (curve["share"] * curve["weight"]).sum() / curve["weight"].sum() == pytest.approx(30 / 80)
