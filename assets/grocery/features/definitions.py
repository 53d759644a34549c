"""The features, each table one function of the shopping days: nothing else feeds a model.

`VERSION` names the definition; a model records the one that it was trained on. What each means is in `described`.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery import tables
from assets.grocery.features.described import (
    CATEGORY_AFFINITY,
    HALF_LIVES,
    HOUSEHOLD,
    HOUSEHOLD_PRODUCT,
    LATEST,
    MONTH,
    PRIOR_GAPS,
    SUBCATEGORY_AFFINITY,
    TRIP_DECAYS,
    WEEK,
)
from assets.grocery.features.offers import reach, with_reach
from assets.grocery.features.product import product, product_sums
from assets.grocery.features.shared_days import SharedDays, shared_days, up_to
from assets.grocery.features.terms import as_floats, decayed, deviation, ratio
from resources.tables.engine import exact_sum, fixed
from resources.tables.slices import InParts, slices_of

if TYPE_CHECKING:
    import ibis

VERSION = "3"
BYTES_A_DAY = 1000  # that the engine holds of a shopping day of a household's product, to make all features of the pair


def household_product(days: ibis.Table, products: ibis.Table) -> ibis.Table:
    """History of every household with every product that it ever bought.

    `days` are the shopping days, `products` the table of :func:`product` on the same days.
    """
    import ibis

    latest_first = ibis.window(group_by=["household_id", "product_id"], order_by="age")
    days = days.mutate(
        own_gap=days.age.lead().over(latest_first) - days.age, place=ibis.row_number().over(latest_first)
    )
    history = days.group_by("household_id", "product_id").agg(
        purchases=days.count(),
        purchases_month=(days.age < MONTH).sum(),
        **{f"decayed_{h}": exact_sum(decayed(days.age, h)) for h in HALF_LIVES},
        **{
            f"decayed_trips_{name}": exact_sum(ibis.literal(decay) ** days.trips_ago)
            for name, decay in TRIP_DECAYS.items()
        },
        decayed_share=exact_sum(decayed(days.age, 90) / days.day_size),
        decayed_root_share=exact_sum(decayed(days.age, 90) / days.day_size.sqrt()),
        days_since_last=days.age.min(),
        **{f"days_since_{n}": days.age.max(where=days.place == n - 1) for n in LATEST},
        days_since_first=days.age.max(),
        trips_since_last=days.trips_ago.min(),
        trips_since_first=days.trips_ago.max() + 1,
        gap_deviation=deviation(days.own_gap),
        gap_shortest=days.own_gap.min(),
        gap_longest=days.own_gap.max(),
        quantity=exact_sum(days.quantity) / days.count(),
        price=ratio(exact_sum(days.sales_value), exact_sum(days.quantity)),
        decayed_on_offer=exact_sum(decayed(days.age, 90) * days.reach),
        days_since_on_offer=days.age.min(where=days.reach > 0.5),
        days_since_off_offer=days.age.min(where=days.reach <= 0.5),
    )
    joined = history.join(products.select("product_id", "product_gap", "subcategory", "offered_next"), "product_id")
    in_subcategory = ibis.window(group_by=["household_id", "subcategory"])
    planned = fixed(joined.decayed_90 * joined.offered_next)
    bought, offered_part = (exact_sum(each, over=in_subcategory) for each in (joined.decayed_90, planned))
    joined = joined.mutate(
        subcategory_offered=joined.subcategory.notnull().ifelse(ratio(offered_part, bought), None),
        rivals_offered=joined.subcategory.notnull().ifelse(
            ratio(offered_part - planned, bought - joined.decayed_90),
            None,
        ),
    )
    # A product that nobody repeated has no gap of its own: such a pair's gap is the time that has passed.
    prior = joined.product_gap.fill_null(joined.days_since_first + 1.0)
    own = joined.days_since_first - joined.days_since_last
    gap = (own + PRIOR_GAPS * prior) / (joined.purchases - 1 + PRIOR_GAPS)
    joined = joined.mutate(gap=gap).mutate(overdue=ratio(joined.days_since_last, gap))
    return as_floats(joined, ["household_id", "product_id"], HOUSEHOLD_PRODUCT)


def household(days: ibis.Table) -> ibis.Table:
    """Habits of every household that ever bought anything."""
    trips = days.group_by("household_id", "age", "trips_ago").agg(
        day_size=days.day_size.max(), spend=exact_sum(days.sales_value)
    )
    habits = trips.group_by("household_id").agg(
        trips=trips.count(),
        trips_month=(trips.age < MONTH).sum(),
        days_since_trip=trips.age.min(),
        trip_gap=ratio(trips.age.max() - trips.age.min(), trips.count() - 1),
        basket_products=trips.day_size.mean(),
        basket_products_lately=trips.day_size.mean(where=trips.trips_ago < 5),
        spend_month=exact_sum((trips.age < MONTH).ifelse(trips.spend, 0.0)),
        product_days=trips.day_size.sum(),
    )
    weight = decayed(days.age, 90)
    variety = days.group_by("household_id").agg(
        products=days.product_id.nunique(), offer_share=ratio(exact_sum(weight * days.reach), exact_sum(weight))
    )
    joined = habits.join(variety, "household_id")
    joined = joined.mutate(repeat_share=1 - joined.products / joined.product_days)
    return as_floats(joined, ["household_id"], HOUSEHOLD)


def affinity(days: ibis.Table, products: ibis.Table, level: str) -> ibis.Table:
    """What every household needs of every category or subcategory; empty when the catalogue does not have them.

    `products` has the `category` and the `subcategory` of each product.
    """
    known = days.join(products.filter(products[level].notnull()).select("product_id", level), "product_id")
    visits = known.group_by("household_id", level, "age").agg(lines=known.count())
    needs = visits.group_by("household_id", level).agg(
        **{
            f"{level}_purchases": visits.count(),
            f"{level}_purchases_month": (visits.age < MONTH).sum(),
            f"{level}_purchases_week": (visits.age < WEEK).sum(),
            f"{level}_decayed_30": exact_sum(decayed(visits.age, 30)),
            f"{level}_decayed_90": exact_sum(decayed(visits.age, 90)),
            f"{level}_days_since_last": visits.age.min(),
            f"{level}_gap": ratio(visits.age.max() - visits.age.min(), visits.count() - 1),
        }
    )
    variety = known.group_by("household_id", level).agg(**{f"{level}_products": known.product_id.nunique()})
    return as_floats(
        needs.join(variety, ["household_id", level]),
        ["household_id", level],
        CATEGORY_AFFINITY if level == "category" else SUBCATEGORY_AFFINITY,
    )


STORED_AS = {
    "household_product": tables.HOUSEHOLD_PRODUCT,
    "household": tables.HOUSEHOLD,
    "product": tables.PRODUCT,
    "category_affinity": tables.CATEGORY_AFFINITY,
    "subcategory_affinity": tables.SUBCATEGORY_AFFINITY,
}


@dataclass(frozen=True)
class FeatureTables:
    """The five tables of one business day's close."""

    household_product: ibis.Table
    household: ibis.Table
    product: ibis.Table
    category_affinity: ibis.Table
    subcategory_affinity: ibis.Table

    @classmethod
    def of(cls, read: Callable[[str], ibis.Table]) -> FeatureTables:
        """The tables as `read` finds them under the names that they are stored under."""
        return cls(**{attribute: read(name) for attribute, name in STORED_AS.items()})

    def cached(self, product: ibis.Table) -> FeatureTables:
        """The tables, materialised, with the features of products that are so already."""
        own = {name: getattr(self, name).cache() for name in STORED_AS if name != "product"}
        return FeatureTables(**own, product=product)

    def by_name(self) -> dict[str, ibis.Table]:
        """The tables by the names that they are stored under."""
        return {name: getattr(self, attribute) for attribute, name in STORED_AS.items()}


def build(
    transactions: ibis.Table,
    products: ibis.Table,
    offers: ibis.Table,
    *,
    as_of: dt.date,
) -> FeatureTables:
    """All features as of `as_of`'s close, from the cleaned lines, the catalogue and the offers.

    Later lines, and offers announced later, change nothing.
    """
    with shared_days(transactions, products, until=as_of) as days:
        return build_slices(days, offers, as_of=as_of)[0]


def build_slices(days: SharedDays, offers: ibis.Table, *, as_of: dt.date) -> list[FeatureTables]:
    """What :func:`build` makes, of each slice of households: all tables but the product's differ. Nothing is read before it is used."""
    known, by_product = _known(days, offers, as_of=as_of)
    return [_tables(known(part), by_product, days) for part in days.slices]


def build_of(
    days: SharedDays, offers: ibis.Table, *, as_of: dt.date, only: ibis.Table, parts: int | None = None
) -> InParts[FeatureTables]:
    """What :func:`build` makes, of the households in `only` (a column `household_id`): the others leave their rows as they are.

    In parts of households in the order of their names, by default as many as the granted memory asks for: each is
    materialised when it is asked for.
    """
    known, by_product = _known(days, offers, as_of=as_of)
    numbers = days.numbered(only.select("household_id"), "household_id").cache()
    own = known(days.together.semi_join(numbers, "household_id")).cache()
    count = parts or slices_of(own, bytes_a_row=BYTES_A_DAY)
    product = days.named(by_product).cache()
    chosen = sorted(numbers.to_pyarrow()["household_id"].to_pylist()) if count > 1 else []

    def part(number: int) -> FeatureTables:
        first, last = (chosen[len(chosen) * each // count :] for each in (number, number + 1))
        mine = own.filter(own.household_id >= first[0]) if number else own
        mine = mine.filter(mine.household_id < last[0]) if last else mine
        # Candidates look at them three times.
        return _tables(mine, by_product, days).cached(product)

    return InParts(count, part)


def _known(
    days: SharedDays, offers: ibis.Table, *, as_of: dt.date
) -> tuple[Callable[[ibis.Table], ibis.Table], ibis.Table]:
    """What makes shopping days those that are known, with `age` and `reach`, and the features of the products, all in numbers."""
    offers = days.numbered(offers)
    on_offer = reach(offers, as_of=as_of, first_day=days.first_day)

    def known(part: ibis.Table) -> ibis.Table:
        return with_reach(up_to(part, as_of), on_offer)

    sums = product_sums([known(part) for part in days.slices])
    return known, product(sums, days.products, offers, as_of=as_of).cache()


def _tables(own: ibis.Table, by_product: ibis.Table, days: SharedDays) -> FeatureTables:
    trips = own.group_by("household_id").agg(trips=own.trip.max())
    own = own.join(trips, "household_id")
    own = own.mutate(trips_ago=own.trips - own.trip).drop("trips", "trip")
    return FeatureTables(
        household_product=days.named(household_product(own, by_product)),
        household=days.named(household(own)),
        product=days.named(by_product),
        category_affinity=days.named(affinity(own, days.products, "category")),
        subcategory_affinity=days.named(affinity(own, days.products, "subcategory")),
    )
