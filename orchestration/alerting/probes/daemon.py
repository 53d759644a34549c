"""Schedules, sensors and daemons that have been at work and are not any more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import dagster as dg

from orchestration.alerting import heartbeat
from orchestration.alerting.heartbeat import InstigatorHealth
from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from orchestration.runs.dagster_internals import ended_ticks, error_of, scheduled_before
from resources.records.alerts import Alert, Heartbeat

START_DAEMON = "start it again: `make ui`, or the service that runs it."


def look(context: ProbeContext) -> Iterator[Incident]:
    """An incident for each that is not at work; one for all, when the daemon is what is silent."""
    beats = {beat.name: beat.beat_at for beat in context.operations.records(Heartbeat)}
    seen_at, watch = beats.get(heartbeat.WATCH), context.instigator_states.get(heartbeat.WATCH)
    is_silent = seen_at is not None and context.now - seen_at > heartbeat.LEAST_SILENCE
    if is_silent and (watch is None or watch.is_running):
        happened = (
            f"Nothing runs by itself: Dagster's daemon has not run a sensor since {seen_at:%Y-%m-%d %H:%M} UTC, "
            "neither a night nor an alert."
        )
        yield context.incident("clockwork daemon", Alert.SILENCE, happened, command=START_DAEMON)
        return
    health = [*_instigators(context, beats), *_daemons(context)]
    for each, happened in heartbeat.faults(health, awake_since=beats.get(heartbeat.AWAKE)).items():
        # By itself `dagster` reads `.env`, which may name another state than the variables of whoever is told.
        command = f"python -m resources.home dagster {each.kind} start {each.name} -w workspace.yaml"
        start = f"`{command}`, or its page in the UI (`make ui`)."
        command = START_DAEMON if each.kind == "daemon" else start
        yield context.incident(f"clockwork {each.name}", Alert.SILENCE, happened, command=command)


def _instigators(context: ProbeContext, beats: Mapping[str, dt.datetime]) -> Iterator[InstigatorHealth]:
    latest = context.now - heartbeat.LEAST_SILENCE
    for each in (*context.repository.schedule_defs, *context.repository.sensor_defs):
        if (state := context.instigator_states.get(each.name)) is None:
            continue
        ticks = ended_ticks(context.instance, state, limit=2 * heartbeat.TICKS)
        seen = [dt.datetime.fromtimestamp(tick.timestamp, dt.UTC) for tick in ticks if error_of(tick) is None]
        seen += [beats[each.name]] if each.name in beats else []
        if isinstance(each, dg.ScheduleDefinition):
            kind, expected_since = "schedule", scheduled_before(each, latest, ticks=heartbeat.TICKS)
        else:
            interval = dt.timedelta(seconds=each.minimum_interval_seconds or 0)
            kind, expected_since = "sensor", min(latest, context.now - heartbeat.TICKS * interval)
        yield InstigatorHealth(
            name=each.name,
            kind=kind,
            is_stopped=not state.is_running,
            ticks=tuple(error_of(tick) for tick in ticks),
            seen_at=max(seen, default=None),
            expected_since=expected_since,
        )


def _daemons(context: ProbeContext) -> Iterator[InstigatorHealth]:
    """The daemon's threads, each by its own heartbeat: the scheduler can die and leave the sensors running."""
    for kind, status in context.instance.get_daemon_statuses().items():
        if status.required and status.last_heartbeat:
            yield InstigatorHealth(
                name=kind,
                kind="daemon",
                seen_at=dt.datetime.fromtimestamp(status.last_heartbeat.timestamp, dt.UTC),
                expected_since=context.now - heartbeat.LEAST_SILENCE,
            )
