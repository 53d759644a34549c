"""Quality told apart: recall by how long a household is known, by department, by weekday."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.grocery.training.metrics import LIST_KEY, top

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SLICES = ("history", "department", "weekday")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def recalls(frame: pd.DataFrame, scores: np.ndarray, truth: pd.DataFrame, *, k: int, places: int = 0) -> pd.DataFrame:
    """Recall at `k` of every list within every slice of what was bought.

    `truth` has a row a product bought, with the list's key, `product_id` and the columns of :data:`SLICES`. Returns
    `slice`, `value` and `score` (the recall), in the order of slices and values, indexed by the list's key.
    """
    import pandas as pd

    listed = top(frame, scores, k=k, by=LIST_KEY, places=places)[[*LIST_KEY, "product_id"]].assign(hit=1.0)
    bought = truth.merge(frame[LIST_KEY].drop_duplicates(), on=LIST_KEY)  # of those that have a list
    hits = bought.merge(listed, on=[*LIST_KEY, "product_id"], how="left").fillna({"hit": 0.0})
    parts = []
    for name in SLICES:
        means = hits.dropna(subset=[name]).groupby([*LIST_KEY, name])["hit"].mean().rename("score").reset_index(name)
        means = means.sort_values(name, kind="stable").rename(columns={name: "value"})
        names = (
            means["value"].map(lambda day: WEEKDAYS[int(day)]) if name == "weekday" else means["value"].astype("str")
        )
        parts.append(means.assign(value=names, slice=name))
    return pd.concat(parts)
