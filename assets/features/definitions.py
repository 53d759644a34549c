"""The features, each table one function of the shopping days: nothing else feeds a model.

`VERSION` names the definition; a model records the one that it was trained on. Ages and gaps are in days, shares are
between 0 and 1, prices in the retailer's currency (null when the feed has none). A decayed count weighs a purchase by
one half for every half-life that has passed since.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.features.purchases import purchases, shopping_days

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

VERSION = "1"

HALF_LIVES = (30, 90, 180)  # days; what carried furthest on the demo, together
TRIP_DECAY = 0.9  # per shopping day of the household
PRIOR_GAPS = 2.0  # a household's own gaps count fully once there are clearly more than this many
MONTH = 28  # days: four whole weeks, so that every weekday is in it as often

HOUSEHOLD_PRODUCT = {
    "purchases": "Days on which the household bought the product.",
    "purchases_month": "The same, in the last 28 days.",
    **{f"decayed_{h}": f"Purchases, decayed with a half-life of {h} days." for h in HALF_LIVES},
    "decayed_trips": "Purchases, decayed by .9 for each shopping day of the household since.",
    "decayed_share": "Purchases weighted by one over the products of that day, decayed over 90 days.",
    "days_since_last": "Days since the last purchase.",
    "days_since_first": "Days since the first purchase.",
    "trips_since_last": "The household's shopping days since the last purchase.",
    "trips_since_first": "The household's shopping days since the first purchase, that day included.",
    "gap": "Typical days between purchases: the household's own, drawn towards the product's where they are few.",
    "gap_deviation": "Standard deviation of the household's own gaps; null below three purchases.",
    "overdue": "Days since the last purchase over the typical gap: 1 is due today.",
    "quantity": "Average quantity of a purchase.",
    "price": "Average price of a unit that the household paid.",
}
HOUSEHOLD = {
    "trips": "Days on which the household bought anything.",
    "trips_month": "The same, in the last 28 days.",
    "days_since_trip": "Days since it last bought anything.",
    "trip_gap": "Average days between its shopping days; null for a single one.",
    "basket_products": "Average different products of a shopping day.",
    "products": "Different products that it ever bought.",
    "repeat_share": "Share of its purchases that were not the first of the product.",
    "spend_month": "What it paid in the last 28 days.",
}
PRODUCT = {
    "buyers": "Households that ever bought the product.",
    "buyers_month": "Households that bought it in the last 28 days.",
    "popularity": "Purchases by all households, decayed with a half-life of 30 days.",
    "trend": "Purchases of the last 28 days over those of the last 84, times three: 1 is steady.",
    "repeat_rate": "Share of its buyers who bought it on more than one day.",
    "product_gap": "Average days between a household's purchases of it; null if nobody repeated.",
    "price_month": "Average price of a unit in the last 28 days.",
    "price_change": "That price over the average of all time: below 1 is cheaper than usual.",
}
CATEGORY_AFFINITY = {
    "category_purchases": "Days on which the household bought from the category.",
    "category_decayed_30": "The same, decayed with a half-life of 30 days.",
    "category_decayed_90": "The same, decayed with a half-life of 90 days.",
    "category_products": "Different products of the category that it bought.",
    "category_days_since_last": "Days since it last bought from the category.",
    "category_gap": "Average days between its purchases from the category; null for a single one.",
}


def household_product(days: ibis.Table, products: ibis.Table) -> ibis.Table:
    """History of every household with every product that it ever bought.

    `days` are the shopping days, `products` the table of :func:`product` on the same days.
    """
    import ibis

    earlier = ibis.window(group_by=["household_id", "product_id"], order_by=ibis.desc("age"))
    days = days.mutate(own_gap=days.age.lag().over(earlier) - days.age)
    history = days.group_by("household_id", "product_id").agg(
        purchases=days.count(),
        purchases_month=(days.age < MONTH).sum(),
        **{f"decayed_{h}": _decayed(days.age, h).sum() for h in HALF_LIVES},
        decayed_trips=(ibis.literal(TRIP_DECAY) ** days.trips_ago).sum(),
        decayed_share=(_decayed(days.age, 90) / days.day_size).sum(),
        days_since_last=days.age.min(),
        days_since_first=days.age.max(),
        trips_since_last=days.trips_ago.min(),
        trips_since_first=days.trips_ago.max() + 1,
        gap_deviation=days.own_gap.std(how="sample"),
        quantity=days.quantity.mean(),
        price=_ratio(days.sales_value.sum(), days.quantity.sum()),
    )
    joined = history.join(products.select("product_id", "product_gap"), "product_id")
    # A product that nobody repeated has no gap of its own: such a pair's gap is the time that has passed.
    prior = joined.product_gap.fill_null(joined.days_since_first + 1.0)
    own = joined.days_since_first - joined.days_since_last
    gap = (own + PRIOR_GAPS * prior) / (joined.purchases - 1 + PRIOR_GAPS)
    joined = joined.mutate(gap=gap).mutate(overdue=_ratio(joined.days_since_last, gap))
    return _as_floats(joined, ["household_id", "product_id"], HOUSEHOLD_PRODUCT)


def household(days: ibis.Table) -> ibis.Table:
    """Habits of every household that ever bought anything."""
    trips = days.group_by("household_id", "age").agg(day_size=days.day_size.max(), spend=days.sales_value.sum())
    habits = trips.group_by("household_id").agg(
        trips=trips.count(),
        trips_month=(trips.age < MONTH).sum(),
        days_since_trip=trips.age.min(),
        trip_gap=_ratio(trips.age.max() - trips.age.min(), trips.count() - 1),
        basket_products=trips.day_size.mean(),
        spend_month=(trips.age < MONTH).ifelse(trips.spend, 0.0).sum(),
        purchases=trips.day_size.sum(),
    )
    variety = days.group_by("household_id").agg(products=days.product_id.nunique())
    joined = habits.join(variety, "household_id")
    joined = joined.mutate(repeat_share=1 - joined.products / joined.purchases)
    return _as_floats(joined, ["household_id"], HOUSEHOLD)


def product(days: ibis.Table) -> ibis.Table:
    """How every product sells, and how it is repeated."""
    is_recent = days.age < MONTH
    pairs = days.group_by("household_id", "product_id").agg(
        times=days.count(), is_recent=is_recent.max(), span=days.age.max() - days.age.min()
    )
    repeats = pairs.group_by("product_id").agg(
        buyers=pairs.count(),
        buyers_month=pairs.is_recent.sum(),
        repeat_rate=(pairs.times > 1).mean(),
        product_gap=_ratio(pairs.span.sum(), (pairs.times - 1).sum()),
    )
    sales = days.group_by("product_id").agg(
        category=days.category.max(),
        popularity=_decayed(days.age, 30).sum(),
        trend=_ratio(3.0 * is_recent.sum(), (days.age < 3 * MONTH).sum()),
        price_month=_ratio(is_recent.ifelse(days.sales_value, None).sum(), is_recent.ifelse(days.quantity, None).sum()),
        price_ever=_ratio(days.sales_value.sum(), days.quantity.sum()),
    )
    joined = repeats.join(sales, "product_id")
    joined = joined.mutate(price_change=_ratio(joined.price_month, joined.price_ever))
    return _as_floats(joined, ["product_id", "category"], PRODUCT)


def category_affinity(days: ibis.Table) -> ibis.Table:
    """What every household needs of every category; empty when the catalogue has no categories."""
    known = days.filter(days.category.notnull())
    visits = known.group_by("household_id", "category", "age").agg(lines=known.count())
    needs = visits.group_by("household_id", "category").agg(
        category_purchases=visits.count(),
        category_decayed_30=_decayed(visits.age, 30).sum(),
        category_decayed_90=_decayed(visits.age, 90).sum(),
        category_days_since_last=visits.age.min(),
        category_gap=_ratio(visits.age.max() - visits.age.min(), visits.count() - 1),
    )
    variety = known.group_by("household_id", "category").agg(category_products=known.product_id.nunique())
    return _as_floats(
        needs.join(variety, ["household_id", "category"]), ["household_id", "category"], CATEGORY_AFFINITY
    )


STORED_AS = {
    "household_product": "household_product_features",
    "household": "household_features",
    "product": "product_features",
    "category_affinity": "category_affinity",
}


@dataclass(frozen=True)
class FeatureTables:
    """The four tables of one business day's close."""

    household_product: ibis.Table
    household: ibis.Table
    product: ibis.Table
    category_affinity: ibis.Table

    @classmethod
    def of(cls, read: Callable[[str], ibis.Table]) -> FeatureTables:
        """The tables as `read` finds them under the names that they are stored under."""
        return cls(**{attribute: read(name) for attribute, name in STORED_AS.items()})

    def by_name(self) -> dict[str, ibis.Table]:
        """The tables by the names that they are stored under."""
        return {name: getattr(self, attribute) for attribute, name in STORED_AS.items()}


def build(
    transactions: ibis.Table, products: ibis.Table, *, as_of: dt.date, only: ibis.Table | None = None
) -> FeatureTables:
    """All features as of `as_of`'s close, from the cleaned lines and the catalogue; later lines change nothing.

    `only` leaves out households that it does not have (a column `household_id`): the others' rows are the same.
    """
    days = shopping_days(purchases(transactions, products), as_of=as_of)
    by_product = product(days).cache()
    own = days if only is None else days.semi_join(only, "household_id")
    return FeatureTables(
        household_product=household_product(own, by_product),
        household=household(own),
        product=by_product,
        category_affinity=category_affinity(own),
    )


def _decayed(age: ir.IntegerValue, half_life: int) -> ir.FloatingValue:
    import ibis

    return ibis.literal(0.5) ** (age / half_life)


def _ratio(above: ir.NumericValue, below: ir.NumericValue) -> ir.FloatingValue:
    """`above / below`, null where there is nothing below."""
    return above / below.nullif(0)


def _as_floats(table: ibis.Table, keys: list[str], features: dict[str, str]) -> ibis.Table:
    """The keys and the features, as float32: more digits than a habit has, in half the space."""
    return table.select(*keys, **{name: table[name].cast("float32") for name in features})
