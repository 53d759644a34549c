"""The days of a history."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.grocery.onboarding.history import notes_on, trading_days
from resources.errors import Refused

TODAY = dt.date(2024, 7, 1)


def lines_a_day(first: dt.date, n: int, *, without: tuple[dt.date, ...] = (), weekdays: range = range(7)):
    every = (first + dt.timedelta(days=day) for day in range(n))
    return {day: 100 for day in every if day not in without and day.weekday() in weekdays}


def test_finished_data_set_with_a_closed_day():
    christmas = dt.date(2017, 12, 25)
    past = trading_days(lines_a_day(dt.date(2017, 1, 1), 365, without=(christmas,)), today=TODAY)
    assert (past.first, past.last, past.is_finished) == (dt.date(2017, 1, 1), dt.date(2017, 12, 31), True)
    assert past.closed == (christmas,)


def test_days_that_are_taken_as_closed_are_told_unless_their_weekday_or_the_year_says_it():
    (easter, monday, later), first = (dt.date(2024, 3, day) for day in (31, 25, 9)), dt.date(2024, 3, 1)
    lines = lines_a_day(first, 60, without=(monday, later), weekdays=range(6))
    past = trading_days(lines, today=TODAY)
    assert easter in past.closed
    says = [note.says for note in notes_on(past, empty=[later])]
    assert says[:2] == [
        "The files of 2024-03-09 have no lines: taken as closed.",
        "There are no lines of 2024-03-25: taken as closed.",
    ]


def test_day_closed_in_every_year_is_closed_in_all():
    holidays = (dt.date(2022, 12, 25), dt.date(2023, 12, 25), dt.date(2023, 5, 1))
    past = trading_days(lines_a_day(dt.date(2022, 1, 1), 730, without=holidays), today=TODAY)
    # 1 May 2022 was open.
    assert past.closed == ("12-25", dt.date(2023, 5, 1))


def test_sundays():
    past = trading_days(lines_a_day(dt.date(2024, 6, 1), 30, weekdays=range(6)), today=TODAY)
    assert past.closed == tuple(dt.date(2024, 6, day) for day in (2, 9, 16, 23))
    assert past.closed_weekdays == ("Sunday",)
    assert not past.is_finished


def test_strays_today_and_the_future_are_not_the_history():
    lines = lines_a_day(dt.date(2024, 5, 1), 61) | {dt.date(1970, 1, 1): 3, TODAY: 40, dt.date(2042, 1, 1): 2}
    past = trading_days(lines, today=TODAY)
    assert (past.first, past.last, past.strays) == (dt.date(2024, 5, 1), dt.date(2024, 6, 30), 5)


def test_spells_years_apart_are_no_history_however_many_lines_they_have():
    lines = lines_a_day(dt.date(2024, 6, 1), 30) | {dt.date(1970, 1, 1): 90, dt.date(2020, 2, 2): 60}
    past = trading_days(lines, today=TODAY)
    assert (past.first, past.last, past.strays) == (dt.date(2024, 6, 1), dt.date(2024, 6, 30), 150)
    assert past.closed == ()
    note = notes_on(past)[0]
    assert note.kind == "set aside"
    assert note.says.startswith("150 lines of 3,150 (4.8%) between 1970-01-01 and 2020-02-02 lie outside the history")


def test_one_year_without_lines_closes_no_day_of_every_year():
    # The second winter of three is missing: one year says that 5 January is closed, and the two others have no such day.
    lines = (
        lines_a_day(dt.date(2022, 3, 1), 250)
        | lines_a_day(dt.date(2023, 3, 1), 250)
        | lines_a_day(dt.date(2024, 3, 1), 100)
    )
    past = trading_days(lines, today=TODAY)
    assert past.first == dt.date(2022, 3, 1)
    assert not [day for day in past.closed if isinstance(day, str)]
    assert [note.kind for note in notes_on(past)] == ["guessed", "guessed"]  # the two gaps


def test_no_day_is_refused():
    with pytest.raises(Refused, match="No line has a day before today"):
        trading_days({}, today=TODAY)


@pytest.mark.parametrize(("weekdays", "is_told"), [(range(1), True), (range(2), False)])
def test_sums_of_weeks_are_told(weekdays, is_told):
    past = trading_days(lines_a_day(dt.date(2024, 3, 1), 60, weekdays=weekdays), today=TODAY)
    assert any("no two within a week" in note.says for note in notes_on(past)) is is_told


def test_sums_of_months_are_told():
    past = trading_days({dt.date(2024, month, 1): 100 for month in range(1, 7)}, today=TODAY)
    assert any("There are lines on 6 days alone, no two within a week" in note.says for note in notes_on(past))
