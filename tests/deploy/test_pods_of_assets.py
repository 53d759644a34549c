"""The pods that assets ask for are on the steps of whatever runs them, and on no laptop."""

from __future__ import annotations

import json
import os
import subprocess
import sys

ASKED = """
import json, dagster as dg
from dagster._core.execution.api import create_execution_plan
from orchestration.definitions import defs
jobs = [defs.resolve_job_def(name) for name in ("nightly", "retraining", "backfill", "ingestion")]
asked = {}
for job in jobs:
    for step in create_execution_plan(job).steps:
        asked[f"{job.name} {step.key}"] = json.loads(step.tags.get("dagster-k8s/config", "null"))
names = [sensor.name for sensor in defs.sensors]
print(json.dumps([asked, names, defs.executor.name]))
"""
SETTINGS = {
    "NIGHTCART_TRAINING_POD": '{"memory": "16Gi", "node_selector": {"pool": "training"}}',
    "NIGHTCART_SCORING_POD": '{"memory": "8Gi"}',
    "NIGHTCART_EXECUTOR": "kubernetes",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
}


def asked(**environ: str) -> tuple[dict[str, dict[str, dict[str, dict[str, dict[str, str]]]] | None], list[str], str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKED],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_assets_that_train_and_score_have_their_pods_in_every_job() -> None:
    steps, sensors, executor = asked(**SETTINGS)
    memory = {step: pod["container_config"]["resources"]["limits"]["memory"] for step, pod in steps.items() if pod}
    training = {
        f"{job} {asset}": "16Gi"
        for job in ("nightly", "retraining", "backfill")
        for asset in ("training_examples", "challenger", "champion")
    }
    assert memory == training | {f"{job} recommendations": "8Gi" for job in ("nightly", "backfill")}
    assert "fail_on_dead_pod" in sensors
    assert executor == "k8s"


def test_without_settings_nothing_is_asked_for() -> None:
    steps, sensors, executor = asked()
    assert set(map(str, steps.values())) == {"None"}
    assert "fail_on_dead_pod" not in sensors
    assert executor == "in_process"
