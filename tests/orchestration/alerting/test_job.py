"""The job `alerting` as Dagster runs it, and when its schedule and the failure sensor ask for it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from orchestration.alerting import repair
from orchestration.alerting.checks import SHOWN_ON, open_incidents
from orchestration.alerting.heartbeat import LOOKED, WATCH
from orchestration.alerting.job import LONGEST, alerting, why_not_due
from orchestration.definitions import build_defs, defs
from orchestration.jobs import INCIDENTS, NO_OPEN_INCIDENT
from orchestration.runs.dagster_internals import latest_evaluations
from orchestration.schedules import alert_schedule
from orchestration.sensors.run_failure import tell_on_failure
from resources.records.alerts import Heartbeat
from resources.records.feeds import Arrival
from resources.records.lifecycle import Signal
from tests.support.jobs import job_of
from tests.support.notifier import RecordingNotifier

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def told() -> RecordingNotifier:
    return RecordingNotifier()


@pytest.fixture(autouse=True)
def _is_of_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own a run knows the repository that it was loaded from."""
    monkeypatch.setattr(dg.OpExecutionContext, "repository_def", property(lambda _: defs.get_repository_def()))


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


def run_of(job_name: str, *, fails: bool):
    """A job of that name with one op, that fails as a refused feed does, or not."""

    @dg.op
    def work() -> None:
        if fails:
            raise dg.Failure("The feed is cut off.", metadata={"remedy": "deliver it.", "is_refusal": True})

    return job_of(job_name, work)


def fail(instance: dg.DagsterInstance, job_name: str = "nightly") -> dg.RunRequest | dg.SkipReason:
    """A run fails, and Dagster calls the sensor that asked for it."""
    result = run_of(job_name, fails=True).execute_in_process(
        instance=instance, tags={"dagster/partition": "2024-05-07"}, raise_on_error=False
    )
    context = dg.build_run_status_sensor_context(
        sensor_name="tell_on_failure",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    )
    return tell_on_failure(context.for_run_failure())  # pyright: ignore[reportReturnType]


def run(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    """Run the job as the daemon does."""
    job = build_defs(**resources).resolve_job_def(alerting.name)
    assert job.execute_in_process(instance=instance).success


def asked(instance: dg.DagsterInstance, resources: dict[str, Any]) -> str | None:
    """Why the schedule asks for no look at its tick; None when it asks for one."""
    context = dg.build_schedule_context(instance=instance, resources=resources)
    result = alert_schedule(context)
    return result.skip_message if isinstance(result, dg.SkipReason) else None


def signal(level: str = Signal.ERROR) -> Signal:
    now = dt.datetime.now(dt.UTC)
    return Signal(
        business_date=now.date(), watch="volume", level=level, value=0.5, says="volume halved", model_version=1, run_id="",
        seen_at=now,
    )  # fmt: skip


def test_a_failed_run_has_a_look_taken_that_tells_of_it_once(instance, resources, told: RecordingNotifier) -> None:
    request = fail(instance)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key
    assert told.take() == []  # the tick itself tells nobody
    run(instance, resources)
    ((title, text),) = told.take()
    assert title == "Nightcart, Corner Shop: refusal"
    assert "The feed is cut off" in text
    assert "There are no lists yet" in text
    run(instance, resources)
    assert told.take() == []


def test_a_look_that_fails_asks_for_no_other(instance) -> None:
    assert isinstance(fail(instance, alerting.name), dg.SkipReason)


def test_an_alert_that_slack_did_not_take_fails_no_run_and_is_told_by_a_later_one(
    instance, resources, told: RecordingNotifier, monkeypatch
) -> None:
    told.is_down = True
    fail(instance)
    run(instance, resources)
    told.is_down = False
    assert asked(instance, resources) is None
    monkeypatch.setattr("orchestration.alerting.incidents.RETRY_AFTER", dt.timedelta(0))
    run(instance, resources)
    assert "The feed is cut off" in "".join(text for _, text in told.take())
    run(instance, resources)
    assert told.take() == []


def test_the_schedule_asks_for_a_look_when_something_can_have_happened_and_each_half_hour(
    instance, resources, operations, settings, told: RecordingNotifier
) -> None:
    not_soon = (dt.datetime.now(ZoneInfo(settings.timezone)) - dt.timedelta(hours=2)).time()
    alerts = settings.alerts.model_copy(update={"night_is_due_by": not_soon})
    resources["settings"] = settings = settings.model_copy(update={"alerts": alerts})
    assert asked(instance, resources) is None  # the first
    assert WATCH in {beat.name for beat in operations.records(Heartbeat)}
    run(instance, resources)
    assert told.take() == []
    assert (asked(instance, resources) or "").startswith("Nothing has happened since the last look")

    (looked,) = operations.records(Heartbeat, name=LOOKED)
    later = looked.beat_at + LONGEST
    assert why_not_due(instance, settings, operations, now=later - MINUTE)
    assert why_not_due(instance, settings, operations, now=later) is None
    assert why_not_due(instance, settings, operations, now=looked.beat_at - MINUTE) is None  # a clock that was put back

    under_way = instance.create_run_for_job(run_of("nightly", fails=False), status=dg.DagsterRunStatus.STARTED)
    assert asked(instance, resources) is None
    instance.delete_run(under_way.run_id)
    assert asked(instance, resources)
    run_of("nightly", fails=False).execute_in_process(instance=instance)
    assert asked(instance, resources) is None
    run(instance, resources)
    assert asked(instance, resources)
    about = {"path": "a", "digest": "d", "business_date": None, "event_id": "e", "reason": "it has no lines."}
    operations.record(Arrival(outcome=Arrival.SET_ASIDE, seen_at=dt.datetime.now(dt.UTC), **about))
    assert asked(instance, resources) is None


def test_a_look_is_due_when_a_night_is(instance, settings, operations) -> None:
    due = dt.datetime(2024, 5, 7, 5, tzinfo=dt.UTC)  # seven in Berlin
    operations.beat(LOOKED, now=due - 3 * MINUTE)
    assert why_not_due(instance, settings, operations, now=due - MINUTE)
    assert why_not_due(instance, settings, operations, now=due) is None


def test_one_look_at_a_time(instance, settings, operations) -> None:
    instance.create_run_for_job(run_of(alerting.name, fails=False), status=dg.DagsterRunStatus.STARTED)
    assert why_not_due(instance, settings, operations, now=dt.datetime.now(dt.UTC)) == "A look is under way."


def test_an_open_incident_is_shown_on_its_assets_until_it_is_over(
    instance, resources, operations, told: RecordingNotifier
) -> None:
    def failing() -> dict[str, str | None]:
        evaluations = latest_evaluations(instance, NO_OPEN_INCIDENT)
        assert set(evaluations) == set(NO_OPEN_INCIDENT)
        return {key.asset_key.to_user_string(): e.description for key, e in evaluations.items() if not e.passed}

    fail(instance)
    operations.record(signal())
    run(instance, resources)
    shown = failing()
    assert set(shown) == {"recommendations", "published_recommendations", "drift_signals"}
    assert "The feed is cut off" in (shown["recommendations"] or "")
    assert "volume halved" in (shown["drift_signals"] or "")

    by_hand = (
        dg.Definitions(
            asset_checks=[open_incidents], jobs=[dg.define_asset_job("by_hand", INCIDENTS)], resources=resources
        )
        .resolve_job_def("by_hand")
        .execute_in_process(instance=instance)
    )
    assert {e.asset_key.to_user_string() for e in by_hand.get_asset_check_evaluations() if not e.passed} == set(shown)

    events = len(instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION)))
    run(instance, resources)
    assert len(instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))) == events

    run_of("nightly", fails=False).execute_in_process(instance=instance, tags={"dagster/partition": "2024-05-07"})
    operations.record(signal(Signal.OK))
    run(instance, resources)
    assert failing() == {}


def test_every_asset_that_an_incident_can_belong_to_has_the_check() -> None:
    assert {asset for assets in SHOWN_ON.values() for asset in assets} == {
        check.asset_key.to_user_string() for check in NO_OPEN_INCIDENT
    }


def test_old_looks_are_removed_and_no_other_run(instance, resources, monkeypatch) -> None:
    run(instance, resources)
    fail(instance)
    monkeypatch.setattr(repair, "KEPT", dt.timedelta(0))
    run(instance, resources)
    assert sorted(each.job_name for each in instance.get_runs()) == [alerting.name, "nightly"]


def test_both_run_from_the_start() -> None:
    assert alert_schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert tell_on_failure.default_status == dg.DefaultSensorStatus.RUNNING
