"""Which business day a line is of, where the files' paths name days: when a day ends, and whether the names are the days."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning, instants
from assets.grocery.onboarding.columns import one_row
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.roles import NEARLY_ALL
from resources.config.retailer import TransactionsConfig
from resources.tables.engine import in_zone
from resources.text import plural

if TYPE_CHECKING:
    import ibis

LATEST_END = 12  # o'clock: no shop's day ends later
USUAL_END = 4
MISTAKES = 0.01  # of the lines that an end of the day explains, those that it makes wrong


def with_end(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> tuple[TransactionsConfig, list[Note]]:
    """`feed` with the hour until which the lines of a day's file are of the day after, and a note; as it is without any."""
    at = instants.instant(lines, feed, timezone=timezone)
    local = in_zone(at, timezone)
    timed = lines.select("file_date", at=local, day=local.date(), hour=local.hour())
    timed = timed.filter(timed.hour < LATEST_END)
    timed = timed.mutate(is_late=timed.day > timed.file_date, days_late=timed.day.delta(timed.file_date, unit="day"))
    timed = timed.filter(timed.days_late.isin([0, 1]))
    counted = timed.group_by("is_late", "hour").agg(lines=timed.count(), latest=timed["at"].time().max())
    late, own, latest = Counter[int](), Counter[int](), dict[int, dt.time]()
    for row in counted.to_pyarrow().to_pylist():
        (late if row["is_late"] else own)[row["hour"]] += row["lines"]
        if row["is_late"]:
            latest[row["hour"]] = row["latest"]
    if not late:
        return feed, []

    def explained(end: int) -> int:
        return sum(n for hour, n in late.items() if hour < end)

    def spoilt(end: int) -> int:
        return sum(n for hour, n in own.items() if hour < end)

    ends = range(1, LATEST_END + 1)
    end = max(ends, key=lambda each: (explained(each) - spoilt(each), -abs(each - USUAL_END)))
    ended = feed.model_copy(update={"business_day_ends": dt.time(end)})
    if spoilt(end) > MISTAKES * explained(end) or not are_the_lines(lines, ended, timezone=timezone):
        return feed, []
    last = max(time for hour, time in latest.items() if hour < end)
    says = (
        f"{plural(n := explained(end), 'line')} until {last:%H:%M} {'stand' if n > 1 else 'stands'} in the file of the day before: a business day is taken to "
        f"end at {end:02}:00, {timezone}."
    )
    return ended, [Note("guessed", says, "correct business_day_ends, or the time zone, if that is not why.")]


def are_the_lines(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> bool:
    """Whether the days that the files' paths name are those of nearly all of their lines."""
    standard = cleaning.standardise(lines, feed, timezone=timezone)
    share = one_row(standard.agg(same=(standard.local_date == standard.file_date).mean()))["same"]
    return (share or 0) >= NEARLY_ALL
