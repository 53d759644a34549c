"""The job `alerting`: one round of the watch as a run, with logs, retries and no deadline of a tick; and when it is due.

Why a job, and not every five minutes: a look reads the registry, the landing place and Delta tables, and mends what it
may; a tick must not wait for any of these. A run costs a process, some seconds of CPU, and a line in the list of runs,
where 288 of them a day would hide the nights. So the schedule's tick asks for one where a few cheap queries say that
something can have happened (:func:`why_not_due`), and once every half an hour for what leaves no trace there. It has a
slot of its own in the queue (dagster.yaml), and old runs of it are removed (`orchestration.alerting.repair`).
"""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg

from orchestration.alerting.heartbeat import LOOKED
from orchestration.alerting.incidents import newest
from orchestration.alerting.probes import ADAPTERS, ProbeContext
from orchestration.alerting.watch import watch
from orchestration.jobs import ALERTING
from orchestration.runs.nights import UNDER_WAY, runs_under_way
from orchestration.tags import SLOT
from resources.config.retailer import Settings
from resources.records.alerts import Alert, Heartbeat
from resources.records.feeds import Arrival
from resources.records.store import OperationsDatabase

LONGEST = dt.timedelta(minutes=30)  # between two looks: a registry that somebody changed leaves no other trace


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=10), required_resource_keys={*ADAPTERS, "notifier"})
def look_and_tell(context: dg.OpExecutionContext) -> None:
    """Mend what may be mended, look for all that is wrong, tell it, and show it on the assets."""
    now, resources = dt.datetime.now(dt.UTC), context.resources
    adapters = {name: getattr(resources, name) for name in ADAPTERS}
    probes = ProbeContext(instance=context.instance, repository=context.repository_def, now=now, **adapters)
    incidents = watch(probes, notifier=resources.notifier, is_inside=True)
    resources.operations.beat(LOOKED, now=now)
    for incident in incidents:
        context.log.warning(f"{incident.kind}: {incident.happened}")
    if not incidents:
        context.log.info("Everything is as it should be.")


@dg.job(
    name=ALERTING,
    description="Looks for all that is wrong, tells it where alerts go, and leaves the last good lists published, marked, "
    "after a night that brought none. Asked for by `alert_schedule` and, when a run fails, by `tell_on_failure`.",
    tags={SLOT: ALERTING, "dagster/max_runtime": "600", "dagster/max_retries": "2"},
    executor_def=dg.in_process_executor,
)
def alerting() -> None:
    look_and_tell()


def why_not_due(
    instance: dg.DagsterInstance, settings: Settings, operations: OperationsDatabase, *, now: dt.datetime
) -> str | None:
    """Why a look at `now` would find nothing new; None when it may."""
    if instance.get_runs(dg.RunsFilter(job_name=ALERTING, statuses=UNDER_WAY), limit=1):
        return "A look is under way."
    last = max((beat.beat_at for beat in operations.records(Heartbeat, name=LOOKED)), default=None)
    if last is None or not dt.timedelta() <= now - last < LONGEST:
        return None
    zone = ZoneInfo(settings.timezone)
    due_by = filter(None, (settings.alerts.night_is_due_by, settings.transactions.contract.due_by))
    times = [dt.datetime.combine(now.astimezone(zone).date(), time, tzinfo=zone) for time in due_by]
    runs = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(updated_after=last), limit=20)]
    is_new = (
        any(last < time <= now for time in times)
        # Also of one that is under way: its worker may be dead.
        or runs_under_way(instance)
        or any(run.job_name != ALERTING or run.is_failure for run in runs)
        or any(file.seen_at > last for file in operations.records(Arrival, last=1))
        or any(not alert.is_delivered for alert in newest(operations.records(Alert, last=50)).values())
    )
    return None if is_new else f"Nothing has happened since the last look, at {last:%H:%M} UTC."
