"""The run coordinator of the instance (dagster.yaml): what a run is told as it is asked for, whoever asks.

Dagster's own queue, and two things more. A run carries the retailer that it was asked for, as its code location names it:
also what a person materializes in the browser, which is of no job of ours that could have the tag. And tags by which we find our own
runs again mean nothing on a run that a person launches or executes once more.

Loaded by the web server and the daemon, which load no code location: it imports none of ours either.
"""

from __future__ import annotations

import dagster as dg

from orchestration.tags import NIGHT, OURS, RETAILER, SLOT

NOT_BELIEVED = "not believed: it came from outside"
BACKFILL = "dagster/backfill"  # on a run of a backfill that a person asked for in the browser


class Coordinator(dg.QueuedRunCoordinator):
    """Dagster's queue for runs that say whose they are."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Queue a run, with its retailer, and without what it claims to be."""
        run = context.dagster_run
        is_from_outside = getattr(context.workspace, "source", None) is not None or BACKFILL in run.tags
        tags = dict.fromkeys(_ours(run), NOT_BELIEVED) if is_from_outside else {}
        if retailer := _retailer(context):
            tags[RETAILER] = retailer
        if tags:
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def _ours(run: dg.DagsterRun) -> list[str]:
    return [tag for tag in run.tags if tag.startswith(OURS) and tag not in (SLOT, NIGHT)]


def _retailer(context: dg.SubmitRunContext) -> str | None:
    """The retailer of the run's code location; None of a location that is not ours."""
    origin = context.dagster_run.remote_job_origin
    if origin is None:
        return None
    location = context.workspace.get_code_location(origin.location_name)
    known = location.get_repository(origin.repository_origin.repository_name).repository_snap.metadata or {}
    return str(known[RETAILER].value) if RETAILER in known else None
