"""What becomes of the run of a command, or of a worker, that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from orchestration.runs.dagster_internals import LOCAL_WORKER_TAG
from orchestration.runs.locks import hold
from orchestration.runs.orphans import HOST_TAG, LAUNCH_TAG, fail_runs_of_dead_workers, fail_runs_of_killed_commands
from resources.records.store import OperationsDatabase

FAILURE = dg.DagsterRunStatus.FAILURE


@dg.job
def nightly() -> None: ...


def under_way(instance: dg.DagsterInstance, **tags: str) -> str:
    run = instance.create_run_for_job(nightly, tags=tags, status=dg.DagsterRunStatus.STARTED)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_the_run_of_a_killed_command_is_closed_by_whoever_looks(
    instance: dg.DagsterInstance, tmp_path: Path, operations: OperationsDatabase
) -> None:
    killed = under_way(instance, **{LAUNCH_TAG: "a"})
    of_the_daemon = under_way(instance)
    fail_runs_of_killed_commands(instance, tmp_path, operations)
    assert status(instance, killed) == dg.DagsterRunStatus.FAILURE
    assert status(instance, of_the_daemon) == dg.DagsterRunStatus.STARTED


def test_the_run_of_a_command_that_is_at_work_stays(
    instance: dg.DagsterInstance, tmp_path: Path, operations: OperationsDatabase
) -> None:
    at_work = under_way(instance, **{LAUNCH_TAG: "a"})
    with hold(tmp_path, operations):
        fail_runs_of_killed_commands(instance, tmp_path, operations)
    assert status(instance, at_work) == dg.DagsterRunStatus.STARTED


ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("grocery"), "repository"), "nightly")


def test_a_run_that_the_daemon_executes_is_not_a_commands_whatever_tags_it_has_taken_along(
    instance: dg.DagsterInstance, tmp_path: Path, operations: OperationsDatabase
) -> None:
    instance.create_run_for_job(nightly, tags={LAUNCH_TAG: "a"}, status=dg.DagsterRunStatus.FAILURE)
    launched = [
        instance.create_run_for_job(
            nightly,
            tags={LAUNCH_TAG: launch},
            status=dg.DagsterRunStatus.STARTED,
            remote_job_origin=ORIGIN,
            job_code_origin=dg.reconstructable(nightly).get_python_origin(),
        ).run_id
        for launch in ("a", "made up")
    ]
    fail_runs_of_killed_commands(instance, tmp_path, operations)
    assert [status(instance, run_id) for run_id in launched] == [dg.DagsterRunStatus.STARTED] * 2


def test_a_living_process_is_not_taken_for_killed_because_of_a_tag(
    instance: dg.DagsterInstance, tmp_path: Path, operations: OperationsDatabase
) -> None:
    """As `dg launch` with the tag, which holds no lock."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    alive, killed = (at_work_in(instance, pid, **{LAUNCH_TAG: str(pid)}) for pid in (os.getpid(), gone.pid))
    fail_runs_of_killed_commands(instance, tmp_path, operations)
    assert (status(instance, alive), status(instance, killed)) == (dg.DagsterRunStatus.STARTED, FAILURE)


def test_the_run_of_a_killed_command_is_closed_whatever_has_its_number_on_another_machine(
    instance: dg.DagsterInstance, tmp_path: Path, operations: OperationsDatabase
) -> None:
    killed = at_work_in(instance, os.getpid(), **{LAUNCH_TAG: "a", HOST_TAG: "a pod that is gone"})
    fail_runs_of_killed_commands(instance, tmp_path, operations)
    assert status(instance, killed) == FAILURE


def at_work_in(instance: dg.DagsterInstance, pid: int, **tags: str) -> str:
    run_id = under_way(instance, **tags)
    run = instance.get_run_by_id(run_id)
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run_id


def launched(instance: dg.DagsterInstance, pid: int, *, is_local: bool = True) -> str:
    return at_work_in(instance, pid, **({LOCAL_WORKER_TAG: "{}"} if is_local else {}))


def test_the_run_of_a_worker_that_is_gone_is_closed_and_no_other(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    with subprocess.Popen(["sleep", "60"]) as another:  # that has got its number
        killed, recycled = launched(instance, gone.pid), launched(instance, another.pid)
        at_work, elsewhere = launched(instance, os.getpid()), launched(instance, gone.pid, is_local=False)
        fail_runs_of_dead_workers(instance)
        another.kill()
    closed = [run for run in (killed, recycled, at_work, elsewhere) if status(instance, run) == FAILURE]
    assert closed == [killed, recycled]
