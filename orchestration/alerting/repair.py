"""Repairs: the named things that may be mended without a person. Each is logged, and leaves its record where it changes.

A repair decides by its own look whether there is anything to do, may be called as often as one likes, and tells nobody.
What nobody may mend but a person is an incident, and stays one (`orchestration.alerting.probes`).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import dagster as dg

from assets.grocery.publication.served import carry_over
from assets.lifecycle import champion
from assets.lifecycle.manual import differences
from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from orchestration.jobs import ALERTING
from orchestration.runs import orphans
from resources import home

log = logging.getLogger("nightcart.alerts")

KEPT = dt.timedelta(days=7)  # as long as the UI shows a week of looks; what they found is on record for ever
MOST_REMOVED = 100  # runs a look


def fail_orphaned_runs(context: ProbeContext) -> str | None:
    """Fail the runs of commands that were killed."""
    failed = orphans.fail_runs_of_killed_commands(context.instance, home.state(), context.operations)
    return f"failed {', '.join(failed)}, whose command was killed" if failed else None


def fail_runs_of_dead_workers(context: ProbeContext) -> str | None:
    """Fail the runs whose worker is gone: not for a look from outside, which may be on another machine."""
    failed = orphans.fail_runs_of_dead_workers(context.instance)
    return f"failed {', '.join(failed)}, whose worker is gone" if failed else None


def sync_aliases(context: ProbeContext) -> str | None:
    """Let the registry's aliases follow the ledger, where all that differs is what a run that died left undone."""
    unfinished = differences(context.registry, context.operations)
    if not unfinished or not all(each.is_unfinished for each in unfinished):
        return None
    champion.sync_aliases(context.registry, context.operations)
    return f"synced the registry's aliases: {'; '.join(each.says for each in unfinished)}"


def remove_old_looks(context: ProbeContext) -> str | None:
    """Delete old runs of `alerting` that succeeded: some dozens a day, which nobody looks at again."""
    old = dg.RunsFilter(job_name=ALERTING, statuses=[dg.DagsterRunStatus.SUCCESS], created_before=context.now - KEPT)
    runs = context.instance.get_runs(old, limit=MOST_REMOVED)
    for run in runs:
        context.instance.delete_run(run.run_id)
    return f"removed {len(runs)} old runs of {ALERTING}" if runs else None


Repair = Callable[[ProbeContext], str | None]
# What is done before a look, in this order; each returns what it did.
FROM_OUTSIDE: Sequence[Repair] = (fail_orphaned_runs, sync_aliases)
FROM_INSIDE: Sequence[Repair] = (*FROM_OUTSIDE, fail_runs_of_dead_workers, remove_old_looks)


def mend(context: ProbeContext, repairs: Sequence[Repair]) -> None:
    """Do the repairs; one that fails is logged, hides no other, and what it left undone is an incident."""
    for repair in repairs:
        try:
            if done := repair(context):
                log.info("Repaired: %s", done)
        except Exception:
            log.warning("The repair %s failed", repair.__name__, exc_info=True)


def carry_over_lists(context: ProbeContext, incidents: Sequence[Incident]) -> list[Incident]:
    """Mark the published lists as carried over, for each night that brought none; returns what people are to be told.

    That is the incidents as they are, or with why the lists could not be marked: the next look marks them.
    """
    marked = []
    for incident in incidents:
        try:
            if incident.night:
                because = incident.happened
                carry_over(context.tables, context.operations, night=incident.night, because=because, now=context.now)
        except Exception as error:  # the alert is the more important of the two
            log.warning("The published lists could not be marked", exc_info=True)
            meaning = f"{incident.meaning} They could not be marked as carried over: {error}"
            incident = replace(incident, meaning=meaning)
        marked.append(incident)
    return marked
