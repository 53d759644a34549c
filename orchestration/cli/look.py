"""What a retailer's files mean, found out by looking at them: names first, then the values to confirm.

Everything that is found is a :class:`Finding`: a setting, its value, and why. The findings together are a configuration;
`orchestration.cli.retailer` writes and shows them. All work on lines is done by the engine, in sets.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assets.ingestion import cleaning
from assets.ingestion.profile import volume_against_weekday
from orchestration.cli import words
from orchestration.cli.files import Found
from resources.engine import try_strptime
from resources.errors import Refused
from resources.feeds import listed
from resources.settings import (
    Range,
    TransactionColumns,
    TransactionContract,
    Transactions,
)

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

OUR_COLUMNS = ("source_file", "source_row", "file_date", "defect")
SAMPLE_LINES = 100_000  # enough to tell what a column holds
SAMPLE_VALUES = 3_000  # different values on which every way to write a time is tried
MOSTLY = 0.9  # the least share of a column's values that must be of a kind for the column to be of it
ODD = 0.001  # the share of lines above which something is a habit of the feed and not a mistake in it
MIXED_BASKETS = 0.01  # the share of lines in baskets of several households above which a column names no baskets
STRAY_GAP_DAYS, STRAY_LINES = 30, 0.01  # days far from the others with few lines are mistakes in the date
FINISHED_DAYS = 60  # a feed whose last day is longer ago has ended
VOLUME = (0.4, 2.5)  # the default of the contract
EARLIEST_YEAR = 1980

DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *(f"{day}{mark}%{year}" for mark in "/-." for year in "Yy" for day in (f"%d{mark}%m", f"%m{mark}%d")),
    *("%d-%b-%Y", "%d %b %Y", "%d%b%Y", "%d-%b-%y", "%d%b%y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y"),
    *("%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00"),  # a date as a timestamp, its time in a column of its own
)
TIMES = (
    *("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", " %I:%M:%S%p", " %I:%M%p", " %H%M%S", " %H%M"),
    *(" %H", "T%H:%M:%S", "T%H:%M", "T%H:%M:%S.%f", ":%H:%M:%S", " %H.%M", ", %H:%M"),
)
FORMATS = (*(date + time for date in DATES for time in TIMES), "%Y%m%d%H%M%S", "%Y%m%d%H%M")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A setting by its dotted path, its value (None: left out) and why."""

    setting: str
    value: Any
    why: str = ""
    is_guess: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a column holds; the shares are of its non-empty values."""

    name: str
    type: str
    different: int
    given: float
    numbers: float
    wholes: float
    middle: float | None
    examples: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        return self.type.startswith("string")

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.examples[:3])})"


@dataclass(frozen=True, kw_only=True)
class Times:
    """How the time of a purchase is written: `format` is None for ISO 8601 and for columns that are times."""

    columns: tuple[str, ...]
    format: str | None
    has_time_of_day: bool
    zone: str
    why: str
    zone_why: str
    is_guess: bool = False


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What was found, what to say loudly, and what the rest of the look needs."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    feed: Transactions
    standard: ibis.Table
    lines_by_day: Mapping[dt.date, int]
    first_day: dt.date
    last_day: dt.date


def transactions(
    lines: ibis.Table,
    found: Found,
    *,
    timezone: str,
    today: dt.date,
    told: Mapping[str, Sequence[str]],
    timestamp_format: str | None = None,
) -> Understood:
    """The settings of a feed of basket lines, from its `lines` as `FeedReader` gives them.

    `told` are columns that a person named, by our name; no column at all means that there is none. Raises
    :class:`Refused` when a household, a product or a time cannot be found, naming what there is.
    """
    columns = describe(lines, decimal=found.files.decimal)
    _refuse_unknown(told, columns)
    notes: list[str] = []
    times = _times(lines, columns, told=told, today=today, told_format=timestamp_format, notes=notes)
    free = {name: column for name, column in columns.items() if name not in times.columns}
    keys = {
        "household_id": _household(free, told),
        "product_id": _product(free, told, notes),
    }
    taken = {str(finding.value) for finding in keys.values()}
    free = {name: column for name, column in free.items() if name not in taken}

    dated = found
    feed = Transactions(
        **found.files.model_dump(),
        columns=TransactionColumns(
            household_id=str(keys["household_id"].value),
            product_id=str(keys["product_id"].value),
            occurred_at=list(times.columns),
        ),  # pyright: ignore[reportCallIssue]
        timestamps_in=times.zone,
        timestamp_format=times.format,
    )
    if found.days and not _is_of_the_files_days(lines, feed, timezone):
        notes.append("The dates in the files' names are not the days of their lines: all files are read every night.")
        dated = found.undated()
        lines = lines.mutate(file_date=_no_date())
        feed = feed.model_copy(update={"path": dated.files.path})
    keys["basket_id"] = _basket(lines, free, feed, told, timezone)
    keys["store_id"] = _named("store_id", words.STORE, free, told)
    taken = {finding.value for finding in keys.values()}
    free = {name: column for name, column in free.items() if name not in taken}
    keys["quantity"] = _quantity(free, told)
    keys["sales_value"] = _sales_value(lines, free, feed, keys, told, timezone)

    feed = feed.model_copy(
        update={
            "columns": TransactionColumns(
                occurred_at=list(times.columns), **{name: finding.value for name, finding in keys.items()}
            )
        }
    )
    standard = cleaning.standardise(lines, feed, timezone=timezone).cache()
    lines_by_day = _count_by(standard, "business_date")
    past = history({day: n for day, n in lines_by_day.items() if day}, today=today)
    if past.strays:
        notes.append(f"{past.strays:,} lines lie outside {past.first} … {past.last}: mistakes in their date, quarantined.")
    contract = _contract(standard, feed, keys)
    feed = feed.model_copy(update={"contract": TransactionContract(**{f.setting: f.value for f in contract})})
    measured, feed = _measured(lines, feed, past, timezone=timezone, notes=notes)
    where = "transactions"
    order = ("household_id", "basket_id", "product_id", "occurred_at", "quantity", "sales_value", "store_id")
    keys["occurred_at"] = Finding(
        setting="occurred_at",
        value=list(times.columns) if len(times.columns) > 1 else times.columns[0],
        why=times.why,
        is_guess=times.is_guess,
    )
    findings = [
        *past.findings,
        *file_findings(where, dated),
        Finding(setting=f"{where}.timestamps_in", value=times.zone, why=times.zone_why),
        Finding(
            setting=f"{where}.timestamp_format",
            value=times.format,
            why="" if times.format else "ISO 8601",
            is_guess=times.is_guess,
        ),
        *(replace(keys[name], setting=f"{where}.columns.{name}") for name in order),
        *(replace(each, setting=f"{where}.contract.{each.setting}") for each in (*contract, *measured)),
    ]
    return Understood(
        findings=tuple(findings),
        notes=tuple(notes),
        feed=feed,
        standard=standard,
        lines_by_day={day: n for day, n in lines_by_day.items() if day and past.first <= day <= past.last},
        first_day=past.first,
        last_day=past.last,
    )
