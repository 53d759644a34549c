"""All that is used of Dagster beyond its public API: a test fails when a version of Dagster changes any of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph as AssetGraph
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus
from dagster._utils.schedules import reverse_cron_string_iterator

from resources.backup.dagster_storage import DagsterStorage

__all__ = [
    "LOCAL_WORKER_TAG",
    "RETRY_NOT_LAUNCHED",
    "AssetGraph",
    "CheckRunHealthResult",
    "InstigatorState",
    "InstigatorTick",
    "LaunchRunContext",
    "WorkerStatus",
    "config_of_steps",
    "ended_ticks",
    "error_of",
    "is_of_a_launcher",
    "latest_evaluations",
    "scheduled_before",
    "storage_of",
    "without_image",
]

LOCAL_WORKER_TAG = ".dagster/grpc_info"  # on a run whose worker is a child of the code server
RETRY_NOT_LAUNCHED = "Failed to retry run"  # the event of a run whose retry could not be launched, and never is again


def is_of_a_launcher(run: dg.DagsterRun) -> bool:
    """Whether the web server or the daemon had a run launched, be it once more, and no process that ran it itself."""
    return run.remote_job_origin is not None


def without_image(run: dg.DagsterRun) -> dg.DagsterRun:
    """A run that says nothing of the image of its code location, which Dagster's chart tells that one."""
    if not (origin := run.job_code_origin):
        return run
    repository = origin.repository_origin._replace(container_image=None)
    return run._replace(job_code_origin=origin._replace(repository_origin=repository))


def config_of_steps(instance: dg.DagsterInstance, run: dg.DagsterRun, *, tag: str) -> list[Mapping[str, Any]]:
    """What the steps that a run will do have in a tag of their ops, where they have it."""
    if run.execution_plan_snapshot_id is None:
        return []
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    steps = [step for step in plan.steps if step.key in plan.step_keys_to_execute]
    return [json.loads(step.tags[tag]) for step in steps if step.tags and tag in step.tags]


def submitted(
    instance: dg.DagsterInstance,
    workspace: Path,
    job: str,
    *,
    assets: Set[dg.AssetKey],
    checks: Set[dg.AssetCheckKey],
    tags: Mapping[str, str],
) -> dg.DagsterRun:
    """A run of a selection of a job, queued as the web server queues one; `workspace` says where the code location is."""
    from dagster._core.definitions.selector import JobSubsetSelector
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)])) as process:
        context = process.create_request_context()
        location = context.get_code_location("nightcart")
        (repository,) = location.get_repositories().values()
        selector = JobSubsetSelector(
            location_name=location.name,
            repository_name=repository.name,
            job_name=job,
            op_selection=None,
            asset_selection=assets or None,
            asset_check_selection=checks,
        )
        remote = location.get_job(selector)
        plan = location.get_execution_plan(
            remote, run_config={}, step_keys_to_execute=None, known_state=None, instance=instance
        ).execution_plan_snapshot
        run = instance.create_run(
            job_name=job,
            run_id=None,
            run_config={},
            status=None,
            tags={**remote.tags, **tags},
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=plan.step_keys_to_execute,
            execution_plan_snapshot=plan,
            job_snapshot=remote.job_snapshot,
            parent_job_snapshot=remote.parent_job_snapshot,
            asset_selection=frozenset(assets) or None,
            asset_check_selection=frozenset(checks),
            resolved_op_selection=remote.resolved_op_selection,
            op_selection=None,
            remote_job_origin=remote.get_remote_origin(),
            job_code_origin=remote.get_python_origin(),
            asset_graph=repository.asset_graph,
        )
        return instance.submit_run(run.run_id, context)


def ended_ticks(instance: dg.DagsterInstance, state: InstigatorState, *, limit: int) -> Sequence[InstigatorTick]:
    """The last ticks of a schedule or sensor that came to an end, the newest first."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=limit)
    return [tick for tick in ticks if tick.status != TickStatus.STARTED]


def storage_of(instance: dg.DagsterInstance) -> DagsterStorage:
    """Where an instance keeps runs, events and schedules: a database, or SQLite files."""
    events = instance.event_log_storage
    if url := getattr(events, "postgres_url", None):
        return DagsterStorage(url=url)
    return DagsterStorage(folder=Path(str(getattr(events, "_base_dir"))).parents[1])  # noqa: B009 (it is private)


def error_of(tick: InstigatorTick) -> str | None:
    """Why a tick failed; None when it did not."""
    if tick.status != TickStatus.FAILURE:
        return None
    return tick.error.message.strip() if tick.error else "without a word"


def scheduled_before(schedule: dg.ScheduleDefinition, moment: dt.datetime, *, ticks: int) -> dt.datetime:
    """When the `ticks`-th last tick of a schedule before `moment` was due."""
    times = reverse_cron_string_iterator(moment.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone)
    return [next(times) for _ in range(ticks)][-1]


def latest_evaluations(
    instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]
) -> Mapping[dg.AssetCheckKey, dg.AssetCheckEvaluation]:
    """The newest evaluation of each of `checks` that was ever evaluated."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    events = {key: record.event.dagster_event for key, record in records.items() if record.event}
    return {
        key: event.asset_check_evaluation_data
        for key, event in events.items()
        if event and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }
