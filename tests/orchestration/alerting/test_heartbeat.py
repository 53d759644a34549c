"""Whether something is at work, told from what was found of it."""

from __future__ import annotations

import datetime as dt

import pytest

from orchestration.alerting.heartbeat import (
    AWAKE,
    LEAST_SILENCE,
    WATCH,
    InstigatorHealth,
    faults,
    records_heartbeat,
    wake,
)
from resources.records.alerts import Heartbeat
from resources.records.store import OperationsDatabase

NOW = dt.datetime(2024, 5, 7, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
LONG_AGO = NOW - dt.timedelta(days=9)


def sensor(*, seen: dt.timedelta | None = MINUTE, ticks: tuple[str | None, ...] = (), is_stopped: bool = False):
    return InstigatorHealth(
        name="retrain_on_decision",
        kind="sensor",
        is_stopped=is_stopped,
        ticks=ticks,
        seen_at=NOW - seen if seen is not None else None,
        expected_since=NOW - 15 * MINUTE,
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (sensor(), None),
        (sensor(is_stopped=True), "has been stopped"),
        (sensor(ticks=("locked", "locked", "locked")), "failed 3 times in a row: locked"),
        (sensor(ticks=("locked", "locked", None)), None),
        (sensor(ticks=(None, "locked", "locked", "locked")), None),
        (sensor(seen=14 * MINUTE), None),
        (sensor(seen=16 * MINUTE), "has not been at work since 2024-05-07 11:44 UTC"),
        (sensor(seen=None), None),  # what was never at work
    ],
)
def test_a_sensor_that_is_not_at_work_is_told_and_why(found: InstigatorHealth, says: str | None) -> None:
    wrong = faults([found], awake_since=LONG_AGO)
    assert (says in wrong[found]) if says else not wrong


def test_after_a_night_without_power_nothing_is_silent_until_it_had_time_to_wake() -> None:
    found = sensor(seen=600 * MINUTE)
    assert not faults([found], awake_since=NOW - MINUTE)
    assert faults([found], awake_since=NOW - 16 * MINUTE)


def test_the_watch_notes_when_it_is_back(operations: OperationsDatabase) -> None:
    def beats() -> dict[str, dt.datetime]:
        return {beat.name: beat.beat_at for beat in operations.records(Heartbeat)}

    for n in range(3):
        wake(operations, now=NOW + 5 * n * MINUTE)
    assert beats() == {AWAKE: NOW, WATCH: NOW + 10 * MINUTE}
    back = NOW + 10 * MINUTE + LEAST_SILENCE + MINUTE
    wake(operations, now=back)
    assert beats() == {AWAKE: back, WATCH: back}


def test_a_tick_beats_once_its_work_is_done(operations: OperationsDatabase) -> None:
    @records_heartbeat
    def some_sensor(context: object, *, operations: OperationsDatabase, is_broken: bool) -> str:
        if is_broken:
            raise ZeroDivisionError
        return "done"

    with pytest.raises(ZeroDivisionError):
        some_sensor(None, operations=operations, is_broken=True)
    assert operations.records(Heartbeat) == []
    assert some_sensor(None, operations=operations, is_broken=False) == "done"
    assert [beat.name for beat in operations.records(Heartbeat)] == ["some_sensor"]
