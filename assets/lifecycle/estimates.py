"""How sure a measured number is: bootstrap intervals that draw whole subjects, and the reliability of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BLOCK = 100  # draws at a time: bounds the memory at 100 numbers a subject


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over subjects, with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def as_list(self) -> list[float]:
        """Value, low and high, as they go on record."""
        return [self.value, self.low, self.high]


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """A percentile bootstrap that draws whole subjects, given as a level of the index.

    A subject's windows resemble each other, so subjects are drawn, not windows (Cameron, Gelbach & Miller 2008).
    """

    subject: str
    samples: int
    confidence: float
    seed: int

    def mean(self, values: pd.Series) -> Estimate:
        """The mean of `values` with its interval; NaN without any."""
        import numpy as np

        subjects = values.groupby(level=self.subject).agg(["sum", "count"]).to_numpy(dtype=float)
        size = len(subjects)
        if size == 0:
            return Estimate(value=float("nan"), low=float("nan"), high=float("nan"))
        random = np.random.default_rng(self.seed)
        means = []
        for start in range(0, self.samples, BLOCK):
            draws = random.multinomial(size, np.full(size, 1 / size), size=min(BLOCK, self.samples - start))
            totals = draws @ subjects
            means.append(totals[:, 0] / totals[:, 1])
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
        return Estimate(value=float(values.mean()), low=float(low), high=float(high))

    def means(self, values: pd.DataFrame | Mapping[str, pd.Series]) -> dict[str, Estimate]:
        """The mean of each column."""
        return {str(name): self.mean(column) for name, column in values.items()}

    def among(self, comparisons: int) -> Bootstrap:
        """Intervals that hold together for so many comparisons: with many, one is off by chance (Bonferroni)."""
        return replace(self, confidence=1 - (1 - self.confidence) / max(comparisons, 1))


def reliability(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, bins: int = 10) -> pd.DataFrame:
    """Predicted against observed: of `bins` bins with about as many scores each, mean `score`, `share` of labels, `weight`.

    Equal scores share a bin.
    """
    import pandas as pd

    place = ((pd.Series(scores).rank().to_numpy() - 0.5) * bins // max(len(scores), 1)).astype(int)
    rows = pd.DataFrame({"bin": place, "score": scores * weights, "share": labels * weights, "weight": weights})
    sums = rows.groupby("bin").agg("sum")
    return sums.assign(score=sums["score"] / sums["weight"], share=sums["share"] / sums["weight"])


def calibration_error(curve: pd.DataFrame) -> float:
    """The expected calibration error of a :func:`reliability` curve: the mean distance of predicted and observed."""
    return float(((curve["score"] - curve["share"]).abs() * curve["weight"]).sum() / curve["weight"].sum())
