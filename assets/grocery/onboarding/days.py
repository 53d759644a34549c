"""Which business day a line is of: when a day ends, whether the files' names are the days, and what speaks against the times."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning, instants
from assets.grocery.onboarding.columns import one_row
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.roles import NEARLY_ALL
from resources.config.retailer import TransactionsConfig
from resources.tables.engine import count_values, in_zone
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from assets.grocery.onboarding.times import TimeFormat

OTHER_DAYS = 0.1  # the share of lines above which a column that says another day means something else
SMALL_HOURS = range(1, 6)
LEAST_IN_SMALL_HOURS = 0.05  # of the lines, where the clock has twelve hours: no shop of the morning alone has as many
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


def doubts(
    lines: ibis.Table, feed: TransactionsConfig, others: Iterable[TimeFormat], *, timezone: str
) -> Iterator[Note]:
    """What speaks against the times that were found: a clock of twelve hours, and the `others` where they say other days."""
    yield from _of_twelve_hours(lines, feed, timezone=timezone)

    def day_of(feed: TransactionsConfig) -> ir.DateValue:
        return instants.business_day(instants.instant(lines, feed, timezone=timezone), feed, timezone=timezone)

    for other in others:
        columns = feed.columns.model_copy(update={"occurred_at": list(other.columns)})
        how = {"columns": columns, "timestamps_in": other.zone, "timestamp_format": other.format}
        is_other = day_of(feed.model_copy(update=how)) != day_of(feed)
        share = one_row(lines.agg(other=is_other.mean()))["other"] or 0
        if share > OTHER_DAYS:
            own, name = listed(feed.columns.occurred_at), listed(other.columns)
            says = f"A line is taken to be bought on the day of {own}; {name} says another day in {share:.1%} of lines."
            remedy = f"if that is when it was bought: --column occurred_at={other.columns[0]}."
            yield Note("guessed", says, remedy)


def _of_twelve_hours(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> Iterator[Note]:
    """That the times of the evening may be those of the morning: the clock has twelve hours, and nothing says which half."""
    if feed.timestamps_in != "local" or "%p" in (feed.timestamp_format or ""):
        return
    at = in_zone(instants.instant(lines, feed, timezone=timezone), timezone)
    hours = count_values(at.hour())
    hours.pop(None, None)
    small = sum(hours[hour] for hour in SMALL_HOURS) / max(hours.total(), 1)
    if small < LEAST_IN_SMALL_HOURS or not set(hours) <= set(range(1, 13)):
        return
    says = (
        f"No line was bought from 13:00 to 0:59, and {small:.1%} were from 1:00 to 5:59: the clock of {listed(feed.columns.occurred_at)} may "
        "have twelve hours, and what was bought in the afternoon is taken for the morning's."
    )
    yield Note("merged", says, "have the times written with 24 hours, or with AM and PM behind them.")
