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


def top(frame: pd.DataFrame, scores: np.ndarray, *, k: int, by: list[str], explore: int = 0) -> pd.DataFrame:
    """The `k` best-scored rows of each list (`by`), with `score` and `rank` from 1; ties go to the lower product_id.

    The last `explore` of the `k` places are for the best that the household never bought (not `is_repeat`) and that did
    not make the others; `is_explore` marks them. Where there are not enough of those, the next best fill up.
    """
    import numpy as np
    import pandas as pd

    scores = np.asarray(scores, dtype=float)  # a family may give a series
    order = np.lexsort((frame["product_id"].to_numpy(), -scores, *(frame[key].to_numpy() for key in reversed(by))))
    ranked = frame.iloc[order].assign(score=scores[order])
    ranked["rank"] = ranked.groupby(by, sort=False).cumcount() + 1
    if not explore:
        return ranked[ranked["rank"] <= k].assign(is_explore=False)
    by_score = ranked[ranked["rank"] <= k - explore].assign(is_explore=False)
    others = ranked[ranked["rank"] > k - explore]
    others = others.sort_values([*by, "is_repeat", "rank"], kind="stable")
    others["rank"] = others.groupby(by, sort=False).cumcount() + 1 + k - explore
    others = others[others["rank"] <= k]
    both = pd.concat([by_score, others.assign(is_explore=~others["is_repeat"])])
    return both.sort_values([*by, "rank"], kind="stable")


def by_list(frame: pd.DataFrame, scores: np.ndarray, *, k: int) -> pd.DataFrame:
    """Recall, nDCG and hit rate at `k` of every list (a household's week), indexed by :data:`LIST_KEY`.

    Recall is hits over `truth_size`; nDCG has binary gains and its ideal over min(k, truth_size); the hit rate is 1
    for a list with any hit. A household that bought nothing has no list.
    """
    import numpy as np

    shopped = frame["truth_size"].to_numpy() > 0
    best = top(frame[shopped], scores[shopped], k=k, by=LIST_KEY)
    hit = best["label"].to_numpy(dtype=float)
    gains = best[LIST_KEY].assign(
        hits=hit, gain=hit / np.log2(best["rank"].to_numpy() + 1), truth_size=best["truth_size"].to_numpy()
    )
    lists = gains.groupby(LIST_KEY).agg(hits=("hits", "sum"), gain=("gain", "sum"), truth_size=("truth_size", "first"))
    return of_hits(lists, k=k)


def explored(frame: pd.DataFrame, scores: np.ndarray, *, k: int, explore: int) -> pd.DataFrame:
    """The metrics of the `explore` places alone, of every list whose household bought anything new to it.

    Its truth are the products that the household had never bought before (`new_size` of them), so that discoveries are
    judged apart from repeats, and neither hides behind the other.
    """
    import numpy as np

    wanted = frame["new_size"].to_numpy() > 0
    best = top(frame[wanted], scores[wanted], k=k, by=LIST_KEY, explore=explore)
    place = best["rank"].to_numpy() - (k - explore)
    hit = (best["label"] & best["is_explore"]).to_numpy(dtype=float)
    gains = best[LIST_KEY].assign(
        hits=hit, gain=hit / np.log2(np.maximum(place, 1) + 1), truth_size=best["new_size"].to_numpy()
    )
    lists = gains.groupby(LIST_KEY).agg(hits=("hits", "sum"), gain=("gain", "sum"), truth_size=("truth_size", "first"))
    return of_hits(lists, k=explore)


def reliability(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, bins: int = 10) -> pd.DataFrame:
    """Said against done: of `bins` bins with about as many scores each, the mean `score`, the `share` bought, the `weight`.

    Equal scores share a bin.
    """
    import pandas as pd

    place = ((pd.Series(scores).rank().to_numpy() - 0.5) * bins // max(len(scores), 1)).astype(int)
    rows = pd.DataFrame({"bin": place, "score": scores * weights, "share": labels * weights, "weight": weights})
    sums = rows.groupby("bin").agg("sum")
    return sums.assign(score=sums["score"] / sums["weight"], share=sums["share"] / sums["weight"])


def calibration_error(curve: pd.DataFrame) -> float:
    """The expected calibration error of a :func:`reliability` curve: the mean distance of said and done."""
    return float(((curve["score"] - curve["share"]).abs() * curve["weight"]).sum() / curve["weight"].sum())


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
