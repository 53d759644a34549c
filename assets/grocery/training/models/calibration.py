"""From what a ranker says to a probability: a score of .3 means bought three times in ten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LEAST = 1e-6  # a raw score this near to 0 or 1 is taken as that


@dataclass(frozen=True)
class Calibration:
    """Beta calibration (Kull, Silva Filho & Flach, AISTATS 2017) with the habits of the household beside the score.

    A logistic regression of having bought, in the seven days after and whether the household shopped in them or not, on
    ln(score), -ln(1 - score) and what says how likely the household is to shop at all. The score's coefficients are not
    negative, and the rest is the same for all products of a household: its order stays what the ranker says.

    It is fitted on all weeks that are learnt from. The newest alone follow a season, and overshoot: on five closes of the
    demo the scores of the week after were off by .006 to .014, with the newest two weeks by .006 to .034.
    """

    coefficients: Mapping[str, float]

    @classmethod
    def fitted(cls, raw: np.ndarray, examples: pd.DataFrame) -> Self:
        """Fit to labelled candidates (`label`, `stands_for`, the features of the household) and their raw scores."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        terms, label = _terms(raw, examples), examples["label"].to_numpy()
        names = list(terms)
        weight = examples["stands_for"].to_numpy(dtype=float)
        while True:
            matrix = np.column_stack([terms[name] for name in names])
            scale = matrix.std(axis=0) + 1e-12
            model = LogisticRegression(C=1e6, max_iter=500).fit(matrix / scale, label, sample_weight=weight)
            weights = dict(zip(names, model.coef_[0] / scale, strict=True))
            backwards = [name for name in SCORE_TERMS if weights.get(name, 0.0) < 0]
            if not backwards:
                break
            names.remove(backwards[0])
        # Rounded to what another machine's arithmetic gives as well.
        rounded = {name: float(f"{value:.5g}") for name, value in weights.items()}
        return cls({"intercept": float(f"{model.intercept_[0]:.5g}"), **rounded})

    def probabilities(self, raw: np.ndarray, candidates: pd.DataFrame) -> np.ndarray:
        """One probability a candidate, float64."""
        import numpy as np

        terms = _terms(raw, candidates)
        logit = sum(value * terms[name] for name, value in self.coefficients.items() if name != "intercept")
        return 1 / (1 + np.exp(-(logit + self.coefficients["intercept"])))


SCORE_TERMS = ("score", "complement")


def _terms(raw: np.ndarray, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the regression looks at, by name; a household of a single trip has a gap of as long as that is ago."""
    import numpy as np

    raw = np.clip(raw, LEAST, 1 - LEAST)

    def habit(name: str) -> np.ndarray:
        return frame[name].to_numpy(dtype=float)

    gap = np.where(np.isnan(habit("trip_gap")), habit("days_since_trip") + 1, habit("trip_gap"))
    return {
        "score": np.log(raw),
        "complement": -np.log1p(-raw),
        "trips_month": np.log1p(habit("trips_month")),
        "days_since_trip": np.log1p(habit("days_since_trip")),
        "lateness": np.log1p(habit("days_since_trip") / np.maximum(gap, 0.5)),
        "trip_gap": np.log1p(gap),
        "basket_products": np.log(habit("basket_products")),
    }
