"""The features of products: sums over everybody's purchases, which add up to the same from slices of households."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.grocery.features.described import MONTH, OFFER_PRIOR, PACE_DAYS, PACE_PRIOR, PRODUCT, WEEK
from assets.grocery.features.offers import MEMORY, offered, past_offers
from assets.grocery.features.terms import as_floats, decayed, ratio
from resources.tables.engine import exact_sum, from_parts, sum_of_parts

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir


def product_sums(slices: Sequence[ibis.Table]) -> ibis.Table:
    """What :func:`product` is made of, of every product that was sold, materialised: whole numbers alone.

    `slices` are shopping days with their `age` and `reach`. Each is summed up by itself.
    """
    import ibis

    parts = [_sums(days).cache() for days in slices]
    if len(parts) == 1:
        return parts[0]
    all_parts = ibis.union(*parts)
    added = {name: all_parts[name].sum().cast("int64") for name in all_parts.columns if name != "product_id"}
    return all_parts.group_by("product_id").agg(**added).cache()


def _sums(days: ibis.Table) -> ibis.Table:
    is_recent, is_this_week = days.age < MONTH, days.age < WEEK
    pairs = days.group_by("household_id", "product_id").agg(
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
        repeaters=(pairs.times > 1).sum(),
        span=pairs.span.sum(),
        **{f"again_{n}": pairs[f"again_{n}"].sum() for n in PACE_DAYS},
        **{f"expected_{n}": sum_of_parts(pairs[f"expected_{n}"]) for n in PACE_DAYS},
    )
    sales = days.group_by("product_id").agg(
        times=days.count(),
        popularity=sum_of_parts(decayed(days.age, 30)),
        week=is_this_week.sum(),
        month=is_recent.sum(),
        season=(days.age < 3 * MONTH).sum(),
        remembered=(days.age < MEMORY).sum(),
        on_offer=sum_of_parts(days.reach, where=days.age < MEMORY),
        paid_on_offer=sum_of_parts(days.sales_value * days.reach),
        units_on_offer=sum_of_parts(days.quantity * days.reach),
        paid_off_offer=sum_of_parts(days.sales_value * (1 - days.reach)),
        units_off_offer=sum_of_parts(days.quantity * (1 - days.reach)),
        **{
            f"{what}_{when}": sum_of_parts(days[column], where=lines)
            for what, column in (("paid", "sales_value"), ("units", "quantity"))
            for when, lines in (("week", is_this_week), ("month", is_recent), ("ever", None))
        },
    )
    sums = repeats.join(sales, "product_id")
    return sums.mutate(**{name: sums[name].cast("int64") for name in sums.columns if name != "product_id"})


def _bought_again(age: ir.IntegerValue, days: int) -> ir.IntegerValue:
    """Purchases of a household's product in the last `days` days, if there were any before."""
    return (age.max() >= days).ifelse((age < days).sum(), 0)


def _expected(age: ir.IntegerValue, days: int) -> ir.FloatingValue:
    """What the purchases before let expect of those days, up to a factor: a decayed count that saturates."""
    before = exact_sum((age >= days).ifelse(decayed(age - days, 60), 0.0))
    return 1 - (-before / 8).exp()


def product(sums: ibis.Table, products: ibis.Table, offers: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """How every product sells, how it is repeated, and whether it is, was and will be on offer.

    `sums` are those of :func:`product_sums`, `products` the `category` and `subcategory` of each `product_id`.
    """
    import ibis

    def price(paid: str, units: str) -> ir.FloatingValue:
        return ratio(from_parts(sums[f"paid_{paid}"]), from_parts(sums[f"units_{units}"]))

    sums = sums.join(products, "product_id").cache()
    sales = sums.select(
        "product_id",
        "category",
        "subcategory",
        "buyers",
        "buyers_month",
        "buyers_week",
        "season",
        "remembered",
        repeat_rate=sums.repeaters / sums.buyers,
        purchases_per_buyer=sums.times / sums.buyers,
        product_gap=ratio(sums.span, sums.times - sums.buyers),
        popularity=from_parts(sums.popularity),
        trend=ratio(3.0 * sums.month, sums.season),
        trend_week=ratio(4.0 * sums.week, sums.month),
        price_month=price("month", "month"),
        price_week=price("week", "week"),
        price_ever=price("ever", "ever"),
        on_offer=from_parts(sums.on_offer).fill_null(0.0),
        offer_price=ratio(price("on_offer", "on_offer"), price("off_offer", "off_offer")),
    )
    joined = sales.join(_paces(sums), "product_id")
    for near in (offered(offers, as_of=as_of), past_offers(offers, as_of=as_of)):
        joined = joined.left_join(near, "product_id").drop("product_id_right")
    weeks_on = joined.offer_days.fill_null(0.0) / WEEK
    usual = OFFER_PRIOR * joined.remembered * WEEK / MEMORY
    in_subcategory = ibis.window(group_by="subcategory")
    season, planned = joined.season.sum().over(in_subcategory), joined.season * joined.offered_next.fill_null(0.0)
    joined = joined.mutate(
        offered_half_year=joined.offer_days.fill_null(0.0) / MEMORY,
        offer_uplift=ratio(
            (joined.on_offer + usual) / (weeks_on + OFFER_PRIOR),
            (joined.remembered - joined.on_offer + usual) / (MEMORY / WEEK - weeks_on + OFFER_PRIOR),
        ),
        subcategory_offered_next=joined.subcategory.notnull().ifelse(
            ratio(exact_sum(planned, over=in_subcategory), season), None
        ),
        price_change=ratio(joined.price_month, joined.price_ever),
        price_change_week=ratio(joined.price_week, joined.price_ever),
        offered_next=joined.offered_next.fill_null(0.0),
        offered_last=joined.offered_last.fill_null(0.0),
    )
    return as_floats(joined, ["product_id", "category", "subcategory"], PRODUCT)


def _paces(sums: ibis.Table) -> ibis.Table:
    """Of every product, its subcategory and its category: purchases again over expected ones, shrunk upwards.

    A level with little to expect is drawn towards the one above it, the category towards 1.
    """
    import ibis

    everything = sums.agg(
        **{f"all_{n}": ratio(sums[f"again_{n}"].sum(), from_parts(sums[f"expected_{n}"].sum())) for n in PACE_DAYS}
    )
    paces = sums.select("product_id", "category", "subcategory").cross_join(everything)
    for key, prefix, above in (
        ("category", "category_", None),
        ("subcategory", "subcategory_", "category_"),
        ("product_id", "", "subcategory_"),
    ):
        level = sums.group_by(key).agg(
            **{f"again_{n}": sums[f"again_{n}"].sum() for n in PACE_DAYS},
            **{f"expected_{n}": from_parts(sums[f"expected_{n}"].sum()) for n in PACE_DAYS},
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
