"""What the model registry says otherwise than the ledger of promotions: somebody has moved or deleted something."""

from __future__ import annotations

from collections.abc import Iterator

from assets.lifecycle.manual import differences
from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.records.alerts import Alert


def look(context: ProbeContext) -> Iterator[Incident]:
    """An incident for each difference."""
    for each in differences(context.registry, context.operations):
        happened = f"MLflow's registry is not what was decided: {each.says}."
        key, command = f"registry {each.says}", "`nightcart reconcile`."
        yield context.incident(key, Alert.FAILURE, happened, command=command)
