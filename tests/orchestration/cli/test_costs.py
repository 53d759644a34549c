"""`nightcart costs` on costs as runs leave them."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from resources.errors import Refused
from resources.records.costs import StepCost

DAY = dt.date(2024, 3, 31)


def spend(operations, *, back: int, **cpu_seconds: float) -> None:
    operations.spent(
        *(
            StepCost(
                run_id=f"run {back}",
                job="nightly",
                step=step,
                business_date=DAY - dt.timedelta(days=back),
                cpu_seconds=seconds,
                ended_at=dt.datetime(2024, 4, 1, tzinfo=dt.UTC),
            )
            for step, seconds in {**cpu_seconds, StepCost.AROUND: 9.0}.items()
        )
    )


def test_it_shows_nights_and_the_parts_of_the_newest(operations, run):
    spend(operations, back=1, features=20)
    spend(operations, back=0, features=81, challenger=90)
    text = run("costs").stdout
    assert "2024-03-30" in text
    assert "45.0%" in text  # 81 of 180 CPU seconds
    assert "5.0%" in text
    assert StepCost.AROUND in text
    assert "the night of 2024-03-31 0.00200 USD (180 CPU seconds" in text
    assert "the training of 2024-03-31 0.00100 USD" in text
    told = json.loads(run("costs", "--days", "1", "--json").stdout)
    assert [night["name"] for night in told["nights"]] == ["2024-03-31"]
    assert sum(part["cost"] for part in told["parts"]) == pytest.approx(told["nights"][0]["cost"])


def test_before_any_night_it_says_what_to_do(run):
    with pytest.raises(Refused, match="not known yet"):
        run("costs")
