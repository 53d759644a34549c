"""How good lists are: Recall, nDCG and hit rate at K for each household.

Frames have a row a candidate, with `household_id`, `product_id`, `label` (bought or not) and `truth_size` (how many
products the household bought); they may hold several weeks, told apart by `as_of_date`. A product that was bought but
is no candidate is a miss that `truth_size` counts.
"""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

METRICS = ("recall", "ndcg", "hit_rate")
LIST_KEY = ["as_of_date", "household_id"]


def top(
    frame: pd.DataFrame, scores: np.ndarray, *, k: int, by: list[str], explore: int = 0, places: int = 0
) -> pd.DataFrame:
    """The `k` best-scored rows of each list (`by`), with `score` and `rank` from 1; ties go to the lower product_id.

    The last `explore` of the `k` places are for the best that the household never bought (not `is_repeat`) and that did
    not make the others; `is_explore` marks them. At most `places` of a list are of one `subcategory` (0: any number;
    without that column, or where it is empty, there is none): the next best get the others. Where there is not enough of
    what was never bought, or of other subcategories, the next best fill up.
    """
    import numpy as np
    import pandas as pd

    scores = np.asarray(scores, dtype=float)  # a family may give a series
    order = np.lexsort((frame["product_id"].to_numpy(), -scores, *(frame[key].to_numpy() for key in reversed(by))))
    ranked = _varied(frame.iloc[order].assign(score=scores[order]), by, places)
    if not explore:
        return ranked[ranked["rank"] <= k].assign(is_explore=False)
    by_score = ranked[ranked["rank"] <= k - explore].assign(is_explore=False)
    others = ranked[ranked["rank"] > k - explore]
    others = others.assign(is_explore=~others["is_repeat"])
    # What the places by score hold of a subcategory counts for the others.
    both = pd.concat([by_score, others.sort_values([*by, "is_repeat", "rank"], kind="stable")])
    both["is_other"] = both["rank"] > k - explore
    both = _varied(both.sort_values([*by, "is_other"], kind="stable"), by, places)
    return both[both["rank"] <= k].drop(columns="is_other")


def _varied(rows: pd.DataFrame, by: list[str], places: int) -> pd.DataFrame:
    """Rows in the order of their lists with `rank` from 1: those beyond the `places` of a subcategory after all others."""
    import numpy as np

    if places and "subcategory" in rows:
        nth = rows.groupby([*by, "subcategory"], sort=False).cumcount()
        is_beyond = (nth >= places) & rows["subcategory"].notna() & rows["subcategory"].ne("")
        rows = rows.iloc[np.lexsort((is_beyond, rows.groupby(by, sort=False).ngroup()))]
    return rows.assign(rank=rows.groupby(by, sort=False).cumcount() + 1)


def by_list(frame: pd.DataFrame, scores: np.ndarray, *, k: int, places: int = 0) -> pd.DataFrame:
    """Recall, nDCG and hit rate at `k` of every list (a household's week), indexed by :data:`LIST_KEY`.

    Recall is hits over `truth_size`; nDCG has binary gains and its ideal over min(k, truth_size); the hit rate is 1
    for a list with any hit. A household that bought nothing has no list. `places` are those of a subcategory (:func:`top`).
    """
    import numpy as np

    shopped = frame["truth_size"].to_numpy() > 0
    best = top(frame[shopped], scores[shopped], k=k, by=LIST_KEY, places=places)
    hit = best["label"].to_numpy(dtype=float)
    gains = best[LIST_KEY].assign(
        hits=hit, gain=hit / np.log2(best["rank"].to_numpy() + 1), truth_size=best["truth_size"].to_numpy()
    )
    lists = gains.groupby(LIST_KEY).agg(hits=("hits", "sum"), gain=("gain", "sum"), truth_size=("truth_size", "first"))
    return of_hits(lists, k=k)


def explored(frame: pd.DataFrame, scores: np.ndarray, *, k: int, explore: int, places: int = 0) -> pd.DataFrame:
    """The metrics of the `explore` places alone, of every list whose household bought anything new to it.

    Its truth are the products that the household had never bought before (`new_size` of them), so that discoveries are
    judged apart from repeats, and neither hides behind the other. `places` are those of a subcategory (:func:`top`).
    """
    import numpy as np

    wanted = frame["new_size"].to_numpy() > 0
    best = top(frame[wanted], scores[wanted], k=k, by=LIST_KEY, explore=explore, places=places)
    place = best["rank"].to_numpy() - (k - explore)
    hit = (best["label"] & best["is_explore"]).to_numpy(dtype=float)
    gains = best[LIST_KEY].assign(
        hits=hit, gain=hit / np.log2(np.maximum(place, 1) + 1), truth_size=best["new_size"].to_numpy()
    )
    lists = gains.groupby(LIST_KEY).agg(hits=("hits", "sum"), gain=("gain", "sum"), truth_size=("truth_size", "first"))
    return of_hits(lists, k=explore)


def of_hits(lists: pd.DataFrame, *, k: int) -> pd.DataFrame:
    """The metrics of lists from their `hits`, `gain` (the sum of 1 / log2(rank + 1) over hits) and `truth_size`."""
    import numpy as np

    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[np.minimum(lists["truth_size"], k).astype(int) - 1]
    return lists.assign(
        recall=lists["hits"] / lists["truth_size"],
        ndcg=lists["gain"] / ideal,
        hit_rate=(lists["hits"] > 0).astype(float),
    )[list(METRICS)]
