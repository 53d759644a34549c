"""Stage one of every model: the products worth ranking for each household, with everything that is known of them.

A household's candidates are the products of its own history that it bought most and latest, and the best sellers of
the month. On the demo 98 % of a good list are repeats, and of a household's purchases of the next week the first
80 of its own history hold nearly all that any ranking can find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.features import definitions

if TYPE_CHECKING:
    import ibis

    from assets.features.definitions import FeatureTables

DERIVED = {
    "purchase_rate": "Share of the household's shopping days, since the first purchase, on which it bought the product.",
    "category_share": "The product's part of the household's decayed purchases from its category.",
    "category_overdue": "Days since the household last bought from the category over its gap there.",
    "price_against_own": "This month's price over what the household used to pay.",
    "expected_week": "Purchases that a week would bring at the household's recent pace: 90-day decayed purchases over "
    "the days that they stand for, times seven.",
}
FEATURES: dict[str, str] = {
    **definitions.HOUSEHOLD_PRODUCT,
    **definitions.HOUSEHOLD,
    **definitions.PRODUCT,
    **definitions.CATEGORY_AFFINITY,
    **DERIVED,
}


def candidates(tables: FeatureTables, *, own: int, popular: int) -> ibis.Table:
    """Up to `own` products of its history and the `popular` best sellers for every household.

    Columns: `household_id`, `product_id`, `category`, `is_repeat` (whether the household ever bought it) and
    :data:`FEATURES`; a feature of a history that is not there is null.
    """
    import ibis

    history, sellers = tables.household_product, tables.product
    favourites = ibis.window(
        group_by="household_id", order_by=[ibis.desc("decayed_90"), ibis.desc("purchases"), "product_id"]
    )
    own_products = (
        history.mutate(place=ibis.row_number().over(favourites))
        .filter(ibis._.place < own)
        .select("household_id", "product_id")
    )
    popular_products = best_sellers(tables, most=popular).select("product_id")
    pairs = own_products.union(tables.household.select("household_id").cross_join(popular_products), distinct=True)
    joined = (
        pairs.left_join(history, ["household_id", "product_id"])
        .drop("household_id_right", "product_id_right")
        .join(sellers, "product_id")
        .join(tables.household, "household_id")
    )
    joined = joined.left_join(tables.category_affinity, ["household_id", "category"]).drop(
        "household_id_right", "category_right"
    )
    derived = joined.mutate(
        is_repeat=joined.purchases.notnull(),
        purchase_rate=joined.purchases / joined.trips_since_first,
        category_share=joined.decayed_90 / joined.category_decayed_90,
        category_overdue=joined.category_days_since_last / joined.category_gap.nullif(0),
        price_against_own=joined.price_month / joined.price.nullif(0),
        expected_week=7
        * joined.decayed_90
        * LOG_2
        / (90 * (1 - ibis.literal(0.5) ** ((joined.days_since_first + 1) / 90))),
    )
    return derived.select(
        "household_id",
        "product_id",
        "category",
        "is_repeat",
        **{name: derived[name].cast("float32") for name in FEATURES},
    )


LOG_2 = 0.6931471805599453


def best_sellers(tables: FeatureTables, *, most: int) -> ibis.Table:
    """The rows of `product` of the month's best sellers, best first; a tie goes to the lower product_id."""
    import ibis

    return tables.product.order_by([ibis.desc("popularity"), "product_id"]).limit(most)


def labelled(candidates: ibis.Table, truth: ibis.Table) -> ibis.Table:
    """The candidates of the households that bought something, with what came true.

    `truth` has `household_id` and `product_id`, distinct. Adds `label` (whether the household bought the product) and
    `truth_size` (how many products it bought in all, candidates or not).
    """
    import ibis

    sizes = truth.group_by("household_id").agg(truth_size=truth.count())
    bought = truth.mutate(label=ibis.literal(True))
    joined = candidates.join(sizes, "household_id").left_join(bought, ["household_id", "product_id"])
    return joined.mutate(label=joined.label.fill_null(False)).drop("household_id_right", "product_id_right")
