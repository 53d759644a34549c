"""Columns of numbers in classes: the features by the deciles that they had, and the scores and reasons of lists."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.features.tables import FEATURES_OF
from assets.grocery.tables import HOUSEHOLD, HOUSEHOLD_PRODUCT, PRODUCT
from resources.tables.engine import sample_hash

if TYPE_CHECKING:
    import ibis
    import pandas as pd

DECILES = tuple(tenth / 10 for tenth in range(1, 10))
# Households whose features are looked at, drawn by a hash. Of 500, the stability index of deciles is .15 by chance once a
# year in a hundred columns: below what matters. The pairs of a household with products may be a hundred million.
HOUSEHOLDS_LOOKED_AT = 500

# What is counted over all of the past grows with every night: in a shop of fifteen weeks, by a class a week. A champion
# that defends itself for a month would be told of as drift, for nothing but its age.
GROWING = frozenset(
    {
        *(f"{HOUSEHOLD_PRODUCT}.{name}" for name in ("purchases", "days_since_first", "trips_since_first")),
        *(f"{HOUSEHOLD}.{name}" for name in ("trips", "products", "product_days", "repeat_share")),
        *(f"{PRODUCT}.{name}" for name in ("buyers", "repeat_rate", "purchases_per_buyer")),
    }
)

REASONS = (
    "due",
    "regular",
    "again",
    "new",
)  # of what personal lists hold, see assets.grocery.candidates.candidates.reasons

# `table.column`: where a column is cut into classes, in order.
Cuts = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How often each class of each column is there; the last class is that of nulls.

    `units` is how many independent things each column is known from: the rows of one household are one of them.
    """

    of: Mapping[str, Sequence[int]]
    units: Mapping[str, int]


def drawn(tables: Mapping[str, ibis.Table]) -> dict[str, ibis.Table]:
    """The feature tables, with the rows of :data:`HOUSEHOLDS_LOOKED_AT` households at most (about, they are drawn)."""
    households = tables[HOUSEHOLD].select("household_id")
    parts = max(1, round(int(households.count().execute()) / HOUSEHOLDS_LOOKED_AT))
    some = households.filter((sample_hash(households.household_id) % parts) == 0).cache()
    return {
        name: table.semi_join(some, "household_id") if "household_id" in table.columns else table
        for name, table in tables.items()
    }


def feature_cuts(tables: Mapping[str, ibis.Table]) -> dict[str, list[float]]:
    """The deciles of every feature but :data:`GROWING` ones; one with few values has fewer, null everywhere none."""
    cuts = {}
    for name, table in tables.items():
        deciles = {
            feature: table[feature].quantile(list(DECILES))
            for feature in FEATURES_OF[name]
            if feature in table.columns and f"{name}.{feature}" not in GROWING
        }
        for feature, found in table.agg(**deciles).to_pyarrow().to_pylist()[0].items():
            cuts[f"{name}.{feature}"] = sorted({float(value) for value in found or [] if value is not None})
    return cuts


def feature_counts(tables: Mapping[str, ibis.Table], cuts: Cuts) -> Counts:
    """How every feature of one night is spread over the classes that `cuts` make; one that has no cuts is left out."""
    import numpy as np
    import pyarrow.compute as pc

    of, units = {}, {}
    for name, table in tables.items():
        known_from = {
            feature: _known_from(table, feature)
            for feature in FEATURES_OF[name]
            if feature in table.columns and f"{name}.{feature}" in cuts
        }
        if not known_from:
            continue
        keys = sorted(set(known_from.values()))
        # As a frame: nine sums for each of a hundred columns are a query that takes longer to write than to answer.
        rows = table.select(*keys, *known_from).to_pyarrow()
        distinct = {key: pc.count_distinct(rows[key]).as_py() for key in keys}  # pyright: ignore[reportAttributeAccessIssue]
        for feature, key in known_from.items():
            edges, values = cuts[f"{name}.{feature}"], rows[feature].drop_null().to_numpy()
            places = np.searchsorted(np.asarray(edges), values, side="left")
            counts = np.bincount(places, minlength=len(edges) + 1).tolist()
            of[f"{name}.{feature}"] = [*counts, rows[feature].null_count]
            units[f"{name}.{feature}"] = distinct[key]
    return Counts(of=of, units=units)


def _known_from(table: ibis.Table, feature: str) -> str:
    """The key of the independent things behind a feature: a category's pace is the same for all of its products."""
    if "household_id" in table.columns:
        return "household_id"
    return next((level for level in ("subcategory", "category") if feature.startswith(f"{level}_")), "product_id")


def list_cuts(lists: pd.DataFrame) -> dict[str, list[float]]:
    """The deciles of the scores of lists with the columns `household_id`, `score` and `reason`."""
    return {"score": sorted({float(value) for value in lists["score"].quantile(list(DECILES))})}


def list_counts(lists: pd.DataFrame, cuts: Cuts) -> Counts:
    """How scores are spread over the classes that `cuts` make, and how often each of :data:`REASONS` is given."""
    import numpy as np

    classes = np.searchsorted(cuts["score"], lists["score"].to_numpy(dtype=float), side="left")
    scores = np.bincount(classes, minlength=len(cuts["score"]) + 1)
    reasons = [int((lists["reason"] == reason).sum()) for reason in REASONS]
    households = int(lists["household_id"].nunique())
    return Counts(
        of={"score": [*scores.tolist(), 0], "reason": [*reasons, len(lists) - sum(reasons)]},
        units={"score": households, "reason": households},
    )
