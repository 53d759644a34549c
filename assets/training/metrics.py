"""How good lists are: Recall, nDCG and hit rate at K for each household, and how sure that is.

Frames have a row a candidate, with `household_id`, `product_id`, `label` (bought or not) and `truth_size` (how many
products the household bought); they may hold several weeks, told apart by `as_of_date`. A product that was bought but
is no candidate is a miss that `truth_size` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

METRICS = ("recall", "ndcg", "hit_rate")
LIST_KEY = ["as_of_date", "household_id"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over households, with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def top(frame: pd.DataFrame, scores: np.ndarray, *, k: int, by: list[str]) -> pd.DataFrame:
    """The `k` best-scored rows of each list (`by`), with `score` and `rank` from 1; ties go to the lower product_id."""
    import numpy as np

    order = np.lexsort((frame["product_id"].to_numpy(), -scores, *(frame[key].to_numpy() for key in reversed(by))))
    ranked = frame.iloc[order].assign(score=scores[order])
    ranked["rank"] = ranked.groupby(by, sort=False).cumcount() + 1
    return ranked[ranked["rank"] <= k]


def by_list(frame: pd.DataFrame, scores: np.ndarray, *, k: int) -> pd.DataFrame:
    """Recall, nDCG and hit rate at `k` of every list (a household's week), indexed by :data:`LIST_KEY`.

    Recall is hits over `truth_size`; nDCG has binary gains and its ideal over min(k, truth_size); the hit rate is 1
    for a list with any hit.
    """
    import numpy as np

    best = top(frame, scores, k=k, by=LIST_KEY)
    hit = best["label"].to_numpy(dtype=float)
    gains = best[LIST_KEY].assign(
        hits=hit, gain=hit / np.log2(best["rank"].to_numpy() + 1), truth_size=best["truth_size"].to_numpy()
    )
    lists = gains.groupby(LIST_KEY).agg(hits=("hits", "sum"), gain=("gain", "sum"), truth_size=("truth_size", "first"))
    return of_hits(lists, k=k)


def of_hits(lists: pd.DataFrame, *, k: int) -> pd.DataFrame:
    """The metrics of lists from their `hits`, `gain` (the sum of 1 / log2(rank + 1) over hits) and `truth_size`."""
    import numpy as np

    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[np.minimum(lists["truth_size"], k).astype(int) - 1]
    return lists.assign(
        recall=lists["hits"] / lists["truth_size"],
        ndcg=lists["gain"] / ideal,
        hit_rate=(lists["hits"] > 0).astype(float),
    )[list(METRICS)]


def estimate(values: pd.Series, *, samples: int, confidence: float, seed: int) -> Estimate:
    """The mean of `values` (indexed by lists) with a percentile bootstrap interval that draws whole households.

    A household's weeks resemble each other, so households are drawn, not weeks (Cameron, Gelbach & Miller 2008).
    """
    import numpy as np

    households = values.groupby(level="household_id").agg(["sum", "count"]).to_numpy(dtype=float)
    size = len(households)
    if size == 0:
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"))
    random = np.random.default_rng(seed)
    means = []
    for start in range(0, samples, BOOTSTRAP_BLOCK):
        draws = random.multinomial(size, np.full(size, 1 / size), size=min(BOOTSTRAP_BLOCK, samples - start))
        totals = draws @ households
        means.append(totals[:, 0] / totals[:, 1])
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Estimate(value=float(values.mean()), low=float(low), high=float(high))


BOOTSTRAP_BLOCK = 100  # draws at a time: bounds the memory at 100 numbers a household


def estimates(lists: pd.DataFrame, *, samples: int, confidence: float, seed: int) -> Mapping[str, Estimate]:
    """An :class:`Estimate` of each metric of :func:`by_list`."""
    return {metric: estimate(lists[metric], samples=samples, confidence=confidence, seed=seed) for metric in METRICS}
