"""What runs tell: whether they are under way, and what failed in them."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def evaluations(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Every check that was evaluated in a run."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event:
            yield entry.dagster_event.asset_check_evaluation_data


def failures(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """What failed in a run: the checks that did not pass, else the error of each step that began."""
    checks = [
        f"{evaluation.asset_key.to_user_string()} breaks {evaluation.check_name}: {evaluation.description or ''}"
        for evaluation in evaluations(instance, run_id)
        if not evaluation.passed
    ]
    steps = []
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        if entry.dagster_event:
            data = entry.dagster_event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            steps.append(f"{entry.step_key}: {told or (data.error.message.strip() if data.error else 'failed')}")
    return checks or steps
