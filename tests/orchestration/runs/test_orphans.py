"""What becomes of the run of a command, or of a worker, that was killed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import consume_new_runs_for_automatic_reexecution

from orchestration.runs.dagster_internals import LOCAL_WORKER_TAG
from orchestration.runs.locks import hold
from orchestration.runs.nights import is_retried
from orchestration.runs.orphans import (
    HOST_TAG,
    LAUNCH_TAG,
    LAUNCHES,
    fail_runs_of_dead_workers,
    fail_runs_of_killed_commands,
    launch_lost_retries,
)
from orchestration.runs.outcomes import PARENT_TAG, WILL_RETRY_TAG
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


class NoCodeLocation:
    """The workspace of a daemon whose code location is away."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def create_request_context(self) -> None:
        raise ConnectionError("UNAVAILABLE")


@pytest.fixture
def retrying(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), {"run_retries": {"enabled": True, "max_retries": 3}}) as instance:
        yield instance


def lost_retry(instance: dg.DagsterInstance) -> str:
    """A run whose pod is gone, and whose retry Dagster could not launch."""
    run_id = under_way(instance)
    run = instance.get_run_by_id(run_id)
    assert run
    instance.report_run_failed(run, "Its pod is gone.")
    dagster_tries_again(instance)
    return run_id


def dagster_tries_again(instance: dg.DagsterInstance) -> None:
    list(
        consume_new_runs_for_automatic_reexecution(
            NoCodeLocation(instance),  # pyright: ignore[reportArgumentType]
            [each for each in instance.get_run_records() if is_retried(each.dagster_run)],
            logging.getLogger("dagster"),
        )
    )


def test_a_retry_that_dagster_could_not_launch_is_launched_once_the_code_is_there(retrying: dg.DagsterInstance) -> None:
    run_id = lost_retry(retrying)
    lost = retrying.get_run_by_id(run_id)
    assert lost
    assert not is_retried(lost)
    retrying.report_engine_event("Ignoring a run worker that started after the run had already finished.", lost)
    assert launch_lost_retries(retrying) == [run_id]
    again = retrying.get_run_by_id(run_id)
    assert again
    assert is_retried(again)
    told = retrying.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)  # by which the daemon comes by
    assert [each.dagster_event.message for each in told if each.dagster_event] == ["Its pod is gone."] * 2
    assert not launch_lost_retries(retrying), "it is being launched"


def test_a_retry_that_can_never_be_launched_is_left(retrying: dg.DagsterInstance) -> None:
    lost_retry(retrying)
    for _ in range(LAUNCHES - 1):
        assert launch_lost_retries(retrying)
        dagster_tries_again(retrying)
    assert not launch_lost_retries(retrying)


def test_what_nobody_wanted_to_launch_again_or_a_person_has_is_left(retrying: dg.DagsterInstance) -> None:
    lost = lost_retry(retrying)
    under_way(retrying, **{PARENT_TAG: lost})
    failed = under_way(retrying, **{"dagster/max_retries": "0"})
    run = retrying.get_run_by_id(failed)
    assert run
    retrying.report_run_failed(run, "A step failed.")
    assert run.run_id in {each.run_id for each in retrying.get_runs(dg.RunsFilter(tags={WILL_RETRY_TAG: "false"}))}
    assert not launch_lost_retries(retrying)
