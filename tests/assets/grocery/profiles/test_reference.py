"""The reference as it is kept, and which of its nights a night is compared with."""

from __future__ import annotations

import datetime as dt

from assets.grocery.profiles.days import DayProfile
from assets.grocery.profiles.numbers import Counts
from assets.grocery.profiles.reference import Numbers, Reference, reference_days

SUNDAY = dt.date(2024, 3, 31)
COUNTS = Counts(of={"t.c": [1, 2, 0]}, units={"t.c": 3})


def nights(*back: int) -> dict[dt.date, Counts]:
    return {SUNDAY - dt.timedelta(days=n): Counts(of={"t.c": [n]}, units={"t.c": 1}) for n in back}


def test_a_reference_comes_back_from_its_text():
    given = Reference(
        business_date=SUNDAY,
        days=[DayProfile(business_date=SUNDAY, counts={"lines": 3}, values={"hour": {"7": 3}})],
        features=Numbers(cuts={"t.c": [0.5]}, nights={SUNDAY: COUNTS}),
        promised={"recall": [0.2, 0.1, 0.3]},
    )
    assert Reference.of_text(given.as_text()) == given


def test_like_is_the_same_weekday_or_else_the_newest_night():
    week = Numbers(cuts={}, nights=nights(0, 1, 2, 3))
    assert week.like(SUNDAY + dt.timedelta(days=6)) == week.nights[SUNDAY - dt.timedelta(days=1)]  # Saturdays
    assert week.like(SUNDAY + dt.timedelta(days=1)) == week.nights[SUNDAY]  # no Monday
    assert Numbers(cuts={}, nights={}).like(SUNDAY) is None


def test_days_are_eight_weeks_without_those_that_know_too_few_households():
    days = reference_days(SUNDAY, first_day=dt.date(2023, 1, 1))
    assert (days[0], days[-1], len(days)) == (SUNDAY - dt.timedelta(days=55), SUNDAY, 56)
    young = reference_days(SUNDAY, first_day=SUNDAY - dt.timedelta(days=40))
    assert young[0] == SUNDAY - dt.timedelta(days=12)
    assert reference_days(SUNDAY, first_day=SUNDAY) == []


def test_what_was_made_of_eleven_weeks_cannot_tell_of_features_that_look_back_twelve():
    reference = Reference(business_date=SUNDAY, days=[])
    assert not reference.has_a_past(first_day=SUNDAY - dt.timedelta(weeks=11))
    assert reference.has_a_past(first_day=SUNDAY - dt.timedelta(weeks=12))
