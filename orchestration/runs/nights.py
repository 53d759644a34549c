"""What is known of a business day's night before it is launched, by whomever: a night is run once.

The schedule and the sensor both launch nights, and both ask here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from assets.lifecycle.champion import serving
from assets.partitions import ONE_DAY
from orchestration.jobs import night_selection, nightly
from orchestration.runs.outcomes import PARTITION_TAG, RANGE_TAGS
from resources.config.retailer import Settings
from resources.feeds import landing
from resources.records.alerts import Heartbeat
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ARRIVAL_SENSOR = "ingest_on_arrival"
# The sensor looks every half minute; one that was silent for so long is stopped, or its daemon is down with it.
SILENCE = dt.timedelta(minutes=15)
MOST_RUNS = 200


@dataclass(frozen=True, kw_only=True)
class Night:
    """The newest run of a business day's nightly in each state that matters, by its id."""

    done: str | None = None
    under_way: str | None = None
    failed: str | None = None


def night_so_far(instance: dg.DagsterInstance, day: dt.date) -> Night:
    """How far the night of `day` is: a night that is done or under way is not launched again."""
    runs = instance.get_runs(dg.RunsFilter(job_name=nightly.name, tags={PARTITION_TAG: day.isoformat()}), limit=20)

    def newest(*statuses: dg.DagsterRunStatus) -> str | None:
        return next((run.run_id for run in runs if run.status in statuses), None)

    return Night(
        done=newest(dg.DagsterRunStatus.SUCCESS),
        under_way=newest(*UNDER_WAY),
        failed=newest(dg.DagsterRunStatus.FAILURE),
    )


def nights_done(instance: dg.DagsterInstance) -> set[dt.date]:
    """The business days of the last nights that are done."""
    runs = instance.get_runs(
        dg.RunsFilter(job_name=nightly.name, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=MOST_RUNS
    )
    return {day for run in runs for day in days_of_run(run)}


def days_under_way(instance: dg.DagsterInstance) -> dict[dt.date, str]:
    """The business days that runs are at work on, of whatever job, with the run's job."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY), limit=MOST_RUNS)
    return {day: run.job_name for run in runs for day in days_of_run(run)}


def days_of_run(run: dg.DagsterRun) -> list[dt.date]:
    """The business days of a run: one, those of a range, or none."""
    first, last = (run.tags.get(tag, run.tags.get(PARTITION_TAG)) for tag in RANGE_TAGS)
    try:
        start, end = dt.date.fromisoformat(first or ""), dt.date.fromisoformat(last or "")
    except ValueError:
        return []
    return [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]


def night_request(
    day: dt.date,
    *,
    run_key: str,
    operations: OperationsDatabase,
    graph: BaseAssetGraph,
    now: dt.datetime,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest:
    """What a schedule or sensor asks for, for the night of `day`: with the training only while nobody is champion."""
    champion = serving(operations, day - ONE_DAY, now=now)
    return dg.RunRequest(
        job_name=nightly.name,
        partition_key=day.isoformat(),
        run_key=run_key,
        asset_selection=sorted(night_selection(has_champion=champion is not None).resolve(graph)),
        tags=dict(tags or {}),
    )


def is_left_to_arrival(day: dt.date, *, settings: Settings, operations: OperationsDatabase, now: dt.datetime) -> bool:
    """Whether the night of `day` is the sensor's: it is at work, and the day has files in the landing place.

    Complete or not: two that look at the same moment must not both launch it. A sensor that is silent leaves it here.
    """
    if settings.landing is None:
        return False
    beats = [beat.beat_at for beat in operations.records(Heartbeat, name=ARRIVAL_SENSOR)]
    if not beats or now - max(beats) > SILENCE:
        return False
    return any(file.day == day for file in landing.look(settings.landing))
