"""The five feature tables: the columns are the features of `described`, keyed by what each is known of."""

from __future__ import annotations

from collections.abc import Mapping

from assets.grocery.features import described
from assets.grocery.tables import (
    BUSINESS_DATE,
    CATEGORY_AFFINITY,
    HOUSEHOLD,
    HOUSEHOLD_PRODUCT,
    PRODUCT,
    SUBCATEGORY_AFFINITY,
)
from assets.tables import Table, by_name

_IDENTIFIERS = {
    "household_id": ("string", "The household."),
    "product_id": ("string", "The product."),
    "category": ("string", "The catalogue's category of the product."),
    "subcategory": ("string", "The catalogue's finer category of the product."),
}
# Table by table: the features, each with its description.
FEATURES_OF: Mapping[str, Mapping[str, str]] = {
    HOUSEHOLD_PRODUCT: described.HOUSEHOLD_PRODUCT,
    HOUSEHOLD: described.HOUSEHOLD,
    PRODUCT: described.PRODUCT,
    CATEGORY_AFFINITY: described.CATEGORY_AFFINITY,
    SUBCATEGORY_AFFINITY: described.SUBCATEGORY_AFFINITY,
}


def _table(name: str, *key: str, attributes: tuple[str, ...] = ()) -> Table:
    return Table(
        name=name,
        key=key,
        partitioned_by=BUSINESS_DATE,
        columns={
            BUSINESS_DATE: ("date", "The day at whose close this was known; the partition."),
            **{column: _IDENTIFIERS[column] for column in (*key, *attributes)},
            **{feature: ("float", description) for feature, description in FEATURES_OF[name].items()},
        },
    )


TABLES = by_name(
    (
        _table(HOUSEHOLD_PRODUCT, "household_id", "product_id"),
        _table(HOUSEHOLD, "household_id"),
        _table(PRODUCT, "product_id", attributes=("category", "subcategory")),
        _table(CATEGORY_AFFINITY, "household_id", "category"),
        _table(SUBCATEGORY_AFFINITY, "household_id", "subcategory"),
    )
)
