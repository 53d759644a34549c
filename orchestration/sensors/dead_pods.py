"""`fail_on_dead_pod`: ends the runs whose pod died before its first word, for Dagster waits for such until they are late."""

import datetime as dt

import dagster as dg

from orchestration.alerting.heartbeat import records_heartbeat
from resources.records.store import OperationsDatabase

# A run is marked as starting right before its job is made.
LAUNCH = dt.timedelta(seconds=20)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="On Kubernetes: asks for the pods of runs that are starting. A pod that waits for a node is waited for; of "
    "one that is gone the run fails, with the pod's own reason, and Dagster starts it again.",
)
@records_heartbeat
def fail_on_dead_pod(
    context: dg.SensorEvaluationContext,
    operations: dg.ResourceParam[OperationsDatabase],  # noqa: ARG001 (of the heartbeat)
) -> dg.SkipReason:
    launcher = context.instance.run_launcher
    if not launcher.supports_check_run_worker_health:
        return dg.SkipReason("Runs are no pods here.")
    before = dt.datetime.now(dt.UTC) - LAUNCH
    starting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING], updated_before=before)
    runs = context.instance.get_runs(starting)
    for run in runs:
        launcher.check_run_worker_health(run)
    return dg.SkipReason(f"{len(runs)} runs are starting." if runs else "No run is starting.")
