"""The manifests are valid, agree with each other and with the instance file, and let nobody do more than he has to."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from resources import home

DEPLOY = home.PROJECT / "deploy"
BASE = DEPLOY / "base"
VERSIONS = ["1.25", "1.36"]  # of Kubernetes: old and new
PARTS = sorted(
    path for path in BASE.glob("*.yaml") if path.stem not in ("kustomization", "dagster", "workspace", "every-pod")
)
OVERLAYS = sorted(path.parent for path in DEPLOY.glob("overlays/*/kustomization.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def merged(onto: Any, patch: Any) -> Any:
    """A strategic merge as far as ours needs one: containers by their names."""
    if isinstance(onto, dict) and isinstance(patch, dict):
        return {**onto, **{key: merged(onto[key], value) if key in onto else value for key, value in patch.items()}}
    if isinstance(patch, list) and all(isinstance(each, dict) and "name" in each for each in [*onto, *patch]):
        named = {each["name"]: each for each in onto}
        return list((named | {each["name"]: merged(named.get(each["name"], {}), each) for each in patch}).values())
    return patch


def put_together() -> list[dict[str, Any]]:
    """What base/ is, without kustomize."""
    every = documents(BASE / "every-pod.yaml")[0]
    found = [document for path in PARTS for document in documents(path)]
    return [merged(each, {"spec": every["spec"]}) if each["kind"] == "Deployment" else each for each in found]


@pytest.fixture(scope="module")
def base() -> list[dict[str, Any]]:
    return put_together()


def overlay_with(components: Iterable[str], overlay: Path, folder: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would apply of an overlay with these components."""
    shutil.copytree(DEPLOY, folder / "deploy")
    copy = folder / "deploy" / "overlays" / overlay.name / "kustomization.yaml"
    written = yaml.safe_load(copy.read_text())
    written["components"] = [f"../../components/{name}" for name in components]
    copy.write_text(yaml.safe_dump(written))
    done = subprocess.run(["kubectl", "kustomize", copy.parent], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_applied_is_valid(base: list[dict[str, Any]], version: str) -> None:
    for document in base:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, for its kustomize")
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_overlays_are_valid_with_every_component(overlay: Path, tmp_path: Path) -> None:
    others = {"before-1-21", "official-chart"}  # in place of what base/ has
    found = overlay_with({each.name for each in DEPLOY.glob("components/*")} - others, overlay, tmp_path)
    for document in found:
        kubernetes_validate.validate(document, "1.32", strict=True)
    deployments = {each["metadata"]["name"] for each in found if each["kind"] == "Deployment"}
    assert {
        "nightcart-code",
        "nightcart-daemon",
        "nightcart-web",
        "nightcart-writing-web",
        "nightcart-mlflow",
    } == deployments


def test_pods_run_as_nobody_and_write_where_they_must(base: list[dict[str, Any]]) -> None:
    for pod in (each["spec"]["template"]["spec"] for each in base if each["kind"] == "Deployment"):
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert "livenessProbe" in container
            volumes = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_no_web_server_is_without_the_guard() -> None:
    deployments = [
        each for path in DEPLOY.rglob("*.yaml") for each in documents(path) if each.get("kind") == "Deployment"
    ]
    commands = [
        container.get("command", [])
        for each in deployments
        for container in each["spec"]["template"]["spec"]["containers"]
    ]
    serving = [command for command in commands if "ui" in command]
    assert len(serving) == 2
    assert not [command for command in commands if "dagster-webserver" in command]
    assert all("--read-only" in command or "--behind-proxy" in command for command in serving)


def test_secrets_are_named_and_never_given(base: list[dict[str, Any]]) -> None:
    assert not [each for each in base if each["kind"] == "Secret"]
    for path in DEPLOY.rglob("*.yaml"):
        assert "://user:" not in path.read_text(encoding="utf-8")


def test_every_label_that_is_selected_is_on_a_pod(base: list[dict[str, Any]]) -> None:
    of_pods = [each["spec"]["template"]["metadata"]["labels"] for each in base if each["kind"] == "Deployment"]
    for service in (each for each in base if each["kind"] == "Service"):
        assert any(service["spec"]["selector"].items() <= labels.items() for labels in of_pods), service
    for budget in (each for each in base if each["kind"] == "PodDisruptionBudget"):
        assert any(budget["spec"]["selector"]["matchLabels"].items() <= labels.items() for labels in of_pods)


# Who asks whom, by their names or the labels of Dagster's chart, and the port.
CHARTS_DAEMON = {"app.kubernetes.io/name": "dagster", "component": "dagster-daemon"}
CHARTS_CODE = {"app.kubernetes.io/name": "dagster-user-deployments", "component": "user-deployments"}
ASKED = [
    ("nightcart-daemon", "nightcart-code", 4000),
    ("nightcart-web", "nightcart-code", 4000),
    ("nightcart-writing-web", "nightcart-code", 4000),
    ("dagster", "nightcart-mlflow", 5000),  # the pod of a run
    (CHARTS_DAEMON, CHARTS_CODE, 4000),
    ("nightcart-web", CHARTS_CODE, 4000),
    ("nightcart-writing-web", CHARTS_CODE, 4000),
]


@pytest.mark.parametrize(("asks", "answers", "port"), ASKED)
def test_what_pods_ask_each_other_both_may(
    asks: str | dict[str, str], answers: str | dict[str, str], port: int
) -> None:
    policies = [
        each for path in DEPLOY.rglob("*.yaml") for each in documents(path) if each.get("kind") == "NetworkPolicy"
    ]

    def selects(selector: dict[str, Any], pod: str | dict[str, str]) -> bool:
        labels = {"app.kubernetes.io/name": pod} if isinstance(pod, str) else pod
        expressions = [(each["key"], each["values"]) for each in selector.get("matchExpressions", [])]
        return selector.get("matchLabels", {}).items() <= labels.items() and all(
            labels.get(key) in values for key, values in expressions
        )

    def lets(direction: str, peers: str, one: str | dict[str, str], other: str | dict[str, str]) -> bool:
        return any(
            "podSelector" in peer
            and selects(peer["podSelector"], other)
            and port in [of["port"] for of in rule["ports"]]
            for policy in policies
            if selects(policy["spec"]["podSelector"], one)
            for rule in policy["spec"].get(direction, [])
            for peer in rule.get(peers, [])
        )

    assert lets("egress", "to", asks, answers)
    assert lets("ingress", "from", answers, asks)


def test_no_pod_is_killed_because_its_node_is_busy(base: list[dict[str, Any]]) -> None:
    # A probe that is a command starts a Python in the pod's own share of the CPU.
    for container in (
        each["spec"]["template"]["spec"]["containers"][0] for each in base if each["kind"] == "Deployment"
    ):
        probe = container["livenessProbe"]
        assert probe["timeoutSeconds"] >= (180 if "exec" in probe else 10)
        assert probe["failureThreshold"] * probe["periodSeconds"] >= 120


def test_the_instance_file_is_that_of_production_with_runs_as_pods() -> None:
    production, pods = (yaml.safe_load(path.read_text()) for path in (DEPLOY / "dagster.yaml", BASE / "dagster.yaml"))
    same = ("storage", "retention", "telemetry", "nux")
    assert {key: pods[key] for key in same} == {key: production[key] for key in same}
    monitoring = pods["run_monitoring"]
    # Terminal within 90 s: of a pod that is gone, and of one that was told to end and does not.
    assert monitoring["poll_interval_seconds"] + monitoring["cancel_timeout_seconds"] < 90
    grace = pods["run_launcher"]["config"]["run_k8s_config"]["pod_spec_config"]["termination_grace_period_seconds"]
    assert grace < monitoring["cancel_timeout_seconds"]


def test_an_image_has_what_is_committed_and_what_it_loads() -> None:
    let_in = [line[1:] for line in (home.PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((home.PROJECT / name).exists() for name in let_in)
    project = tomllib.loads((home.PROJECT / "pyproject.toml").read_text())
    needed = [*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], project["project"]["readme"]]
    assert {*needed, "uv.lock", "pyproject.toml", "config", "workspace.yaml"} <= {*let_in}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "uv sync --frozen --no-default-groups" in dockerfile
    assert "libatomic1 libgomp1" in dockerfile
    assert dockerfile.splitlines()[-1] == "USER 10001:10001"
