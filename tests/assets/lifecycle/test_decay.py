"""What lists were worth against what was promised: the size of a shortfall, its interval, and whether it lasts."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.grocery.monitoring.watches import LEAST_SHORTFALL, WEEK, _why_not
from assets.lifecycle.decay import Period, decay

DAY = dt.date(2024, 3, 31)
PROMISED = {1: {"hit_rate": (0.5, 0.49, 0.51)}, 2: {"hit_rate": (0.25, 0.24, 0.26)}, 3: {}}


def week(value: float, *, back: int = 0, wide: float = 0.01, households: int = 500, version: int = 1) -> Period:
    return Period(
        business_date=DAY - back * WEEK,
        metric="hit_rate",
        value=value,
        low=value - wide,
        high=value + wide,
        subjects=households,
        model_version=version,
    )


def judged(*windows: Period):
    return decay(
        windows,
        day=DAY,
        length=WEEK,
        promised=lambda version: PROMISED[version],
        least_shortfall=LEAST_SHORTFALL,
        min_subjects=30,
    )


@pytest.mark.parametrize(
    ("value", "level"),
    [(0.6, "ok"), (0.5, "ok"), (0.445, "ok"), (0.435, "warn"), (0.385, "warn"), (0.375, "error"), (0.0, "error")],
)
def test_a_week_below_the_promise_is_a_warning_and_one_twice_as_far_an_error(value: float, level: str):
    # the limit is 12 % below .5: .44, and .38
    assert judged(week(value)).level == level


def test_a_shortfall_within_the_interval_of_few_households_is_none():
    assert judged(week(0.4, wide=0.12)).level == "ok"
    assert judged(week(0.4, wide=0.02)).level == "warn"


def test_a_smaller_shortfall_counts_when_it_lasts_four_weeks():
    lasting = [week(0.455, back=back) for back in range(4)]  # 9 % below
    assert judged(*lasting[:3]).level == "ok"
    seen = judged(*lasting)
    assert (seen.level, seen.worst.statistic) == ("warn", "of the 4 weeks")
    assert judged(*lasting[:3], week(0.5, back=3)).level == "ok"
    assert judged(week(0.455), *[week(0.455, back=back) for back in (1, 2, 4)]).level == "ok"  # one is missing


def test_every_week_is_held_against_the_promise_of_the_version_that_made_its_lists():
    assert judged(week(0.25, version=2)).level == "ok"
    assert judged(week(0.5), *[week(0.25, back=back, version=2) for back in (1, 2, 3)]).level == "ok"


def test_the_sentence_has_both_numbers_with_their_intervals():
    assert judged(week(0.4)).worst.message == (
        "hit_rate of the week to 2024-03-31: 0.4000 [0.3900, 0.4100], promised 0.5000 [0.4900, 0.5100]; "
        "88% of it is the limit"
    )


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ((), "No lists of 2024-03-24"),
        ((week(0.1, households=20),), "20 households bought"),
        ((week(0.1, version=3),), "has no promise"),
    ],
)
def test_too_little_is_unknown_with_the_reason(windows, message: str):
    assert judged(*windows).level == "unknown"
    assert message in _why_not(windows, DAY, 30)
