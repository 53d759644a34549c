"""`nightcart drift` on signals as the watches leave them."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from assets.lifecycle.drift import DriftReport, DriftStatistic
from assets.lifecycle.signals import signal
from resources.errors import Refused

DAY = dt.date(2024, 3, 31)


def tell(operations, *, watch: str, back: int, far: float | None) -> None:
    findings = [] if far is None else [
        DriftStatistic(column="hour", statistic="distance", value=far, usual=0, limit=1, ratio_to_limit=far, message="baskets by hour [moved]")
    ]  # fmt: skip
    operations.record(
        signal(
            DriftReport(statistics=findings, message="Too little."),
            watch=watch,
            day=DAY - dt.timedelta(days=back),
            earlier=[],
            model_version=7,
            run_id="run",
            seen_at=dt.datetime(2024, 4, 1, tzinfo=dt.UTC),
        )
    )


def test_it_says_which_column_moved_how_far_and_since_when(operations, run):
    for back, far in ((2, 0.4), (1, 2.5), (0, 0.3)):
        tell(operations, watch="inputs", back=back, far=far)
    tell(operations, watch="outcomes", back=0, far=None)
    text = run("drift").stdout
    assert "Sat 2024-03-30" in text
    assert "inputs: hour 2.5" in text
    assert "ERROR inputs of 2024-03-30: baskets by hour [moved]; since 2024-03-30" in text
    assert "unknown outcomes of 2024-03-31: Too little." in text


def test_a_night_that_was_looked_at_again_is_shown_as_it_was_seen_last(operations, run):
    tell(operations, watch="inputs", back=0, far=2.5)
    tell(operations, watch="inputs", back=0, far=0.3)
    assert "ERROR" not in run("drift").stdout


def test_only_the_nights_that_are_asked_for(operations, run):
    for back in range(5):
        tell(operations, watch="inputs", back=back, far=0.5)
    text = run("drift", "--days", "2").stdout
    assert "2024-03-30" in text
    assert "2024-03-29" not in text


def test_before_any_night_it_says_what_to_do(run):
    with pytest.raises(Refused, match="nightcart nightly"):
        run("drift")


def test_as_json_it_is_the_signals_of_those_nights_and_nothing_else(operations, run):
    for back in range(3):
        tell(operations, watch="inputs", back=back, far=2.5)
    report = json.loads(run("drift", "--days", "2", "--json").stdout)
    assert report["nights"] == ["2024-03-30", "2024-03-31"]
    assert [(one["watch"], one["business_date"], one["level"]) for one in report["signals"]] == [
        ("inputs", "2024-03-30", "error"),
        ("inputs", "2024-03-31", "error"),
    ]
