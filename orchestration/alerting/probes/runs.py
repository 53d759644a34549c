"""Runs that failed lately and are no lost night: events, each told once. What failed in a run, in a sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from orchestration.arrival.plan import ARRIVAL_TAG
from orchestration.jobs import nightly
from orchestration.runs import outcomes
from orchestration.runs.attempts import ATTEMPT_TAG
from orchestration.runs.nights import days_of_run, is_retried, newest_runs
from resources.records.alerts import Alert
from resources.records.lifecycle import Attempt

# How long after it failed a run that is no night is told, should nobody have looked at once.
LOOK_BACK = dt.timedelta(days=1)
MOST_RUNS = 200


def look(context: ProbeContext) -> Iterator[Incident]:
    """An event for each thing of which a run failed: a decision to train, a backfill, an old night that was made again."""
    records = context.instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=context.now - LOOK_BACK), limit=MOST_RUNS
    )
    ended = newest_runs(context.instance, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    old_nights = {run.run_id for day, run in ended.items() if day < context.today and day not in context.lost_nights}
    keys = set()
    for run in (record.dagster_run for record in records):
        if is_retried(run) or (run.job_name == nightly.name and run.run_id not in old_nights):
            continue
        if (key := _incident_key(context, run)) not in keys:
            keys.add(key)
            happened, kind, _ = what_failed(context.instance, run)
            yield context.incident(key, kind, happened, command=_again(run), is_event=True)


def what_failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str, list[tuple[str, str]]]:
    """What happened, in a sentence; its kind; and the checks that did not pass, each with its asset."""
    failures = outcomes.failures(instance, run.run_id)
    is_refusal = bool(failures) and all(each.is_refusal for each in failures)
    days = " … ".join(_ends_of(run))
    what = f"The night of {days}" if run.job_name == nightly.name else f"{run.job_name}{f' of {days}' if days else ''}"
    why = " | ".join(each.message for each in failures) or outcomes.end_of(instance, run.run_id)
    happened = f"{what} {'was refused' if is_refusal else 'failed'} (run {run.run_id[:8]}): {why.removesuffix('.')}."
    return happened, Alert.REFUSAL if is_refusal else Alert.FAILURE, [each.check for each in failures if each.check]


def _incident_key(context: ProbeContext, run: dg.DagsterRun) -> str:
    """The key of what a run is a part or a try of: the days of a backfill, the attempts of a decision."""
    if backfill := run.tags.get(outcomes.BACKFILL_TAG):
        return f"run backfill {backfill}"
    if run_key := run.tags.get(ATTEMPT_TAG):
        for attempt in context.operations.records(Attempt, run_key=run_key, last=1):
            return f"run decision {attempt.decision_id}"
    if arrived := run.tags.get(ARRIVAL_TAG):
        return f"run arrival {arrived} {run.job_name}"
    return f"run {run.root_run_id or run.run_id}"


def _again(run: dg.DagsterRun) -> str:
    days = _ends_of(run)
    if ATTEMPT_TAG in run.tags:
        return "mend what it names; it is tried again by itself, or with the next night: `nightcart decisions`."
    if run.job_name == nightly.name and days:
        return f"mend what it names, then `nightcart nightly --date {days[0]}`."
    if days and run.asset_selection:
        names = " or ".join(sorted(key.to_user_string() for key in run.asset_selection))
        return f'mend what it names, then `nightcart backfill --from {days[0]} --to {days[-1]} --assets "{names}"`.'
    return "`nightcart status`."


def _ends_of(run: dg.DagsterRun) -> list[str]:
    """The first and the last business day of a run; of one day, that day."""
    days = days_of_run(run)
    return list(dict.fromkeys(str(day) for day in (days[:1] + days[-1:])))
