"""The formats in which the text of a time may be written, derived from the text itself.

DuckDB's sniffer recognises 19 of the 36 ways that were tried (no times without seconds, no AM and PM, no names of months),
pandas' `guess_datetime_format` no years of two digits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from resources.config.validators import EXCEL_DAYS

MONTH = r"[^\W\d_]{3,10}\.?"  # by its name in any of the languages that `instants` knows
ZONE = r"[A-Z]{3,4}|[A-Z][a-z]+(?:/[A-Z]\w+)+"
DATES = {
    r"\d{4}-\d\d-\d\d([ T])00:00:00": (r"%Y-%m-%d\g<1>00:00:00",),  # with the time in a column of its own
    r"\d{4}([-/.])\d\d?\1\d\d?": (r"%Y\1%m\1%d",),
    r"\d{8}": ("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    r"\d\d?([-/.])\d\d?\1\d{4}": (r"%d\1%m\1%Y", r"%m\1%d\1%Y"),
    r"\d\d?([-/.])\d\d?\1\d\d": (r"%d\1%m\1%y", r"%m\1%d\1%y", r"%y\1%m\1%d"),
    rf"\d\d?((?:\.? |[-/])?){MONTH}([-/ ]?)\d{{4}}": (r"%d\1%b\2%Y", r"%d\1%B\2%Y"),
    rf"\d\d?((?:\.? |-)?){MONTH}(-| |)\d\d": (r"%d\1%b\2%y",),
    rf"{MONTH} \d\d?(,?) \d{{4}}": (r"%b %d\1 %Y", r"%B %d\1 %Y"),
    r"(19|20)\d\d(-?)[0-3]\d\d": (r"%Y\2%j",),  # the day of the year
    r"\d{4}(-?)W\d\d(-?)\d": (r"%G\1W%V\2%u",),  # the day of the week
}
WEEKDAY = r"([a-z]{3}|[a-z]+day)(,?) (?=.*[a-z]{3})"  # before a date with its month's name: others say no order
TIMES = {
    r"([ T]|, |:)\d\d?:\d\d": r"\1%H:%M",
    r"([ T]|, |:)\d\d?:\d\d:\d\d": r"\1%H:%M:%S",
    r" \d\d?:\d\d( ?)(am|pm|[ap]\. ?m\.)": r" %I:%M\1%p",
    r" \d\d?:\d\d:\d\d( ?)(am|pm|[ap]\. ?m\.)": r" %I:%M:%S\1%p",
    r" \d\d?\.\d\d\.\d\d( ?)[ap]m": r" %I.%M.%S\1%p",  # as Oracle writes it
    r"([ -])\d\d?\.\d\d\.\d\d": r"\1%H.%M.%S",  # as Db2 writes it
    r" \d\d?": " %H",
    r" \d\d? \d\d?": " %H %M",  # columns of the hour, the minute and the second
    r" \d\d? \d\d? \d\d?": " %H %M %S",
    r" \d\d?\.\d\d": " %H.%M",
    r"([ T]?)\d{4}": r"\1%H%M",
    r"([ T]?)\d{6}": r"\1%H%M%S",
    r"([ T]?)\d{9}": r"\1%H%M%S%f",
    r" \d{3}": " %H%M",  # a number: 905
    r" \d{5}": " %H%M%S",
}
# What a time of day ends with.
OFFSETS = {
    "": "",
    r"( ?)[+-]\d\d:?\d\d": r"\1%z",
    r"( ?)(GMT|UTC|Z)": r"\1\2",
    rf"( ?)(?:{ZONE})": r"\1%Z",
    r"[+-]\d\d:?\d\d\[([\w/]+)\]": r"%z[\1]",  # as Java writes it
}
MICROSECONDS = 6  # digits, which `%f` reads; `%n` reads up to nine
FRACTION = re.compile(r"(?<=[:.]\d\d)([.,:])(\d{1,9})(?!\d)")  # of a second
# Numbers of the present, by their length; as other times they would be of another age.
NUMBERS = {
    r"\d{9,10}(\.\d+)?": "epoch_s",
    r"\d{12,13}(\.\d+)?": "epoch_ms",
    r"\d{15,16}": "epoch_us",
    r"\d{18,19}": "epoch_ns",
    r"[2-6]\d{4}(\.\d+)?": EXCEL_DAYS,
}


def formats_of(value: str) -> Iterator[str]:
    """The formats that the text of a time may be written in, as the settings call them."""
    yield from (format_ for number, format_ in NUMBERS.items() if re.fullmatch(number, value))
    if weekday := re.match(WEEKDAY, value, re.IGNORECASE):
        name = "%a" if len(weekday[1]) == len("Mon") else "%A"
        yield from (f"{name}{weekday[2]} {each}" for each in formats_of(value[weekday.end() :]))
    if dated := re.fullmatch(rf"[a-z]{{3}} [a-z]{{3}} +\d\d? \d\d:\d\d:\d\d ({ZONE})? ?\d{{4}}", value, re.IGNORECASE):
        yield "%a %b %d %H:%M:%S %Z %Y" if dated[1] else "%a %b %d %H:%M:%S %Y"  # as `date` and C write it
    for date, date_formats in DATES.items():
        if day := re.match(date, value, re.IGNORECASE):
            rest = value[day.end() :]
            yield from (day.expand(each) + time for each in date_formats for time in _times_of(rest))


def _times_of(rest: str) -> Iterator[str]:
    """The formats of what stands behind a date: nothing, or a time of day."""
    if not rest:
        yield ""
    for (time, time_format), (offset, offset_format) in itertools.product(TIMES.items(), OFFSETS.items()):
        if (clock := re.match(time, rest, re.IGNORECASE)) and (
            behind := re.fullmatch(offset, rest[clock.end() :], re.IGNORECASE)
        ):
            yield clock.expand(time_format) + behind.expand(offset_format)
    *_, fraction = (None, *FRACTION.finditer(rest))
    if fraction:
        directive = "%f" if len(fraction[2]) <= MICROSECONDS else "%n"
        whole = _times_of(rest[: fraction.start()] + rest[fraction.end() :])
        yield from (each.replace("%S", f"%S{fraction[1]}{directive}") for each in whole if "%S" in each)


def orders(format_: str) -> list[str]:
    """The same format with day, month and a year of two digits in the orders that can be mistaken for it."""
    if match := re.match(r"%([dmy])([/.-])%([dm])\2%([dy])", format_):
        mark, rest = match[2], format_[match.end() :]
        return [mark.join(f"%{each}" for each in order) + rest for order in ("dmy", "mdy", "ymd")]
    other = swapped(format_)
    return [format_, other] if other else []


def swapped(format_: str) -> str | None:
    """The same format with day and month in the other order; None when the order cannot be mistaken."""
    match = re.match(r"%([dm])([/.-]?)%([dm])", format_)
    return f"%{match[3]}{match[2]}%{match[1]}{format_[match.end() :]}" if match else None
