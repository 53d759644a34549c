"""Probes: what is wrong now. Each looks at one subject and changes nothing; :func:`look` asks all of them.

`status`, alerts, asset checks and `nightcart watch` answer from these incidents. What may be mended is in
`orchestration.alerting.repair`, when people are told in `orchestration.alerting.incidents`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes import (
    arrivals,
    daemon,
    drift,
    feeds,
    nights,
    parts,
    pods,
    registry,
    retraining,
    runs,
    tables,
)
from orchestration.alerting.probes.context import ADAPTERS, ProbeContext
from resources.records.alerts import Alert

__all__ = ["ADAPTERS", "PROBES", "ProbeContext", "look"]

log = logging.getLogger("nightcart.alerts")

Probe = Callable[[ProbeContext], Iterator[Incident]]
# By the first word of their incidents' keys, which are on record.
PROBES: Mapping[str, Probe] = {
    "night": nights.look,
    "feed": feeds.look,
    "run": runs.look,
    "pod": pods.look,
    "drift": drift.look,
    "attempts": retraining.look,
    "arrival": arrivals.look,
    "registry": registry.look,
    "parts": parts.look,
    "tables": tables.look,
    "clockwork": daemon.look,
}
FAILED_PROBE = "watch"  # first word of the key of what a probe that fails is told as


def look(context: ProbeContext, names: Collection[str] = tuple(PROBES)) -> list[Incident]:
    """All that is wrong, as far as the probes of `names` see. Changes nothing and tells nobody.

    A probe that fails is itself an incident, and hides nothing that another one finds.
    """
    incidents: list[Incident] = []
    for name in names:
        try:
            for incident in PROBES[name](context):
                incidents.append(incident)  # noqa: PERF402 (at once: what is found before something goes wrong counts)
        except Exception as error:
            log.warning("The probe %s failed", name, exc_info=True)
            happened = f"The watch cannot look at {name}: {type(error).__name__}: {error}"
            key, command = f"{FAILED_PROBE} {name}", "`nightcart --debug watch`"
            incidents.append(context.incident(key, Alert.FAILURE, happened, command=command))
    return incidents
