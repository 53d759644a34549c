"""Files that arrived and were set aside, or given up, and whose day was not taken in since: events, each told once."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.records.alerts import Alert
from resources.records.feeds import Arrival, Delivery


def look(context: ProbeContext) -> Iterator[Incident]:
    """An event for each file that a person has to look at."""
    taken_in = {delivery.business_date: delivery.taken_in_at for delivery in context.operations.records(Delivery)}
    for file in context.operations.records(Arrival):
        since = taken_in.get(file.business_date) if file.business_date else None
        is_over = since is not None and since > file.seen_at
        if file.outcome in (Arrival.SET_ASIDE, Arrival.GIVEN_UP) and not is_over:
            yield context.incident(
                f"arrival {file.outcome} {file.digest[:16]} {file.path}",
                Alert.REFUSAL,
                f"{file.path} was {file.outcome}: {file.reason}",
                command="have it delivered again; `nightcart status` shows what is waited for.",
                is_event=True,
            )
