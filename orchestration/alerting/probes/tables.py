"""Tables that have not what was written into them, and records that are not what was recorded: somebody has changed them by hand."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.errors import Damaged
from resources.records.alerts import Alert
from resources.tables import contents


def look(context: ProbeContext) -> Iterator[Incident]:
    """An incident for each asset whose tables lack what is on record, and one for the records."""
    for asset, (says, again) in contents.lacking(context.tables, context.operations).items():
        yield context.incident(f"tables {asset}", Alert.FAILURE, says, command=again)
    try:
        context.operations.require_recorded()
    except Damaged as damage:
        yield context.incident("tables of records", Alert.FAILURE, damage.message, command=damage.remedy)
