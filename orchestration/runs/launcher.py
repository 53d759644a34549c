"""The run launcher of an instance on Kubernetes (its file names it): Dagster's own, and what it leaves out.

A run's pod is that of the heaviest of its steps, whoever launched it: Dagster reads the pods that assets ask for
(:func:`resources.config.deployment.pod_for`) only where every step has a pod of its own. A run whose pod is gone is told with the
pod's own reason. And a cluster that cannot be asked is no dead pod.

Loaded by the web server and the daemon, and by the code location for the runs that have not started.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import get_job_name_from_run_id

from orchestration.runs.dagster_internals import (
    CheckRunHealthResult,
    LaunchRunContext,
    WorkerStatus,
    config_of_steps,
    is_of_a_launcher,
    without_image,
)
from resources.config.deployment import load_deployment
from resources.config.pods import POD

if TYPE_CHECKING:
    from dagster_k8s.container_context import K8sContainerContext

OUT_OF_MEMORY = "OOMKilled"
# Of the events that a cluster keeps, for an hour mostly, those that say why a pod had to go.
TELLING = ("Evicted", "TaintManagerEviction", "Preempted", "NodeNotReady", "DeadlineExceeded")
WAITED = ("FailedScheduling", "FailedCreate")  # say why, of a pod that never began
# Why a container has not begun, where it is nothing that passes in some seconds.
ON_ITS_WAY = ("ContainerCreating", "PodInitializing")
NO_VOLUME = ("FailedMount", "FailedAttachVolume")


class Launcher(K8sRunLauncher):
    """Runs as jobs of Kubernetes."""

    @functools.cached_property
    def job_image(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The image of runs: that of the pod in which this is, so that one upgrade is of all."""
        own = self._api_client.get_pod_by_name(os.environ["HOSTNAME"], self.job_namespace)
        return own.spec.containers[0].image

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launches a run with this pod's image, also where its code location names the one that it had at the queueing."""
        super().launch_run(context._replace(dagster_run=without_image(context.dagster_run)))

    def get_container_context_for_run(self, dagster_run: dg.DagsterRun) -> K8sContainerContext:
        """The launcher's own settings, with those of the run's heaviest step; what the run itself is tagged with wins."""
        context = super().get_container_context_for_run(dagster_run)
        if load_deployment().executor == "kubernetes":  # its steps have their own; it asks the cluster for them
            return context.merge(_as_context({"pod_spec_config": {"automount_service_account_token": True}}))
        if POD in dagster_run.tags:
            return context
        asked = heaviest(config_of_steps(self._instance, dagster_run, tag=POD))
        return context.merge(_as_context(asked)) if asked else context

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """How the run's pod is; a run whose pod is gone fails here, in words that people read."""
        if not is_of_a_launcher(
            run
        ):  # a command's, in whatever pod that was typed: `orchestration.runs.orphans` looks after it
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        namespace, job = self._job_of(run)
        found = super().check_run_worker_health(run)
        is_missing = found.status == WorkerStatus.UNKNOWN and (found.msg or "").endswith("could not be found")
        if found.status == WorkerStatus.UNKNOWN and not is_missing:  # the cluster did not answer
            return CheckRunHealthResult(WorkerStatus.RUNNING, found.msg)
        if found.status == WorkerStatus.RUNNING:
            return found
        if self._is_ending(job, namespace):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        # A worker puts its end on record before its pod ends: who has not by now never will.
        again = self._instance.get_run_by_id(run.run_id)
        if again and not again.is_finished and again.status != dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_failed(again, message=f"Its pod is gone: {self._why(job, namespace)}")
        return found

    def waits_for(self, run: dg.DagsterRun) -> str | None:
        """Why the pod of a run that is starting has not begun; None where the cluster knows no reason, or does not answer."""
        namespace, job = self._job_of(run)
        try:
            return why_waiting(*self._seen(job, namespace))
        except Exception:  # not permitted, or out of reach: it is asked again in half a minute
            return None

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str:
        """What the cluster says of the run's pod, without its logs, which `kubectl logs` has."""
        del include_container_logs
        namespace, job = self._job_of(run)
        return f"Its pod: {self._why(job, namespace)}"

    def _job_of(self, run: dg.DagsterRun) -> tuple[str, str]:
        context = super().get_container_context_for_run(run)
        return context.namespace or self.job_namespace, get_job_name_from_run_id(run.run_id)

    def _is_ending(self, job: str, namespace: str) -> bool:
        """Whether a pod was told to end and still has time for it; one of a node that is lost never will be gone."""
        ends = [pod.metadata.deletion_timestamp for pod in self._api_client.get_pods_in_job(job, namespace)]
        return any(end and end > dt.datetime.now(dt.UTC) for end in ends)

    def _why(self, job: str, namespace: str) -> str:
        try:
            return why_gone(*self._seen(job, namespace))
        except Exception as error:  # not permitted, or out of reach: the run is dead all the same
            return f"why is not known, for the cluster was not to be asked ({type(error).__name__})."

    def _seen(self, job: str, namespace: str) -> tuple[list[Any], list[Any]]:
        """The pods of a job, and the events of both, newest first."""
        pods = self._api_client.get_pods_in_job(job, namespace)
        events: Any = self._api_client.core_api.list_namespaced_event(namespace)
        ours = [event for event in events.items if event.involved_object.name.startswith(job)]
        return pods, sorted(ours, key=lambda event: str(event.last_timestamp or event.event_time), reverse=True)


def heaviest(asked: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The settings, among those that steps ask for, with the most memory, then the most CPU; None without any."""
    from kubernetes.utils import parse_quantity

    def size(config: Mapping[str, Any]) -> tuple[Any, Any]:
        requests = config["container_config"].get("resources", {}).get("requests", {})
        return parse_quantity(requests.get("memory", 0)), parse_quantity(requests.get("cpu", 0))

    return max(asked, key=size, default=None)


def why_gone(pods: Sequence[Any], events: Sequence[Any]) -> str:
    """Why the pod of a run is gone or does not start, as a sentence: what the pod says, else the newest of the `events` that tells."""
    for pod in sorted(pods, key=lambda pod: pod.metadata.creation_timestamp):
        containers = [each for each in pod.status.container_statuses or [] if each.state and each.state.terminated]
        ends = [each.state.terminated for each in containers]
        if any(end.reason == OUT_OF_MEMORY for end in ends):
            limits = [each.resources.limits for each in pod.spec.containers if each.resources and each.resources.limits]
            limit = next((of["memory"] for of in limits if "memory" in of), "its node")
            return (
                f"it ran out of memory ({OUT_OF_MEMORY} at {limit}). Give it more: `memory` of NIGHTCART_TRAINING_POD or "
                "NIGHTCART_SCORING_POD, of other runs in the instance's dagster.yaml."
            )
        if pod.status.reason:
            return f"{pod.status.reason}: {pod.status.message or 'without a word'}"
        for condition in pod.status.conditions or []:
            if condition.type == "DisruptionTarget":
                return f"{condition.reason}: {condition.message}"
        if pod.metadata.deletion_timestamp:
            return "it was told to end, by a person or a drain of its node, and was killed when its time was over."
        for end in ends:
            if end.exit_code:
                return f"its process ended with exit code {end.exit_code} ({end.reason})."
    has_begun = any(event.reason == "Started" for event in events)
    telling = TELLING if has_begun else (*TELLING, *WAITED)
    for event in events:
        if event.reason in telling:
            return f"{event.reason}: {event.message}"
    return "it was deleted, by a person or with its node, before it had put its end on record."


def why_waiting(pods: Sequence[Any], events: Sequence[Any]) -> str | None:
    """Why the pod of a run has not begun, as its container, its node's choice or the newest event says; None without a reason."""
    for pod in pods:
        for each in pod.status.container_statuses or []:
            waiting = each.state.waiting if each.state else None
            if waiting and waiting.reason not in ON_ITS_WAY:
                return f"{waiting.reason}: {waiting.message or 'without a word'}"
        for condition in pod.status.conditions or []:
            if condition.type == "PodScheduled" and condition.status == "False":
                return f"{condition.reason}: {condition.message}"
    telling = NO_VOLUME if pods else WAITED
    return next((f"{event.reason}: {event.message}" for event in events if event.reason in telling), None)


def _as_context(config: Mapping[str, Any]) -> K8sContainerContext:
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import UserDefinedDagsterK8sConfig

    return K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(dict(config)))
