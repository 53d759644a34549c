"""What a setting must be to be usable at all: refused as the file is loaded, not in the first night that needs it.

Each raises :class:`ValueError` with what is wrong and what to write instead; the loader names the file and the key.
"""

from __future__ import annotations

import calendar
import codecs
import datetime as dt
import re
from collections.abc import Iterable
from zoneinfo import ZoneInfo

# A time as a number: how many there are in a second, all counted since 1970 in UTC.
EPOCHS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
EXCEL_DAYS = "excel_days"  # days since 1900 as Excel counts them, the time of day as their fraction
DIRECTIVES = frozenset("aAbBcdfgGhHIjmMnpSTuUVwWxXyYzZ%")  # of DuckDB's strptime
# Directives that together tell a day.
TELL_A_DAY = (("Y", "y", "G", "c", "x"), ("m", "b", "B", "h", "j", "V", "c", "x"), ("d", "j", "u", "c", "x"))
CRON_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    ("weekday", 0, 7, "SUN MON TUE WED THU FRI SAT"),
)
EVERY_NIGHT = "30 1-6 * * *"


def time_format(value: str) -> str:
    """A format of times: one for numbers (`epoch_ms`), or of strptime with a day in it."""
    return value if value in EPOCHS or value == EXCEL_DAYS else day_format(value)


def day_format(value: str) -> str:
    """A strptime format with a day in it."""
    found = re.findall(r"%-?(.?)", value)
    if unknown := sorted(set(found) - DIRECTIVES):
        raise ValueError(f"%{unknown[0]} in {value!r} is nothing that strptime knows: write it as '%d/%m/%Y %H:%M'")
    if not all(any(each in found for each in directives) for directives in TELL_A_DAY):
        numbers = ", ".join([*EPOCHS, EXCEL_DAYS])
        raise ValueError(
            f"{value!r} tells no day: write it as '%d/%m/%Y %H:%M', or {numbers} for times that are numbers; leave it "
            "out for ISO 8601"
        )
    return value


def zone(value: str) -> str:
    """An IANA time zone."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:  # OSError: a folder of the zones, such as Europe
        raise ValueError(f"{value!r} is no IANA time zone, such as Europe/Berlin") from error
    return value


def encoding(value: str) -> str:
    """An encoding of text that Python knows."""
    try:
        is_text = codecs.lookup(value)._is_text_encoding  # pyright: ignore[reportAttributeAccessIssue]
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        raise ValueError(f"{value!r} is no encoding: write utf-8, cp1252 or another that Python knows")
    return value


def one_character(value: str) -> str:
    """A separator of one character."""
    if len(value) != 1 or value in '"\r\n':
        raise ValueError(f"{value!r} is not one character: write ',', ';', '|' or '\\t'")
    return value


def decimal(value: str) -> str:
    """The separator of decimals."""
    if value not in (".", ","):
        raise ValueError(f"{value!r} is neither '.' nor ','")
    return value


def ordered(value: tuple[float, float]) -> tuple[float, float]:
    """A range whose lowest value is not above its highest."""
    low, high = value
    if not low <= high:  # nor with NaN
        raise ValueError(f"[{low:g}, {high:g}] is the wrong way round: the lowest comes first, [{high:g}, {low:g}]")
    return value


def cron(value: str) -> str:
    """A cron expression of five fields that has a next time; Dagster, which runs it, is not asked: it takes a second to load."""
    example = f"write minute, hour, day, month and weekday, such as {EVERY_NIGHT!r}"
    fields = value.upper().split()
    if len(fields) != len(CRON_FIELDS):
        raise ValueError(f"{value!r} has not five fields: {example}")
    try:
        allowed = [_cron_field(text, *of) for text, of in zip(fields, CRON_FIELDS, strict=True)]
    except ValueError as error:
        raise ValueError(f"{value!r} is no schedule, for {error}: {example}") from error
    _, _, days, months, _ = allowed
    if min(days) > max(calendar.monthrange(2024, month)[1] for month in months):
        raise ValueError(f"{value!r} never comes, for no such day exists: {example}")
    return value


def _cron_field(text: str, name: str, lowest: int, highest: int, words: str) -> set[int]:
    """The numbers that a field of a cron expression stands for."""
    numbers = {word: lowest + place for place, word in enumerate(words.split())}
    allowed: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        ends = [match[1], match[2] or match[1]] if match else []
        if not match or not all(end in numbers or end.isdecimal() or (end == "*" and not match[2]) for end in ends):
            raise ValueError(f"the {name} is {part!r}")
        first, last = (numbers[end] if end in numbers else int(end) if end != "*" else -1 for end in ends)
        first, last = (lowest, highest) if first < 0 else (first, highest if match[3] and not match[2] else last)
        step = int(match[3] or 1)
        if not (lowest <= first <= highest and lowest <= last <= highest and step):
            raise ValueError(f"the {name} is {part!r}, not within {lowest}-{highest}")
        around = highest - lowest + 1 if last < first else 0  # from 22 to 6
        allowed.update(
            (each - lowest) % (highest - lowest + 1) + lowest for each in range(first, last + around + 1, step)
        )
    return allowed


def closed_day(value: dt.date | str) -> dt.date | str:
    """A date, or a day of every year such as `12-25`."""
    if isinstance(value, dt.date):
        return value
    try:
        if re.fullmatch(r"\d\d-\d\d", value):
            dt.date.fromisoformat(f"2024-{value}")  # a leap year: 02-29 is a day
            return value
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is neither a date (2017-12-25) nor a day of every year ('12-25')") from error


def path(value: str) -> str:
    """A path in which `{date}`, if it is there, can be filled in and tells the day."""
    if "{date" not in value:
        return value
    example = "write {date}, or {date:%Y%m%d}"
    try:
        filled = {value.format(date=dt.date(2024, *month_and_day)) for month_and_day in ((1, 1), (1, 2), (2, 1))}
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(f"{value!r} has braces that cannot be filled in: {example}") from error
    if len(filled) < 3:
        raise ValueError(f"{value!r} is the same for two days: {example}")
    return value


def each_once(columns: Iterable[tuple[str, str]]) -> None:
    """Columns by the settings that name them: one column cannot be two things."""
    taken: dict[str, str] = {}
    for setting, column in columns:
        if not column.strip():
            raise ValueError(f"{setting} names no column: write its name, or leave the setting out")
        if column in taken:
            raise ValueError(
                f"{taken[column]} and {setting} are both {column!r}: name another column, or leave one out"
            )
        taken[column] = setting
