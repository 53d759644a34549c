"""Runs that are marked as under way and whose process is dead: until they are closed, nothing else touches their day.

One `nightcart` command runs at a time on a state, by a lock in its folder that the system frees when its holder dies: a
run of a command that is under way while the lock is free belongs to one that was killed. The worker of a run that the
daemon launched on this machine is missed by the code server that is its parent, but by nobody when both died, with the
machine or by a restart of all of Dagster: its launcher cannot be asked, and run monitoring waits for the longest run time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from resources.errors import Refused

LAUNCH_TAG = "nightcart/launch"  # on every run of a command
LOCAL_WORKER_TAG = ".dagster/grpc_info"  # on a run whose worker is a child of the code server, as Dagster puts it there
UNDER_WAY = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
# Who only looks whether the lock is free holds it for a few queries: that is waited for, a night is not.
PATIENCE = 3.0  # seconds


@contextlib.contextmanager
def held(state: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a state; raises :class:`Refused` when another process has it for longer than `patience`."""
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "nightcart.lock", "a+") as lock:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() < until:
                    time.sleep(0.1)
                    continue
                lock.seek(0)
                raise Refused(
                    f"Another nightcart is running on {state} (process {lock.read().strip() or 'unknown'}).",
                    remedy="wait for it to end; `nightcart status` shows what it does.",
                ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def close_runs_of_killed_commands(instance: dg.DagsterInstance, state: Path) -> None:
    """Close the runs of commands that were killed, unless one is at work now."""
    if _of_commands(instance):
        with contextlib.suppress(Refused), held(state, patience=0):
            close_runs_of_the_dead(instance)


def close_runs_of_the_dead(instance: dg.DagsterInstance) -> None:
    """Mark the commands' runs that are under way as failed, and give their pools' slots back; for the lock's holder."""
    for run in _of_commands(instance):
        instance.report_run_failed(run, message="The nightcart process that ran this was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def close_runs_of_dead_workers(instance: dg.DagsterInstance) -> None:
    """Close the runs whose worker process is gone; to be asked in the code server, whose children the workers are.

    Dagster starts them again, or the sensor that asked for them does, each by its own rule.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        worker = _worker(instance, run) if LOCAL_WORKER_TAG in run.tags else None
        if worker is None or _is_alive(worker):
            continue
        # A worker puts its end on record before it is gone: who is gone by now has, or never will.
        again = instance.get_run_by_id(run.run_id)
        if again and again.status == dg.DagsterRunStatus.STARTED:
            instance.report_run_failed(again, message=f"Its worker is gone (process {worker}): it was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _worker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The process of a run, as its first event tells."""
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        if entry.dagster_event and (pid := entry.dagster_event.engine_event_data.metadata.get("pid")):
            return int(str(pid.value))
    return None


def _is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is a Python: after a restart of the machine its number may be another's."""
    command = Path("/proc", str(pid), "cmdline")
    with contextlib.suppress(OSError):
        if Path("/proc/self").exists():
            return command.exists() and b"python" in command.read_bytes()
        os.kill(pid, 0)
        return True
    return False


def _of_commands(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs under way that commands started: who executes one again in the UI takes its tags along."""
    runs = [run for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)) if LAUNCH_TAG in run.tags]
    first = {tag: _first(instance, tag) for tag in {run.tags[LAUNCH_TAG] for run in runs}}
    return [run for run in runs if first[run.tags[LAUNCH_TAG]] == run.run_id]


def _first(instance: dg.DagsterInstance, launch: str) -> str:
    (run,) = instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: launch}), limit=1, ascending=True)
    return run.run_id
