"""`retrain_on_decision`: carries out what the ledger says, and decides nothing."""

import datetime as dt
from typing import cast

import dagster as dg

from orchestration.alerting.heartbeat import records_heartbeat
from orchestration.environment import SENSOR_STATUS
from orchestration.jobs import RETRAINING, TRAINING_GROUP
from orchestration.runs.attempts import ask, tags
from resources.config.lifecycle import LifecycleSettings
from resources.records.store import OperationsDatabase


@dg.sensor(
    job_name=RETRAINING,
    minimum_interval_seconds=60,
    default_status=SENSOR_STATUS,
    description="Carries the newest decision to retrain out: one run at a time, tried again after a growing pause, up to "
    "the budget of attempts. All that it knows is in the ledger (`nightcart decisions`); it has no cursor.",
)
@records_heartbeat
def retrain_on_decision(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[LifecycleSettings],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.RunRequest | dg.SkipReason:
    now = dt.datetime.now(dt.UTC)
    graph = cast("dg.RepositoryDefinition", context.repository_def).asset_graph
    training = graph.asset_keys_for_group(TRAINING_GROUP)
    plan = ask(context.instance, operations, settings=settings, training=training, now=now)
    if not (plan.attempt and plan.entry):
        return dg.SkipReason(plan.why)
    return dg.RunRequest(
        run_key=plan.attempt.run_key,
        partition_key=plan.entry.decision.business_date.isoformat(),
        tags=dict(tags(plan.attempt, of=settings.name)),
    )
