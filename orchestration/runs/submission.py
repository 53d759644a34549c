"""A command's run where runs have machines of their own (NIGHTCART_WORKSPACE): asked for, and followed to its end.

It needs nothing of the command that asked: that may be killed, by an upgrade of its pod for instance, and typed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from pathlib import Path

import dagster as dg

from assets.partitions import PARTITION_TAG, RANGE_TAGS
from orchestration.runs.dagster_internals import submitted
from orchestration.runs.nights import is_retried, runs_under_way
from orchestration.runs.outcomes import WILL_RETRY_TAG

ROOT_TAG = "dagster/root_run_id"
EVERY = 1.0  # seconds between two looks at a run
NOTED = 5.0  # seconds within which it is noted whether a run that failed is launched again
LAUNCHED_AGAIN = 120.0  # seconds within which Dagster's daemon launches a run again


def ask_for(
    instance: dg.DagsterInstance,
    workspace: Path,
    job: str,
    *,
    assets: Set[dg.AssetKey],
    checks: Set[dg.AssetCheckKey],
    tags: Mapping[str, str],
) -> dg.DagsterRun:
    """The run that makes this, queued; or the one that is under way with the very same, for an earlier command asked for it."""
    for run in runs_under_way(instance):
        same_days = all(run.tags.get(tag) == tags.get(tag) for tag in (PARTITION_TAG, *RANGE_TAGS))
        same_work = (run.asset_selection or set()) == assets and (run.asset_check_selection or set()) == checks
        if run.job_name == job and same_days and same_work:
            return run
    return submitted(instance, workspace, job, assets=assets, checks=checks, tags=tags)


def end_of_all(instance: dg.DagsterInstance, run: dg.DagsterRun, *, say: Callable[[str], None]) -> dg.DagsterRun:
    """The run once it has ended, or the last of those that Dagster launched again in its place; each is told to `say`."""
    while True:
        run = _until_finished(instance, run.run_id)
        again = _launched_again(instance, run) if run.is_failure and is_retried(run) else None
        if again is None:
            return run
        say(f"Run {run.run_id[:8]} was lost; {again.run_id[:8]} goes on where it stopped.")
        run = again


def _until_finished(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    ended_at = None
    while True:
        run = instance.get_run_by_id(run_id)
        assert run, "nobody removes a run that is under way"
        if run.is_finished:
            ended_at = ended_at or time.monotonic()
            if not run.is_failure or WILL_RETRY_TAG in run.tags or time.monotonic() - ended_at >= NOTED:
                return run
        time.sleep(EVERY)


def _launched_again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
    until = time.monotonic() + LAUNCHED_AGAIN
    family = dg.RunsFilter(tags={ROOT_TAG: run.root_run_id or run.run_id})
    while time.monotonic() < until:
        if again := next((each for each in instance.get_runs(family) if each.parent_run_id == run.run_id), None):
            return again
        time.sleep(EVERY)
    return None
