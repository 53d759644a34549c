"""How a run ended, read from its events: what failed in it, in sentences, and whether that was a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from assets.failures import TOLD_TO_END, Interrupted
from resources.errors import of_the_machine

PARENT_TAG = "dagster/parent_run_id"
BACKFILL_TAG = "dagster/backfill"
WILL_RETRY_TAG = "dagster/will_retry"
WAITS = "Its pod has not begun."  # begins the message that says what it waits for


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Something that failed in a run. A refusal: a gate did not open, or the input or the order of things was wrong.

    `check` is the asset and the name of a check that did not pass.
    """

    message: str
    is_refusal: bool
    check: tuple[str, str] | None = None


def failures(instance: dg.DagsterInstance, run_id: str) -> list[Failed]:
    """What failed in a run: the blocking checks that did not pass, else the error of each step that began."""
    checks = [
        Failed(
            message=f"{evaluation.asset_key.to_user_string()} breaks {evaluation.check_name}: {evaluation.description or ''}",
            is_refusal=True,
            check=(evaluation.asset_key.to_user_string(), evaluation.check_name),
        )
        for evaluation in broken_gates(instance, run_id)
    ]
    return checks or list(_failed_steps(instance, run_id))


def broken_gates(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """The checks of a run that stopped what is downstream."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]
    return [
        each
        for each in evaluations
        if not each.passed and each.blocking and each.severity == dg.AssetCheckSeverity.ERROR
    ]


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> Iterator[Failed]:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        if entry.dagster_event:
            data = entry.dagster_event.step_failure_data
            failure = data.user_failure_data
            error = data.error
            while error and error.cause and error.cls_name != Interrupted.__name__:
                error = error.cause
            refusal = failure.metadata.get("is_refusal") if failure else None
            yield Failed(
                message=f"{entry.step_key}: {(failure.description if failure else None) or (_said(error.message) if error else 'failed')}",
                is_refusal=bool(refusal and refusal.value),
            )


def _said(message: str) -> str:
    """What an error says that nobody has explained, as those of checks: with its remedy, where it is the machine's."""
    own = message.strip().removeprefix(f"{Interrupted.__module__}.{Interrupted.__name__}: ")
    # Of a check, which nothing explains.
    if own.rstrip(": ").endswith(f".{dg.DagsterExecutionInterruptedError.__name__}"):
        return TOLD_TO_END
    return str(of_the_machine(Exception(own)) or own)


def waits_for(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """What the pod of a run that is starting waits for, as the sensor `fail_on_dead_pod` has put it on record."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    said = [entry.message for entry in entries if entry.message.startswith(WAITS)]
    return said[-1].removeprefix(WAITS).strip() if said else None


def end_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """What Dagster says of the end of a run in which no step failed: it was killed, or lost its worker."""
    entries = instance.all_logs(run_id, of_type={dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.ENGINE_EVENT})
    ends = [entry for entry in entries if entry.dagster_event and entry.dagster_event.is_run_failure]
    if not ends:
        return "it was ended from outside."
    # A process that cannot load the code says why before it fails the run, without a word.
    for entry in reversed(entries):
        error = getattr(entry.dagster_event and entry.dagster_event.event_specific_data, "error", None)
        while error and error.cause:
            error = error.cause
        # No step had begun: the run was not for this process.
        if error and error.message.startswith("resources.errors."):
            return error.message.partition(": ")[2].strip()
    return ends[-1].user_message or ends[-1].message
