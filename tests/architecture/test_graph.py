"""The graph as it is deployed, against the picture of it that is kept in `graph.json`: a change has to be meant."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from orchestration.definitions import defs

SNAPSHOT = Path(__file__).with_name("graph.json")
REGENERATE = "WRITE_GRAPH=1 .venv/bin/pytest -n 0 tests/architecture/test_graph.py"


def graph() -> dict[str, Any]:
    """Assets with their dependencies, checks with theirs, jobs with their assets, schedules and sensors."""
    assets, repository = defs.resolve_asset_graph(), defs.get_repository_def()
    checks = {
        f"{node.key.asset_key.to_user_string()}:{node.key.name}": {
            "is_blocking": node.blocking,
            "depends_on": sorted(parent.to_user_string() for parent in node.parent_entity_keys),
        }
        for node in assets.asset_check_nodes
    }
    return {
        "assets": {
            key.to_user_string(): {
                "group": node.group_name,
                "depends_on": sorted(parent.to_user_string() for parent in node.parent_keys),
                "is_partitioned": node.partitions_def is not None,
            }
            for key in sorted(assets.get_all_asset_keys())
            for node in [assets.get(key)]
        },
        "checks": dict(sorted(checks.items())),
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            each.name: [each.job_name, each.cron_schedule, each.execution_timezone] for each in repository.schedule_defs
        },
        "sensors": {each.name: sorted(target.job_name for target in each.targets) for each in repository.sensor_defs},
    }


def as_text() -> str:
    """The picture as it is kept."""
    return json.dumps(graph(), indent=2, sort_keys=True) + "\n"


def test_the_graph_is_the_one_that_is_kept() -> None:
    if os.environ.get("WRITE_GRAPH"):
        SNAPSHOT.write_text(as_text(), encoding="utf-8")
    assert as_text() == SNAPSHOT.read_text(encoding="utf-8"), f"if the change is meant: {REGENERATE}"
