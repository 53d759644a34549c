"""The quality benchmark: our model and its rivals on the same weeks, households and truths.

At each close everybody sees the lines up to it and nothing later. There are two truths: the **week**, all products that
a household buys in the seven days after; and the **next** basket, all that it buys on its first shopping day after,
however late that is. A household counts where its truth is not empty, also when it was given no list.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.features.purchases import purchases
from assets.grocery.training.metrics import LIST_KEY, METRICS, of_hits
from assets.lifecycle.estimates import Bootstrap, Estimate

if TYPE_CHECKING:
    import ibis
    import pandas as pd

TRUTHS = ("week", "next")
WEEK = 7  # days


def closes(last_day: dt.date, *, weeks: int) -> list[dt.date]:
    """The closes before the last `weeks` whole weeks up to `last_day`, oldest first."""
    return [last_day - dt.timedelta(days=WEEK * back) for back in range(weeks, 0, -1)]


def truths(transactions: ibis.Table, products: ibis.Table, *, as_of: dt.date) -> pd.DataFrame:
    """What each household that had bought before `as_of`'s close bought after it.

    Columns: `truth` (week or next), `household_id`, `product_id`, `is_repeat` (whether it had ever bought the product).
    """
    import ibis
    import pandas as pd

    bought = purchases(transactions, products)
    history = bought.filter(bought.business_date <= as_of).select("household_id", "product_id").distinct().cache()
    later = bought.filter(bought.business_date > as_of).semi_join(history, "household_id")
    first = ibis.window(group_by="household_id")
    later = later.mutate(next_day=later.business_date.min().over(first))
    end = as_of + dt.timedelta(days=WEEK)
    found = []
    for truth, rows in {
        "week": later.filter(later.business_date <= end),
        "next": later.filter(later.business_date == later.next_day),
    }.items():
        distinct = rows.select("household_id", "product_id").distinct()
        marked = distinct.left_join(history.mutate(is_repeat=True), ["household_id", "product_id"])
        marked = marked.select("household_id", "product_id", is_repeat=marked.is_repeat.fill_null(False))
        found.append(marked.to_pyarrow().to_pandas().assign(truth=truth))
    return pd.concat(found, ignore_index=True)


def judged(lists: pd.DataFrame, truth: pd.DataFrame, *, k: int) -> pd.DataFrame:
    """Recall, nDCG and hit rate at `k` of every household's list, with Recall's two parts.

    `lists` has the list's key, `product_id` and `rank` from 1; `truth` the list's key, `product_id` and `is_repeat`.
    `repeat` is the recall of what the household had bought before, `explore` of what it had not; null where it bought
    none of that kind. Indexed by the list's key, a row for each household in `truth`.
    """
    import numpy as np

    first = lists.loc[lists["rank"] <= k, [*LIST_KEY, "product_id", "rank"]]
    hits = truth.merge(first, on=[*LIST_KEY, "product_id"], how="left")
    is_hit = hits["rank"].notna()
    rows = hits[LIST_KEY].assign(
        hits=is_hit.astype(float),
        gain=np.where(is_hit, 1 / np.log2(hits["rank"].fillna(1) + 1), 0.0),
        truth_size=1,
        repeats=hits["is_repeat"].astype(float),
        repeat_hits=(is_hit & hits["is_repeat"]).astype(float),
    )
    sums = rows.groupby(LIST_KEY).agg("sum")
    explores = sums["truth_size"] - sums["repeats"]
    return of_hits(sums, k=k).assign(
        repeat=sums["repeat_hits"] / sums["repeats"].where(sums["repeats"] > 0),
        explore=(sums["hits"] - sums["repeat_hits"]) / explores.where(explores > 0),
    )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A method on one truth: the means of its metrics, and the model's lead over it, paired and by household."""

    method: str
    truth: str
    means: Mapping[str, float]
    leads: Mapping[str, Estimate]
    dates_won: Mapping[str, int]


def compared(
    by_method: Mapping[str, pd.DataFrame], *, model: str, truth: str, samples: int, confidence: float, seed: int
) -> Sequence[Comparison]:
    """Every method's :func:`judged` lists on one truth against those of `model`; their indexes are the same."""
    ours = by_method[model]
    draw = Bootstrap(subject="household_id", samples=samples, confidence=confidence, seed=seed)
    return [
        Comparison(
            method=method,
            truth=truth,
            means={name: float(lists[name].mean()) for name in (*METRICS, "repeat", "explore")},
            leads=draw.means({name: ours[name] - lists[name] for name in METRICS if method != model}),
            dates_won={
                name: int(((ours[name] - lists[name]).groupby(level="as_of_date").mean() > 0).sum())
                for name in METRICS
                if method != model
            },
        )
        for method, lists in by_method.items()
    ]
