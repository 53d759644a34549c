"""Writes values.yaml for Dagster's official chart from base/: `python deploy/chart_values.py` after a change there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
OF_POSTGRES = "nightcart-postgres"  # the secret that has Dagster's alone, as `postgresql-password`
ABOUT = """\
# Values for Dagster's chart, made by chart_values.py from base/ (a test compares them). Install with:
#   kubectl apply -n nightcart -f deploy/base/accounts.yaml
#   helm upgrade --install nightcart dagster/dagster -n nightcart -f deploy/values.yaml -f yours.yaml
# Of yours: the image, the Postgres host, user and database of Dagster's storage (its password in the secret nightcart-postgres,
# as postgresql-password),
# and, as in overlays/example, the config maps nightcart-settings and nightcart-retailer and the secret nightcart-secrets.
# The chart's web server has no token: the one that writes is switched off by `replicaCount: 0` until a proxy stands before it.
"""


def values() -> dict[str, Any]:
    """The chart's values."""
    instance = yaml.safe_load((FOLDER / "base/dagster.yaml").read_text(encoding="utf-8"))
    patch = yaml.safe_load((FOLDER / "base/every-pod.yaml").read_text(encoding="utf-8"))
    pod = patch["spec"]["template"]["spec"]
    container = pod["containers"][0]
    # The chart mounts its own instance file and workspace.
    names = ("retailer", "state", "tmp")
    common = {
        "image": {"repository": "registry.example.com/nightcart", "tag": "0.1.0", "pullPolicy": "IfNotPresent"},
        "envConfigMaps": [
            {"name": each["configMapRef"]["name"]} for each in container["envFrom"] if "configMapRef" in each
        ],
        "envSecrets": [{"name": each["secretRef"]["name"]} for each in container["envFrom"] if "secretRef" in each],
        "podSecurityContext": pod["securityContext"],
        "securityContext": container["securityContext"],
        "volumes": [each for each in pod["volumes"] if each["name"] in names],
        "volumeMounts": [each for each in container["volumeMounts"] if each["name"] in names],
    }
    launcher, coordinator = instance["run_launcher"], instance["run_coordinator"]
    # The chart's instance file names its database by parts, and the password by a variable that its own launcher hands on.
    launcher["config"]["postgres_password_secret"] = OF_POSTGRES
    # Where commands are typed the chart mounts nothing, and calls the workspace otherwise than base/ does.
    workspace = {"name": "workspace", "configMap": {"name": "nightcart-workspace-yaml"}}
    whole = {
        "volumes": [workspace if each["name"] == "workspace" else each for each in pod["volumes"]],
        "volumeMounts": container["volumeMounts"],
    }

    def of(name: str) -> dict[str, Any]:
        deployment = next(yaml.safe_load_all((FOLDER / f"base/{name}.yaml").read_text(encoding="utf-8")))
        return common | {"resources": deployment["spec"]["template"]["spec"]["containers"][0]["resources"]}

    code = next(yaml.safe_load_all((FOLDER / "base/code.yaml").read_text(encoding="utf-8")))
    command = code["spec"]["template"]["spec"]["containers"][0]["command"]
    arguments = command[command.index("--module-name") :]
    own = ("run_monitoring", "run_retries", "concurrency", "local_artifact_storage", "retention", "nux")
    return {
        "global": {
            "dagsterHome": launcher["config"]["dagster_home"],
            "postgresqlSecretName": OF_POSTGRES,
            "serviceAccountName": "nightcart-daemon",
        },
        "fullnameOverride": "nightcart",  # so the instance's config map is nightcart-instance
        "rbacEnabled": False,
        "generatePostgresqlPasswordSecret": False,
        "generateCeleryConfigSecret": False,
        "postgresql": {
            "enabled": False,
            "postgresqlHost": "db.example.com",
            "postgresqlUsername": "nightcart",
            "postgresqlDatabase": "dagster",
            "postgresqlScheme": "postgresql+psycopg2",
        },
        "dagsterWebserver": of("web") | {"replicaCount": 0, "enableReadOnly": True},
        "dagsterDaemon": of("daemon")
        | {
            "runCoordinator": {
                "enabled": True,
                "type": "CustomRunCoordinator",
                "config": {"customRunCoordinator": coordinator},
            },
            # What the chart cannot say of these, additionalInstanceConfig does.
            "runMonitoring": {"enabled": False},
            "runRetries": {"enabled": False},
        },
        "dagster-user-deployments": {
            "enabled": True,
            "enableSubchart": True,
            "deployments": [
                of("code")
                | whole
                | {
                    "name": "nightcart",  # the chart's name of the code location too, by which commands ask for it
                    "dagsterApiGrpcArgs": arguments,
                    "port": 4000,
                    "includeConfigInLaunchedRuns": {"enabled": False},
                    # A command in the pod, which takes its time on a busy node.
                    "readinessProbe": {
                        "enabled": True,
                        "periodSeconds": 20,
                        "timeoutSeconds": 60,
                        "failureThreshold": 15,
                    },
                }
            ],
        },
        "runLauncher": {"type": "CustomRunLauncher", "config": {"customRunLauncher": launcher}},
        "computeLogManager": {"type": "NoOpComputeLogManager"},
        "serviceAccount": {"create": False},
        "telemetry": instance["telemetry"],
        "retention": {"enabled": False},
        "additionalInstanceConfig": {name: instance[name] for name in own},
    }


def written() -> str:
    """The text of values.yaml."""

    plain = yaml.safe_load(json.dumps(values()))  # nothing in it is one object in two places
    return ABOUT + yaml.safe_dump(plain, sort_keys=False, width=120)


if __name__ == "__main__":
    (FOLDER / "values.yaml").write_text(written(), encoding="utf-8")
