"""The decision to retrain whose attempts are used up: nothing tries it any more."""

from __future__ import annotations

from collections.abc import Iterator

from assets.lifecycle import retraining_ledger as ledger
from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.records.alerts import Alert


def look(context: ProbeContext) -> Iterator[Incident]:
    """One incident, or none."""
    entry = ledger.exhausted(context.operations, rule=context.settings.retraining, now=context.now)
    if entry:
        decision, reasons = entry.decision, "; ".join(entry.decision.reasons)
        happened = (
            f"The training decided on {decision.business_date} ({reasons}) failed in all {len(entry.attempts)} attempts: "
            f"{entry.attempts[-1].reason}. The champion stays, and nothing tries again by itself."
        )
        command = "`nightcart decisions` shows each attempt; mend it, then `nightcart retrain`."
        yield context.incident(f"attempts {entry.number}", Alert.USED_UP, happened, command=command)
