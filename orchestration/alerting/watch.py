"""One round: mend what may be mended, look, leave the last good lists published, show and tell what is wrong.

It does not matter who goes it: the job `alerting`, a command after its night, or `nightcart watch` outside of Dagster.
"""

from __future__ import annotations

import datetime as dt

from orchestration.alerting import checks, incidents, repair
from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes import FAILED_PROBE, PROBES, ProbeContext, look
from resources.notifier import Notifier
from resources.records.alerts import Alert


def watch(context: ProbeContext, *, notifier: Notifier, is_inside: bool = False) -> list[Incident]:
    """Go one round and return all that is wrong; `is_inside` Dagster, on the machine of its code server."""
    repair.mend(context, repair.FROM_INSIDE if is_inside else repair.FROM_OUTSIDE)
    open_now = repair.carry_over_lists(context, look(context))
    keys = {incident.key for incident in open_now}
    due = incidents.to_tell(
        [incident.as_alert(now=context.now) for incident in open_now],
        context.operations.records(Alert),
        now=context.now,
        repeat_after=dt.timedelta(hours=context.settings.alerts.repeat_after_hours),
        looked_at=[FAILED_PROBE, *(name for name in PROBES if f"{FAILED_PROBE} {name}" not in keys)],
    )
    title = f"Nightcart, {context.settings.title}"
    incidents.tell(due, title=title, operations=context.operations, notifier=notifier)
    checks.report(context.instance, open_now)
    return open_now
