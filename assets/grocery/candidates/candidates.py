"""Stage one of every model: the products worth ranking for each household, with everything that is known of them.

A household's candidates are the products of its own history that it bought most and latest, and products that are new
to it. On the demo 98 % of a good list are repeats, and of a household's purchases of the next week the first 80 of its
own history hold nearly all that any ranking can find.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.grocery.features import described
from resources.tables.engine import exact_sum

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pandas as pd

    from assets.grocery.features.definitions import FeatureTables

DERIVED = {
    "purchase_rate": "Share of the household's shopping days, since the first purchase, on which it bought the product.",
    "category_share": "The product's part of the household's decayed purchases from its category.",
    "subcategory_share": "The same for its subcategory.",
    "category_overdue": "Days since the household last bought from the category over its gap there.",
    "subcategory_overdue": "The same for the subcategory.",
    "price_against_own": "This month's price over what the household used to pay.",
    "price_week_against_own": "This week's price over the same.",
    "offer_habit": "Part of the household's purchases of the product that were on offer, drawn towards its part of all.",
    "expected_week": "Purchases that a week would bring at the household's recent pace: 90-day decayed purchases over "
    "the days that they stand for, times seven.",
}
FEATURES: dict[str, str] = {
    **described.HOUSEHOLD_PRODUCT,
    **described.HOUSEHOLD,
    **described.PRODUCT,
    **described.CATEGORY_AFFINITY,
    **described.SUBCATEGORY_AFFINITY,
    **DERIVED,
}
OFFER_PRIOR = 0.5  # decayed purchases by which a habit is drawn: one purchase of a month ago weighs more
LOG_2 = 0.6931471805599453

# A product is due from nine tenths of its usual gap on; after three gaps it is rather given up.
DUE = (0.9, 3.0)
# Fewer purchases than this have no rhythm to be due in.
RHYTHM = 3

# Products that are new to a household come from this many categories that it needs most, and best sellers of each.
NEW_CATEGORIES, NEW_SELLERS = 15, 10
# How many decayed purchases a household's needs of categories are drawn towards everybody's by.
NEED_PRIOR = 5.0


def candidates(tables: FeatureTables, *, own: int, new: int, denied: ibis.Table | None = None) -> ibis.Table:
    """Up to `own` products of its history and `new` others for every household, none of `denied` among them.

    `denied` has `product_id` and `is_repeat`: to households that ever bought the product, or to those that never did.
    Columns: `household_id`, `product_id`, `category`, `is_repeat` (whether the household ever bought it) and
    :data:`FEATURES`; a feature of a history that is not there is null.
    """
    import ibis

    history = tables.household_product
    pairs = _favourites(tables, most=own, denied=denied).union(_new(tables, most=new, denied=denied))
    joined = (
        pairs.left_join(history, ["household_id", "product_id"])
        .drop("household_id_right", "product_id_right")
        .join(tables.product, "product_id")
        .join(tables.household, "household_id")
    )
    for level, needs in (("category", tables.category_affinity), ("subcategory", tables.subcategory_affinity)):
        joined = joined.left_join(needs, ["household_id", level]).drop("household_id_right", f"{level}_right")
    derived = joined.mutate(
        is_repeat=joined.purchases.notnull(),
        purchase_rate=joined.purchases / joined.trips_since_first,
        category_share=joined.decayed_90 / joined.category_decayed_90,
        subcategory_share=joined.decayed_90 / joined.subcategory_decayed_90,
        category_overdue=joined.category_days_since_last / joined.category_gap.nullif(0),
        subcategory_overdue=joined.subcategory_days_since_last / joined.subcategory_gap.nullif(0),
        price_against_own=joined.price_month / joined.price.nullif(0),
        price_week_against_own=joined.price_week / joined.price.nullif(0),
        offer_habit=(joined.decayed_on_offer.fill_null(0.0) + OFFER_PRIOR * joined.offer_share)
        / (joined.decayed_90.fill_null(0.0) + OFFER_PRIOR),
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


def in_subcategories(frame: pd.DataFrame, products: ibis.Table) -> pd.DataFrame:
    """`frame` with the `subcategory` of each product as `products` has it, empty where it has none; in the same order."""
    import pandas as pd

    wanted = products.select("product_id", subcategory=products.subcategory.fill_null("")).distinct(on="product_id")
    known = wanted.to_pandas().set_index("product_id")["subcategory"]
    own = frame["product_id"].map(known).fillna("").astype("category")
    return pd.concat([frame, own.rename("subcategory")], axis=1)  # a column inserted among a hundred is warned of


def best_sellers(tables: FeatureTables, *, most: int, denied: ibis.Table | None = None, places: int = 0) -> ibis.Table:
    """The rows of `product` of the month's best sellers, best first; a tie goes to the lower product_id.

    They are for those who never bought: none that is `denied` to them is among them. At most `places` are of one
    subcategory (0: any number), while there are others.
    """
    import ibis

    best = [ibis.desc("popularity"), "product_id"]
    sellers = _without(tables.product, denied, is_repeat=False)
    if not places:
        return sellers.order_by(best).limit(most)
    nth = ibis.row_number().over(ibis.window(group_by="subcategory", order_by=best))
    is_beyond = (nth >= places) & (sellers.subcategory.fill_null("") != "")
    return sellers.mutate(is_beyond=is_beyond).order_by(["is_beyond", *best]).limit(most).drop("is_beyond")


def _without(rows: ibis.Table, denied: ibis.Table | None, *, is_repeat: bool) -> ibis.Table:
    return rows if denied is None else rows.anti_join(denied.filter(denied.is_repeat == is_repeat), "product_id")


def _favourites(tables: FeatureTables, *, most: int, denied: ibis.Table | None) -> ibis.Table:
    """The products of its history that each household bought most and latest: `household_id`, `product_id`."""
    import ibis

    first = ibis.window(
        group_by="household_id", order_by=[ibis.desc("decayed_90"), ibis.desc("purchases"), "product_id"]
    )
    history = _without(tables.household_product, denied, is_repeat=True)
    placed = history.mutate(place=ibis.row_number().over(first))
    return placed.filter(placed.place < most).select("household_id", "product_id")


def _new(tables: FeatureTables, *, most: int, denied: ibis.Table | None) -> ibis.Table:
    """Products that each household never bought and most likely would: `household_id`, `product_id`.

    By the need of the household for the product's category (its decayed purchases, drawn towards everybody's) times
    the product's part in the category's sales. Without categories, and for a household that shows no need yet, these
    are the best sellers.
    """
    import ibis

    sellers = tables.product.select("product_id", "popularity", category=tables.product.category.fill_null(""))
    in_category = ibis.window(group_by="category")
    first_in_category = ibis.window(group_by="category", order_by=[ibis.desc("popularity"), "product_id"])
    first = ibis.window(order_by=[ibis.desc("popularity"), "product_id"])
    sellers = sellers.mutate(
        share=sellers.popularity / exact_sum(sellers.popularity, over=in_category),
        everybodys=exact_sum(sellers.popularity, over=in_category) / exact_sum(sellers.popularity, over=ibis.window()),
    )
    # Shares are of all that is sold; places are of what may be proposed, so that the next best takes the place.
    sellers = _without(sellers, denied, is_repeat=False).mutate(
        place_in_category=ibis.row_number().over(first_in_category),
        place=ibis.row_number().over(first),
    )
    needs = tables.category_affinity.select("household_id", "category", need="category_decayed_90")
    greatest = ibis.window(group_by="household_id", order_by=[ibis.desc("need"), "category"])
    needs = needs.mutate(nth=ibis.row_number().over(greatest))
    totals = needs.group_by("household_id").agg(total=exact_sum(needs.need))
    households = tables.household.select("household_id")
    anywhere = sellers.filter(sellers.place < 2 * most).select("product_id")
    wanted = needs.filter(needs.nth < NEW_CATEGORIES).select("household_id", "category")
    from_needs = wanted.join(sellers.filter(sellers.place_in_category < NEW_SELLERS), "category")
    pairs = households.cross_join(anywhere).union(from_needs.select("household_id", "product_id"), distinct=True)
    unknown = pairs.anti_join(tables.household_product, ["household_id", "product_id"]).join(
        sellers.select("product_id", "category", "share", "everybodys"), "product_id"
    )
    scored = unknown.left_join(needs, ["household_id", "category"]).drop("household_id_right", "category_right")
    scored = scored.left_join(totals, "household_id").drop("household_id_right")
    need = (scored.need.fill_null(0.0) + NEED_PRIOR * scored.everybodys) / (scored.total.fill_null(0.0) + NEED_PRIOR)
    scored = scored.mutate(chance=need * scored.share)
    best = ibis.window(group_by="household_id", order_by=[ibis.desc("chance"), "product_id"])
    placed = scored.mutate(nth_best=ibis.row_number().over(best))
    return placed.filter(placed.nth_best < most).select("household_id", "product_id")


def reasons(candidates: pd.DataFrame) -> np.ndarray:
    """Why each candidate may be recommended: `due`, `regular`, `again` or `new`."""
    import numpy as np

    is_due = candidates["overdue"].between(*DUE) & (candidates["purchases"] >= RHYTHM)
    return np.select(
        [is_due, candidates["purchases"] >= 2, candidates["purchases"] == 1],
        ["due", "regular", "again"],
        default="new",
    )


def labelled(candidates: ibis.Table, truth: ibis.Table) -> ibis.Table:
    """The candidates with what came true in the week after.

    `truth` has `household_id`, `product_id`, `is_next` (:func:`assets.grocery.features.purchases.baskets_after`) and `is_new`
    (whether the household had never bought the product before). Adds `label` (whether the household bought the
    product), `truth_size` (how many products it bought in all, candidates or not; 0 where it did not shop), `new_size`
    (how many of them were new to it), and for its first shopping day alone `label_next` and `next_size`.
    """
    import ibis

    sizes = truth.group_by("household_id").agg(
        truth_size=truth.count(),
        # Not plain sums: DuckDB's are of 128 bits, which Ibis announces as 64, and a table written so has other numbers.
        new_size=truth.is_new.sum().cast("int32"),
        next_size=truth.is_next.sum().cast("int32"),
    )
    bought = truth.select("household_id", "product_id", label=ibis.literal(True), label_next="is_next")
    joined = candidates.left_join(sizes, "household_id").drop("household_id_right")
    joined = joined.left_join(bought, ["household_id", "product_id"]).drop("household_id_right", "product_id_right")
    return joined.mutate(
        truth_size=joined.truth_size.fill_null(0),
        new_size=joined.new_size.fill_null(0),
        next_size=joined.next_size.fill_null(0),
        label=joined.label.fill_null(False),
        label_next=joined.label_next.fill_null(False),
    )
