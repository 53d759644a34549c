"""The picture of a watch: whatever it saw, and whatever it had seen before, there is one."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.lifecycle import pictures
from assets.lifecycle.drift import DriftReport, DriftStatistic
from assets.lifecycle.signals import signal
from resources.records.lifecycle import Signal

DAY = dt.date(2024, 3, 31)


def told(back: int, seen: DriftReport) -> Signal:
    now, day = dt.datetime(2024, 4, 1, tzinfo=dt.UTC), DAY - dt.timedelta(days=back)
    return signal(seen, watch="inputs", day=day, earlier=[], model_version=1, run_id="r", seen_at=now)


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {f"v{n}": 0.1 for n in range(12)}])
def test_it_has_the_columns_the_worst_ones_shares_and_its_nights(shares: dict[str, float]):
    def seen(**far: float) -> DriftReport:
        found = [
            DriftStatistic(
                column=name,
                statistic="distance",
                value=at,
                usual=0,
                limit=1,
                ratio_to_limit=at,
                message="",
                was=shares,
                now=shares,
            )
            for name, at in far.items()
        ]
        return DriftReport(statistics=found)

    nights = [
        told(2, DriftReport(message="Too little.")),
        told(1, seen(hour=0.5, store=0.2)),
        told(0, seen(hour=2.5, store=1.2)),
    ]
    far, now, by_night = pictures.drift(nights).axes
    assert [text.get_text() for text in far.get_yticklabels()] == ["hour (distance)", "store (distance)"]
    assert len(now.patches) == 2 * len(shares)
    assert list(by_night.lines[0].get_ydata()) == [0.5, 2.5]
