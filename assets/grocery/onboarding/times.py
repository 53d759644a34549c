"""How a feed writes the time of a purchase: which columns, in which format, in which zone."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assets.grocery.ingestion import instants
from assets.grocery.onboarding.columns import MOSTLY, one_row
from assets.grocery.onboarding.proposed import JOIN, Note
from assets.grocery.onboarding.time_formats import NUMBERS, formats_of, orders, swapped
from assets.grocery.onboarding.words import matching_columns, split_name
from resources.config.feeds import FILE_DATE
from resources.config.validators import EPOCHS, EXCEL_DAYS
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.tables.engine import text_of
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

EARLIEST = dt.datetime(1980, 1, 1)  # noqa: DTZ001 - compared with wall-clock times; what is earlier is no purchase
SAMPLE_VALUES = 3_000  # different values on which the formats are tried
VALUES_FOR_FORMATS = 50  # those from which formats are derived
SHOWN = 60  # characters of an example
NEARLY_ALL = 0.99  # the least share of times of day in a column of their own, which can be done without
DENSER = 1.5  # how much more of its span the right order of day and month must fill than the wrong one

SAID = {
    "epoch_s": "seconds since 1970, in UTC",
    "epoch_ms": "milliseconds since 1970, in UTC",
    "epoch_us": "microseconds since 1970, in UTC",
    "epoch_ns": "nanoseconds since 1970, in UTC",
    EXCEL_DAYS: "days since 1900 as Excel counts them",
}
IN_UTC = re.compile("(GMT|UTC|(?<!%)Z)$")
FIRST = {"%d": "day", "%m": "month", "%y": "year"}
# What says when a row was made or booked: the time of the sale, if nothing else is.
RECORDED = frozenset("created posting booking buchungsdatum buchung".split())
PARTS_OF_A_DAY = {"year", "month", "day"}  # folders of a path
IN_PATH = (
    "Where the files' names have it, write how: nightcart init 'FOLDER/sales_{date:%d%m%Y}.csv', or "
    "'sales_{date:%d%b%Y}.csv' for 12Oct2026 (Jan … Dec; have other words for months written as numbers)."
)
SAY_HOW = f"--timestamp-format '%d/%m/%Y %H:%M', or {', '.join(SAID)} for numbers."


@dataclass(frozen=True, kw_only=True)
class TimeFormat:
    """The time of a purchase: `format` is None for ISO 8601 and for columns that are times; `zone` as in the settings.

    `share` is the share of the values that can be read so; `others` are columns that are called like it, and can be read too.
    """

    columns: tuple[str, ...]
    format: str | None
    has_time_of_day: bool = True
    zone: str = "local"
    share: float = 1.0
    why: str = ""
    is_guess: bool = False
    notes: tuple[Note, ...] = ()
    others: tuple[TimeFormat, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TimeSearch:
    """Looks for the times of purchase of `lines`, none of which is after `today`; `timezone` is that of the stores.

    `given_format` is what a person says of how they are written.
    """

    lines: ibis.Table
    given_format: str | None
    today: dt.date
    timezone: str

    def find(self, names: Sequence[str], *, given: Sequence[str]) -> tuple[TimeFormat, list[Note]]:
        """The columns among `names` with the time of purchase, and notes; the columns `given` if a person named them.

        Raises :class:`Refused` when there are none, or when day and month cannot be told apart.
        """
        if given:
            time = self._read(given)
            if time is None:
                example = self._example(given)
                raise Refused(
                    f"{listed(given)} ({example}) cannot be read as a time"
                    + (f" by {self.given_format!r}." if self.given_format else "."),
                    remedy=f"{_of_zones(example)}say how it is written: {SAY_HOW}",
                )
            return time, list(time.notes)
        named = matching_columns("time", names)
        nearly_named = matching_columns("time", names, max_unknown_words=1)
        # A number that nobody calls a time is none: a card's has ten digits too.
        for candidates, has_name in ((named, True), (nearly_named, True), (_by_type(self.lines, names), False)):
            readings = [self._read([name]) for name in candidates]
            readings = [
                each for each in readings if each and (has_name or each.format not in (*NUMBERS.values(), "%Y%j"))
            ]
            readings.sort(key=lambda each: not RECORDED.isdisjoint(split_name(each.columns[0])))
            if time := max(readings, key=lambda each: each.has_time_of_day, default=None):
                time, notes = self._with_time_of_day(names, time)
                others = [each for each in readings if not {*each.columns}.intersection(time.columns)]
                if not has_name:
                    like = f"; {listed([each.columns[0] for each in others])} may be it" * bool(others)
                    time = replace(time, why=f"{time.why}: by its values, no name says it{like}", is_guess=True)
                return replace(time, others=tuple(others)), notes

        def tried(names: Sequence[str]) -> str:
            return ", ".join(f"{name} ({self._example([name])})" for name in names) + " cannot be read as a date"

        if self.lines.file_date.notnull().all().to_pyarrow().as_py():
            why = "the date is that of the file's path"
            date = TimeFormat(columns=(FILE_DATE,), format=None, has_time_of_day=False, why=why)
            time, notes = self._with_time_of_day(names, date)
            unread = [name for name in named if name not in time.columns and name.lower() not in PARTS_OF_A_DAY]
            if unread:
                why = self._mixed(unread[0]).removesuffix(". Else ") or tried(unread)
                time = replace(time, why=f"{time.why}; {why}", is_guess=True)
            return time, notes
        raise Refused(
            "No column says when a line was bought" + (f": {tried(named)}." if named else "."),
            remedy=f"{''.join(self._mixed(name) or _of_zones(self._example([name])) for name in named[:1])}have it delivered with a date, or name the column: --column occurred_at=NAME, if need be with "
            f"{SAY_HOW} {IN_PATH} {JOIN}",
        )

    def _read(self, names: Sequence[str]) -> TimeFormat | None:
        """How the columns `names`, joined by a blank, write a time; None when most of their values are none."""
        lines, given_format = self.lines, self.given_format
        type_ = lines[names[0]].type()
        if len(names) == 1 and (type_.is_timestamp() or type_.is_date()):
            at = lines[names[0]].cast("timestamp")
            if (one_row(lines.agg(share=at.between(EARLIEST, self._latest).mean()))["share"] or 0) < MOSTLY:
                return None
            has_time = _has_time_of_day(lines, at)
            time = TimeFormat(columns=tuple(names), format=None, has_time_of_day=has_time, why="the column's type")
            if type_.is_timestamp() and type_.timezone:
                return replace(time, zone="UTC", why="the column's type has a zone")
            return _in_the_names_zone(time)
        values, shares = self._tried(names)
        best = max(shares, key=shares.__getitem__)
        if shares[best] < MOSTLY:
            return None
        example = f"such as {self._example(names)!r}"
        time = TimeFormat(columns=tuple(names), format=best, share=shares[best], why=example)
        if best is None:
            is_local = self._is_time(values.value, None) & ~values.value.re_search(instants.OFFSET)
            time = replace(time, has_time_of_day=_has_time_of_day(values, values.value.try_cast("timestamp")))
            if not is_local.any().to_pyarrow().as_py():
                time = replace(time, zone="UTC", why=f"{example}, with an offset")
            return _in_the_names_zone(time)
        if best in NUMBERS.values():
            has_time = _has_time_of_day(values, instants.read(values.value, best, timezone=self.timezone))
            is_guess = best == EXCEL_DAYS and not given_format
            why, zone = f"{example}: {SAID[best]}", "UTC" if best in EPOCHS else "local"
            return replace(time, has_time_of_day=has_time, zone=zone, why=why, is_guess=is_guess)
        time = replace(time, has_time_of_day="%H" in best or "%I" in best)
        if "%z" in best or IN_UTC.search(best):
            time = replace(time, zone="UTC", why=f"{example}, with an offset")
        if "%Z" in best:
            time = replace(
                time, zone="UTC", why=f"{example}, with a zone", notes=_notes_on_zones(values, names, self.timezone)
            )
        time = _in_the_names_zone(time)
        others = [each for each in orders(best) if each != best]
        if not others or given_format:
            return time
        if rivals := [each for each in others if shares.get(each, 0) >= shares[best]]:
            time = self._in_one_order(time, rivals)
        else:
            time = _in_order(time, best, "other values leave no choice")
        return self._with_other_order(time)

    def _tried(self, names: Sequence[str]) -> tuple[ibis.Table, dict[str | None, float]]:
        """Different values of the columns `names`, and the share of them that each format reads that they may have."""
        values = self.lines.select(value=text_of(self.lines, *names)).filter(lambda t: t.value.notnull()).distinct()
        values = values.order_by(values.value.hash()).limit(SAMPLE_VALUES).cache()
        few = values.limit(VALUES_FOR_FORMATS).to_pyarrow()["value"].to_pylist()
        formats = dict.fromkeys(each for value in few for each in formats_of(value))
        return values, self._shares(values, [self.given_format] if self.given_format else [None, *formats])

    def _mixed(self, name: str) -> str:
        """The remedy where a column is written in several ways, none of which most of its values have; else nothing."""
        if not self.lines[name].type().is_string():
            return ""
        values, shares = self._tried([name])
        best = max(shares, key=shares.__getitem__)
        if not shares[best]:
            return ""
        is_read = self._is_time(values.value, best)
        row = one_row(values.agg(one=values.value.max(where=is_read), other=values.value.max(where=~is_read)))
        return _of_zones(row["other"]) or (
            f"{name} has {row['one']}, which a purchase may have, and {row['other']}, which is read otherwise or after today: have "
            "all of it written in one way, best as 2024-01-31 14:30:00. Else "
        )

    def _shares(self, values: ibis.Table, formats: Sequence[str | None]) -> dict[str | None, float]:
        """The share of `values.value` that each format reads as a plausible time; None stands for ISO 8601."""
        counts = {f"f{number}": self._is_time(values.value, format_).sum() for number, format_ in enumerate(formats)}
        row = one_row(values.agg(**counts, n=values.count()))
        return {format_: (row[f"f{number}"] or 0) / max(row["n"], 1) for number, format_ in enumerate(formats)}

    def _is_time(self, text: ir.StringValue, format_: str | None) -> ir.BooleanValue:
        """Whether texts are times of the format (None: ISO 8601) that a purchase may have."""
        at = instants.read(text, format_, timezone=self.timezone)
        return at.between(EARLIEST, self._latest).fill_null(False)

    @property
    def _latest(self) -> dt.datetime:
        return dt.datetime.combine(self.today + ONE_DAY, dt.time.max)

    def _with_time_of_day(self, names: Sequence[str], date: TimeFormat) -> tuple[TimeFormat, list[Note]]:
        """`date` joined with a column of the time of day, if one can be read with it; and notes."""
        notes = list(date.notes)
        if date.has_time_of_day or self.given_format:
            return date, notes
        for name in matching_columns("time_of_day", names):
            if name in date.columns:
                continue
            both = self._read([*date.columns, name])
            if both and both.has_time_of_day and both.share >= NEARLY_ALL:
                both = self._with_minute(names, both)
                is_of_file = FILE_DATE in date.columns
                return (replace(both, why=f"{date.why}; {both.why}") if is_of_file else both), [*notes, *both.notes]
            says = f"{name} ({self._example([name])}) is not used: beside {date.columns[0]} it is no time of day."
            notes.append(Note("to know", says))
        return date, notes

    def _with_minute(self, names: Sequence[str], time: TimeFormat) -> TimeFormat:
        """`time` with the columns of the minute and the second, where the hour has one of its own."""
        for hour, part in ((" %H", "minute"), (" %H %M", "second")):
            for name in matching_columns(part, names)[:1] if (time.format or "").endswith(hour) else ():
                finer = self._read([*time.columns, name])
                if finer and finer.share >= NEARLY_ALL:
                    time = finer
                    continue
                says = f"{name} ({self._example([name])}) is not used: beside {listed(time.columns)} it is no {part}."
                time = replace(time, notes=(*time.notes, Note("merged", says)))
        return time

    def _in_one_order(self, time: TimeFormat, others: Sequence[str]) -> TimeFormat:
        """Tell 1/2 from 2/1 by all of the values, by the days in the files' names, or by how densely the days lie."""
        assert time.format
        lines, formats, facts = self.lines, sorted((time.format, *others)), {}
        text = text_of(lines, *time.columns)
        for format_ in formats:
            at = instants.read(text, format_, timezone=self.timezone)
            day = self._is_time(text, format_).ifelse(at, None).date()
            of_file = (day == lines.file_date).mean()
            row = lines.agg(read=day.count(), days=day.nunique(), first=day.min(), last=day.max(), of_file=of_file)
            facts[format_] = one_row(row)

        def better(by: str, factor: float = 1.0) -> str | None:
            *_, worse, best = sorted(formats, key=lambda format_: facts[format_][by] or 0)
            return best if (facts[best][by] or 0) > factor * (facts[worse][by] or 0) else None

        if best := better("read"):
            return _in_order(time, best, "other values leave no choice")
        if best := better("of_file"):
            return _in_order(time, best, "as the files' names say")
        for fact in facts.values():
            fact["filled"] = fact["days"] / ((fact["last"] - fact["first"]).days + 1)
        usual = [each for each in formats if not each.startswith("%y")]  # a year of two digits is hardly ever the first
        best = better("filled", DENSER) or (usual[0] if len(usual) == 1 else None)
        if best and usual == [best]:
            return _in_order(time, best, "other values leave no choice")
        if best:
            why = "because the days then lie together, but no value proves it"
            return replace(_in_order(time, best, why), is_guess=True)
        raise Refused(
            f"{listed(time.columns)} ({self._example(time.columns)}) may have the day or the month first: no value tells.",
            remedy="say which: " + " or ".join(f"--timestamp-format '{each}'" for each in usual) + ".",
        )

    def _with_other_order(self, time: TimeFormat) -> TimeFormat:
        """`time` with a note when values that it cannot read are dates with day and month in the other order."""
        assert time.format
        other = swapped(time.format)
        if other is None:
            return time
        text = text_of(self.lines, *time.columns)
        is_other = ~self._is_time(text, time.format) & self._is_time(text, other)
        row = one_row(self.lines.agg(n=is_other.sum(), example=text.max(where=is_other)))
        if not row["n"]:
            return time
        first, second = ("day", "month") if time.format.startswith("%d") else ("month", "day")
        says = (
            f"{listed(time.columns)} is written in two ways: {row['n']:,} lines have the {second} first ({row['example']}) and "
            f"are set aside; what may be either is read with the {first} first."
        )
        note = Note("guessed", says, "have all dates written in one way, best as 2024-01-31.")
        return replace(time, is_guess=True, notes=(*time.notes, note))

    def _example(self, names: Sequence[str]) -> str:
        values = self.lines.select(value=text_of(self.lines, *names)).filter(lambda t: t.value.notnull())
        values = values.limit(1).to_pyarrow()
        return values["value"][0].as_py()[:SHOWN] if len(values) else "empty"


def _in_the_names_zone(time: TimeFormat) -> TimeFormat:
    """`time` in UTC where a name of its columns says so: `sold_at_utc`, `Date (GMT)`."""
    words = {word for name in time.columns for word in split_name(name)}
    if time.zone == "UTC" or not time.has_time_of_day or words.isdisjoint(("utc", "gmt")):
        return time
    note = Note(
        "guessed", f"{listed(time.columns)} is read as UTC, as its name says.", 'timestamps_in = "local" if not.'
    )
    return replace(time, zone="UTC", why=f"{time.why}, in UTC by its name", notes=(*time.notes, note))


def _notes_on_zones(values: ibis.Table, names: Sequence[str], timezone: str) -> tuple[Note, ...]:
    """How far from UTC the abbreviations of zones in `values.value` are taken to be."""
    zones = values.select(zone=instants.zone_in(values.value, timezone)).distinct().order_by("zone")
    known = instants.zones_of(timezone)
    found = [zone for zone in zones.to_pyarrow()["zone"].to_pylist() if zone in known]
    if not found:
        return ()
    read = [f"{zone} as {_offset(known[zone])}" for zone in found]
    return (
        Note("guessed", f"{listed(names)} names its zone: it reads {listed(read)}.", "write offsets, as in +02:00."),
    )


def _offset(zone: str) -> str:
    """The zone of an abbreviation: its offset as ISO 8601 has it, or its name."""
    hours = re.fullmatch(r"Etc/GMT([+-]\d+)?", zone)
    return f"UTC{-int(hours[1] or 0):+03d}:00" if hours else zone


def _of_zones(example: str) -> str:
    """The remedy where the name of a zone in `example` may be why it cannot be read; nothing without one."""
    zone = re.search(r"\d ?([A-Z]{3,4})$", re.sub(r" ?[AP]M\b", "", example))
    if not zone or zone[1] in instants.ABBREVIATIONS:
        return ""
    return (
        f"{zone[1]} may be several zones: say where the stores are by --timezone Europe/London, for instance, whose own names are "
        f"read; or end the format with it, --timestamp-format '%Y-%m-%d %H:%M:%S {zone[1]}', if it is the local time of the stores. Else "
    )


def _in_order(time: TimeFormat, format_: str, why: str) -> TimeFormat:
    return replace(time, format=format_, why=f"{time.why}; {FIRST[format_[:2]]} first, {why}")


def _has_time_of_day(lines: ibis.Table, at: ir.TimestampValue) -> bool:
    return bool(lines.agg(any=(at != at.truncate("D")).any()).to_pyarrow()["any"][0].as_py())


def _by_type(lines: ibis.Table, names: Iterable[str]) -> list[str]:
    """Columns that may be times by their type, when no name says so."""
    types = {name: lines[name].type() for name in names}
    typed = [name for name, type_ in types.items() if type_.is_timestamp() or type_.is_date()]
    return typed or [name for name, type_ in types.items() if type_.is_string()]
