"""What is on offer around a close and was before it, as far as it was announced by then."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from assets.grocery.features.purchases import days_before
from resources.days import ONE_DAY
from resources.tables.engine import exact_sum

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

DAYS = 7  # on either side of the close: a leaflet is a week's
MEMORY = 182  # days over which it is told how often a product is on offer, and what that does to its sales


def offered(offers: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """One row for each product with an offer near `as_of`'s close; the others are absent.

    Columns: `product_id`, `offered_next` and `offered_last`: over the seven days after `as_of`, and over the seven up
    to and with it, the average of each day's largest reach (0 … 1; a day without an offer is 0). Offers that were not
    known by the close change nothing.
    """
    first, last = as_of - dt.timedelta(days=DAYS - 1), as_of + dt.timedelta(days=DAYS)
    near = offers.filter((offers.known_from <= as_of) & (offers.starts_on <= last) & (offers.ends_on >= first))
    return near.group_by("product_id").agg(
        offered_next=_average_reach(near, since=as_of + ONE_DAY),
        offered_last=_average_reach(near, since=first),
    )


def _average_reach(offers: ibis.Table, *, since: dt.date) -> ir.FloatingScalar:
    """Of the seven days from `since`, the average of the largest reach of each."""
    days = [since + dt.timedelta(days=day) for day in range(DAYS)]
    reach = offers.reach.cast("float64")
    largest = [reach.max(where=(offers.starts_on <= day) & (offers.ends_on >= day)).fill_null(0.0) for day in days]
    return sum(largest[1:], largest[0]) / DAYS


def reach(offers: ibis.Table, *, as_of: dt.date, first_day: dt.date) -> ibis.Table:
    """Of the offers that a product had on a day since `first_day` the largest, materialised: `product_id`, `age`, `reach`.

    Offers that were not known by `as_of`'s close change nothing.
    """
    import ibis

    known = offers.filter((offers.known_from <= as_of) & (offers.starts_on <= as_of) & (offers.ends_on >= first_day))
    periods = known.select(
        "product_id", "reach", oldest=days_before(as_of, known.starts_on), newest=days_before(as_of, known.ends_on)
    )
    ages = ibis.range(0, (as_of - first_day).days + 1).unnest().name("age").as_table()
    on_offer = periods.join(ages, [periods.newest <= ages.age, periods.oldest >= ages.age])
    return on_offer.group_by("product_id", "age").agg(reach=on_offer.reach.max().cast("float64")).cache()


def with_reach(days: ibis.Table, on_offer: ibis.Table) -> ibis.Table:
    """The shopping days with the `reach` of what was on offer, 0 without an offer."""
    joined = days.left_join(on_offer, ["product_id", "age"]).drop("product_id_right", "age_right")
    return joined.mutate(reach=joined.reach.fill_null(0.0))


def past_offers(offers: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """How often each product was on offer in the :data:`MEMORY` days up to `as_of`; products that never were are absent.

    Columns: `product_id`, `offer_days` (days of an offer, each times its reach) and `days_since_offer` (0: one runs).
    """
    import ibis

    first = as_of - dt.timedelta(days=MEMORY - 1)
    known = offers.filter((offers.known_from <= as_of) & (offers.starts_on <= as_of) & (offers.ends_on >= first))
    since, until = ibis.greatest(known.starts_on, ibis.literal(first)), ibis.least(known.ends_on, ibis.literal(as_of))
    days = (until.delta(since, unit="day") + 1) * known.reach.cast("float64")
    return known.group_by("product_id").agg(
        # Two offers of a day are rare; they are counted twice, up to every day there is.
        offer_days=ibis.least(exact_sum(days), ibis.literal(float(MEMORY))),
        days_since_offer=days_before(as_of, until).min(),
    )
