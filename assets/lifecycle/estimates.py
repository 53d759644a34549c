"""How sure a measured number is: bootstrap intervals that draw whole subjects, and the reliability of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

K = TypeVar("K")
BLOCK = 100  # draws at a time
NUMBERS = 4_000_000  # that are held at a time, of many subjects


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
        return self.means({"mean": values})["mean"]

    def means(self, values: pd.DataFrame | Mapping[K, pd.Series]) -> dict[K, Estimate]:
        """The mean of each column; those of as many subjects share their draws, which take nearly all of the time."""
        import numpy as np

        none = float("nan")
        estimates: dict[Any, Estimate] = {name: Estimate(value=none, low=none, high=none) for name in values}
        sums: dict[int, dict[Any, np.ndarray]] = {}
        for name, column in values.items():
            of_subjects = column.groupby(level=self.subject).agg(["sum", "count"]).to_numpy(dtype=float)
            sums.setdefault(len(of_subjects), {})[name] = of_subjects
        tail = (1 - self.confidence) / 2
        for size, columns in sums.items():
            for name, means in self._drawn(columns, size).items() if size else ():
                low, high = np.quantile(means, [tail, 1 - tail])
                estimates[name] = Estimate(value=float(values[name].mean()), low=float(low), high=float(high))
        return estimates

    def _drawn(self, columns: Mapping[Any, np.ndarray], size: int) -> dict[Any, np.ndarray]:
        """The mean of each draw, of each of the columns of sums and counts of `size` subjects."""
        import numpy as np

        random, means = np.random.default_rng(self.seed), {name: [] for name in columns}
        block = max(1, min(BLOCK, NUMBERS // size))
        for start in range(0, self.samples, block):
            draws = random.multinomial(size, np.full(size, 1 / size), size=min(block, self.samples - start))
            weights = draws.astype(float)  # once: the product of whole numbers would do it for each column
            for name, column in columns.items():
                totals = weights @ column
                means[name].append(totals[:, 0] / totals[:, 1])
        return {name: np.concatenate(each) for name, each in means.items()}

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
