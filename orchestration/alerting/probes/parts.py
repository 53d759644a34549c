"""Parts of the state that are of different times, or that a restore has left half done: no night begins on them."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.errors import Refused
from resources.parts import Parts
from resources.records.alerts import Alert


def look(context: ProbeContext) -> Iterator[Incident]:
    """What the next night would be refused for."""
    parts = Parts.of(
        operations=context.operations,
        tables=context.tables.root,
        raw=context.feeds.place,
        registry=context.registry,
        cursors=context.instance.daemon_cursor_storage,
    )
    try:
        parts.require_whole()
        parts.require_fit()
    except Refused as refusal:
        yield context.incident(f"parts {refusal.message}", Alert.FAILURE, refusal.message, command=refusal.remedy)
