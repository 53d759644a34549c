"""The values for Dagster's chart give its pods what those of base/ have, and name nothing that nobody makes."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from tests.deploy.test_manifests import BASE, DEPLOY, overlay_with, put_together

EXAMPLE = DEPLOY / "overlays" / "example"


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "values.yaml").read_text(encoding="utf-8"))


def pods_of(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the values say of pods, by the name that their deployment has in base/."""
    (code,) = values["dagster-user-deployments"]["deployments"]
    return {"nightcart-code": code, "nightcart-daemon": values["dagsterDaemon"]}


def pod_of_base(name: str) -> dict[str, Any]:
    found = next(each for each in put_together() if each["kind"] == "Deployment" and each["metadata"]["name"] == name)
    return found["spec"]["template"]["spec"]


def test_they_are_made_from_the_same_source() -> None:
    written = DEPLOY / "values.yaml"
    assert written.read_text(encoding="utf-8") == runpy.run_path(str(DEPLOY / "chart_values.py"))["written"]()


@pytest.mark.parametrize("name", ["nightcart-code", "nightcart-daemon"])
def test_a_pod_of_the_chart_has_what_that_of_base_has(values: dict[str, Any], name: str) -> None:
    pod, given = pod_of_base(name), pods_of(values)[name]
    (container,) = pod["containers"]
    assert given["podSecurityContext"] == pod["securityContext"]
    assert given["volumes"] == pod["volumes"]
    assert {"configMapRef": given["envConfigMaps"][0]} in container["envFrom"]
    assert {"secretRef": given["envSecrets"][0]} in container["envFrom"]
    for same in ("securityContext", "volumeMounts", "resources"):
        assert given[same] == container[same]


def test_they_name_what_the_overlay_makes(values: dict[str, Any]) -> None:
    kustomizations = [yaml.safe_load((folder / "kustomization.yaml").read_text()) for folder in (BASE, EXAMPLE)]
    made = {each["name"] for written in kustomizations for each in written["configMapGenerator"]}
    for pod in pods_of(values).values():
        mounted = {each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each}
        assert mounted | {each["name"] for each in pod["envConfigMaps"]} <= made
    assert values["dagsterWebserver"]["workspace"]["externalConfigmap"] in made


def test_the_chart_lets_nobody_do_more_than_base_does(values: dict[str, Any]) -> None:
    for of, name in ((values, "nightcart-daemon"), (values["dagster-user-deployments"], "nightcart-code")):
        assert of["rbacEnabled"] is False, "the chart's role may do all to jobs and pods"
        account = pod_of_base(name)["serviceAccountName"]
        assert of["serviceAccount"] == {"create": False, "name": account}
    assert "serviceAccountName" not in values["global"], "of both charts, so the code location could end runs"
    assert values["dagsterWebserver"]["replicaCount"] == 0, "it has no token"


def test_the_instance_is_that_of_base(values: dict[str, Any]) -> None:
    settings = yaml.safe_load((BASE / "kustomization.yaml").read_text())["configMapGenerator"][-1]["literals"]
    given = dict(each.split("=", 1) for each in settings)
    for pod in pods_of(values).values():
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["volumeMounts"]}
        assert given["DAGSTER_HOME"] == mounts["instance"]
        assert given["NIGHTCART_WORKSPACE"] == f"{mounts['workspace']}/workspace.yaml"
    assert "dagsterHome" not in values["global"], "where the chart mounts an instance file of its own"
    assert not {"runLauncher", "additionalInstanceConfig", "retention"} & {*values}, "of a file that nobody reads"


def test_the_workspace_names_the_charts_service(values: dict[str, Any]) -> None:
    (location,) = yaml.safe_load((BASE / "workspace.yaml").read_text())["load_from"]
    code = pods_of(values)["nightcart-code"]
    assert location["grpc_server"]["host"] == code["name"]
    assert location["grpc_server"]["port"] == code["port"]
    assert location["grpc_server"]["location_name"] == code["dagsterApiGrpcArgs"][-1]
    assert values["dagsterWebserver"]["workspace"]["servers"] == [], "the chart refuses servers beside a config map"


def test_a_busy_node_kills_no_pod_of_the_chart(values: dict[str, Any]) -> None:
    for pod in pods_of(values).values():
        probe = pod["livenessProbe"]
        assert "exec" in probe, "the chart makes a command that imports Dagster of any other"
        assert probe["timeoutSeconds"] >= 180
        assert probe["failureThreshold"] * probe["periodSeconds"] >= 120
    startup = pods_of(values)["nightcart-code"]["startupProbe"]
    assert startup["enabled"]
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 180


def test_the_code_location_is_asked_by_commands_that_know_a_server_from_none(values: dict[str, Any]) -> None:
    code = pods_of(values)["nightcart-code"]
    server, health = grpc.server(ThreadPoolExecutor(1)), HealthServicer()
    add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")

    def answers(probe: str) -> bool:
        command = [each.replace(str(code["port"]), str(port)) for each in code[probe]["exec"]["command"]]
        assert any(str(port) in each for each in command)
        return not subprocess.run(
            [sys.executable if each == "python" else each for each in command], check=False
        ).returncode

    server.start()
    assert answers("startupProbe")
    assert not answers("livenessProbe"), "a server that is not Dagster's, or not yet"
    health.set("DagsterApi", HealthCheckResponse.SERVING)
    assert answers("livenessProbe")
    server.stop(None).wait()
    assert not answers("startupProbe")
    assert not answers("livenessProbe")


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, for its kustomize")
def test_the_overlay_makes_all_but_what_the_chart_makes(values: dict[str, Any], tmp_path: Path) -> None:
    found = {(each["kind"], each["metadata"]["name"]) for each in overlay_with(["official-chart"], EXAMPLE, tmp_path)}
    made = {("Deployment", "nightcart-code"), ("Deployment", "nightcart-daemon"), ("Service", "nightcart-code")}
    assert not made & found
    assert {("Deployment", "nightcart-web"), ("ConfigMap", "nightcart-instance"), ("Role", "nightcart-code")} <= found
    assert ("NetworkPolicy", "nightcart-chart-code") in found
