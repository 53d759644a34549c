"""One `nightcart` command runs at a time on a state: a lock in its folder, which the system frees when its holder dies.

So a run that such a command started, and that is still marked as under way while the lock is free, belongs to a process
that was killed. Whoever looks may close it (:func:`close_runs_of_killed_commands`): until then nothing else touches its day.
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


def _of_commands(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs under way that commands started: who executes one again in the UI takes its tags along."""
    runs = [run for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)) if LAUNCH_TAG in run.tags]
    first = {tag: _first(instance, tag) for tag in {run.tags[LAUNCH_TAG] for run in runs}}
    return [run for run in runs if first[run.tags[LAUNCH_TAG]] == run.run_id]


def _first(instance: dg.DagsterInstance, launch: str) -> str:
    (run,) = instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: launch}), limit=1, ascending=True)
    return run.run_id
