"""What is told of the end of a run in which no step failed."""

from __future__ import annotations

import dagster as dg
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from orchestration.runs.outcomes import end_of


@dg.job
def nightly() -> None: ...


def test_a_process_that_could_not_load_the_code_is_told_with_its_reason(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(nightly, status=dg.DagsterRunStatus.STARTED)

    def event(message: str, error: str) -> None:
        told = SerializableErrorInfo(message=error, stack=[], cls_name=error.partition(":")[0])
        instance.report_engine_event(message, run, EngineEventData.engine_error(told))

    event(
        "Could not load job definition.",
        "resources.errors.Refused: The database is of a later version. Remedy: install that.\n",
    )
    instance.report_run_failed(run)
    event("Failed to retry run", "dagster._core.errors.DagsterCodeLocationLoadError: UNAVAILABLE")
    assert end_of(instance, run.run_id) == "The database is of a later version. Remedy: install that."


def test_else_it_is_told_with_dagsters_words(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(nightly, status=dg.DagsterRunStatus.STARTED)
    assert end_of(instance, run.run_id) == "it was ended from outside."
    instance.report_run_failed(run, "Its pod is gone.")
    assert end_of(instance, run.run_id) == "Its pod is gone."
