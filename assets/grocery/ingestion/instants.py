"""When a line was bought: how its time is read, and on which business day it lies."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from resources.config.validators import EPOCHS, EXCEL_DAYS
from resources.tables.engine import day_in_zone, since_1970, text_of, to_utc, try_strptime

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from resources.config.retailer import TransactionsConfig

# A time outside of these years is none: no calendar of a shop has it, and neither Python's nor a file's types can hold it.
CALENDAR = (dt.datetime(1000, 1, 1), dt.datetime(9000, 1, 1))  # noqa: DTZ001 - wall-clock times
OFFSET = r":\d\d(\.\d+)?\s?(Z|UTC|[+-]\d\d(:?\d\d)?)$"
# Names of zones that mean one offset, as zones of that offset (whose signs are turned around). Not among them are BST, CST and IST,
# which are several: Britain's summer and Bangladesh, central America and China, India, Ireland and Israel. They are read where
# the retailer's own zone has them (:func:`zones_of`).
ABBREVIATIONS = {
    name: f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
    for hours, names in {
        0: "UTC GMT WET", 1: "WEST CET MEZ", 2: "CEST MESZ EET SAST", 3: "EEST MSK", 9: "JST KST",
        10: "AEST", 11: "AEDT", 12: "NZST", 13: "NZDT", -3: "BRT", -4: "EDT", -5: "EST CDT", -6: "MDT", -7: "MST PDT", -8: "PST",
    }.items()
    for name in names.split()
}  # fmt: skip
ZONE = r"[A-Z][A-Za-z]+(?:/[A-Za-z_]+)+"
# The names of months besides the English ones, in the languages of western Europe: in none of them is one another month.
MONTHS = {
    word: english
    for english, words in {
        "January": "januar jänner jän janvier janv enero ene gennaio gen janeiro januari",
        "February": "februar feber février févr fév fevrier fevr febrero febbraio fevereiro fev februari",
        "March": "märz maerz mrz mär mars marzo março marco maart mrt marts",
        "April": "avril avr abril abr aprile",
        "May": "mai mayo maggio mag maio mei maj",
        "June": "juni juin junio giugno giu junho",
        "July": "juli juillet juil julio luglio lug julho",
        "August": "août aout agosto ago augustus augusti",
        "September": "sept septembre septiembre settembre set setembro",
        "October": "oktober okt octobre octubre ottobre ott outubro out",
        "November": "novembre noviembre novembro",
        "December": "dezember dez décembre déc decembre diciembre dic dicembre dezembro december",
    }.items()
    for word in words.split()
}
LONGEST_MONTH = len("September")
MONTH = r"\p{L}{3,}"
CLOCK_NUMBER = re.compile(" %H%M(%S)?$")  # behind a date; as a number 09:05 is 905, and 00:05 is 5
SECONDS_A_DAY = 86_400
EXCEL_DAY_OF_1970 = 25_569


def instant(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> ir.TimestampValue:
    """When each line was bought, in UTC, without zone; null where it cannot be read.

    A time with an offset, and a number of seconds since 1970, is an instant; any other is a wall-clock time of `timestamps_in`.
    """
    zone = timezone if feed.timestamps_in == "local" else feed.timestamps_in
    columns = feed.columns.occurred_at
    type_ = lines[columns[0]].type()
    if len(columns) == 1 and type_.is_timestamp() and type_.timezone is not None:
        return in_calendar(lines[columns[0]].cast("timestamp"))
    if len(columns) == 1 and (type_.is_timestamp() or type_.is_date()):
        return to_utc(in_calendar(lines[columns[0]].cast("timestamp")), zone)
    text = text_of(lines, *columns)
    if feed.timestamp_format:
        time = read(text, feed.timestamp_format, timezone=timezone)
        is_instant = feed.timestamp_format in EPOCHS or "%z" in feed.timestamp_format.lower()
        return time if is_instant else to_utc(time, zone)
    # An instant needs a type with zone: cast to one without, DuckDB drops the offset and keeps the wall clock.
    at = in_calendar(text.try_cast("timestamp('UTC')").cast("timestamp"))
    return text.re_search(OFFSET).ifelse(at, to_utc(read(text, None), zone))


def read(text: ir.StringValue, format_: str | None, *, timezone: str = "UTC") -> ir.TimestampValue:
    """`text` as a time without zone, of the format (None: ISO 8601); null where it does not fit or is in no calendar.

    Names of zones that are several mean what they mean in the `timezone`.
    """
    if format_ is None:
        return in_calendar(text.try_cast("timestamp"))
    if format_ in EPOCHS:
        return since_1970(_microseconds(text.try_cast("float64") * (1e6 / EPOCHS[format_])))
    if format_ == EXCEL_DAYS:
        days = text.try_cast("float64") - EXCEL_DAY_OF_1970
        # To the second: the fraction of a day is a rounded number.
        return since_1970((_microseconds(days * SECONDS_A_DAY * 1e6) + 500_000) // 1_000_000 * 1_000_000)
    has_months = "%b" in format_ or "%B" in format_
    if has_months:
        text = _in_english(text, format_)
    if "%Z" in format_:
        text = _once(text, lambda text: with_zones(text, timezone)) if has_months else with_zones(text, timezone)
    if "%p" in format_:
        text = text.re_replace(r"(?i)([ap])\. ?m\.", r"\1m")
    if clock := CLOCK_NUMBER.search(format_):
        digits = 6 if clock[1] else 4
        filled = text.re_replace(r" (\d+)$", rf" {'0' * digits}\1")
        text = filled.re_replace(rf" 0*(\d{{{digits}}})$", r" \1")
    return in_calendar(try_strptime(text, format_).cast("timestamp"))


def _once(value: ir.StringValue, then: Callable[[ir.StringValue], ir.StringValue]) -> ir.StringValue:
    """`then` of a value that it names more than once: written out each time, names of months and of zones are megabytes."""
    import ibis

    return ibis.array([value]).map(then)[0]


def with_zones(text: ir.StringValue, timezone: str) -> ir.StringValue:
    """Texts with :func:`zones_of` a `timezone` as the zones that they mean; null where a zone is of another name.

    The engine knows other meanings of some: BST is Bangladesh's.
    """
    zone = zone_in(text, timezone)
    return text.replace(zone, zone.substitute(zones_of(timezone)))


def zone_in(text: ir.StringValue, timezone: str) -> ir.StringValue:
    """The zone that a text names, by its place or by one of :func:`zones_of` a `timezone`; null without one."""
    return text.re_extract(f"{ZONE}|({'|'.join(zones_of(timezone))})\\b", 0).nullif("")


@functools.cache
def zones_of(timezone: str) -> dict[str, str]:
    """:data:`ABBREVIATIONS`, and those that a `timezone` has itself: BST in Europe/London, CST in America/Chicago."""
    zone, own = ZoneInfo(timezone), dict[str, str]()
    for month in (1, 7):
        at = dt.datetime(2024, month, 1, tzinfo=zone)
        hours = (at.utcoffset() or dt.timedelta()) / dt.timedelta(hours=1)
        own[str(at.tzname())] = f"Etc/GMT{-hours:+.0f}" if hours % 1 == 0 else timezone
    return {name: zone for name, zone in own.items() if name.isalpha()} | ABBREVIATIONS


def _in_english(text: ir.StringValue, format_: str) -> ir.StringValue:
    """Texts with :data:`MONTHS` in English, as the format has them, and without a point behind that it has not."""
    import ibis

    word = text.re_extract(MONTH, 0)
    # Not by cases: a hundred of them in each of the formats that `nightcart init` tries are seconds of compiling.
    names = ibis.literal("".join(f"|{word}|{month:{LONGEST_MONTH}}" for word, month in MONTHS.items()))
    place = names.find("|" + word.lower() + "|")
    month = names.substr(place + word.length() + 2, 3 if "%b" in format_ else LONGEST_MONTH).strip()
    english = (place < 0).ifelse(word, month)
    pointless = text if "%b." in format_ else text.replace(word + ".", word)
    return (word == "").ifelse(text, pointless.replace(word, english))


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
