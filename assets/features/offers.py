"""What is on offer around a close, as far as it was announced by then."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

DAYS = 7  # on either side of the close: a leaflet is a week's


def offered(offers: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """One row for each product with an offer near `as_of`'s close; the others are absent.

    Columns: `product_id`, `offered_next` and `offered_last`: over the seven days after `as_of`, and over the seven up
    to and with it, the average of each day's largest reach (0 … 1; a day without an offer is 0). Offers that were not
    known by the close change nothing.
    """
    first, last = as_of - dt.timedelta(days=DAYS - 1), as_of + dt.timedelta(days=DAYS)
    near = offers.filter((offers.known_from <= as_of) & (offers.starts_on <= last) & (offers.ends_on >= first))
    return near.group_by("product_id").agg(
        offered_next=_average_reach(near, since=as_of + dt.timedelta(days=1)),
        offered_last=_average_reach(near, since=first),
    )


def _average_reach(offers: ibis.Table, *, since: dt.date) -> ir.FloatingScalar:
    """Of the seven days from `since`, the average of the largest reach of each."""
    days = [since + dt.timedelta(days=day) for day in range(DAYS)]
    reach = offers.reach.cast("float64")
    largest = [reach.max(where=(offers.starts_on <= day) & (offers.ends_on >= day)).fill_null(0.0) for day in days]
    return sum(largest[1:], largest[0]) / DAYS
