"""Carrying a decision to retrain out: which run is asked for next, and what became of those before.

The ledger is the only state. Whoever carries a decision out, the sensor or the command line, puts an attempt on record
*before* it asks for the run, and finds the run again by its tag: one that dies in between has made an attempt that
vanished, which is seen, and is tried again under another key. A run is asked for only while none that trains is under
way, so there is never a second, whoever launched the first. Nothing here is one domain's: what trains is what its graph has
in the group of the job :data:`orchestration.jobs.retraining`, and the runs of others in the same instance are left aside.

The clock decides waits alone, never whether a run is there. A time on record that lies in the future is one of a clock
that was set back since: no wait is measured by it, or a decision would wait for years. The budget bounds the attempts
whatever the clock does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import dagster as dg

from assets.lifecycle import retraining_ledger as ledger
from assets.lifecycle.retraining_ledger import Entry, Ledger
from orchestration.jobs import INGESTION, RETRAINING
from orchestration.runs.nights import runs_under_way
from orchestration.runs.outcomes import failures
from orchestration.tags import RETAILER
from resources.config.lifecycle import LifecycleSettings, RetrainingConfig
from resources.records.lifecycle import Attempt
from resources.records.store import OperationsDatabase

ATTEMPT_TAG = "nightcart/attempt"  # its value is the attempt's key

# What a person who runs a night by hand is told of a training that is not asked for now.
WORTH_TELLING = (*ledger.UNFINISHED, ledger.USED_UP)

# A run is there within seconds of being asked for, and a daemon that died in between goes on with its interrupted tick
# before it begins another. What has no run after this long never had one, or it was deleted.
LAUNCH_GRACE = dt.timedelta(minutes=5)

ENDS = {
    dg.DagsterRunStatus.SUCCESS: Attempt.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: Attempt.FAILED,
    # A killed worker and a run that took too long are failures to Dagster; only a person's request is this.
    dg.DagsterRunStatus.CANCELED: Attempt.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often what failed is tried again, and after which pauses: one attempt more than there are pauses.

    A time on record that lies in the future is one of a clock that was set back since: no wait is measured by it.
    """

    pauses: Sequence[dt.timedelta]

    def are_exhausted(self, attempts: int) -> bool:
        """Whether nothing is tried any more after so many attempts."""
        return attempts > len(self.pauses)

    def waits_until(self, attempts: int, *, ended_at: dt.datetime, now: dt.datetime) -> dt.datetime | None:
        """Until when the next attempt waits, after `attempts` of which the last ended; None when it is due."""
        again = ended_at + self.pauses[attempts - 1]
        return again if ended_at <= now < again else None


def retries_of(rule: RetrainingConfig) -> Retries:
    """The attempts at a decision to retrain, by its configuration."""
    return Retries(pauses=[rule.backoff(number) for number in range(1, rule.attempts)])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The attempt to ask for, with its decision, or None and why not; a sentence either way."""

    attempt: Attempt | None
    entry: Entry | None
    why: str


def plan(known: Ledger, *, busy: str | None, rule: RetrainingConfig, now: dt.datetime) -> Plan:
    """What to do for the newest decision to train; `busy` names a run that trains and is under way, whoever launched it.

    The ends of attempts that can be seen are to be on record before (:func:`settle`).
    """
    entry = known.current(rule=rule)
    if entry is None:
        return Plan(attempt=None, entry=None, why="No training is decided on.")
    day, made = entry.decision.business_date, len(entry.attempts)
    of_how_many = f"the training decided on {day}, attempt {made} of {rule.attempts}"

    def wait(why: str) -> Plan:
        return Plan(attempt=None, entry=entry, why=why)

    if entry.state == ledger.USED_UP:
        return wait(f"All {made} attempts at the training decided on {day} failed; `nightcart decisions` says how.")
    if entry.state not in ledger.UNFINISHED:
        return wait(f"The training decided on {day}: {entry.state}.")
    if busy:
        return wait(f"A run that trains is under way: {busy}.")
    if entry.state == ledger.UNDER_WAY:
        return wait(f"Asked for, but no run is there yet: {of_how_many}.")
    if entry.state == ledger.FAILED:
        last = entry.attempts[-1]
        if last.ended_at and (again := retries_of(rule).waits_until(made, ended_at=last.ended_at, now=now)):
            return wait(f"Failed: {of_how_many}. The next one not before {again:%Y-%m-%d %H:%M} UTC: {last.reason}")
    number = made + 1
    attempt = Attempt(
        decision_id=entry.number,
        number=number,
        # The day too: the numbers of a ledger that was lost begin again, and the runs of the old one may be there still.
        run_key=f"{RETRAINING}:{day}:{entry.number}:{number}",
        asked_at=now,
    )
    return Plan(attempt=attempt, entry=entry, why=f"Attempt {number} of {rule.attempts} at the training of {day}.")


def ask(
    instance: dg.DagsterInstance,
    operations: OperationsDatabase,
    *,
    settings: LifecycleSettings,
    training: Set[dg.AssetKey],
    now: dt.datetime,
) -> Plan:
    """See what became of earlier attempts, and put the next one on record, if it is time for one: whoever asks so runs it.

    `training` are the assets of which a run that makes any trains.
    """
    settle(instance, operations, of=settings.name, now=now)
    busy = _busy(instance, training, of=settings.name)
    next_one = plan(ledger.read(operations, now=now), busy=busy, rule=settings.retraining, now=now)
    if next_one.attempt and not operations.claim(next_one.attempt):
        return replace(next_one, attempt=None, why="Another process has just asked for it.")
    return next_one


def settle(instance: dg.DagsterInstance, operations: OperationsDatabase, *, of: str, now: dt.datetime) -> None:
    """Put on record how the attempts ended whose end can be seen, `of` whom the settings name."""
    for attempt in Ledger(attempts=operations.records(Attempt)).open_attempts():
        if end := _end(instance, attempt, of=of, now=now):
            operations.claim(end)


def tags(attempt: Attempt, *, of: str) -> Mapping[str, str]:
    """By which the attempt's run is found again: ledgers `of` two domains number their decisions alike."""
    return {ATTEMPT_TAG: attempt.run_key, RETAILER: of}


def _end(instance: dg.DagsterInstance, attempt: Attempt, *, of: str, now: dt.datetime) -> Attempt | None:
    """The attempt with its end, or None while it has none."""
    runs = instance.get_runs(dg.RunsFilter(tags=dict(tags(attempt, of=of))))
    if not runs:
        if attempt.asked_at <= now < attempt.asked_at + LAUNCH_GRACE:
            return None
        return replace(attempt, outcome=Attempt.VANISHED, reason="there is no run of it", ended_at=now)
    if any(not run.is_finished for run in runs):
        return None
    # More than one, when a person has executed it again; the newest is the first.
    run = next((run for run in runs if run.is_success), runs[0])
    reasons = [failed.message for failed in failures(instance, run.run_id)] if run.is_failure else []
    return replace(attempt, outcome=ENDS[run.status], reason=" | ".join(reasons), run_id=run.run_id, ended_at=now)


def _busy(instance: dg.DagsterInstance, training: Set[dg.AssetKey], *, of: str) -> str | None:
    """A run under way that trains, whoever launched it: by its assets, or all of those of any job but of the ingestion."""
    for run in runs_under_way(instance):
        is_ours = run.tags.get(RETAILER, of) == of
        if is_ours and (run.asset_selection & training if run.asset_selection else run.job_name != INGESTION):
            return f"{run.job_name}, run {run.run_id[:8]}"
    return None
