"""The night watch as Dagster runs it: on a failure, and on the clock."""

from __future__ import annotations

import datetime as dt
from typing import Any

import dagster as dg
import pytest

from orchestration.alerting.heartbeat import WATCH
from orchestration.sensors.alerts import tell_on_failure, watch_on_the_clock
from resources.records.alerts import Heartbeat
from resources.records.lifecycle import Signal
from tests.telling import Told


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def resources(settings, feeds, tables, registry, operations, told) -> dict[str, Any]:
    return {
        "settings": settings,
        "feeds": feeds,
        "tables": tables,
        "registry": registry,
        "operations": operations,
        "notifier": told,
    }


@dg.job(name="nightly")
def failing_night() -> None:
    @dg.op
    def work() -> None:
        raise dg.Failure("The feed is cut off.", metadata={"remedy": "deliver it.", "is_refusal": True})

    work()


def fail(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    """A night fails, and Dagster calls the sensor that asked for it."""
    from orchestration.definitions import defs

    result = failing_night.execute_in_process(
        instance=instance, tags={"dagster/partition": "2024-05-07"}, raise_on_error=False
    )
    context = dg.build_run_status_sensor_context(
        sensor_name="tell_on_failure",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources=resources,
        repository_def=defs.get_repository_def(),
    )
    tell_on_failure(context.for_run_failure())


def tick(instance: dg.DagsterInstance, resources: dict[str, Any]) -> str | None:
    from orchestration.definitions import defs

    context = dg.build_sensor_context(instance=instance, resources=resources, definitions=defs)
    skipped = watch_on_the_clock(context)
    assert isinstance(skipped, dg.SkipReason)
    return skipped.skip_message


def test_a_failure_is_told_at_once_and_not_again_on_the_clock(instance, resources, told: Told) -> None:
    fail(instance, resources)
    ((title, text),) = told.take()
    assert title == "Nightcart, Corner Shop: refusal"
    assert "The feed is cut off" in text
    assert "There are no lists yet" in text
    assert "The feed is cut off" in (tick(instance, resources) or "")
    assert told.take() == []


def test_an_alert_that_slack_did_not_take_fails_no_tick_and_is_told_on_a_later_one(
    instance, resources, told: Told, monkeypatch
) -> None:
    told.is_down = True
    fail(instance, resources)
    tick(instance, resources)
    told.is_down = False
    monkeypatch.setattr("orchestration.alerting.incidents.RETRY_AFTER", dt.timedelta(0))
    tick(instance, resources)
    assert "The feed is cut off" in "".join(text for _, text in told.take())
    tick(instance, resources)
    assert told.take() == []


def test_on_the_clock_it_beats_and_tells_what_does_not_announce_itself(instance, resources, operations, told: Told):
    assert tick(instance, resources) == "Everything is as it should be."
    assert WATCH in {beat.name for beat in operations.records(Heartbeat)}
    now = dt.datetime.now(dt.UTC)
    operations.record(
        Signal(
            business_date=now.date(), watch="volume", level=Signal.ERROR, value=0.5, says="volume halved",
            model_version=1, run_id="", seen_at=now,
        )
    )  # fmt: skip
    assert "volume halved" in (tick(instance, resources) or "")
    ((title, _),) = told.take()
    assert title == "Nightcart, Corner Shop: drift"


def test_both_run_from_the_start() -> None:
    assert {each.default_status for each in (tell_on_failure, watch_on_the_clock)} == {dg.DefaultSensorStatus.RUNNING}
