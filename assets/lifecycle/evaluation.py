"""A challenger before its judges: everybody scores the same holdout. What follows from it is the policy's to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.training.metrics import (
    LIST_KEY,
    Estimate,
    by_list,
    calibration_error,
    estimates,
    explored,
    reliability,
    top,
)
from assets.grocery.training.slices import SliceComparison, compared, recalls
from assets.lifecycle.promotion import Comparison, best_of, compared_with

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assets.lifecycle.model import Recommender
    from resources.config.lifecycle import PromotionConfig
    from resources.config.retailer import RecommenderConfig


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model on a holdout: each metric by its recorded name, and the reliability of its scores if they say one."""

    estimates: Mapping[str, Estimate]
    curve: pd.DataFrame | None

    def metrics(self) -> dict[str, float]:
        """The plain numbers, as MLflow records them."""
        error = {} if self.curve is None else {"calibration_error": calibration_error(self.curve)}
        return {name: found.value for name, found in self.estimates.items()} | error


def evaluated(
    recommender: Recommender, holdout: pd.DataFrame, *, model: RecommenderConfig, rule: PromotionConfig
) -> Evaluation:
    """Evaluate a model on the labelled candidates of a holdout that it has not seen.

    The places by score and the places for discoveries have metrics of their own. Calibration is that of the lists:
    what was said of the products in them, against what became of it, of all households whether they shopped or not.
    """
    scores, k = recommender.score(holdout), model.ranked_places

    def interval(lists: pd.DataFrame) -> Mapping[str, Estimate]:
        return estimates(lists, samples=rule.bootstrap_samples, confidence=rule.confidence, seed=model.seed)

    found = {f"{name}_at_{k}": value for name, value in interval(by_list(holdout, scores, k=k)).items()}
    if model.explore_places:
        lists = explored(holdout, scores, k=model.top_k, explore=model.explore_places)
        found |= {f"explore_{name}_at_{model.explore_places}": value for name, value in interval(lists).items()}
    return Evaluation(estimates=found, curve=_curve(recommender, holdout, scores, k=k))


def _curve(recommender: Recommender, holdout: pd.DataFrame, scores: np.ndarray, *, k: int) -> pd.DataFrame | None:
    if not recommender.scores_are_probabilities:
        return None
    best = top(holdout, scores, k=k, by=LIST_KEY)
    return reliability(best["score"].to_numpy(), best["label"].to_numpy(), best["stands_for"].to_numpy())


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was measured: the quality of everybody by name (the challenger last), and the challenger against each.

    `champion` is the name of the one that it was compared with, if there is one. Comparisons are in `metric`, their
    intervals of `confidence`; slices are against the champion, or else the best baseline.
    """

    metric: str
    confidence: float
    households: int
    quality: Mapping[str, Mapping[str, Estimate]]
    comparisons: Sequence[Comparison]
    champion: str | None
    best_baseline: str
    slices: Sequence[SliceComparison]
    scores_are_probabilities: bool
    calibration_error: float | None

    def numbers(self) -> dict[str, object]:
        """The numbers behind the decision, as they go on record: value, low and high of each metric of each model."""
        return {
            "households": self.households,
            "calibration_error": self.calibration_error,
            "comparisons": {
                won.opponent: [won.difference.value, won.difference.low, won.difference.high]
                for won in self.comparisons
            },
            "quality": {
                name: {metric: [value.value, value.low, value.high] for metric, value in metrics.items()}
                for name, metrics in self.quality.items()
            },
            "slices": [
                {
                    "slice": found.slice,
                    "value": found.value,
                    "households": found.households,
                    "recall": found.recall,
                    "difference": [found.difference.value, found.difference.low, found.difference.high],
                }
                for found in self.slices
            ],
        }


def judge(
    holdout: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    challenger: tuple[str, Recommender],
    baselines: Mapping[str, Recommender],
    champion: tuple[str, Recommender] | None,
    model: RecommenderConfig,
    rule: PromotionConfig,
) -> Judgement:
    """Judge a challenger, by name, on the labelled candidates of a holdout that it has not seen.

    Against every baseline and, if there is one, the champion. `truth` is what was bought in it (:func:`assets.grocery.training.examples.truth_with_slices`), to tell quality apart by
    slices: against the champion, or else the best baseline.
    """
    k = model.ranked_places
    models = {**baselines, **(dict([champion]) if champion else {}), **dict([challenger])}
    scores = {name: found.score(holdout) for name, found in models.items()}
    lists = {name: by_list(holdout, found, k=k) for name, found in scores.items()}
    bar = {name: lists[name] for name in baselines}
    judged = lists[challenger[0]]
    best_baseline = best_of(bar, metric=rule.metric)
    opponent = champion[0] if champion else best_baseline
    slices = compared(
        recalls(holdout, scores[challenger[0]], truth, k=k),
        recalls(holdout, scores[opponent], truth, k=k),
        samples=rule.bootstrap_samples,
        confidence=rule.confidence,
        min_households=rule.min_subjects,
        seed=model.seed,
    )
    curve = _curve(challenger[1], holdout, scores[challenger[0]], k=k)
    return Judgement(
        metric=rule.metric,
        confidence=rule.confidence,
        comparisons=compared_with(
            judged, {name: lists[name] for name in models if name != challenger[0]}, rule=rule, seed=model.seed
        ),
        champion=champion[0] if champion else None,
        scores_are_probabilities=challenger[1].scores_are_probabilities,
        calibration_error=None if curve is None else calibration_error(curve),
        quality={
            name: estimates(found, samples=rule.bootstrap_samples, confidence=rule.confidence, seed=model.seed)
            for name, found in lists.items()
        },
        households=int(judged.index.get_level_values("household_id").nunique()),
        best_baseline=best_baseline,
        slices=slices,
    )
