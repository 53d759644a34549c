"""What counts as a purchase, and the shopping days that every feature is built on."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from resources.tables.engine import exact_sum

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir


def purchases(transactions: ibis.Table, products: ibis.Table) -> ibis.Table:
    """The lines that are purchases of something recommendable by a known household, with the product's categories.

    A line of quantity 0 or less (a return, a coupon), of a product that is not recommendable or not in the catalogue,
    or of an anonymous basket is none.
    """
    lines = transactions.filter(is_purchase(transactions))
    return lines.join(recommendable(products), "product_id").select(
        "business_date", "household_id", "product_id", "category", "subcategory", "quantity", "sales_value"
    )


def is_purchase(transactions: ibis.Table) -> ir.BooleanValue:
    """Whether a line is a purchase by a known household, of whatever product."""
    return (transactions.quantity > 0) & transactions.household_id.notnull()


def recommendable(products: ibis.Table) -> ibis.Table:
    """The recommendable products: `product_id`, `category`, `subcategory`."""
    return products.filter(products.is_recommendable).select("product_id", "category", "subcategory")


def shopping_days(purchases: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """One row for each household, product and day of purchase up to `as_of`'s close, materialised.

    Columns: `household_id`, `product_id`, `category`, `subcategory`, `quantity`, `sales_value` (sums of the day), `age` (days before
    `as_of`), `trips_ago` (shopping days of the household since; 0 is its latest) and `day_size` (different products
    that the household bought that day).
    """
    import ibis

    known = purchases.filter(purchases.business_date <= as_of)
    days = known.group_by("household_id", "product_id", "category", "subcategory", "business_date").agg(
        quantity=exact_sum(known.quantity), sales_value=exact_sum(known.sales_value)
    )
    trips = days.group_by("household_id", "business_date").agg(day_size=days.count())
    latest_first = ibis.window(group_by="household_id", order_by=ibis.desc("business_date"))
    trips = trips.mutate(trips_ago=ibis.row_number().over(latest_first))
    return (
        days.join(trips, ["household_id", "business_date"])
        .mutate(age=days_before(as_of, days.business_date))
        .drop("business_date")
        .cache()
    )


def baskets_after(purchases: ibis.Table, *, as_of: dt.date, days: int) -> ibis.Table:
    """What each household bought in the `days` days after `as_of`: `household_id`, `product_id`, distinct.

    `is_next` says whether the product was bought on the household's first shopping day after `as_of`: all its baskets
    of that day are its next basket.
    """
    import ibis

    until = as_of + dt.timedelta(days=days)
    after = purchases.filter((purchases.business_date > as_of) & (purchases.business_date <= until))
    bought = after.group_by("household_id", "product_id").agg(first_day=after.business_date.min())
    next_day = bought.first_day.min().over(ibis.window(group_by="household_id"))
    return bought.select("household_id", "product_id", is_next=bought.first_day == next_day)


def days_before(as_of: dt.date, date: ir.DateValue) -> ir.IntegerValue:
    """The days from each date to `as_of`."""
    import ibis

    return ibis.literal(as_of).delta(date, unit="day")
