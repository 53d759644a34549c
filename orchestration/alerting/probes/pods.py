"""Runs whose pod does not begin: no node has room, an image cannot be pulled, a quota is used up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from orchestration.runs.nights import days_of_run
from orchestration.runs.outcomes import waits_for
from resources.records.alerts import Alert

LONG = dt.timedelta(minutes=4)  # a node that has to be started first takes some


def look(context: ProbeContext) -> Iterator[Incident]:
    """An incident for each run that is starting for long, and of which the cluster has said why."""
    starting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING], updated_before=context.now - LONG)
    for run in context.instance.get_runs(starting):
        if why := waits_for(context.instance, run.run_id):
            what = " ".join([run.job_name, *map(str, days_of_run(run)[:1])])
            happened = f"The pod of {what} (run {run.run_id[:8]}) has not begun: {why.removesuffix('.')}."
            command = "give the cluster what it lacks, or correct what the pod asks for; the run begins by itself."
            yield context.incident(f"pod {run.run_id}", Alert.FAILURE, happened, command=command)
