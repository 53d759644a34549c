"""The one code location: every asset, check, job, schedule and sensor with its resources.

:func:`build_defs` takes overrides, so that a test reuses this very wiring with one piece swapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

import assets.features.assets
import assets.features.checks
import assets.ingestion.assets
import assets.ingestion.checks
import assets.monitoring.assets
import assets.monitoring.checks
import assets.scoring.assets
import assets.scoring.checks
import assets.training.assets
import assets.training.checks
from assets.partitions import settings
from orchestration.jobs import backfill, ingestion, nightly, retraining
from orchestration.schedules import nightly_schedule
from orchestration.sensors.alerts import tell_on_failure, watch_on_the_clock
from orchestration.sensors.arrival import ingest_on_arrival
from orchestration.sensors.retraining import retrain_on_decision
from resources import home
from resources.feeds import FeedReader
from resources.model_registry import ModelRegistry
from resources.notifier import Notifier
from resources.operations import OperationsDatabase
from resources.policy import Policy
from resources.table_store import TableStore

# A stage is a folder of assets/ and a group of the graph, under the same name.
STAGES = {
    "ingestion": assets.ingestion.assets,
    "features": assets.features.assets,
    "training": assets.training.assets,
    "scoring": assets.scoring.assets,
    "monitoring": assets.monitoring.assets,
}
CHECKS = [
    assets.ingestion.checks,
    assets.features.checks,
    assets.training.checks,
    assets.scoring.checks,
    assets.monitoring.checks,
]


def build_resources(state: Path) -> dict[str, Any]:
    """What the assets reach the outside through, with all state below `state`."""
    return {
        "settings": settings,
        "feeds": FeedReader(raw=state / "raw"),
        "tables": TableStore(root=str(state / "tables")),
        "registry": ModelRegistry(
            tracking_uri=home.environment()["MLFLOW_TRACKING_URI"],
            artifacts=(state / "mlflow" / "artifacts").as_uri(),
            name=f"{settings.name}_recommender",
        ),
        "policy": Policy(folder=str(home.PROJECT / settings.policy.path), server=settings.policy.server),
        "notifier": Notifier(urls_in=settings.alerts.urls_in),
        "operations": OperationsDatabase(url=f"sqlite:///{state / 'operations.db'}"),
    }


def build_defs(**overrides: Mapping[str, Any]) -> dg.Definitions:
    """The definitions, with resources replaced by name."""
    return dg.Definitions(
        assets=[
            asset
            for group, module in STAGES.items()
            for asset in dg.load_assets_from_modules([module], group_name=group)
        ],
        asset_checks=dg.load_asset_checks_from_modules(CHECKS),
        jobs=[nightly, retraining, ingestion, backfill],
        schedules=[nightly_schedule],
        sensors=[ingest_on_arrival, retrain_on_decision, tell_on_failure, watch_on_the_clock],
        resources={**build_resources(home.state()), **overrides},
        # A night is one process: each step of the multiprocess executor would import the libraries anew (49 s against
        # 5 s for ten trivial steps). Kubernetes isolates per step by another executor.
        executor=dg.in_process_executor,
    )


defs = build_defs()
