"""From scored candidates to lists that a person can read: the best of each household, with the reason for each."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportReturnType=false

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import reasons
from assets.grocery.tables import RECOMMENDATIONS, TABLES
from assets.grocery.training.metrics import top

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

VERSION = "2"  # of the rows that are made here; the assets carry it
REASONS = {
    "due": "bought often enough to have a rhythm, and its time has come",
    "regular": "bought more than once",
    "again": "bought once before",
    "new": "never bought; it sells well where the household's needs are",
    "fallback": "nothing is known of the household: a best seller",
}
COLUMNS = (
    "household_id",
    "rank",
    "product_id",
    "score",
    "is_repeat",
    "is_explore",
    "is_fallback",
    "reason",
    "explanation",
)

# Of a candidate, what its place, reason and explanation are made of.
TOLD = (
    *("household_id", "product_id", "subcategory", "is_repeat"),
    *("overdue", "purchases", "days_since_last", "gap", "buyers_month"),
)


def personal(
    candidates: pd.DataFrame, scores: np.ndarray, *, k: int, explore: int = 0, places: int = 0
) -> pd.DataFrame:
    """The `k` best candidates of every household, with :data:`COLUMNS`; ranks from 1, scores float64.

    The last `explore` of the places are for products that the household never bought; at most `places` are of one
    `subcategory` (:func:`assets.grocery.training.metrics.top`).
    """
    import numpy as np

    # Of hundreds of columns these are told; where all of them are put in order, it is a copy of everything.
    told = candidates[[name for name in TOLD if name in candidates]]
    best = top(told, scores, k=k, by=["household_id"], explore=explore, places=places)
    reason = reasons(best)

    def count(column: str) -> pd.Series:
        return best[column].round().fillna(0).astype("int64").astype("str")

    last = "last " + count("days_since_last") + " days ago"
    explanation = np.select(
        [reason == "due", reason == "regular", reason == "again"],
        [
            "every " + count("gap") + " days, " + last + " (" + count("purchases") + " times)",
            count("purchases") + " times, " + last,
            "once, " + count("days_since_last") + " days ago",
        ],
        default=count("buyers_month") + " households this month",
    )
    return best.assign(is_fallback=False, reason=reason, explanation=explanation)[list(COLUMNS)]


def fallback(best_sellers: pd.DataFrame, households: list[str | None]) -> pd.DataFrame:
    """One list of best sellers for households without history, marked as such; None stands for anybody else.

    `best_sellers` has `product_id` and `buyers_month`, best first.
    """
    import pandas as pd

    ranked = best_sellers.reset_index(drop=True)
    ranked = ranked.assign(rank=ranked.index + 1)
    rows = pd.DataFrame({"household_id": pd.Series(households, dtype="str")}).merge(ranked, how="cross")
    bought_by = rows["buyers_month"].fillna(0).round().astype("int64").astype("str")
    return rows.assign(
        score=float("nan"),
        is_repeat=False,
        is_explore=False,
        is_fallback=True,
        reason="fallback",
        explanation=bought_by + " households this month",
    )[list(COLUMNS)]


def joined(*parts: pd.DataFrame, business_date: dt.date, model_version: int, is_probability: bool) -> pa.Table:
    """Lists of whatever kind as rows of one partition, part after part."""
    import pyarrow as pa

    schema = TABLES[RECOMMENDATIONS].arrow_schema()
    of_all = {"business_date": business_date, "model_version": model_version, "is_probability": is_probability}
    return pa.concat_tables(
        pa.Table.from_pandas(part.assign(**of_all)[schema.names], schema=schema, preserve_index=False) for part in parts
    )
