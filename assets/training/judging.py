"""A challenger before its judges: everybody scores the same holdout, and the rule decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.training.metrics import Estimate, by_list, estimates
from assets.training.promotion import Decision, best_of, decide

if TYPE_CHECKING:
    import pandas as pd

    from assets.training.models.interface import Recommender
    from resources.settings import Promotion


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The decision, the quality of everybody by name (the challenger last), and the best of the baselines."""

    decision: Decision
    quality: Mapping[str, Mapping[str, Estimate]]
    households: int
    best_baseline: str

    def numbers(self) -> dict[str, object]:
        """The numbers behind the decision, as they go on record: value, low and high of each metric of each model."""
        return {
            "households": self.households,
            "quality": {
                name: {metric: [value.value, value.low, value.high] for metric, value in metrics.items()}
                for name, metrics in self.quality.items()
            },
        }


def judge(
    holdout: pd.DataFrame,
    *,
    challenger: tuple[str, Recommender],
    baselines: Mapping[str, Recommender],
    champion: tuple[str, Recommender] | None,
    k: int,
    rule: Promotion,
    seed: int,
) -> Judgement:
    """Judge a challenger, by name, on the labelled candidates of a holdout that it has not seen."""
    models = {**baselines, **(dict([champion]) if champion else {}), **dict([challenger])}
    lists = {name: by_list(holdout, model.score(holdout), k=k) for name, model in models.items()}
    bar = {name: lists[name] for name in baselines}
    judged = lists[challenger[0]]
    return Judgement(
        decision=decide(
            judged,
            baselines=bar,
            champion=(champion[0], lists[champion[0]]) if champion else None,
            rule=rule,
            seed=seed,
        ),
        quality={
            name: estimates(found, samples=rule.bootstrap_samples, confidence=rule.confidence, seed=seed)
            for name, found in lists.items()
        },
        households=int(judged.index.get_level_values("household_id").nunique()),
        best_baseline=best_of(bar, metric=rule.metric),
    )
