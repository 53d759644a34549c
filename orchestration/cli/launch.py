"""Running a job from the command line: in this process, in the real instance, with progress, and resumable.

One `nightcart` runs at a time (`orchestration.runs.locks`); what one that was killed had not finished is done by the next.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from assets.partitions import PARTITION_TAG, RANGE_TAGS
from assets.quality.costs import settle_the_end
from assets.reporting import WARNING
from orchestration import definitions
from orchestration.cli import context
from orchestration.cli.drawing import console, say, styled
from orchestration.jobs import night_selection
from orchestration.runs import attempts as retraining_attempts
from orchestration.runs.locks import hold
from orchestration.runs.orphans import HOST_TAG, LAUNCH_TAG, fail_orphaned_runs, host
from orchestration.runs.outcomes import PARENT_TAG, WAITS, broken_gates, failures
from orchestration.runs.submission import ROOT_TAG, ask_for, end_of_all
from orchestration.tags import RETAILER
from resources import home
from resources.config.deployment import load_deployment, sqlite_url
from resources.records.health import require_whole
from resources.records.lifecycle import Attempt
from resources.text import on_one_line

if TYPE_CHECKING:
    from dagster import AssetKey

    from assets.quality.gates import Gates

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def nightly_job() -> dg.JobDefinition:
    """The nightly job, for :func:`dagster.reconstructable`."""
    return definitions.defs.resolve_job_def("nightly")


def retraining_job() -> dg.JobDefinition:
    """The retraining job, for :func:`dagster.reconstructable`."""
    return definitions.defs.resolve_job_def("retraining")


def backfill_job() -> dg.JobDefinition:
    """The backfill job, for :func:`dagster.reconstructable`."""
    return definitions.defs.resolve_job_def("backfill")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: its id, seconds, and what failed, in sentences."""

    run_id: str
    is_success: bool
    seconds: float
    failures: Sequence[str] = ()
    has_broken_checks: bool = False


@contextlib.contextmanager
def running() -> Iterator[dg.DagsterInstance]:
    """The real instance, held by this process alone among the `nightcart` commands that run something."""
    atexit.register(settle_the_end)  # when all is shown
    with home.kept(), hold(home.state(), context.resources().operations):
        require_whole(_databases())
        with dg.DagsterInstance.get() as instance:
            fail_orphaned_runs(instance)
            yield instance


def _databases() -> dict[str, str]:
    """The databases that a night writes into, by what is in them; those of Dagster that are on this machine."""
    reached, dagster = context.resources(), Path(os.environ.get("DAGSTER_HOME", home.state() / "dagster"))
    history = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
    return {
        "records": reached.operations.url,
        "models": reached.registry.tracking_uri,
        **{f"Dagster's {Path(name).stem}": sqlite_url(dagster / name) for name in history},
    }


def mark_lists(day: dt.date, *, because: str) -> None:
    """Mark the published lists as carried over, whatever state the records are in: these follow with the next good night."""
    from assets.grocery.publication.served import carry_over

    reached = context.resources()
    with contextlib.suppress(Exception):
        carry_over(
            replace(reached.tables, ledger=None),
            reached.operations,
            night=day,
            because=because,
            now=dt.datetime.now(dt.UTC),
        )


def has_sensors(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon is there that evaluates sensors."""
    status = instance.get_daemon_statuses().get("SENSOR")
    return bool(status and status.healthy)


def run_night(
    instance: dg.DagsterInstance, day: dt.date, *, attempts: Sequence[dg.DagsterRun], has_champion: bool
) -> Outcome:
    """Run the nightly of `day`: what a night makes, or what the failed `attempts` (newest first) left undone of it."""
    graph = nightly_job().asset_layer.asset_graph
    wanted = night_selection(has_champion=has_champion).resolve(graph)
    todo = undone(
        children={key: graph.get(key).child_keys for key in wanted},
        made_together=[graph.get(key).execution_set_asset_keys for key in wanted],
        checks={key: gates_of(key) for key in wanted},
        done=open_gates(instance, attempts, day),
    )
    tags = {PARTITION_TAG: day.isoformat()}
    if attempts and len(todo) < len(wanted):
        root = attempts[-1].run_id
        tags |= {PARENT_TAG: attempts[0].run_id, ROOT_TAG: root}
        names = ", ".join(sorted(key.to_user_string() for key in todo))
        say("  goes on after run {}: {}", attempts[0].run_id[:8], names)
    return execute(instance, nightly_job, assets=todo, tags=tags, title=f"night of {day}")


def run_retraining(instance: dg.DagsterInstance, attempt: Attempt, day: dt.date) -> Outcome:
    """Run the retraining that `attempt` has asked for."""
    tags = {PARTITION_TAG: day.isoformat(), **retraining_attempts.tags(attempt, of=context.resources().settings.name)}
    return execute(instance, retraining_job, assets=assets_of_training(), tags=tags, title=f"retraining of {day}")


def assets_of_training() -> Set[AssetKey]:
    """The assets of a training."""
    return frozenset(retraining_job().asset_layer.executable_asset_keys)


def run_range(instance: dg.DagsterInstance, assets: Set[AssetKey], first: dt.date, last: dt.date) -> Outcome:
    """Materialise assets for a range of days in one run."""
    return execute(instance, backfill_job, assets=assets, tags=_tags_of(first, last), title=f"{first} … {last}")


def undone(
    *,
    children: Mapping[AssetKey, Iterable[AssetKey]],
    made_together: Iterable[Set[AssetKey]],
    checks: Mapping[AssetKey, Sequence[str]],
    done: Mapping[AssetKey, Set[str]],
) -> set[AssetKey]:
    """What is left to make: what was not made, or whose checks do not all let it through, and everything downstream.

    `done` has the assets that were made, each with the names of the checks that let it through.
    """
    todo = {key for key in children if key not in done or not set(checks[key]) <= done[key]}
    while True:
        more = {child for key in todo for child in children[key] if child in children}
        more |= {key for group in made_together if group & todo for key in group}
        if more <= todo:
            return todo
        todo |= more


def gates_of(asset: AssetKey) -> list[str]:
    """The checks of an asset that stop what is downstream."""
    return [gate.check for gates in _gates_of(asset).values() for gate in gates]


def _gates_of(asset: AssetKey) -> Gates:
    return definitions.GATES.of_asset(asset.to_user_string())


def open_gates(
    instance: dg.DagsterInstance, attempts: Sequence[dg.DagsterRun], day: dt.date
) -> dict[AssetKey, set[str]]:
    """What the attempts made, each with those of its gates that are open for `day` now.

    They may be so by a later look (`nightcart check`) or because a person has overridden them.
    """
    made = {
        entry.dagster_event.asset_key
        for run in attempts
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        if entry.dagster_event and entry.dagster_event.asset_key
    }
    if not made:
        return {}
    operations, now = context.resources().operations, dt.datetime.now(dt.UTC)
    done = {}
    for asset in made:
        gates = _gates_of(asset)
        needs = {
            subject: of_subject[0].present([day], **context.resources().by_name())
            for subject, of_subject in gates.items()
        }
        shut = {each.gate.check for each in gates.closed(operations, needs, now=now)}
        done[asset] = set(gates_of(asset)) - shut
    return done


def run_checks(
    instance: dg.DagsterInstance, asset: AssetKey, days: tuple[dt.date, dt.date] | None, *, title: str
) -> Outcome:
    """Run an asset's checks, and those that are made in one step with them, on what is stored for the days."""
    graph = backfill_job().asset_layer.asset_graph
    checks = {
        each
        for key in graph.get_check_keys_for_assets({asset})
        for each in graph.get_execution_set_asset_and_check_keys(key)
        if isinstance(each, dg.AssetCheckKey)
    }
    return execute(instance, backfill_job, checks=checks, tags=_tags_of(*days) if days else {}, title=title)


def _tags_of(first: dt.date, last: dt.date) -> dict[str, str]:
    if first == last:
        return {PARTITION_TAG: first.isoformat()}
    return {RANGE_TAGS[0]: first.isoformat(), RANGE_TAGS[1]: last.isoformat()}


def execute(
    instance: dg.DagsterInstance,
    job: Callable[[], dg.JobDefinition],
    *,
    assets: Set[AssetKey] = frozenset(),
    checks: Set[dg.AssetCheckKey] = frozenset(),
    tags: Mapping[str, str],
    title: str,
) -> Outcome:
    """Run a selection of a job's assets with their checks, or `checks` alone, and show each step as it goes."""
    launch, began = uuid.uuid4().hex, time.monotonic()
    # Without its checks, a selection of assets would take along those that are in no job.
    checks = checks or job().asset_layer.asset_graph.get_check_keys_for_assets(assets)
    tags = {**tags, RETAILER: context.resources().settings.name, LAUNCH_TAG: launch}
    if workspace := load_deployment().workspace:
        run = ask_for(instance, workspace, job().name, assets=assets, checks=checks, tags=tags)
        say("  run {}", run.run_id[:8])
        with _shown(instance, run.tags.get(LAUNCH_TAG, launch), title):
            run_id = end_of_all(instance, run, say=lambda lost: say("  [yellow]↻[/] {}", lost)).run_id
    else:
        with _shown(instance, launch, title):
            run_id = dg.execute_job(
                dg.reconstructable(job).get_subset(asset_selection=set(assets), asset_check_selection=set(checks)),
                instance=instance,
                run_config=QUIET,
                # Its command goes on with it, or the watch tells of it: Dagster must not start it again beside them.
                tags={**tags, HOST_TAG: host(), "dagster/max_retries": "0"},
            ).run_id
    run = instance.get_run_by_id(run_id)
    outcome = Outcome(
        run_id=run_id,
        is_success=run is not None and run.is_success,
        seconds=time.monotonic() - began,
        failures=tuple(failed.message for failed in failures(instance, run_id)),
        has_broken_checks=bool(broken_gates(instance, run_id)),
    )
    return outcome


@contextlib.contextmanager
def _shown(instance: dg.DagsterInstance, launch: str, title: str) -> Iterator[None]:
    """Follow the run with the tag `launch` in the event log, and show its steps, until the context ends."""
    is_over = threading.Event()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(title, total=None)
        follower = threading.Thread(
            target=_follow, args=(instance, launch, title, progress, task, is_over), daemon=True
        )
        follower.start()
        try:
            yield
        finally:
            is_over.set()
            follower.join(timeout=5)


def _follow(
    instance: dg.DagsterInstance, launch: str, title: str, progress: Progress, task: TaskID, is_over: threading.Event
) -> None:
    run_id, cursor, began = None, None, {}
    while True:
        was_over = is_over.wait(0.25)
        with contextlib.suppress(Exception):  # a storage that does not answer is told by the run; it may answer again
            if run_id is None:
                runs = instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: launch}), limit=1)
                if runs:
                    run_id = runs[0].run_id
                    plan = instance.get_execution_plan_snapshot(str(runs[0].execution_plan_snapshot_id))
                    progress.update(task, total=len(plan.step_keys_to_execute))
            while run_id is not None:
                page = instance.get_records_for_run(run_id, cursor=cursor, limit=500)
                cursor = page.cursor
                for record in page.records:
                    _show(record.event_log_entry, title, progress, task, began)
                if not page.has_more:
                    break
        if was_over:
            return


def _show(entry: dg.EventLogEntry, title: str, progress: Progress, task: TaskID, began: dict[str, float]) -> None:
    event = entry.dagster_event
    if event is None:
        message = on_one_line(entry.user_message)[:90]
        progress.update(task, description=f"{title}: {entry.step_key} · {message}")
        return
    kind, step = event.event_type, str(event.step_key)
    if kind == dg.DagsterEventType.STEP_START:
        began[step] = entry.timestamp
        progress.update(task, description=f"{title}: {step}")
    elif kind in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
        is_good = kind == dg.DagsterEventType.STEP_SUCCESS
        mark = styled("[green]✓[/]" if is_good else "[red]✗[/]")
        seconds = entry.timestamp - began.get(step, entry.timestamp)
        progress.console.print(styled("  {} {:<46} [dim]{:6.1f} s[/]", mark, step, seconds))
        progress.advance(task)
    elif kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
        if warning := event.step_materialization_data.materialization.metadata.get(WARNING):
            progress.console.print(styled("  [yellow]![/] {}", warning.value))
    elif kind == dg.DagsterEventType.ENGINE_EVENT and entry.message.startswith(WAITS):
        progress.console.print(styled("  [yellow]![/] {}", entry.message))
    elif kind == dg.DagsterEventType.STEP_RESTARTED:
        progress.console.print(styled("  [yellow]↻[/] {} is tried again", step))
