"""A business day in numbers: what the day rules judge, one row a day.

The numbers are aggregates of the stored table, worked out by the engine in one pass over a day or a year; Great
Expectations then judges a frame of one row a day. Handing it the lines themselves took the year 40 times as long.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assets.grocery.ingestion import instants
from assets.grocery.ingestion.cleaning import TYPES
from assets.grocery.ingestion.rules import AMOUNTS, IN_ONE_FILE
from resources.config.retailer import TransactionsConfig

if TYPE_CHECKING:
    import ibis
    import pandas as pd

WEEKS_COMPARED = 8
WEEKS_NEEDED = 3  # with fewer earlier weekdays than this, a day has nothing to be compared with


def profile(
    transactions: ibis.Table,
    quarantine: ibis.Table,
    *,
    days: Sequence[dt.date],
    closed: Sequence[dt.date],
    lines_by_day: Mapping[dt.date | None, int],
    feed: TransactionsConfig,
    timezone: str,
) -> pd.DataFrame:
    """One row for each of `days`, indexed by `business_date`; `lines_by_day` are the table's rows of all days so far.

    Columns: `lines`, `quarantined`, `quarantined_share`, `missing_keys`, `repeated_keys`, `strange_values`,
    `baskets_of_several_households`, `lines_of_another_day`, `lowest_…` and `highest_…` of the amounts and how many lines
    are `outside_…` their ranges, `wrong_types` (columns of the table), `usual_lines` and `volume_against_weekday` (a
    ratio; both NaN on closed days and without enough earlier weekdays).
    """
    import pandas as pd

    lines = transactions.mutate(local_date=instants.business_day(transactions.occurred_at, feed, timezone=timezone))
    allowed = feed.contract.allowed.items()
    ranges = {name: getattr(feed.contract, name) for name in AMOUNTS}
    keys = ["product_id", *(["household_id", "basket_id"] if feed.contract.is_household_required else [])]
    by_day = lines.group_by("business_date").agg(
        lines=lines.count(),
        missing_keys=sum(lines[key].isnull().cast("int64") for key in keys).sum(),
        strange_values=sum([(~lines[name].isin(values).fill_null(False)).sum() for name, values in allowed], start=0),
        lines_of_another_day=(lines.local_date != lines.business_date).sum(),
        **{f"lowest_{name}": lines[name].min() for name in ranges},
        **{f"highest_{name}": lines[name].max() for name in ranges},
        **{f"outside_{name}": (~lines[name].between(*bounds)).sum() for name, bounds in ranges.items()},
    )
    in_baskets = lines.filter(lines.basket_id.notnull())  # an anonymous line may be of none
    baskets = in_baskets.group_by("business_date", "basket_id").agg(
        lines=in_baskets.count(),
        is_of_several=in_baskets.household_id.min() != in_baskets.household_id.max(),
        products=in_baskets.product_id.nunique(),
    )
    by_basket = baskets.group_by("business_date").agg(
        baskets_of_several_households=baskets.is_of_several.sum(),
        repeated_keys=(baskets.lines - baskets.products).sum(),
    )
    quarantine = quarantine.filter(quarantine.rule != IN_ONE_FILE.name)  # they are taken, from the file before
    held_back = quarantine.group_by("business_date").agg(quarantined=quarantine.count())
    frame = pd.DataFrame(index=pd.Index(list(days), name="business_date"))
    for part in (by_day, by_basket, held_back):
        frame = frame.join(
            part.to_pandas().assign(business_date=lambda f: f.business_date.dt.date).set_index("business_date")
        )
    counts = [
        "lines",
        "quarantined",
        "missing_keys",
        "repeated_keys",
        "strange_values",
        "baskets_of_several_households",
        "lines_of_another_day",
    ]
    frame[counts] = frame[counts].astype("float64").fillna(0)
    delivered = frame.lines + frame.quarantined
    return frame.assign(
        quarantined_share=(frame.quarantined / delivered).where(delivered > 0),
        is_empty=((frame.lines == 0) & ~frame.index.isin(list(closed))).astype("int64"),
        wrong_types=sum(str(transactions.schema().get(name)) != type_ for name, type_ in TYPES.items()),
        usual_lines=[usual_lines(day, lines_by_day) for day in days],
        volume_against_weekday=[volume_against_weekday(day, lines_by_day) for day in days],
    )


def usual_lines(day: dt.date, lines_by_day: Mapping[dt.date | None, int]) -> float:
    """The median of the same weekday in the eight weeks before `day`; NaN without three of them."""
    before = [lines_by_day.get(day - dt.timedelta(weeks=week), 0) for week in range(1, WEEKS_COMPARED + 1)]
    before = [lines for lines in before if lines]
    return statistics.median(before) if len(before) >= WEEKS_NEEDED else float("nan")


def volume_against_weekday(day: dt.date, lines_by_day: Mapping[dt.date | None, int]) -> float:
    """Lines of `day` over :func:`usual_lines`; NaN for a day without lines."""
    return lines_by_day[day] / usual_lines(day, lines_by_day) if lines_by_day.get(day) else float("nan")
