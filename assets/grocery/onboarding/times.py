"""How a feed writes the time of a purchase: which columns, in which format, in which zone."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assets.grocery.onboarding import words
from resources.errors import Refused
from resources.tables.engine import try_strptime
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

EARLIEST = dt.datetime(1980, 1, 1)  # noqa: DTZ001 - compared with wall-clock times; what is earlier is no purchase
SAMPLE_VALUES = 3_000  # different values on which the ways to write a time are tried
VALUES_FOR_SHAPE = 50  # those that tell which ways can be at all: the engine takes 8 s to try all of them
MOSTLY = 0.9  # the least share of values that must be times
NEARLY_ALL = 0.99  # the same for a time of day in a column of its own, which can be done without
DENSER = 1.5  # how much more of its span the right order of day and month must fill than the wrong one

DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *(f"{days}{mark}%{year}" for mark in "/-." for year in "Yy" for days in (f"%d{mark}%m", f"%m{mark}%d")),
    *("%d-%b-%Y", "%d %b %Y", "%d%b%Y", "%d-%b-%y", "%d%b%y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y"),
    *("%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00"),  # a date as a timestamp, with the time in a column of its own
)
TIMES = (
    *("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", " %I:%M:%S%p", " %I:%M%p", " %H%M%S"),
    *(
        " %H:%M:%S %z",
        " %H%M",
        " %H",
        " %H.%M",
        ", %H:%M",
        ", %H:%M:%S",
        "T%H:%M:%S",
        "T%H:%M",
        "T%H:%M:%S.%f",
        ":%H:%M:%S",
    ),
)
SHAPES = {
    **dict.fromkeys("dmHIMS", r"\d{1,2}"),
    **{"Y": r"\d{4}", "y": r"\d{2}", "f": r"\d{1,9}", "b": "[a-z]{3}", "B": "[a-z]{3,9}", "p": "[ap]m"},
    "z": r"[+-]\d\d(:?\d\d)?",
}
FORMATS = (*(date + time for date in DATES for time in TIMES), "%Y%m%d%H%M%S", "%Y%m%d%H%M")


@dataclass(frozen=True, kw_only=True)
class Times:
    """The time of a purchase: `format` is None for ISO 8601 and for columns that are times; `zone` as in the settings."""

    columns: tuple[str, ...]
    format: str | None
    has_time_of_day: bool
    zone: str
    share: float
    why: str
    is_guess: bool = False


def find(
    lines: ibis.Table, names: Sequence[str], *, told: Sequence[str], told_format: str | None, today: dt.date
) -> tuple[Times, list[str]]:
    """The columns of `names` that say when, and what to say about it; those in `told` if a person named some.

    Raises :class:`Refused` when there are none, or when day and month cannot be told apart.
    """
    if told:
        found = read(lines, told, told_format=told_format, today=today)
        if found is None:
            raise Refused(
                f"{listed(told)} ({_example(lines, told)}) cannot be read as a time"
                + (f" by {told_format!r}." if told_format else "."),
                remedy="say how it is written: --timestamp-format '%d/%m/%Y %H:%M'.",
            )
        return found, []
    named = words.called(words.TIME, names)
    for those in (named, words.called(words.TIME, names, most_strays=1), _like_times(lines, names)):
        readings = [read(lines, [name], told_format=told_format, today=today) for name in those if name in names]
        if found := max((each for each in readings if each), key=lambda each: each.has_time_of_day, default=None):
            return _with_time_of_day(lines, names, found, told_format=told_format, today=today)
    tried = ", ".join(f"{name} ({_example(lines, [name])})" for name in named)
    raise Refused(
        "No column says when a line was bought" + (f": {tried} cannot be read as a date." if tried else "."),
        remedy="have it delivered with a date, or name the column: --column occurred_at=NAME, if need be with "
        "--timestamp-format '%d/%m/%Y'.",
    )


def read(lines: ibis.Table, names: Sequence[str], *, told_format: str | None, today: dt.date) -> Times | None:
    """How the columns `names`, joined by a blank, write a time; None when most of their values are none."""
    type_ = lines[names[0]].type()
    if len(names) == 1 and (type_.is_timestamp() or type_.is_date()):
        at = lines[names[0]].cast("timestamp")
        zone = "UTC" if type_.is_timestamp() and type_.timezone else "local"
        return Times(
            columns=tuple(names),
            format=None,
            has_time_of_day=bool((at != at.truncate("D")).any().execute()),
            zone=zone,
            share=1.0,
            why="the column's type" + (" has a zone" if zone == "UTC" else ""),
        )
    values = lines.select(value=text(lines, names)).filter(lambda t: t.value.notnull()).distinct()
    values = values.order_by(values.value.hash()).limit(SAMPLE_VALUES).cache()
    few = values.limit(VALUES_FOR_SHAPE).to_pyarrow()["value"].to_pylist()
    patterns = [None, *(pattern for pattern in FORMATS if any(_shape(pattern).fullmatch(value) for value in few))]
    shares = _shares(values, [told_format] if told_format else patterns, today=today)
    best = max(shares, key=shares.__getitem__)
    if shares[best] < MOSTLY:
        return None
    example = f"such as {_example(lines, names)!r}"
    found = Times(
        columns=tuple(names), format=best, has_time_of_day=True, zone="local", share=shares[best], why=example
    )
    if best is None:
        offset = values.value.re_search(r":\d\d(\.\d+)?\s?(Z|UTC|[+-]\d\d(:?\d\d)?)$").mean()
        at = values.value.try_cast("timestamp")
        has_offset, has_time = (
            values.agg(offset=offset, time=(at != at.truncate("D")).any()).to_pyarrow().to_pylist()[0].values()
        )
        if has_offset >= NEARLY_ALL:
            return replace(found, has_time_of_day=bool(has_time), zone="UTC", why=f"{example}, with an offset")
        return replace(found, has_time_of_day=bool(has_time))
    found = replace(found, has_time_of_day="%H" in best or "%I" in best)
    if "%z" in best:
        found = replace(found, zone="UTC", why=f"{example}, with an offset")
    other = swapped(best)
    if other is None or told_format:
        return found
    if shares.get(other, 0) < shares[best]:
        return replace(found, why=f"{example}; {_order(best)}, other values leave no choice")
    return _day_or_month_first(lines, found, other, today=today)


def swapped(pattern: str) -> str | None:
    """The same format with day and month in the other order; None when the order cannot be mistaken."""
    match = re.match(r"%([dm])([/.-])%([dm])", pattern)
    return f"%{match[3]}{match[2]}%{match[1]}{pattern[match.end() :]}" if match else None


def _order(pattern: str) -> str:
    return "day first" if pattern.startswith("%d") else "month first"


def text(lines: ibis.Table, names: Sequence[str]) -> ir.StringValue:
    """The columns as the cleaning rules join them."""
    import ibis

    return ibis.literal(" ").join([lines[name].cast("string") for name in names]).strip().nullif("")


@functools.cache
def _shape(pattern: str) -> re.Pattern[str]:
    """What a text looks like that a strptime pattern can read."""
    return re.compile(re.sub("%([a-zA-Z])", lambda match: SHAPES[match[1]], re.escape(pattern)), re.IGNORECASE)


def _shares(values: ibis.Table, patterns: Sequence[str | None], *, today: dt.date) -> dict[str | None, float]:
    """The share of `values.value` that each pattern reads as a plausible time."""
    parsed = {
        f"p{number}": values.value.try_cast("timestamp") if pattern is None else try_strptime(values.value, pattern)
        for number, pattern in enumerate(patterns)
    }
    counts = values.agg(**{name: _is_plausible(at, today).sum() for name, at in parsed.items()}, n=values.count())
    found = counts.to_pyarrow().to_pylist()[0]
    return {pattern: (found[f"p{number}"] or 0) / max(found["n"], 1) for number, pattern in enumerate(patterns)}


def _is_plausible(at: ir.TimestampValue, today: dt.date) -> ir.BooleanValue:
    return (
        at.cast("timestamp")
        .between(EARLIEST, dt.datetime.combine(today + dt.timedelta(days=1), dt.time.max))
        .fill_null(False)
    )


def _day_or_month_first(lines: ibis.Table, found: Times, other: str, *, today: dt.date) -> Times:
    """Tell 1/2 from 2/1 by all of the values, by the days in the files' names, or by how well the days lie together."""
    assert found.format
    patterns = sorted((found.format, other))
    value = text(lines, found.columns)
    facts = {}
    for pattern in patterns:
        at = try_strptime(value, pattern)
        day = _is_plausible(at, today).ifelse(at, None).date()
        facts[pattern] = (
            lines.agg(
                read=day.count(),
                days=day.nunique(),
                first=day.min(),
                last=day.max(),
                of_file=(day == lines.file_date).mean(),
            )
            .to_pyarrow()
            .to_pylist()[0]
        )

    def better(by: str, factor: float = 1.0) -> str | None:
        worse, best = sorted(patterns, key=lambda pattern: facts[pattern][by] or 0)
        return best if (facts[best][by] or 0) > factor * (facts[worse][by] or 0) else None

    if best := better("read"):
        return replace(found, format=best, why=f"{found.why}; {_order(best)}, other values leave no choice")
    if best := better("of_file"):
        return replace(found, format=best, why=f"{found.why}; {_order(best)}, as the files' names say")
    for fact in facts.values():
        fact["filled"] = fact["days"] / ((fact["last"] - fact["first"]).days + 1)
    if best := better("filled", DENSER):
        why = f"{found.why}; {_order(best)}, because the days then lie together, but no value proves it"
        return replace(found, format=best, why=why, is_guess=True)
    raise Refused(
        f"{listed(found.columns)} ({_example(lines, found.columns)}) may have the day or the month first: no value tells.",
        remedy=f"say which: --timestamp-format '{patterns[0]}' or --timestamp-format '{patterns[1]}'.",
    )


def _with_time_of_day(
    lines: ibis.Table, names: Sequence[str], date: Times, *, told_format: str | None, today: dt.date
) -> tuple[Times, list[str]]:
    """`date` together with a column of the time of day, if there is one that can be read beside it."""
    notes = []
    if date.has_time_of_day or told_format:
        return date, notes
    for name in words.called(words.TIME_OF_DAY, names):
        if name in date.columns:
            continue
        both = read(lines, [*date.columns, name], told_format=None, today=today)
        if both and both.has_time_of_day and both.share >= NEARLY_ALL:
            return both, notes
        notes.append(f"{name} ({_example(lines, [name])}) is not used: beside {date.columns[0]} it is no time of day.")
    return date, notes


def _like_times(lines: ibis.Table, names: Iterable[str]) -> list[str]:
    """Columns that may be times by their type, when no name says so."""
    types = {name: lines[name].type() for name in names}
    typed = [name for name, type_ in types.items() if type_.is_timestamp() or type_.is_date()]
    return typed or [name for name, type_ in types.items() if type_.is_string()]


def _example(lines: ibis.Table, names: Sequence[str]) -> str:
    found = lines.select(value=text(lines, names)).filter(lambda t: t.value.notnull()).limit(1).to_pyarrow().to_pylist()
    return found[0]["value"] if found else "empty"
