"""The signal of a night: its worst finding, what else moved, and since when."""

from __future__ import annotations

import datetime as dt

from assets.lifecycle.drift import DriftReport, DriftStatistic
from assets.lifecycle.signals import newest, signal
from resources.records.lifecycle import Signal

DAY = dt.date(2024, 3, 31)


def seen(**far: float) -> DriftReport:
    return DriftReport(
        statistics=[
            DriftStatistic(
                column=name,
                statistic="distance",
                value=value,
                usual=0,
                limit=1,
                ratio_to_limit=value,
                message=f"{name} moved",
            )
            for name, value in far.items()
        ]
    )


def at(back: int, of: DriftReport, earlier: list[Signal]) -> Signal:
    now = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
    day = DAY - dt.timedelta(days=back)
    return signal(of, watch="inputs", day=day, earlier=earlier, model_version=1, run_id="r", seen_at=now)


def nights(*saw: DriftReport) -> list[Signal]:
    told: list[Signal] = []
    for back, of in zip(reversed(range(len(saw))), saw, strict=True):
        told.append(at(back, of, told))
    return told


def test_the_worst_is_told_with_what_else_moved():
    (found,) = nights(seen(store=1.2, hour=2.5, price=0.3))
    assert (found.level, found.value) == ("error", 2.5)
    assert found.says == "hour moved; since 2024-03-31; also store"
    assert found.details["moved"] == ["hour", "store"]
    assert [one["column"] for one in found.details["findings"]] == ["hour", "store", "price"]


def test_since_when_counts_the_nights_in_a_row_in_which_that_column_moved():
    found = nights(seen(hour=3), seen(hour=0.1), seen(hour=1.5), seen(store=4, hour=1.5), seen(hour=1.1, store=0.2))[-1]
    assert found.says == "hour moved; since 2024-03-29, 3 nights"
    assert found.details["since"] == "2024-03-29"


def test_a_night_that_was_looked_at_again_counts_once_as_it_was_seen_last():
    told = nights(seen(hour=2), seen(hour=2))
    told.append(at(1, seen(hour=0.1), told))
    assert [one.level for one in newest(told)] == ["ok", "error"]
    assert at(0, seen(hour=2), told).details["since"] == DAY.isoformat()


def test_a_good_night_and_an_unknown_one_have_no_since():
    (good,) = nights(seen(hour=0.5))
    assert (good.level, good.says, good.details["since"]) == ("ok", "hour moved", None)
    (unknown,) = nights(DriftReport(message="Too little."))
    assert (unknown.level, unknown.value, unknown.says, unknown.details) == ("unknown", None, "Too little.", {})
