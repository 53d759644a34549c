"""When a line was bought: how its time is read, and on which business day it lies."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from resources.config.validators import EPOCHS, EXCEL_DAYS
from resources.tables.engine import day_in_zone, since_1970, to_utc, try_strptime

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from resources.config.retailer import TransactionsConfig

# A time outside of these years is none: no calendar of a shop has it, and neither Python's nor a file's types can hold it.
CALENDAR = (dt.datetime(1000, 1, 1), dt.datetime(9000, 1, 1))  # noqa: DTZ001 - wall-clock times
OFFSET = r":\d\d(\.\d+)?\s?(Z|UTC|[+-]\d\d(:?\d\d)?)$"
SECONDS_A_DAY = 86_400
EXCEL_DAY_OF_1970 = 25_569


def instant(lines: ibis.Table, text: ir.StringValue, feed: TransactionsConfig, *, timezone: str) -> ir.TimestampValue:
    """When each line was bought, in UTC, without zone; null where it cannot be read. `text` is the feed's own writing.

    A time with an offset, and a number of seconds since 1970, is an instant; any other is a wall-clock time of `timestamps_in`.
    """
    zone = timezone if feed.timestamps_in == "local" else feed.timestamps_in
    columns = feed.columns.occurred_at
    type_ = lines[columns[0]].type()
    if len(columns) == 1 and type_.is_timestamp() and type_.timezone is not None:
        return in_calendar(lines[columns[0]].cast("timestamp"))
    if len(columns) == 1 and (type_.is_timestamp() or type_.is_date()):
        return to_utc(in_calendar(lines[columns[0]].cast("timestamp")), zone)
    if feed.timestamp_format:
        time = read(text, feed.timestamp_format)
        is_instant = feed.timestamp_format in EPOCHS or "%z" in feed.timestamp_format.lower()
        return time if is_instant else to_utc(time, zone)
    # An instant needs a type with zone: cast to one without, DuckDB drops the offset and keeps the wall clock.
    at = in_calendar(text.try_cast("timestamp('UTC')").cast("timestamp"))
    return text.re_search(OFFSET).ifelse(at, to_utc(read(text, None), zone))


def read(text: ir.StringValue, format_: str | None) -> ir.TimestampValue:
    """`text` as a time without zone, of the format (None: ISO 8601); null where it does not fit or is in no calendar."""
    if format_ is None:
        return in_calendar(text.try_cast("timestamp"))
    if format_ in EPOCHS:
        return since_1970(_microseconds(text.try_cast("float64") * (1e6 / EPOCHS[format_])))
    if format_ == EXCEL_DAYS:
        days = text.try_cast("float64") - EXCEL_DAY_OF_1970
        # To the second: the fraction of a day is a rounded number.
        return since_1970((_microseconds(days * SECONDS_A_DAY * 1e6) + 500_000) // 1_000_000 * 1_000_000)
    if "%p" in format_:
        text = text.re_replace(r"(?i)([ap])\. ?m\.", r"\1m")
    return in_calendar(try_strptime(text, format_).cast("timestamp"))


def in_calendar(at: ir.TimestampValue) -> ir.TimestampValue:
    """The times that are within :data:`CALENDAR`; null for `infinity` and for years before Christ or of six digits."""
    return at.between(*CALENDAR).ifelse(at, None)


def business_day(at: ir.TimestampValue, feed: TransactionsConfig, *, timezone: str) -> ir.DateValue:
    """The business day of UTC instants: the local day, the hours after midnight up to `business_day_ends` the day before's."""
    ends = feed.business_day_ends
    return day_in_zone(at, timezone, ends=dt.timedelta(hours=ends.hour, minutes=ends.minute, seconds=ends.second))


def _microseconds(number: ir.FloatingValue) -> ir.IntegerValue:
    """Whole microseconds, of times within :data:`CALENDAR`."""
    epoch = dt.datetime(1970, 1, 1)  # noqa: DTZ001
    low, high = ((end - epoch).total_seconds() * 1e6 for end in CALENDAR)
    return number.between(low, high).ifelse(number, None).cast("int64")
