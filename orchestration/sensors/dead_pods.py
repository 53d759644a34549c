"""`fail_on_dead_pod`: ends the runs whose pod died before its first word, for Dagster waits for such until they are late.

What a pod waits for that does not begin is put into its run's log, where the command that follows the run, `status` and alerts
have it from. And the retries are launched that could not be: the node that a run died with may have had the code location too.
"""

import datetime as dt
import json

import dagster as dg

from orchestration.alerting.heartbeat import records_heartbeat
from orchestration.runs.dagster_internals import WorkerStatus
from orchestration.runs.orphans import launch_lost_retries
from orchestration.runs.outcomes import WAITS
from resources.records.store import OperationsDatabase

# A run is marked as starting right before its job is made.
LAUNCH = dt.timedelta(seconds=20)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="On Kubernetes: asks for the pods of runs that are starting. A pod that waits for a node is waited for, and "
    "the run's log says why; of one that is gone the run fails, with the pod's own reason, and Dagster starts it again. "
    "What it could not start again, because the code location was away, it is asked for once more.",
)
@records_heartbeat
def fail_on_dead_pod(
    context: dg.SensorEvaluationContext,
    operations: dg.ResourceParam[OperationsDatabase],  # noqa: ARG001 (of the heartbeat)
) -> dg.SkipReason:
    from orchestration.runs.launcher import Launcher  # with the client of Kubernetes

    launcher = context.instance.run_launcher
    if not isinstance(launcher, Launcher):
        return dg.SkipReason("Runs are no pods here.")
    before = dt.datetime.now(dt.UTC) - LAUNCH
    starting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING], updated_before=before)
    runs = context.instance.get_runs(starting)
    told: dict[str, str] = json.loads(context.cursor or "{}")
    now: dict[str, str] = {}
    for run in runs:
        is_there = launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        if is_there and (why := launcher.waits_for(run)):
            now[run.run_id] = why.partition(":")[0]
            if now[run.run_id] != told.get(run.run_id):
                context.instance.report_engine_event(f"{WAITS} {why}", run)
    context.update_cursor(json.dumps(now))
    lost = launch_lost_retries(context.instance)
    again = f" {len(lost)} that could not be started again are, once more." if lost else ""
    return dg.SkipReason((f"{len(runs)} runs are starting." if runs else "No run is starting.") + again)
