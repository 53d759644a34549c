"""The code location of groceries: every asset, check, job, schedule and sensor with its resources.

`build_defs` takes other adapters, so that a test reuses this very wiring with one piece swapped.
"""

from __future__ import annotations

import gc
import itertools
from dataclasses import replace
from typing import Unpack

import dagster as dg

import assets.grocery.features.assets
import assets.grocery.features.checks
import assets.grocery.ingestion.assets
import assets.grocery.ingestion.checks
import assets.grocery.lifecycle
import assets.grocery.monitoring.assets
import assets.grocery.scoring.assets
import assets.grocery.scoring.checks
import assets.grocery.training.assets
import assets.grocery.training.checks
import assets.lifecycle.checks
from assets.grocery.partitions import settings
from assets.quality.gates import Gates
from orchestration import environment
from orchestration.alerting.checks import open_incidents
from orchestration.alerting.job import alerting
from orchestration.jobs import backfill, ingestion, nightly, retraining
from orchestration.schedules import alert_schedule, nightly_schedule
from orchestration.sensors.arrival import ingest_on_arrival
from orchestration.sensors.dead_pods import fail_on_dead_pod
from orchestration.sensors.retraining import retrain_on_decision
from orchestration.sensors.run_failure import tell_on_failure
from resources.resources import Replacements, build_resources

# A stage is a folder of assets/ and a group of the graph, under the same name.
STAGES = {
    "ingestion": assets.grocery.ingestion.assets,
    "features": assets.grocery.features.assets,
    "training": assets.grocery.training.assets,
    "scoring": assets.grocery.scoring.assets,
    "monitoring": assets.grocery.monitoring.assets,
}
CHECKS = dg.load_asset_checks_from_modules(
    [
        assets.grocery.ingestion.checks,
        assets.grocery.features.checks,
        assets.grocery.training.checks,
        assets.lifecycle.checks,
        assets.grocery.scoring.checks,
    ]
)
GATES = Gates.of(CHECKS)


def build_defs(**replacements: Unpack[Replacements]) -> dg.Definitions:
    """The definitions over the adapters of the retailer in use, with single ones replaced by name."""
    stages = [dg.load_assets_from_modules([module], group_name=group) for group, module in STAGES.items()]
    return environment.definitions(
        assets=[*itertools.chain(*stages), *dg.load_assets_from_modules([assets.grocery.lifecycle])],
        checks=[*CHECKS, open_incidents],
        resources=replace(build_resources(settings), **replacements),
        jobs=[nightly, retraining, ingestion, backfill, alerting],
        schedules=[nightly_schedule, alert_schedule],
        sensors=[ingest_on_arrival, retrain_on_decision, tell_on_failure, *environment.in_a_cluster(fail_on_dead_pod)],
    )


environment.enter()
defs = build_defs()

# What was imported stays. Not to look through it again, while a run makes expressions and when its process ends, saves each
# process that has the code location .2 s of CPU, and a night more.
gc.freeze()
