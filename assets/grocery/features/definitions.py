"""The features, each table one function of the shopping days: nothing else feeds a model.

`VERSION` names the definition; a model records the one that it was trained on. Ages and gaps are in days, shares are
between 0 and 1, prices in the retailer's currency (null when the feed has none). A decayed count weighs a purchase by
one half for every half-life that has passed since.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.features.offers import MEMORY, offered, past_offers, with_reach
from assets.grocery.features.purchases import purchases, shopping_days
from resources.tables.engine import exact_sum, fixed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

VERSION = "3"

HALF_LIVES = (14, 30, 60, 90, 180)  # days
TRIP_DECAYS = {80: 0.8, 90: 0.9, 97: 0.97}  # per shopping day of the household since
LATEST = (2, 3, 4, 5)  # the purchases before the last one whose age is a feature of its own
PRIOR_GAPS = 2.0  # a household's own gaps count fully once there are clearly more than this many
WEEK, MONTH = 7, 28  # days: whole weeks, so that every weekday is in them as often
PACE_DAYS = (14, 84)
OFFER_PRIOR = 2.0  # weeks of average sales, on offer and off, that an uplift is drawn towards 1 by
PACE_PRIOR = 3.0  # expected purchases below which a pace is drawn towards that of the level above

HOUSEHOLD_PRODUCT = {
    "purchases": "Days on which the household bought the product.",
    "purchases_month": "The same, in the last 28 days.",
    **{f"decayed_{h}": f"Purchases, decayed with a half-life of {h} days." for h in HALF_LIVES},
    **{
        f"decayed_trips_{name}": f"Purchases, decayed by {decay} for each shopping day of the household since."
        for name, decay in TRIP_DECAYS.items()
    },
    "decayed_share": "Purchases weighted by one over the products of that day, decayed over 90 days: small baskets count.",
    "decayed_root_share": "The same, weighted by one over their square root.",
    "days_since_last": "Days since the last purchase.",
    **{f"days_since_{n}": f"Days since the purchase that is number {n} from the end; null for fewer." for n in LATEST},
    "days_since_first": "Days since the first purchase.",
    "trips_since_last": "The household's shopping days since the last purchase.",
    "trips_since_first": "The household's shopping days since the first purchase, that day included.",
    "gap": "Typical days between purchases: the household's own, drawn towards the product's where they are few.",
    "gap_deviation": "Standard deviation of the household's own gaps; null below three purchases.",
    "gap_shortest": "The shortest of them; null for a single purchase.",
    "gap_longest": "The longest of them; null for a single purchase.",
    "overdue": "Days since the last purchase over the typical gap: 1 is due today.",
    "quantity": "Average quantity of a purchase.",
    "price": "Average price of a unit that the household paid.",
    "decayed_on_offer": "Purchases while the product was on offer, decayed with a half-life of 90 days.",
    "days_since_on_offer": "Days since the last purchase while the product was on offer; null without one.",
    "days_since_off_offer": "Days since the last purchase while it was not; null without one.",
    "subcategory_offered": "Of the household's decayed purchases from the subcategory, the part that is on offer next.",
    "rivals_offered": "The same without the product itself; null when the household buys nothing else there.",
}
HOUSEHOLD = {
    "trips": "Days on which the household bought anything.",
    "trips_month": "The same, in the last 28 days.",
    "days_since_trip": "Days since it last bought anything.",
    "trip_gap": "Average days between its shopping days; null for a single one.",
    "basket_products": "Average different products of a shopping day.",
    "basket_products_lately": "The same, of its last five shopping days.",
    "products": "Different products that it ever bought.",
    "product_days": "Products of all its shopping days together.",
    "repeat_share": "Share of its purchases that were not the first of the product.",
    "spend_month": "What it paid in the last 28 days.",
    "offer_share": "Part of its purchases, decayed over 90 days, that were of products on offer.",
}
PRODUCT = {
    "buyers": "Households that ever bought the product.",
    "buyers_month": "Households that bought it in the last 28 days.",
    "buyers_week": "Households that bought it in the last 7 days.",
    "popularity": "Purchases by all households, decayed with a half-life of 30 days.",
    "trend": "Purchases of the last 28 days over those of the last 84, times three: 1 is steady.",
    "trend_week": "Purchases of the last 7 days over those of the last 28, times four: 1 is steady.",
    "repeat_rate": "Share of its buyers who bought it on more than one day.",
    "purchases_per_buyer": "Average purchases of a buyer.",
    "product_gap": "Average days between a household's purchases of it; null if nobody repeated.",
    "price_month": "Average price of a unit in the last 28 days.",
    "price_week": "Average price of a unit in the last 7 days.",
    "price_change": "The month's price over the average of all time: below 1 is cheaper than usual.",
    "price_change_week": "The week's price over the average of all time.",
    **{
        f"{level}pace_{days}": f"How much the owners of {whose} bought it again in the last {days} days, over what their "
        "purchases before let expect: 1 is as much."
        for level, whose in (("", "the product"), ("subcategory_", "its subcategory"), ("category_", "its category"))
        for days in PACE_DAYS
    },
    "offered_next": "Share of the next seven days, and of the stores, for which an offer is already announced.",
    "offered_last": "Share of the last seven days, and of the stores, in which it was on offer.",
    "offered_half_year": "The same of the last 182 days.",
    "days_since_offer": "Days since it was last on offer; null when it was not in those 182 days.",
    "offer_uplift": "Purchases a week while on offer over those a week while not, in those 182 days.",
    "offer_price": "Price of a unit while on offer over the price while not, of all time.",
    "subcategory_offered_next": "Of the sales of its subcategory in the last 84 days, the part that is on offer next.",
}


def _affinity(level: str) -> dict[str, str]:
    return {
        f"{level}_purchases": f"Days on which the household bought from the {level}.",
        f"{level}_purchases_month": "The same, in the last 28 days.",
        f"{level}_purchases_week": "The same, in the last 7 days.",
        f"{level}_decayed_30": "The same, decayed with a half-life of 30 days.",
        f"{level}_decayed_90": "The same, decayed with a half-life of 90 days.",
        f"{level}_products": f"Different products of the {level} that it bought.",
        f"{level}_days_since_last": f"Days since it last bought from the {level}.",
        f"{level}_gap": f"Average days between its purchases from the {level}; null for a single one.",
    }


CATEGORY_AFFINITY = _affinity("category")
SUBCATEGORY_AFFINITY = _affinity("subcategory")


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
        **{f"decayed_{h}": exact_sum(_decayed(days.age, h)) for h in HALF_LIVES},
        **{
            f"decayed_trips_{name}": exact_sum(ibis.literal(decay) ** days.trips_ago)
            for name, decay in TRIP_DECAYS.items()
        },
        decayed_share=exact_sum(_decayed(days.age, 90) / days.day_size),
        decayed_root_share=exact_sum(_decayed(days.age, 90) / days.day_size.sqrt()),
        days_since_last=days.age.min(),
        **{f"days_since_{n}": days.age.max(where=days.place == n - 1) for n in LATEST},
        days_since_first=days.age.max(),
        trips_since_last=days.trips_ago.min(),
        trips_since_first=days.trips_ago.max() + 1,
        gap_deviation=_deviation(days.own_gap),
        gap_shortest=days.own_gap.min(),
        gap_longest=days.own_gap.max(),
        quantity=exact_sum(days.quantity) / days.count(),
        price=_ratio(exact_sum(days.sales_value), exact_sum(days.quantity)),
        decayed_on_offer=exact_sum(_decayed(days.age, 90) * days.reach),
        days_since_on_offer=days.age.min(where=days.reach > 0.5),
        days_since_off_offer=days.age.min(where=days.reach <= 0.5),
    )
    joined = history.join(products.select("product_id", "product_gap", "subcategory", "offered_next"), "product_id")
    in_subcategory = ibis.window(group_by=["household_id", "subcategory"])
    planned = fixed(joined.decayed_90 * joined.offered_next)
    bought, offered_part = (exact_sum(each, over=in_subcategory) for each in (joined.decayed_90, planned))
    joined = joined.mutate(
        subcategory_offered=joined.subcategory.notnull().ifelse(_ratio(offered_part, bought), None),
        rivals_offered=joined.subcategory.notnull().ifelse(
            _ratio(offered_part - planned, bought - joined.decayed_90),
            None,
        ),
    )
    # A product that nobody repeated has no gap of its own: such a pair's gap is the time that has passed.
    prior = joined.product_gap.fill_null(joined.days_since_first + 1.0)
    own = joined.days_since_first - joined.days_since_last
    gap = (own + PRIOR_GAPS * prior) / (joined.purchases - 1 + PRIOR_GAPS)
    joined = joined.mutate(gap=gap).mutate(overdue=_ratio(joined.days_since_last, gap))
    return _as_floats(joined, ["household_id", "product_id"], HOUSEHOLD_PRODUCT)


def household(days: ibis.Table) -> ibis.Table:
    """Habits of every household that ever bought anything."""
    trips = days.group_by("household_id", "age", "trips_ago").agg(
        day_size=days.day_size.max(), spend=exact_sum(days.sales_value)
    )
    habits = trips.group_by("household_id").agg(
        trips=trips.count(),
        trips_month=(trips.age < MONTH).sum(),
        days_since_trip=trips.age.min(),
        trip_gap=_ratio(trips.age.max() - trips.age.min(), trips.count() - 1),
        basket_products=trips.day_size.mean(),
        basket_products_lately=trips.day_size.mean(where=trips.trips_ago < 5),
        spend_month=exact_sum((trips.age < MONTH).ifelse(trips.spend, 0.0)),
        product_days=trips.day_size.sum(),
    )
    weight = _decayed(days.age, 90)
    variety = days.group_by("household_id").agg(
        products=days.product_id.nunique(), offer_share=_ratio(exact_sum(weight * days.reach), exact_sum(weight))
    )
    joined = habits.join(variety, "household_id")
    joined = joined.mutate(repeat_share=1 - joined.products / joined.product_days)
    return _as_floats(joined, ["household_id"], HOUSEHOLD)


def product(days: ibis.Table, offers: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """How every product sells, how it is repeated, and whether it is, was and will be on offer."""
    import ibis

    is_recent, is_this_week = days.age < MONTH, days.age < WEEK
    pairs = days.group_by("household_id", "product_id", "category", "subcategory").agg(
        times=days.count(),
        is_recent=is_recent.max(),
        is_this_week=is_this_week.max(),
        span=days.age.max() - days.age.min(),
        **{f"again_{n}": _bought_again(days.age, n) for n in PACE_DAYS},
        **{f"expected_{n}": _expected(days.age, n) for n in PACE_DAYS},
    )
    repeats = pairs.group_by("product_id").agg(
        buyers=pairs.count(),
        buyers_month=pairs.is_recent.sum(),
        buyers_week=pairs.is_this_week.sum(),
        repeat_rate=(pairs.times > 1).mean(),
        purchases_per_buyer=pairs.times.mean(),
        product_gap=_ratio(pairs.span.sum(), (pairs.times - 1).sum()),
    )

    def price(lines: ir.BooleanValue) -> ir.FloatingValue:
        return _ratio(exact_sum(days.sales_value, where=lines), exact_sum(days.quantity, where=lines))

    sales = days.group_by("product_id").agg(
        category=days.category.max(),
        subcategory=days.subcategory.max(),
        popularity=exact_sum(_decayed(days.age, 30)),
        trend=_ratio(3.0 * is_recent.sum(), (days.age < 3 * MONTH).sum()),
        trend_week=_ratio(4.0 * is_this_week.sum(), is_recent.sum()),
        price_month=price(is_recent),
        price_week=price(is_this_week),
        price_ever=_ratio(exact_sum(days.sales_value), exact_sum(days.quantity)),
        season=(days.age < 3 * MONTH).sum(),
        remembered=(days.age < MEMORY).sum(),
        on_offer=exact_sum(days.reach, where=days.age < MEMORY).fill_null(0.0),
        offer_price=_ratio(
            _ratio(exact_sum(days.sales_value * days.reach), exact_sum(days.quantity * days.reach)),
            _ratio(exact_sum(days.sales_value * (1 - days.reach)), exact_sum(days.quantity * (1 - days.reach))),
        ),
    )
    joined = repeats.join(sales, "product_id").join(_paces(pairs), "product_id")
    for near in (offered(offers, as_of=as_of), past_offers(offers, as_of=as_of)):
        joined = joined.left_join(near, "product_id").drop("product_id_right")
    weeks_on = joined.offer_days.fill_null(0.0) / WEEK
    usual = OFFER_PRIOR * joined.remembered * WEEK / MEMORY
    in_subcategory = ibis.window(group_by="subcategory")
    season, planned = joined.season.sum().over(in_subcategory), joined.season * joined.offered_next.fill_null(0.0)
    joined = joined.mutate(
        offered_half_year=joined.offer_days.fill_null(0.0) / MEMORY,
        offer_uplift=_ratio(
            (joined.on_offer + usual) / (weeks_on + OFFER_PRIOR),
            (joined.remembered - joined.on_offer + usual) / (MEMORY / WEEK - weeks_on + OFFER_PRIOR),
        ),
        subcategory_offered_next=joined.subcategory.notnull().ifelse(
            _ratio(exact_sum(planned, over=in_subcategory), season), None
        ),
        price_change=_ratio(joined.price_month, joined.price_ever),
        price_change_week=_ratio(joined.price_week, joined.price_ever),
        offered_next=joined.offered_next.fill_null(0.0),
        offered_last=joined.offered_last.fill_null(0.0),
    )
    return _as_floats(joined, ["product_id", "category", "subcategory"], PRODUCT)


def _bought_again(age: ir.IntegerValue, days: int) -> ir.IntegerValue:
    """Purchases of a household's product in the last `days` days, if there were any before."""
    return (age.max() >= days).ifelse((age < days).sum(), 0)


def _expected(age: ir.IntegerValue, days: int) -> ir.FloatingValue:
    """What the purchases before let expect of those days, up to a factor: a decayed count that saturates."""
    before = exact_sum((age >= days).ifelse(_decayed(age - days, 60), 0.0))
    return 1 - (-before / 8).exp()


def _paces(pairs: ibis.Table) -> ibis.Table:
    """Of every product, its subcategory and its category: purchases again over expected ones, shrunk upwards.

    A level with little to expect is drawn towards the one above it, the category towards 1.
    """
    import ibis

    known = pairs.select("product_id", "category", "subcategory").distinct()
    everything = pairs.agg(
        **{f"all_{n}": _ratio(pairs[f"again_{n}"].sum(), exact_sum(pairs[f"expected_{n}"])) for n in PACE_DAYS}
    )
    paces = known.cross_join(everything)
    for key, prefix, above in (
        ("category", "category_", None),
        ("subcategory", "subcategory_", "category_"),
        ("product_id", "", "subcategory_"),
    ):
        level = pairs.group_by(key).agg(
            **{f"again_{n}": pairs[f"again_{n}"].sum() for n in PACE_DAYS},
            **{f"expected_{n}": exact_sum(pairs[f"expected_{n}"]) for n in PACE_DAYS},
        )
        columns = [name for name in paces.columns if not name.startswith(("again_", "expected_"))]
        paces = paces.select(columns).left_join(level, key).drop(f"{key}_right")
        paces = paces.mutate(
            **{
                f"{prefix}pace_{n}": (
                    paces[f"again_{n}"].fill_null(0)
                    + PACE_PRIOR * (paces[f"{above}pace_{n}"] if above else ibis.literal(1.0))
                )
                / (paces[f"expected_{n}"].fill_null(0.0) * paces[f"all_{n}"].fill_null(0.0) + PACE_PRIOR)
                for n in PACE_DAYS
            }
        )
    return paces.select(
        "product_id", *(f"{prefix}pace_{n}" for prefix in ("", "subcategory_", "category_") for n in PACE_DAYS)
    )


def affinity(days: ibis.Table, level: str) -> ibis.Table:
    """What every household needs of every category or subcategory; empty when the catalogue does not have them."""
    known = days.filter(days[level].notnull())
    visits = known.group_by("household_id", level, "age").agg(lines=known.count())
    needs = visits.group_by("household_id", level).agg(
        **{
            f"{level}_purchases": visits.count(),
            f"{level}_purchases_month": (visits.age < MONTH).sum(),
            f"{level}_purchases_week": (visits.age < WEEK).sum(),
            f"{level}_decayed_30": exact_sum(_decayed(visits.age, 30)),
            f"{level}_decayed_90": exact_sum(_decayed(visits.age, 90)),
            f"{level}_days_since_last": visits.age.min(),
            f"{level}_gap": _ratio(visits.age.max() - visits.age.min(), visits.count() - 1),
        }
    )
    variety = known.group_by("household_id", level).agg(**{f"{level}_products": known.product_id.nunique()})
    return _as_floats(needs.join(variety, ["household_id", level]), ["household_id", level], _affinity(level))


STORED_AS = {
    "household_product": "household_product_features",
    "household": "household_features",
    "product": "product_features",
    "category_affinity": "category_affinity",
    "subcategory_affinity": "subcategory_affinity",
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

    def by_name(self) -> dict[str, ibis.Table]:
        """The tables by the names that they are stored under."""
        return {name: getattr(self, attribute) for attribute, name in STORED_AS.items()}


def build(
    transactions: ibis.Table,
    products: ibis.Table,
    offers: ibis.Table,
    *,
    as_of: dt.date,
    only: ibis.Table | None = None,
) -> FeatureTables:
    """All features as of `as_of`'s close, from the cleaned lines, the catalogue and the offers.

    Later lines, and offers announced later, change nothing. `only` leaves out households that it does not have (a
    column `household_id`): the others' rows are the same.
    """
    days = with_reach(shopping_days(purchases(transactions, products), as_of=as_of), offers, as_of=as_of)
    by_product = product(days, offers, as_of=as_of).cache()
    own = days if only is None else days.semi_join(only, "household_id")
    return FeatureTables(
        # Candidates look at it three times.
        household_product=household_product(own, by_product).cache(),
        household=household(own),
        product=by_product,
        category_affinity=affinity(own, "category"),
        subcategory_affinity=affinity(own, "subcategory"),
    )


def _decayed(age: ir.IntegerValue, half_life: int) -> ir.FloatingValue:
    import ibis

    return ibis.literal(0.5) ** (age / half_life)


def _deviation(days: ir.IntegerValue) -> ir.FloatingValue:
    """The standard deviation of whole days, null below two: of sums that are exact."""
    n, total, squares = days.count(), days.sum(), (days * days).sum()
    return _ratio(n * squares - total * total, n * (n - 1)).sqrt()


def _ratio(above: ir.NumericValue, below: ir.NumericValue) -> ir.FloatingValue:
    """`above / below`, null where there is nothing below."""
    return above / below.nullif(0)


def _as_floats(table: ibis.Table, keys: list[str], features: dict[str, str]) -> ibis.Table:
    """The keys and the features, as float32: more digits than a habit has, in half the space."""
    return table.select(*keys, **{name: table[name].cast("float32") for name in features})
