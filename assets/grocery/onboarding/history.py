"""The days of a retailer's history: its first and its last, and those on which it was closed."""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from assets.grocery.onboarding.proposed import Note, ProposedSetting
from resources.errors import Refused

ONE_DAY = dt.timedelta(days=1)
STRAY_GAP_DAYS, STRAY_SHARE = 30, 0.01  # a few lines this far from all others are mistakes in the date
FINISHED_DAYS = 60  # a feed whose last day is longer ago than this has ended
DAYS_TO_TRAIN = 42  # four weeks of history, a week of labels to learn from and one to judge by


@dataclass(frozen=True, kw_only=True)
class TradingDays:
    """The days `first` … `last`: `closed` are those without lines, `strays` the number of lines on other days.

    A day that was closed in each of several years is a day of the year (`12-25`).
    """

    first: dt.date
    last: dt.date
    is_finished: bool
    closed: tuple[dt.date | str, ...]
    closed_weekdays: tuple[str, ...]
    strays: int

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
    kept = [spell for spell in spells if sum(lines_by_day[day] for day in spell) >= STRAY_SHARE * total] or spells
    first, last = kept[0][0], kept[-1][-1]
    every = [first + number * ONE_DAY for number in range((last - first).days + 1)]
    empty = {day for day in every if not lines_by_day.get(day)}
    by_date, by_weekday = defaultdict[str, list[bool]](list), defaultdict[int, list[bool]](list)
    for day in every:
        by_date[f"{day:%m-%d}"].append(day in empty)
        by_weekday[day.weekday()].append(day in empty)
    yearly = {date for date, closed in by_date.items() if len(closed) > 1 and all(closed)}
    weekdays = [n for n, closed in sorted(by_weekday.items()) if len(closed) >= 3 and all(closed)]
    return TradingDays(
        first=first,
        last=last,
        is_finished=(today - last).days > FINISHED_DAYS,
        closed=(*sorted(yearly), *(day for day in sorted(empty) if f"{day:%m-%d}" not in yearly)),
        closed_weekdays=tuple(calendar.day_name[n] for n in weekdays),
        strays=sum(n for day, n in lines_by_day.items() if not first <= day <= last and day != today),
    )


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


def notes_on(history: TradingDays) -> list[Note]:
    """What a person is to know of the history."""
    notes = []
    if history.strays:
        says = f"{history.strays:,} lines lie outside {history.first} … {history.last}: mistakes in the date."
        notes.append(Note("set aside", says))
    if history.closed_weekdays and not history.is_finished:
        says = f"There are no lines on any {' or '.join(history.closed_weekdays)}, and every coming one is missed."
        notes.append(Note("guessed", says, "add the coming ones to `closed_days`."))
    if (days := len(history.days)) < DAYS_TO_TRAIN:
        notes.append(Note("to know", f"A history of {days} days is too short to train on: it takes {DAYS_TO_TRAIN}."))
    return notes
