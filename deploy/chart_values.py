"""Writes values.yaml for Dagster's official chart from base/: `python deploy/chart_values.py` after a change there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
ABOUT = """\
# Values for Dagster's chart, made by chart_values.py from base/ (a test compares them). The chart makes the daemon and the code location;
# all else, the instance file and the web server with its token too, is an overlay's with the component official-chart:
#   kubectl apply -k deploy/overlays/ours
#   helm upgrade nightcart --install dagster/dagster --version 1.13.27 -n nightcart -f deploy/values.yaml -f yours.yaml
# Of yours is the image, under dagsterDaemon and (with the whole list, which Helm does not merge) dagster-user-deployments.
"""
# The kubelet's questions to the code location (base/code.yaml), as commands in its pod: the chart knows no others. None imports Dagster.
LISTENS = ["bash", "-c", "</dev/tcp/127.0.0.1/4000"]
SERVES = """\
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
asked = health_pb2.HealthCheckRequest(service="DagsterApi")
answer = health_pb2_grpc.HealthStub(grpc.insecure_channel("127.0.0.1:4000")).Check(asked, timeout=60)
raise SystemExit(answer.status != health_pb2.HealthCheckResponse.SERVING)
"""


def values() -> dict[str, Any]:
    """The chart's values."""
    patch = yaml.safe_load((FOLDER / "base/every-pod.yaml").read_text(encoding="utf-8"))
    pod = patch["spec"]["template"]["spec"]
    container = pod["containers"][0]
    code, daemon = (
        next(yaml.safe_load_all((FOLDER / f"base/{name}.yaml").read_text(encoding="utf-8")))["spec"]["template"]["spec"]
        for name in ("code", "daemon")
    )
    command = code["containers"][0]["command"]
    # The chart's own DAGSTER_HOME comes before that of nightcart-settings, whose instance file is base/'s.
    common = {
        "image": {"repository": "registry.example.com/nightcart", "tag": "0.1.0", "pullPolicy": "IfNotPresent"},
        "labels": {"app.kubernetes.io/part-of": "nightcart"},
        "envConfigMaps": [each["configMapRef"] for each in container["envFrom"] if "configMapRef" in each],
        "envSecrets": [each["secretRef"] for each in container["envFrom"] if "secretRef" in each],
        "podSecurityContext": pod["securityContext"],
        "securityContext": container["securityContext"],
        "volumes": pod["volumes"],
        "volumeMounts": container["volumeMounts"],
    }
    workspace = next(each["configMap"]["name"] for each in pod["volumes"] if each["name"] == "workspace")
    return {
        "global": {"fullnameOverride": "dagster"},  # the deployments are dagster-daemon and dagster-nightcart-code
        "rbacEnabled": False,
        "serviceAccount": {"create": False, "name": daemon["serviceAccountName"]},
        # The database is in nightcart-secrets; the chart wants a password all the same, and pods a secret with it.
        "postgresql": {"enabled": False, "postgresqlPassword": "unused"},
        "telemetry": {"enabled": False},
        # It has no token.
        "dagsterWebserver": {
            "replicaCount": 0,
            "workspace": {"enabled": True, "servers": [], "externalConfigmap": workspace},
        },
        "dagsterDaemon": common
        | {
            "resources": daemon["containers"][0]["resources"],
            "livenessProbe": daemon["containers"][0]["livenessProbe"],
            "checkDbReadyInitContainer": False,
            "initContainerResources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}},
        },
        "dagster-user-deployments": {
            "enabled": True,
            "enableSubchart": True,
            "rbacEnabled": False,
            "serviceAccount": {"create": False, "name": code["serviceAccountName"]},
            "deployments": [
                common
                | {
                    "name": "nightcart-code",  # of the service too, as the workspace has it
                    "dagsterApiGrpcArgs": command[command.index("--module-name") :],
                    "port": code["containers"][0]["ports"][0]["containerPort"],
                    "includeConfigInLaunchedRuns": {"enabled": False},
                    "resources": code["containers"][0]["resources"],
                    "startupProbe": {
                        "enabled": True,
                        "exec": {"command": LISTENS},
                        "periodSeconds": 3,
                        "timeoutSeconds": 10,
                        "failureThreshold": 60,
                    },
                    "readinessProbe": {"enabled": False},  # ready is what has started
                    "livenessProbe": {
                        "exec": {"command": ["python", "-c", SERVES]},
                        "periodSeconds": 60,
                        "timeoutSeconds": 180,
                        "failureThreshold": 6,
                    },
                }
            ],
        },
    }


def written() -> str:
    """The text of values.yaml."""

    plain = yaml.safe_load(json.dumps(values()))  # nothing in it is one object in two places
    return ABOUT + yaml.safe_dump(plain, sort_keys=False, width=120)


if __name__ == "__main__":
    (FOLDER / "values.yaml").write_text(written(), encoding="utf-8")
