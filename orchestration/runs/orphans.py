"""Orphaned runs: marked as under way, with nobody at work on them. Until they are failed, nothing else touches their day.

A command's run is orphaned when it is under way, its process gone, and the lock of the state (`orchestration.runs.locks`) free. The
worker of a run that the daemon launched on this machine is missed by the code server that is its parent, but by nobody
when both died, with the machine or by a restart of all of Dagster: its launcher cannot be asked, and run monitoring waits
for the longest run time. And a run that failed is orphaned when its retry could not be launched, for Dagster asks the code
location for it once: a drained node takes both.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
from pathlib import Path

import dagster as dg

from orchestration.runs.dagster_internals import LOCAL_WORKER_TAG, RETRY_NOT_LAUNCHED, is_of_a_launcher
from orchestration.runs.locks import hold
from orchestration.runs.nights import UNDER_WAY
from orchestration.runs.outcomes import PARENT_TAG, WILL_RETRY_TAG
from resources.errors import Refused
from resources.records.base import RecordStore

LAUNCH_TAG = "nightcart/launch"  # on every run of a command
LAUNCHES = 5  # of a retry, before it is left
AS_NEW = dt.timedelta(hours=1)  # an older failure is left to those who have been told
HOST_TAG = "nightcart/host"  # and the machine that it runs on: a process is looked for on its own


def fail_runs_of_killed_commands(instance: dg.DagsterInstance, state: Path, records: RecordStore) -> list[str]:
    """Fail the commands' runs that are orphaned, unless a command is at work now; returns their ids."""
    if _of_commands(instance):
        with contextlib.suppress(Refused), hold(state, records, patience=0):
            return fail_orphaned_runs(instance)
    return []


def fail_orphaned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail all runs of commands that are under way, and free their slots: to be called by the holder of the lock."""
    return [_fail(instance, run, "The nightcart process that ran this was killed.") for run in _of_commands(instance)]


def fail_runs_of_dead_workers(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs whose worker process is gone; to be called on the machine of the code server, the workers' parent.

    Dagster starts them again, or the sensor that asked for them does, each by its own rule. Returns their ids.
    """
    failed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        worker = _worker(instance, run) if LOCAL_WORKER_TAG in run.tags else None
        if worker is None or _is_alive(worker):
            continue
        # A worker puts its end on record before it is gone: who is gone by now has, or never will.
        again = instance.get_run_by_id(run.run_id)
        if again and again.status == dg.DagsterRunStatus.STARTED:
            failed.append(_fail(instance, again, f"Its worker is gone (process {worker}): it was killed."))
    return failed


def launch_lost_retries(instance: dg.DagsterInstance) -> list[str]:
    """Let Dagster launch again what it could not, by the failure reported once more; returns the ids of those that failed."""
    since = dt.datetime.now(dt.UTC) - AS_NEW
    given_up = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], tags={WILL_RETRY_TAG: "false"}, updated_after=since
    )
    lost = []
    for run in instance.get_runs(given_up):
        events = [
            event.dagster_event
            for event in instance.all_logs(
                run.run_id, of_type={dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.RUN_FAILURE}
            )
            if event.dagster_event
        ]
        attempts = [place for place, event in enumerate(events) if event.message == RETRY_NOT_LAUNCHED]
        failed = [place for place, event in enumerate(events) if event.is_run_failure]
        if not attempts or not failed or attempts[-1] < failed[-1] or len(attempts) >= LAUNCHES:
            continue
        if not instance.get_runs(dg.RunsFilter(tags={PARENT_TAG: run.run_id}), limit=1):  # nor has a person
            last = events[failed[-1]]
            instance.report_run_failed(run, last.message, last.event_specific_data)  # pyright: ignore[reportArgumentType]
            lost.append(run.run_id)
    return lost


def _fail(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> str:
    instance.report_run_failed(run, message=message)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return run.run_id


def _worker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The process of a run, as its first event tells."""
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        if entry.dagster_event and (pid := entry.dagster_event.engine_event_data.metadata.get("pid")):
            return int(str(pid.value))
    return None


def _is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is a Python: after a restart of the machine its number may be another's."""
    with contextlib.suppress(OSError):
        if Path("/proc/self").exists():
            return b"python" in Path("/proc", str(pid), "cmdline").read_bytes()
        os.kill(pid, 0)
        return True
    return False


def _of_commands(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs under way that commands started and whose process is gone.

    What the web server or the daemon launched has an origin, whatever tags it has taken along; and whoever else carries
    the tag is asked whether he lives, if that was on this machine: elsewhere he would hold the lock.
    """
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    ours = [run for run in runs if LAUNCH_TAG in run.tags and not is_of_a_launcher(run)]
    here = [run for run in ours if run.tags.get(HOST_TAG, host()) == host()]
    alive = {run.run_id for run in here if (worker := _worker(instance, run)) and _is_alive(worker)}
    return [run for run in ours if run.run_id not in alive]


def host() -> str:
    """What :data:`HOST_TAG` says of this machine, or this pod."""
    return socket.gethostname()
