"""Columns of numbers in classes: the features by the deciles that they had, and the scores and reasons of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from assets.features import definitions

if TYPE_CHECKING:
    import ibis
    import pandas as pd

DECILES = tuple(tenth / 10 for tenth in range(1, 10))
# Households whose features are looked at, drawn by a hash: with 2,000 of them a tenth is known to within a hundredth,
# and the pairs of a household with products, of which a large retailer has a hundred million, are bounded.
HOUSEHOLDS_LOOKED_AT = 2_000

FEATURES: Mapping[str, Mapping[str, str]] = {
    "household_product_features": definitions.HOUSEHOLD_PRODUCT,
    "household_features": definitions.HOUSEHOLD,
    "product_features": definitions.PRODUCT,
    "category_affinity": definitions.CATEGORY_AFFINITY,
    "subcategory_affinity": definitions.SUBCATEGORY_AFFINITY,
}

REASONS = ("due", "regular", "again", "new")  # of what personal lists hold, see assets.training.candidates.reasons

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
    households = tables["household_features"].select("household_id")
    parts = max(1, round(int(households.count().execute()) / HOUSEHOLDS_LOOKED_AT))
    some = households.filter((households.household_id.hash() % parts) == 0).cache()
    return {
        name: table.semi_join(some, "household_id") if "household_id" in table.columns else table
        for name, table in tables.items()
    }


def feature_cuts(tables: Mapping[str, ibis.Table]) -> dict[str, list[float]]:
    """The deciles of every feature; a feature with few values has fewer cuts, one that is null everywhere has none."""
    cuts = {}
    for name, features in FEATURES.items():
        table = tables[name]
        row = table.agg(**{feature: table[feature].quantile(list(DECILES)) for feature in features}).to_pyarrow()
        for feature, found in row.to_pylist()[0].items():
            cuts[f"{name}.{feature}"] = sorted({float(value) for value in found or [] if value is not None})
    return cuts


def feature_counts(tables: Mapping[str, ibis.Table], cuts: Cuts) -> Counts:
    """How every feature of one day is spread over the classes that `cuts` make."""
    of, units = {}, {}
    for name, features in FEATURES.items():
        table, sums = tables[name], {}
        there = [feature for feature in features if f"{name}.{feature}" in cuts and feature in table.columns]
        for feature in there:
            sums[f"{feature} known"] = table[feature].count()
            for number, cut in enumerate(cuts[f"{name}.{feature}"]):
                sums[f"{feature} {number}"] = (table[feature] > cut).sum().fill_null(0)
        key = table.household_id if "household_id" in table.columns else table.product_id
        row = table.agg(rows=table.count(), units=key.nunique(), **sums).to_pyarrow().to_pylist()[0]
        for feature in there:
            above = [
                row[f"{feature} known"],
                *(row[f"{feature} {n}"] for n in range(len(cuts[f"{name}.{feature}"]))),
                0,
            ]
            classes = [more - less for more, less in pairwise(above)]
            of[f"{name}.{feature}"] = [*classes, row["rows"] - row[f"{feature} known"]]
            units[f"{name}.{feature}"] = row["units"]
    return Counts(of=of, units=units)


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
