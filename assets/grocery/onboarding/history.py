"""The days of a retailer's history: its first and its last, and those on which it was closed."""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from assets.grocery.onboarding.proposed import Note, ProposedSetting
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.text import listed, plural

STRAY_GAP_DAYS, STRAY_SHARE = 30, 0.01  # a few lines this far from all others are mistakes in the date
MOST_GAP_DAYS = 366  # spells further apart than this are not one history: a till's clock of 1970, a test of years ago
AROUND = (
    7 * ONE_DAY
)  # a day is closed in every year by the years in which there were baskets so shortly before and after
FINISHED_DAYS = 60  # a feed whose last day is longer ago than this has ended
WEEK = 7 * ONE_DAY
DAYS_TO_TELL = 4  # with lines, from which it is no chance that none are near one another
DAYS_TO_TRAIN = 42  # four weeks of history, a week of labels to learn from and one to judge by


@dataclass(frozen=True, kw_only=True)
class TradingDays:
    """The days `first` … `last`: `closed` are those without lines, `strays` the number of lines on other days.

    A day that was closed in each of several years is a day of the year (`12-25`). `strays_at` are the first and the last
    day of the strays, `lines` all lines, `gaps` the longest rows of closed days.
    """

    first: dt.date
    last: dt.date
    is_finished: bool
    closed: tuple[dt.date | str, ...]
    closed_weekdays: tuple[str, ...]
    strays: int
    strays_at: tuple[dt.date, dt.date] | None = None
    lines: int = 0
    gaps: tuple[tuple[dt.date, dt.date], ...] = ()

    @property
    def days(self) -> list[dt.date]:
        """Every day from the first to the last."""
        return [self.first + number * ONE_DAY for number in range((self.last - self.first).days + 1)]


def trading_days(lines_by_day: Mapping[dt.date, int], *, today: dt.date) -> TradingDays:
    """The days that are the history: without the few lines far from all others, in the future, and of today."""
    days = sorted(day for day in lines_by_day if day < today)
    if not days:
        raise Refused(
            "No line has a day before today.", remedy="check the column of the time: --column occurred_at=NAME."
        )
    spells: list[list[dt.date]] = [[]]
    for day in days:
        if spells[-1] and (day - spells[-1][-1]).days > STRAY_GAP_DAYS:
            spells.append([])
        spells[-1].append(day)
    total = sum(lines_by_day.values())
    kept = _one_history(spells, lines_by_day, least=STRAY_SHARE * total)
    first, last = kept[0][0], kept[-1][-1]
    every = [first + number * ONE_DAY for number in range((last - first).days + 1)]
    empty = {day for day in every if not lines_by_day.get(day)}
    by_date, by_weekday = defaultdict[str, list[bool]](list), defaultdict[int, list[bool]](list)
    for day in every:
        by_date[f"{day:%m-%d}"].append(day in empty)
        by_weekday[day.weekday()].append(day in empty)
    evidence = Counter(f"{day:%m-%d}" for day in empty if _has_lines_around(day, lines_by_day))
    yearly = {date for date, closed in by_date.items() if evidence[date] > 1 and all(closed)}
    weekdays = [n for n, closed in sorted(by_weekday.items()) if len(closed) >= 3 and all(closed)]
    strays = {day: n for day, n in lines_by_day.items() if not first <= day <= last and day != today}
    return TradingDays(
        first=first,
        last=last,
        is_finished=(today - last).days > FINISHED_DAYS,
        closed=(*sorted(yearly), *(day for day in sorted(empty) if f"{day:%m-%d}" not in yearly)),
        closed_weekdays=tuple(calendar.day_name[n] for n in weekdays),
        strays=sum(strays.values()),
        strays_at=(min(strays), max(strays)) if strays else None,
        lines=total,
        gaps=tuple((before[-1] + ONE_DAY, after[0] - ONE_DAY) for before, after in itertools.pairwise(kept)),
    )


def _one_history(
    spells: Sequence[list[dt.date]], lines_by_day: Mapping[dt.date, int], *, least: float
) -> list[list[dt.date]]:
    """The spells of days that are one history: around the one with most lines, no two neighbours years apart.

    Without those of fewer lines than `least`.
    """

    def lines(spell: list[dt.date]) -> int:
        return sum(lines_by_day[day] for day in spell)

    large = [spell for spell in spells if lines(spell) >= least]
    histories: list[list[list[dt.date]]] = []
    for spell in large or list(spells):
        if histories and (spell[0] - histories[-1][-1][-1]).days <= MOST_GAP_DAYS:
            histories[-1].append(spell)
        else:
            histories.append([spell])
    # Of two with as many lines, the newer.
    return max(reversed(histories), key=lambda history: sum(map(lines, history)))


def _has_lines_around(day: dt.date, lines_by_day: Mapping[dt.date, int]) -> bool:
    def has_lines(since: dt.date) -> bool:
        return any(lines_by_day.get(since + number * ONE_DAY) for number in range(AROUND.days))

    return has_lines(day - AROUND) and has_lines(day + ONE_DAY)


def proposed_days(history: TradingDays) -> list[ProposedSetting]:
    """The settings of the retailer's days."""
    closed = list(history.closed)
    ended = "a finished data set; a live feed leaves this out"
    last, why = (
        (history.last, ended) if history.is_finished else (None, f"a live feed; its newest day is {history.last}")
    )
    return [
        ProposedSetting("first_business_day", history.first),
        ProposedSetting("last_business_day", last, why),
        ProposedSetting("closed_days", closed, f"{len(closed)} without a line" if closed else ""),
    ]


def notes_on(history: TradingDays, *, empty: Collection[dt.date] = ()) -> list[Note]:
    """What a person is to know of the history; `empty` are days that have files without lines."""
    notes = []
    if history.strays:
        assert history.strays_at
        at, (begin, end) = history.strays / max(history.lines, 1), history.strays_at
        days = f"on {begin}" if begin == end else f"between {begin} and {end}"
        says = (
            f"{plural(history.strays, 'line')} of {history.lines:,} ({at:.1%}) {days} lie outside the history {history.first} … "
            f"{history.last}: mistakes in the date, such as a till's clock. They are quarantined."
        )
        notes.append(Note("set aside", says, "if they are sales, correct first_business_day and last_business_day."))
    for begin, end in history.gaps:
        says = f"There are no lines from {begin} to {end} ({(end - begin).days + 1} days): they are taken as closed."
        notes.append(Note("guessed", says, "have the missing days delivered if the stores were open."))
    notes += [*_on_single_days(history, empty), *_on_sums(history)]
    if history.closed_weekdays and not history.is_finished:
        says = f"There are no lines on any {' or '.join(history.closed_weekdays)}, and every coming one is missed."
        notes.append(Note("guessed", says, "add the coming ones to `closed_days`."))
    if (days := len(history.days)) < DAYS_TO_TRAIN:
        notes.append(Note("to know", f"A history of {days} days is too short to train on: it takes {DAYS_TO_TRAIN}."))
    return notes


def _on_sums(history: TradingDays) -> list[Note]:
    """That no two days with lines are near one another: what was bought in a week or a month stands on one day."""
    closed = {day for day in history.closed if isinstance(day, dt.date)}
    with_lines = [day for day in history.days if day not in closed and f"{day:%m-%d}" not in history.closed]
    if len(with_lines) < DAYS_TO_TELL or any(later - day < WEEK for day, later in itertools.pairwise(with_lines)):
        return []
    says = f"There are lines on {len(with_lines)} days alone, no two within a week: sums of weeks or of months, each taken for the baskets of a day."
    return [Note("merged", says, "have the lines of each day delivered.")]


def _on_single_days(history: TradingDays, empty: Collection[dt.date]) -> list[Note]:
    """That days without lines are taken as closed, where neither their weekday, the year nor a long gap says that they were."""
    missing = [
        day
        for day in history.closed
        if isinstance(day, dt.date)
        and day not in empty
        and calendar.day_name[day.weekday()] not in history.closed_weekdays
        and not any(begin <= day <= end for begin, end in history.gaps)
    ]
    remedy = "if the stores were open, have them delivered and take the days out of `closed_days`."
    told = {"The files of {} have no lines": sorted(empty), "There are no lines of {}": missing}
    return [
        Note("guessed", f"{says.format(listed(days))}: taken as closed.", remedy) for says, days in told.items() if days
    ]
