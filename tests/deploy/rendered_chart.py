"""Dagster's chart itself, with our values: `make chart CHART=…` renders it. No part of the suite, for no package index has the chart."""

from __future__ import annotations

import os
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart, HelmError

from tests.deploy.test_chart_values import EXAMPLE, pod_of_base
from tests.deploy.test_manifests import DEPLOY, VERSIONS, overlay_with

VALUES = yaml.safe_load((DEPLOY / "values.yaml").read_text(encoding="utf-8"))
PODS = {"dagster-nightcart-code": "nightcart-code", "dagster-daemon": "nightcart-daemon"}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    with Chart.load(os.environ["CHART"]) as chart:
        files = chart.render(values=values, name="nightcart", namespace="nightcart")
    return [each for text in files.values() for each in yaml.safe_load_all(text) if each]


@pytest.fixture(scope="module")
def chart() -> list[dict[str, Any]]:
    return rendered(VALUES)


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return overlay_with(["official-chart"], EXAMPLE, tmp_path_factory.mktemp("overlay"))


def named(found: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_applied_is_valid(chart: list[dict[str, Any]], version: str) -> None:
    for document in chart:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_charts_schema_is_asked() -> None:
    with pytest.raises(HelmError, match="nobody"):
        rendered(VALUES | {"dagsterDaemon": VALUES["dagsterDaemon"] | {"nobody": "knows this"}})


def test_chart_and_overlay_make_nothing_twice_and_leave_nothing_out(
    chart: list[dict[str, Any]], overlay: list[dict[str, Any]]
) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in [*chart, *overlay]]
    assert len(names) == len(set(names))
    made = {*names, ("Secret", "nightcart-secrets")}
    for name in PODS:
        pod = named(chart, "Deployment")[name]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        mounted = {("ConfigMap", each["configMap"]["name"]) for each in pod["volumes"] if "configMap" in each}
        maps = {("ConfigMap", each["configMapRef"]["name"]) for each in container["envFrom"] if "configMapRef" in each}
        asked = [each["secretRef"] for each in container["envFrom"] if "secretRef" in each]
        secrets = {("Secret", each["name"]) for each in asked if not each.get("optional")}
        keys = {
            ("Secret", each["valueFrom"]["secretKeyRef"]["name"]) for each in container["env"] if "valueFrom" in each
        }
        assert mounted | maps | secrets | keys | {("ServiceAccount", pod["serviceAccountName"])} <= made


@pytest.mark.parametrize(("name", "of_base"), PODS.items())
def test_a_pod_is_that_of_base(chart: list[dict[str, Any]], name: str, of_base: str) -> None:
    deployment = named(chart, "Deployment")[name]
    pod, other = deployment["spec"]["template"]["spec"], pod_of_base(of_base)
    container, (same,) = pod["containers"][0], other["containers"]
    assert deployment["spec"]["replicas"] == 1
    assert pod["serviceAccountName"] == other["serviceAccountName"]
    assert pod["securityContext"] == other["securityContext"]
    for field in ("securityContext", "resources", "imagePullPolicy"):
        assert container[field] == same[field]
    assert all(volume in pod["volumes"] for volume in other["volumes"])
    assert all(mount in container["volumeMounts"] for mount in same["volumeMounts"])
    required = [each for each in container["envFrom"] if not each.get("secretRef", {}).get("optional")]
    assert required[-2:] == same["envFrom"]
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert not any(path.startswith("/opt/nightcart/dagster/") for path in paths), "in base's instance"
    assert container["livenessProbe"]["timeoutSeconds"] >= 180
    for each in [container, *pod.get("initContainers", [])]:
        assert each["securityContext"]["readOnlyRootFilesystem"]
        assert each["resources"]["limits"]["memory"]


def test_base_s_settings_come_last(chart: list[dict[str, Any]], overlay: list[dict[str, Any]]) -> None:
    maps = named([*chart, *overlay], "ConfigMap")
    for name in PODS:
        seen: dict[str, str] = {}
        for each in named(chart, "Deployment")[name]["spec"]["template"]["spec"]["containers"][0]["envFrom"]:
            seen |= maps[each["configMapRef"]["name"]].get("data") or {} if "configMapRef" in each else {}
        assert maps["nightcart-settings"]["data"].items() <= seen.items()


def test_the_daemon_is_one_and_both_do_what_base_s_do(chart: list[dict[str, Any]]) -> None:
    daemon, code = (named(chart, "Deployment")[name]["spec"] for name in ("dagster-daemon", "dagster-nightcart-code"))
    assert daemon["strategy"] == {"type": "Recreate"}
    (script,) = daemon["template"]["spec"]["containers"][0]["command"][2:]
    assert script == "dagster-daemon run -w /dagster-workspace/workspace.yaml"
    mounted = {each["name"]: each.get("configMap", {}).get("name") for each in daemon["template"]["spec"]["volumes"]}
    assert mounted["dagster-workspace-yaml"] == "nightcart-workspace"
    arguments = code["template"]["spec"]["containers"][0]["args"]
    assert arguments[:3] == ["dagster", "api", "grpc"]
    assert arguments[-4:] == pod_of_base("nightcart-code")["containers"][0]["command"][-4:]
    assert arguments[arguments.index("-p") + 1] == "4000"


def test_nobody_may_more_and_no_web_server_is_without_a_token(chart: list[dict[str, Any]]) -> None:
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount"} & {
        each["kind"] for each in chart
    }
    running = {name for name, each in named(chart, "Deployment").items() if each["spec"]["replicas"]}
    assert running == {*PODS}
    assert {*named(chart, "Secret")} == {"dagster-postgresql-secret"}


def test_service_and_policies_select_the_charts_pods(
    chart: list[dict[str, Any]], overlay: list[dict[str, Any]]
) -> None:
    code, daemon = (named(chart, "Deployment")[name]["spec"]["template"]["metadata"]["labels"] for name in PODS)
    service = named(chart, "Service")["nightcart-code"]["spec"]
    assert service["selector"].items() <= code.items()
    assert service["ports"][0]["port"] == 4000
    policies = named(overlay, "NetworkPolicy")
    for name, labels in (("nightcart-chart-code", code), ("nightcart-chart-daemon", daemon)):
        assert policies[name]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert all(labels["app.kubernetes.io/part-of"] == "nightcart" for labels in (code, daemon))
