"""What lists were worth against what was promised: the size of a shortfall, its interval, and whether it lasts."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.monitoring.decay import WINDOW, Window, decay

DAY = dt.date(2024, 3, 31)
PROMISED = {1: {"recall": (0.2, 0.19, 0.21)}, 2: {"recall": (0.1, 0.09, 0.11)}, 3: {}}


def week(value: float, *, back: int = 0, wide: float = 0.01, households: int = 500, version: int = 1) -> Window:
    return Window(
        business_date=DAY - back * WINDOW,
        metric="recall",
        value=value,
        low=value - wide,
        high=value + wide,
        households=households,
        model_version=version,
    )


def judged(*windows: Window):
    return decay(windows, day=DAY, promised=lambda version: PROMISED[version], min_households=30)


@pytest.mark.parametrize(
    ("value", "level"),
    [(0.25, "ok"), (0.2, "ok"), (0.182, "ok"), (0.178, "warn"), (0.162, "warn"), (0.158, "error"), (0.0, "error")],
)
def test_a_tenth_below_the_promise_is_a_warning_and_a_fifth_an_error(value: float, level: str):
    assert judged(week(value)).level == level


def test_a_shortfall_within_the_interval_of_few_households_is_none():
    assert judged(week(0.15, wide=0.06)).level == "ok"
    assert judged(week(0.15, wide=0.02)).level == "error"


def test_a_warning_that_lasts_a_second_week_is_an_error():
    assert judged(week(0.175), week(0.2, back=1)).level == "warn"
    assert judged(week(0.175), week(0.175, back=1)).level == "error"
    assert judged(week(0.175), week(0.175, back=2)).level == "warn"
    assert judged(week(0.2), week(0.1, back=1)).level == "ok"  # the latest counts


def test_every_week_is_held_against_the_promise_of_the_version_that_made_its_lists():
    assert judged(week(0.1, version=2)).level == "ok"
    assert judged(week(0.175), week(0.1, back=1, version=2)).level == "warn"


def test_the_sentence_has_both_numbers_with_their_intervals():
    says = judged(week(0.15)).worst.says
    assert says == (
        "recall of the week to 2024-03-31: 0.1500 [0.1400, 0.1600] of 500 households, promised 0.2000 [0.1900, 0.2100]"
    )


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ((), "No lists of 2024-03-24"),
        ((week(0.1, back=1),), "No lists of 2024-03-24"),
        ((week(0.1, households=20),), "20 households bought"),
        ((week(0.1, version=3),), "no promise"),
    ],
)
def test_too_little_is_unknown_with_the_reason(windows, says: str):
    seen = judged(*windows)
    assert seen.level == "unknown"
    assert says in seen.says
