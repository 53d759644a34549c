"""Quality told apart: by how long a household is known, by department, by weekday.

A model can gain overall and ruin a part: what is worse by more than chance is named, whoever wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.training.metrics import LIST_KEY, Estimate, estimate, top

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SLICES = ("history", "department", "weekday")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, kw_only=True)
class SliceComparison:
    """Recall in one slice: the challenger's mean, and its paired difference to its opponent."""

    slice: str
    value: str
    households: int
    recall: float
    difference: Estimate

    @property
    def is_worse(self) -> bool:
        """Worse by more than chance."""
        return self.difference.high < 0


def recalls(frame: pd.DataFrame, scores: np.ndarray, truth: pd.DataFrame, *, k: int) -> pd.DataFrame:
    """Recall at `k` of every list within every slice of what was bought.

    `truth` has a row a product bought, with the list's key, `product_id` and the columns of :data:`SLICES`. Returns
    `slice`, `value` and `recall`, indexed by the list's key.
    """
    import pandas as pd

    listed = top(frame, scores, k=k, by=LIST_KEY)[[*LIST_KEY, "product_id"]].assign(hit=1.0)
    bought = truth.merge(frame[LIST_KEY].drop_duplicates(), on=LIST_KEY)  # of those that have a list
    hits = bought.merge(listed, on=[*LIST_KEY, "product_id"], how="left").fillna({"hit": 0.0})
    found = []
    for name in SLICES:
        means = hits.dropna(subset=[name]).groupby([*LIST_KEY, name])["hit"].mean().rename("recall").reset_index(name)
        found.append(means.rename(columns={name: "value"}).astype({"value": "str"}).assign(slice=name))
    return pd.concat(found)


def compared(
    challenger: pd.DataFrame, opponent: pd.DataFrame, *, samples: int, confidence: float, min_households: int, seed: int
) -> Sequence[SliceComparison]:
    """The challenger's :func:`recalls` against its opponent's, slice by slice, those of too few households left out.

    With many slices one of them is worse by chance: the intervals together hold with `confidence` (Bonferroni).
    """
    keys = ["slice", "value"]
    index = [*challenger.index.names, *keys]
    both = challenger.set_index(keys, append=True).join(
        opponent.set_index(keys, append=True).rename(columns={"recall": "recall_opponent"}), how="inner"
    )
    both.index = both.index.set_names(index)
    both["difference"] = both["recall"] - both["recall_opponent"]
    groups = {
        key: rows.droplevel(keys)
        for key, rows in both.groupby(level=keys)
        if rows.index.get_level_values("household_id").nunique() >= min_households
    }
    each = 1 - (1 - confidence) / max(len(groups), 1)
    return [
        SliceComparison(
            slice=name,
            value=WEEKDAYS[int(value)] if name == "weekday" else value,
            households=int(rows.index.get_level_values("household_id").nunique()),
            recall=float(rows["recall"].mean()),
            difference=estimate(rows["difference"], samples=samples, confidence=each, seed=seed),
        )
        for (name, value), rows in groups.items()
    ]
