"""What the pod of a run, or of a step, gets of a cluster: typed here, and handed to Kubernetes as it names things."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from resources.config.base import BaseConfig, setting

QUANTITY = r"^\d+(\.\d+)?(m|[kMGT]i?)?$"  # of Kubernetes: 500m, 2, 16Gi
POD = "dagster-k8s/config"  # the tag that Dagster's launcher and executor read


class Toleration(BaseConfig):
    """A taint of nodes that the pod puts up with, that of spot machines for instance."""

    key: str = Field(description="Of the taint.")
    operator: Literal["Exists", "Equal"] = setting("Exists", "Whether any value of the taint is meant.")
    value: str | None = setting(None, "Of the taint, with `Equal`.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = setting(
        None, "Of the taint; any by default."
    )


class PodConfig(BaseConfig):
    """Requests and limits of a pod, and the nodes that it may run on."""

    cpu: str | None = setting(None, "CPUs that are kept for it.", pattern=QUANTITY)
    memory: str | None = setting(
        None, "Memory that is kept for it, and its limit: above it, it is killed.", pattern=QUANTITY
    )
    gpus: int = setting(0, "GPUs, for a model family that trains on one.", ge=0)
    gpu_resource: str = setting("nvidia.com/gpu", "The cluster's name for a GPU.")
    node_selector: dict[str, str] = setting({}, "Labels of the nodes of its pool.")
    tolerations: list[Toleration] = setting([], "Taints of the nodes of its pool.")

    def tags(self) -> dict[str, Any]:
        """As the tag of an asset's op, or of a run."""
        requests = {"cpu": self.cpu, "memory": self.memory, self.gpu_resource: str(self.gpus or "")}
        limits = {name: amount for name, amount in requests.items() if name != "cpu"}
        resources = {"requests": _given(requests), "limits": _given(limits)}
        tolerations = [each.model_dump(exclude_none=True) for each in self.tolerations]
        return {
            POD: {
                "container_config": {"resources": _given(resources)},
                "pod_spec_config": _given({"node_selector": self.node_selector, "tolerations": tolerations}),
            }
        }


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
