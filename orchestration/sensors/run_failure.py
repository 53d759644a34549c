"""`tell_on_failure`: has a look taken as soon as a run has failed. It tells and changes nothing itself."""

import dagster as dg

from orchestration.alerting.job import alerting
from orchestration.environment import SENSOR_STATUS


@dg.run_failure_sensor(
    default_status=SENSOR_STATUS,
    request_job=alerting,
    description="Asks for the job `alerting` when a run failed: it tells of it, and leaves the last good lists published, "
    "marked, when it was a night.",
)
def tell_on_failure(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
    run = context.dagster_run
    if run.job_name == alerting.name:  # its schedule asks again, and a look that cannot be taken would ask for ever
        return dg.SkipReason("The schedule asks for the next look.")
    return dg.RunRequest(run_key=f"{alerting.name}:{run.run_id}")
