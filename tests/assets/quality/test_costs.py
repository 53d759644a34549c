"""What a night costs, and when that is too much."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.quality.costs import compared
from resources.config.costs import CostsConfig
from resources.metering import Used
from resources.records.costs import StepCost

DAY, TARIFF = dt.date(2024, 5, 6), CostsConfig()


def night(n: int, **seconds: float) -> list[StepCost]:
    """The costs of the night `n` days before: CPU seconds by step."""
    day = DAY - dt.timedelta(days=n)
    return [
        StepCost(
            run_id=str(n),
            job="nightly",
            step=step,
            business_date=day,
            ended_at=dt.datetime.now(dt.UTC),
            cpu_seconds=each,
            written_mib=each,
        )
        for step, each in seconds.items()
    ]


BEFORE = [cost for n in (1, 2, 3) for cost in night(n, features=100 + n, scores=50)]


def test_a_night_like_those_before_is_usual():
    found = compared(night(0, features=110, scores=55), BEFORE, TARIFF)
    assert not found.is_spike
    assert found.ratio == pytest.approx((110 + 55) / (102 + 50))
    assert found.nights == 3


def test_a_night_that_costs_three_times_is_a_spike_and_says_where():
    found = compared(night(0, features=400, scores=60), BEFORE, TARIFF)
    assert found.is_spike
    assert "features took 400 CPU seconds, usually 102" in found.says
    assert "`nightcart costs`" in found.says


def test_steps_that_the_nights_before_did_not_have_are_no_spike():
    assert not compared(night(0, features=101, scores=50, challenger=900), BEFORE, TARIFF).is_spike


def test_a_small_night_may_vary():
    before = [cost for n in (1, 2, 3) for cost in night(n, features=1)]
    assert not compared(night(0, features=10), before, TARIFF).is_spike


def test_two_nights_are_too_few():
    found = compared(night(0, features=900), [cost for n in (1, 2) for cost in night(n, features=1)], TARIFF)
    assert not found.is_spike
    assert "too few" in found.says


def test_a_price_is_that_of_cpu_memory_and_bytes():
    tariff = CostsConfig(cpu_hour=1, gib_hour=2, gib_read=3, gib_written=4)
    assert tariff.price(Used(cpu_seconds=3600, gib_seconds=3600, read_mib=1024, written_mib=1024)) == 1 + 2 + 3 + 4
