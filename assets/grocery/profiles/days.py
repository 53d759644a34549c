"""A business day in distributions: what a broken feed would change in it.

A column that the retailer's lines do not have (stores, departments, prices, times of day) has one value, `(none)`, on
every day: it never moves, and so is not watched.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from resources.tables.engine import in_zone

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    from ibis.expr.types.groupby import GroupedTable

# What a day is compared with its past by (known households and products, usual prices): the whole weeks before its own.
# Eight, as for the volume: long enough for a household that comes once a month, short enough for prices of the season.
WEEKS_BEFORE = 8

NONE = "(none)"

# Where a unit's price over the product's usual one is cut, as logarithms: finest near 0, where most prices are.
PRICE_CUTS = (-0.7, -0.35, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2, 0.35, 0.7)
# Where quantities and sizes of baskets (in lines) are cut: each class about half as large again as the one before.
QUANTITY_CUTS = (0, 1, 2, 3, 5, 8, 12, 20, 100, 1_000)
SIZE_CUTS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90)


@dataclass(frozen=True, kw_only=True)
class DayProfile:
    """`counts` of lines, households and baskets, those that are not 0, and how often each value of each column is there.

    The columns: `department`, `category`, `quantity`, `price` (of a unit, over the product's usual one) and `product`
    (known or new) count lines; `store`, `hour` (local) and `basket_size` baskets; `household` (known or new) households.
    """

    business_date: dt.date
    counts: Mapping[str, int]
    values: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """The profile in what JSON has."""
        return {**asdict(self), "business_date": self.business_date.isoformat()}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> DayProfile:
        """The profile that :meth:`as_json` gave."""
        return cls(**{**stored, "business_date": dt.date.fromisoformat(stored["business_date"])})


def profiles(
    transactions: ibis.Table,
    products: ibis.Table,
    *,
    days: Sequence[dt.date],
    timezone: str,
    before: ibis.Table | None = None,
) -> list[DayProfile]:
    """A profile of each of `days` that has lines, by day, in one pass.

    `before` has the lines that the days' past is known from; by default it is `transactions`, too.
    """
    import ibis

    wanted = transactions.filter(transactions.business_date.isin(list(days)))
    catalogue = products.select("product_id", "department", "category")
    lines = wanted.mutate(week=_week(wanted)).left_join(catalogue, "product_id").drop("product_id_right")
    lines = _with_past(lines, transactions if before is None else before, since=min(days), until=max(days))
    lines = lines.mutate(hour=in_zone(lines.occurred_at, timezone).hour().cast("string")).cache()
    counts = lines.group_by("business_date").agg(
        lines=lines.count(), households=lines.household_id.nunique(), baskets=lines.basket_id.nunique()
    )
    # A basket is of one store and hour: counted by lines, a few large ones would hide what happens to many.
    baskets = lines.filter(lines.basket_id.notnull()).group_by("business_date", "basket_id")
    baskets = baskets.agg(size=ibis._.count(), store=ibis._.store_id.max(), hour=ibis._.hour.min())
    households = lines.filter(lines.household_id.notnull()).group_by("business_date", "household_id")
    households = households.agg(is_known=ibis._.is_known_household.any())
    is_priced = (lines.sales_value > 0) & (lines.quantity > 0) & (lines.usual_price > 0)
    price = is_priced.ifelse(lines.sales_value / lines.quantity / lines.usual_price, ibis.null("float64"))
    columns = {
        "department": (lines, lines.department),
        "category": (lines, lines.category),
        "quantity": (lines, _class(lines.quantity, QUANTITY_CUTS)),
        "price": (lines, _class(price.ln(), PRICE_CUTS)),
        "product": (lines, lines.is_known_product.ifelse("known", "new")),
        "store": (baskets, baskets.store),
        "hour": (baskets, baskets.hour),
        "basket_size": (baskets, _class(baskets["size"], SIZE_CUTS)),
        "household": (households, households.is_known.ifelse("known", "new")),
    }
    parts = (
        rows.select("business_date", column=ibis.literal(column), value=value.fill_null(NONE))
        for column, (rows, value) in columns.items()
    )
    found = ibis.union(*(part.group_by("business_date", "column", "value").agg(times=part.count()) for part in parts))
    values: dict[dt.date, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in found.order_by("business_date", "column", "value").to_pyarrow().to_pylist():
        values[row["business_date"]][row["column"]][row["value"]] = row["times"]
    by_day = {row.pop("business_date"): row for row in counts.to_pyarrow().to_pylist()}
    return [
        DayProfile(
            business_date=day,
            counts={name: number for name, number in by_day[day].items() if number},
            values={column: dict(times) for column, times in values[day].items()},
        )
        for day in sorted(by_day)
    ]


def _week(rows: ibis.Table) -> ir.DateValue:
    return rows.business_date.truncate("W").cast("date")


def _with_past(lines: ibis.Table, before: ibis.Table, *, since: dt.date, until: dt.date) -> ibis.Table:
    """`lines` with `usual_price`, `is_known_product` and `is_known_household`, by the weeks before each one's `week`."""
    import ibis

    start = since - dt.timedelta(days=since.weekday(), weeks=WEEKS_BEFORE)
    past = before.filter((before.business_date >= start) & (before.business_date < until))
    past = past.mutate(past_week=_week(past))
    is_priced = (past.quantity > 0) & (past.sales_value > 0)
    sold = past.group_by("product_id", "past_week").agg(
        paid=past.sales_value.sum(where=is_priced), units=past.quantity.sum(where=is_priced)
    )
    sold = _in_weeks_before(lines, sold, "product_id").agg(
        usual_price=ibis._.paid.sum() / ibis._.units.sum(), is_known_product=ibis.literal(True)
    )
    seen = _in_weeks_before(lines, past.select("household_id", "past_week").distinct(), "household_id")
    seen = seen.agg(is_known_household=ibis.literal(True))
    for key, found in (("product_id", sold), ("household_id", seen)):
        lines = lines.left_join(found, [key, "week"]).drop(f"{key}_right", "week_right")
    return lines.mutate(
        is_known_product=lines.is_known_product.fill_null(False),
        is_known_household=lines.is_known_household.fill_null(False),
    )


def _in_weeks_before(lines: ibis.Table, past: ibis.Table, key: str) -> GroupedTable:
    """What `past` has on each key and week of `lines` in the weeks before, grouped by that key and week."""
    import ibis

    joined = lines.select(key, "week").distinct().join(past, key)
    begins = joined.week - ibis.interval(weeks=WEEKS_BEFORE)
    return joined.filter((joined.past_week < joined.week) & (joined.past_week >= begins)).group_by(key, "week")


def _class(value: ir.NumericValue, cuts: Sequence[float]) -> ir.StringValue:
    """The number of the class that a value is in, as text: how many of `cuts` it is above; null for null."""
    above = [(value > cut).cast("int64") for cut in cuts]
    return sum(above[1:], above[0]).cast("string")
