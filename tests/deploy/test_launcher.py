"""A run's job as the instance of Kubernetes makes it, what its accounts may ask for, and a pod that is gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import WorkerStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from kubernetes import client as k8s

from orchestration.alerting.probes import pods
from orchestration.runs.launcher import Launcher, heaviest, why_gone, why_waiting
from orchestration.runs.outcomes import WAITS, end_of
from orchestration.sensors import dead_pods
from resources import home
from resources.config.pods import PodConfig, Toleration
from resources.records.store import OperationsDatabase

BASE = home.PROJECT / "deploy" / "base"
TRAINING = PodConfig(
    cpu="4", memory="16Gi", gpus=1, node_selector={"pool": "training"}, tolerations=[Toleration(key="spot")]
)
SCORING = PodConfig(cpu="2", memory="8Gi")
KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}],
 contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {}}]}
"""
# What a call of the client asks of the cluster.
ASKS = {
    "create_namespaced_job": ("batch", "jobs", "create"),
    "delete_namespaced_job": ("batch", "jobs", "delete"),
    "read_namespaced_job_status": ("batch", "jobs/status", "get"),
    "read_namespaced_pod": ("", "pods", "get"),
    "list_namespaced_pod": ("", "pods", "list"),
    "delete_namespaced_pod": ("", "pods", "delete"),
    "list_namespaced_event": ("", "events", "list"),
}


class Cluster:
    """Answers as the batch and the core API, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.jobs: list[Any] = []
        self.status: Any = k8s.V1JobStatus(active=1)
        self.pods: list[k8s.V1Pod] = []

    def __getattr__(self, name: str) -> Any:
        def call(*_: object, **arguments: Any) -> Any:
            self.asked.append(name)
            if name == "create_namespaced_job":
                self.jobs.append(arguments["body"])
            if name == "read_namespaced_job_status":
                if isinstance(self.status, Exception):
                    raise self.status
                return SimpleNamespace(status=self.status)
            if name == "read_namespaced_pod":
                return k8s.V1Pod(
                    spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="nightcart", image="nightcart:1")])
                )
            return SimpleNamespace(items=self.pods if "pod" in name else [])

        return call


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def instance(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("NIGHTCART_NAMESPACE", "nightcart")
    monkeypatch.setenv("HOSTNAME", "nightcart-daemon-1")
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    written = yaml.safe_load((BASE / "dagster.yaml").read_text(encoding="utf-8"))["run_launcher"]
    written["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    with dg.instance_for_test(overrides={"run_launcher": written}) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, Launcher)
        launcher._api_client.batch_api = launcher._api_client.core_api = cluster  # pyright: ignore
        yield instance


@dg.op(tags=SCORING.tags())
def score() -> None: ...


@dg.op(tags=TRAINING.tags())
def train() -> None: ...


@dg.op
def ingest() -> None: ...


@dg.job
def night() -> None:
    ingest()
    score()


@dg.job
def first_night() -> None:
    ingest()
    score()
    train()


@dg.job
def arrival() -> None:
    ingest()


def launched(
    instance: dg.DagsterInstance, job: dg.JobDefinition, image: str | None = None, **tags: str
) -> dg.DagsterRun:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nightcart"), "__repository__")
    origin = dg.reconstructable(job).get_python_origin()
    run = instance.create_run_for_job(
        job,
        tags=tags,
        job_code_origin=origin._replace(repository_origin=origin.repository_origin._replace(container_image=image)),
        remote_job_origin=RemoteJobOrigin(repository, job.name),
        status=dg.DagsterRunStatus.STARTING,
    )
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    return run


def pod_of(cluster: Cluster) -> dict[str, Any]:
    job: Any = k8s.ApiClient().sanitize_for_serialization(cluster.jobs[-1])
    kubernetes_validate.validate(job, "1.32", strict=True)
    return job["spec"]["template"]["spec"]


@pytest.mark.parametrize(("job", "memory"), [(arrival, "3Gi"), (night, "8Gi"), (first_night, "16Gi")])
def test_a_runs_pod_is_that_of_its_heaviest_step(
    instance: dg.DagsterInstance, cluster: Cluster, job: dg.JobDefinition, memory: str
) -> None:
    launched(instance, job)
    pod = pod_of(cluster)
    assert pod["containers"][0]["resources"]["limits"]["memory"] == memory
    assert pod.get("nodeSelector", {}) == ({"pool": "training"} if memory == "16Gi" else {})
    assert ("spot" in [each["key"] for each in pod["tolerations"]]) == (memory == "16Gi")


def test_where_steps_have_pods_the_runs_own_is_small_and_asks_the_cluster(
    instance: dg.DagsterInstance, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTCART_EXECUTOR", "kubernetes")
    launched(instance, first_night)
    pod = pod_of(cluster)
    assert pod["automountServiceAccountToken"] is True
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "3Gi"


def test_a_job_is_tried_once_bounded_and_cleared_away_and_its_pod_may_nothing(
    instance: dg.DagsterInstance, cluster: Cluster
) -> None:
    launched(instance, arrival)
    pod = pod_of(cluster)
    spec = cluster.jobs[0].spec
    assert (spec.backoff_limit, spec.active_deadline_seconds, spec.ttl_seconds_after_finished) == (0, 14400, 3600)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["image"] == "nightcart:1"
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_what_was_queued_before_an_upgrade_begins_with_the_new_image(
    instance: dg.DagsterInstance, cluster: Cluster
) -> None:
    launched(instance, arrival, image="nightcart:0")
    assert pod_of(cluster)["containers"][0]["image"] == "nightcart:1"


def test_a_person_may_ask_for_another_size_and_for_nothing_else(instance: dg.DagsterInstance, cluster: Cluster) -> None:
    launched(
        instance,
        first_night,
        **{"dagster-k8s/config": '{"container_config": {"resources": {"limits": {"memory": "32Gi"}}}}'},
    )
    assert pod_of(cluster)["containers"][0]["resources"]["limits"]["memory"] == "32Gi"
    with pytest.raises(Exception, match=r"violated the allowed list: pod_spec_config\.volumes"):
        launched(instance, arrival, **{"dagster-k8s/config": '{"pod_spec_config": {"volumes": []}}'})


def allowed(account: str) -> set[tuple[str, str, str]]:
    documents = yaml.safe_load_all((BASE / "accounts.yaml").read_text(encoding="utf-8"))
    role = next(each for each in documents if each["kind"] == "Role" and each["metadata"]["name"] == account)
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_daemons_account_may_do_what_the_launcher_does_and_the_codes_only_looks(
    instance: dg.DagsterInstance, cluster: Cluster
) -> None:
    run = launched(instance, arrival)
    cluster.pods = [pod()]
    cluster.status = k8s.V1JobStatus(failed=1)
    looks = len(cluster.asked)
    instance.run_launcher.check_run_worker_health(run)
    instance.run_launcher.get_run_worker_debug_info(run)
    looked = {ASKS[name] for name in cluster.asked[looks:]}
    assert looked <= allowed("nightcart-code")
    again = launched(instance, arrival)
    assert instance.run_launcher.terminate(again.run_id)
    assert {ASKS[name] for name in cluster.asked} == allowed("nightcart-daemon")


def test_a_run_whose_pod_is_gone_fails_with_the_pods_reason(instance: dg.DagsterInstance, cluster: Cluster) -> None:
    run = launched(instance, arrival)
    cluster.pods = [pod(end=("OOMKilled", 137))]
    cluster.status = k8s.V1JobStatus(failed=1)
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
    ended = instance.get_run_by_id(run.run_id)
    assert ended
    assert ended.status == dg.DagsterRunStatus.FAILURE
    assert end_of(instance, run.run_id).startswith("Its pod is gone: it ran out of memory (OOMKilled at 3Gi).")


def test_a_pod_that_is_ending_has_its_time(instance: dg.DagsterInstance, cluster: Cluster) -> None:
    run = launched(instance, arrival)
    cluster.status, now = k8s.V1JobStatus(failed=1), dt.datetime.now(dt.UTC)
    cluster.pods = [pod()]
    cluster.pods[0].metadata.deletion_timestamp = now + dt.timedelta(seconds=20)  # pyright: ignore
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    cluster.pods[0].metadata.deletion_timestamp = now - dt.timedelta(seconds=1)  # pyright: ignore
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.FAILED


def test_a_run_of_a_command_is_looked_after_by_its_lock(instance: dg.DagsterInstance, cluster: Cluster) -> None:
    run = instance.create_run_for_job(arrival, status=dg.DagsterRunStatus.STARTED)
    cluster.status = k8s.ApiException(status=404)
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING


def test_a_cluster_that_does_not_answer_is_no_dead_pod(
    instance: dg.DagsterInstance, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_k8s.client.time.sleep", lambda _: None)  # five seconds between its tries
    run = launched(instance, arrival)
    cluster.status = k8s.ApiException(status=401)
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    cluster.status = k8s.ApiException(status=404)
    instance.run_launcher.check_run_worker_health(run)
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE  # pyright: ignore


def test_what_a_pod_waits_for_is_told_in_its_runs_log_once_and_as_an_incident(
    instance: dg.DagsterInstance,
    cluster: Cluster,
    operations: OperationsDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_pods, "LAUNCH", dt.timedelta())
    run, cursor = launched(instance, arrival), None
    later: Any = SimpleNamespace(
        instance=instance,
        now=dt.datetime.now(dt.UTC) + 2 * pods.LONG,
        incident=lambda _key, _kind, happened, **_: happened,
    )

    def said() -> list[str]:
        nonlocal cursor
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"operations": operations})
        dead_pods.fail_on_dead_pod(context)  # pyright: ignore[reportCallIssue]
        cursor = context.cursor
        return [entry.message for entry in instance.all_logs(run.run_id) if entry.message.startswith(WAITS)]

    cluster.pods = [pod(waits="ContainerCreating")]
    assert (said(), list(pods.look(later))) == ([], [])
    cluster.pods = [pod(waits="ImagePullBackOff")]
    assert said() == said() == [f"{WAITS} ImagePullBackOff: no such thing"]
    assert list(pods.look(later)) == [
        f"The pod of arrival (run {run.run_id[:8]}) has not begun: ImagePullBackOff: no such thing."
    ]
    cluster.pods = [pod(waits="CreateContainerConfigError")]
    assert said()[1:] == [f"{WAITS} CreateContainerConfigError: no such thing"]
    cluster.pods = [pod()]
    assert len(said()) == 2
    cluster.status, cluster.pods = k8s.V1JobStatus(failed=1), [pod(unplaced="0/3 nodes are available.")]
    assert len(said()) == 2  # it is gone, and fails with that
    assert end_of(instance, run.run_id).startswith("Its pod is gone")


def pod(
    *,
    end: tuple[str, int] | None = None,
    reason: str | None = None,
    disrupted: str | None = None,
    told: dt.datetime | None = None,
    waits: str | None = None,
    unplaced: str | None = None,
) -> k8s.V1Pod:
    terminated = k8s.V1ContainerStateTerminated(reason=end[0], exit_code=end[1]) if end else None
    container = k8s.V1ContainerStatus(
        name="dagster",
        image="x",
        image_id="x",
        ready=False,
        restart_count=0,
        state=k8s.V1ContainerState(
            terminated=terminated,
            waiting=k8s.V1ContainerStateWaiting(reason=waits, message="no such thing") if waits else None,
        ),
    )
    place = k8s.V1PodCondition(type="PodScheduled", status="False", reason="Unschedulable", message=unplaced)
    condition = k8s.V1PodCondition(type="DisruptionTarget", status="True", reason=disrupted, message="of the node")
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(
            name="pod", creation_timestamp=dt.datetime(2024, 1, 1, tzinfo=dt.UTC), deletion_timestamp=told
        ),
        spec=k8s.V1PodSpec(
            containers=[k8s.V1Container(name="dagster", resources=k8s.V1ResourceRequirements(limits={"memory": "3Gi"}))]
        ),
        status=k8s.V1PodStatus(
            container_statuses=[container],
            reason=reason,
            message="of its memory",
            conditions=[condition] if disrupted else [place] if unplaced else None,
        ),
    )


@pytest.mark.parametrize(
    ("pods", "event", "said"),
    [
        ([pod(end=("OOMKilled", 137))], None, "it ran out of memory (OOMKilled at 3Gi). Give it more"),
        ([pod(reason="Evicted")], None, "Evicted: of its memory"),
        ([pod(disrupted="EvictionByEvictionAPI")], None, "EvictionByEvictionAPI: of the node"),
        (
            [pod(end=("Error", 137), told=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))],
            None,
            "it was told to end, by a person",
        ),
        ([pod(end=("Error", 1))], None, "its process ended with exit code 1 (Error)."),
        ([], "TaintManagerEviction", "TaintManagerEviction: as noted"),
        ([pod(end=("Completed", 0))], "Preempted", "Preempted: as noted"),
        ([], "FailedScheduling", "FailedScheduling: as noted"),
        ([], "Started", "it was deleted, by a person or with its node"),
    ],
)
def test_why_a_pod_is_gone(pods: list[k8s.V1Pod], event: str | None, said: str) -> None:
    events: Any = [SimpleNamespace(reason=event, message="as noted", last_timestamp=None, event_time=None)]
    assert why_gone(pods, events if event else []).startswith(said)


@pytest.mark.parametrize(
    ("pods", "event", "said"),
    [
        ([], "FailedCreate", "FailedCreate: as noted"),
        ([], "Created", None),
        ([pod(unplaced="0/3 nodes are available.")], None, "Unschedulable: 0/3 nodes are available."),
        ([pod(waits="ImagePullBackOff")], "FailedCreate", "ImagePullBackOff: no such thing"),
        ([pod(waits="ContainerCreating")], "FailedMount", "FailedMount: as noted"),
        ([pod(waits="ContainerCreating")], "FailedCreate", None),
        ([pod()], None, None),
    ],
)
def test_why_a_pod_has_not_begun(pods: list[k8s.V1Pod], event: str | None, said: str | None) -> None:
    events: Any = [SimpleNamespace(reason=event, message="as noted")]
    assert why_waiting(pods, events if event else []) == said


def test_the_heaviest_is_the_one_with_the_most_memory() -> None:
    asked: Any = [each.tags()["dagster-k8s/config"] for each in (SCORING, TRAINING, PodConfig(cpu="32"))]
    assert heaviest(asked) == asked[1]
    assert heaviest([]) is None
