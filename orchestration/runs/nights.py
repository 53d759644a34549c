"""Every question about nightly runs and runs under way, and the request for a night: a night is run once.

Schedules, sensors, probes and commands ask here. How a run ended is in `orchestration.runs.outcomes`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from assets.lifecycle.champion import serving
from assets.partitions import PARTITION_TAG, first_and_last
from orchestration.jobs import ALERTING, night_selection, nightly
from orchestration.runs.outcomes import PARENT_TAG, WILL_RETRY_TAG
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.feeds import landing
from resources.records.alerts import Heartbeat
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    from orchestration.runs.dagster_internals import AssetGraph

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
# What nothing else of a night follows: who has made these has made the night.
ENDS = frozenset({"published_recommendations", "retraining_decision"})
MOST_DAYS = 366 * 20  # of a run; whoever launches one may claim any
NIGHTS_READ = 1000  # nightly runs, the newest: years of nights, for a query of milliseconds


@dataclass(frozen=True, kw_only=True)
class Night:
    """The newest run of a business day's nightly in each state that matters, by its id."""

    done: str | None = None
    under_way: str | None = None
    failed: str | None = None


def runs_of_night(instance: dg.DagsterInstance, day: dt.date) -> list[dg.DagsterRun]:
    """The nightly runs of a business day, the newest first; without what a person had made of it alone (:func:`_is_a_part`)."""
    runs = instance.get_runs(dg.RunsFilter(job_name=nightly.name, tags={PARTITION_TAG: day.isoformat()}))
    return [run for run in runs if not _is_a_part(instance, run)]


def _is_a_part(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run that went well made some steps of a night alone, as Dagster's UI offers, and so is none.

    One that goes on after another has what that one made.
    """
    if not run.is_success:
        return False
    assets, earlier = {key.to_user_string() for key in run.asset_selection or ()}, run
    lacking = set(ENDS - ((assets or ENDS) & {*(run.step_keys_to_execute or ENDS)}))
    while lacking and (earlier := instance.get_run_by_id(earlier.tags.get(PARENT_TAG, ""))):
        events = instance.all_logs(earlier.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        lacking -= {str(event.step_key) for event in events}
    return bool(lacking)


def require_later(instance: dg.DagsterInstance, done: dg.DagsterRun, *, now: dt.datetime) -> None:
    """Raise :class:`Refused` where the night that was `done` is asked for before it ended: another is meant, by a clock that is wrong."""
    record = instance.get_run_record_by_id(done.run_id)
    ended = dt.datetime.fromtimestamp((record and record.end_time) or 0, dt.UTC)
    if now < ended:
        raise Refused(
            f"The night of {done.tags[PARTITION_TAG]} was done by run {done.run_id[:8]} at {ended:%Y-%m-%d %H:%M:%S} UTC, and the clock "
            f"of this machine says {now:%Y-%m-%d %H:%M:%S}: it is behind, or was ahead then.",
            remedy="see that the clock is right (`timedatectl`); then `nightcart replay --days 1` makes the next night.",
        )


def night_so_far(instance: dg.DagsterInstance, day: dt.date) -> Night:
    """How far the night of `day` is: a night that is done or under way is not launched again."""
    runs = runs_of_night(instance, day)

    def newest(*statuses: dg.DagsterRunStatus) -> str | None:
        return next((run.run_id for run in runs if run.status in statuses), None)

    return Night(
        done=newest(dg.DagsterRunStatus.SUCCESS),
        under_way=newest(*UNDER_WAY),
        failed=newest(dg.DagsterRunStatus.FAILURE),
    )


def newest_runs(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> dict[dt.date, dg.DagsterRun]:
    """The newest nightly run of each business day that is in one of `statuses` (of any, without one), newest run first.

    Runs that Dagster itself starts again, as it does when a worker died, are left out: the next one counts.
    """
    runs = instance.get_runs(dg.RunsFilter(job_name=nightly.name, statuses=list(statuses)), limit=NIGHTS_READ)
    newest: dict[dt.date, dg.DagsterRun] = {}
    for run in runs:
        for day in [] if is_retried(run) or _is_a_part(instance, run) else days_of_run(run):
            newest.setdefault(day, run)
    return newest


def lost_nights(instance: dg.DagsterInstance, *, today: dt.date) -> dict[dt.date, dg.DagsterRun]:
    """The nights, in order, whose last run to end failed, after the last night that did not.

    A night of a day that is not over was asked for by a clock that was ahead: it is neither lost nor good yet.
    """
    runs = newest_runs(instance, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    ended = {day: run for day, run in runs.items() if day < today}
    good = max((day for day, run in ended.items() if run.is_success), default=dt.date.min)
    return {day: run for day, run in sorted(ended.items()) if day > good}


def is_retried(run: dg.DagsterRun) -> bool:
    """Whether Dagster itself starts a run again."""
    return run.tags.get(WILL_RETRY_TAG) == "true"


def runs_under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """All runs under way but those of `alerting`, which touch no day and no table that others make."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    return [run for run in runs if run.job_name != ALERTING]


def days_under_way(instance: dg.DagsterInstance) -> dict[dt.date, str]:
    """The business days that runs are at work on, of whatever job, with the run's job."""
    return {day: run.job_name for run in runs_under_way(instance) for day in days_of_run(run)}


def days_of_run(run: dg.DagsterRun) -> list[dt.date]:
    """The business days of a run: one, those of a range, or none."""
    if (days := first_and_last(run.tags)) is None:
        return []
    first, last = days
    return [first + dt.timedelta(days=n) for n in range(min((last - first).days + 1, MOST_DAYS))]


def night_request(
    day: dt.date,
    *,
    run_key: str,
    operations: OperationsDatabase,
    graph: AssetGraph,
    now: dt.datetime,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest:
    """What a schedule or sensor asks for, for the night of `day`: with the training only while nobody is champion."""
    champion = serving(operations, day - ONE_DAY, now=now)
    selection = night_selection(has_champion=champion is not None)
    return dg.RunRequest(
        job_name=nightly.name,
        partition_key=day.isoformat(),
        run_key=run_key,
        asset_selection=sorted(selection.resolve(graph)),
        # Named, for without them Dagster takes all checks of the assets, also those that are in no night.
        asset_check_keys=sorted(selection.resolve_checks(graph)),
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
