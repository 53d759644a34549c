"""What failed in a run, as it is told."""

from __future__ import annotations

from types import SimpleNamespace

import dagster as dg

from assets.failures import TOLD_TO_END
from orchestration.runs.outcomes import failures


def test_a_check_that_was_told_to_end_is_told_in_words():
    error = SimpleNamespace(message="dagster._core.errors.DagsterExecutionInterruptedError\n", cls_name="_", cause=None)
    data = SimpleNamespace(user_failure_data=None, error=error)
    entry = SimpleNamespace(step_key="products_are_fit_to_use", dagster_event=SimpleNamespace(step_failure_data=data))
    logs = {dg.DagsterEventType.STEP_FAILURE: [entry]}
    instance = SimpleNamespace(all_logs=lambda _, of_type: logs.get(of_type, []))
    (failed,) = failures(instance, "run")  # pyright: ignore[reportArgumentType]
    assert failed.message == f"products_are_fit_to_use: {TOLD_TO_END}"
