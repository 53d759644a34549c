"""What each day that arrived needs, worked out from what is known: pure, so that it can be read and tested.

What has arrived is in `orchestration.arrival.receive`; the runs are asked for in `orchestration.sensors.arrival`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from orchestration.arrival.receive import ArrivedFile, fingerprint_of
from orchestration.jobs import ingestion, nightly
from orchestration.runs.attempts import Retries
from orchestration.runs.nights import UNDER_WAY
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.records.feeds import Delivery
from resources.records.store import OperationsDatabase

ARRIVAL_TAG = "nightcart/arrival"  # on a run: what tells the day's files apart that it was launched for
# The pauses outlast a lock, a restart, and an outage that somebody is called for.
RETRIES = Retries(pauses=(dt.timedelta(minutes=2), dt.timedelta(minutes=15), dt.timedelta(hours=1)))
# A list is for the days after its night: of days older than this against the newest, only the baskets are taken in.
NIGHTS_CAUGHT_UP = dt.timedelta(days=14)
CLOSED = "closed"  # the fingerprint of a day on which nothing can arrive


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A run that was launched for a day's files: how it stands, and since when."""

    status: dg.DagsterRunStatus
    ended_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What days are planned by: those taken in, the nights done, the days that runs are at work on.

    `launches` gives the runs of a day, a job and a fingerprint, the newest first.
    """

    taken_in: Collection[dt.date]
    nights: Collection[dt.date]
    under_way: Mapping[dt.date, str]
    first_night: dt.date
    launches: Callable[[dt.date, str, str], Sequence[Launch]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is done for a day now: a run of `job`, with a key that is fresh for each attempt; without a job, nothing."""

    day: dt.date
    fingerprint: str
    job: str | None
    attempt: int = 0
    why: str = ""
    is_given_up: bool = False

    @property
    def run_key(self) -> str:
        """Under which Dagster launches the step once."""
        return f"{self.job}:{self.day}:{self.fingerprint[:16]}:{self.attempt}"


def plan(
    arrived: Mapping[dt.date, str],
    changed: Collection[dt.date],
    known: Situation,
    *,
    reread: Collection[dt.date] = (),
    now: dt.datetime,
) -> list[Step]:
    """What each of the days that `arrived` (with the fingerprints of their files) needs now, the oldest first.

    `changed` are those that hold other lines than their files, or none. A day after the last night that is done has a
    night, once all days before it are there, with nothing else at the same time; a day that is older, that has a gap
    before it, or of which only the bytes tell whether it is news (`reread`), is taken in alone. What failed is tried
    again after growing pauses, as another run, and at last given up.
    """
    steps: list[Step] = []
    active = set(known.under_way)  # days that a run is at work on, or that is asked for now
    coming = set(active)  # these, and days whose run is to come
    first = min(known.taken_in or arrived)
    is_busy = nightly.name in known.under_way.values()
    for day, fingerprint in sorted(arrived.items()):

        def skip(why: str, *, is_given_up: bool = False, day: dt.date = day, key: str = fingerprint) -> None:
            steps.append(Step(day=day, fingerprint=key, job=None, why=why, is_given_up=is_given_up))

        is_new = day >= known.first_night and day > max(known.nights, default=dt.date.min)
        wants_night = is_new and max(arrived) - day < NIGHTS_CAUGHT_UP
        if day not in changed and not wants_night:
            continue
        if day < first:
            skip(f"the history begins on {first}: `nightcart backfill --from {day} --to {first - ONE_DAY}` extends it")
            continue
        if day in known.under_way:
            skip("a run is at work on it")
            continue
        gap = {first + n * ONE_DAY for n in range((day - first).days)} - set(known.taken_in)
        job = nightly.name if wants_night and gap <= coming and day not in reread else ingestion.name
        if job == ingestion.name and day not in changed:
            skip(f"its baskets are there, its night waits for {min(gap)}")
            continue
        # What a night has begun to read must not become another version under it: its gates would close.
        if is_busy or (job == nightly.name and (gap or any(of < day for of in active))):
            skip("another night is under way" if is_busy else "its night waits for an earlier day")
            coming.add(day)
            continue
        launches = known.launches(day, job, fingerprint)
        why, is_given_up = _not_now(launches, now)
        if why:
            skip(why, is_given_up=is_given_up)
        else:
            steps.append(Step(day=day, fingerprint=fingerprint, job=job, attempt=len(launches) + 1))
            active.add(day)
            is_busy |= job == nightly.name
        if not is_given_up:
            coming.add(day)
    return steps


def _not_now(launches: Sequence[Launch], now: dt.datetime) -> tuple[str | None, bool]:
    """Why a day is not tried (again) now, None when it is; and whether it is given up."""
    if not launches:
        return None, False
    last, number = launches[0], len(launches)
    if last.status == dg.DagsterRunStatus.CANCELED:
        return "a person has ended its run", True
    if RETRIES.are_exhausted(number):
        return f"its runs failed {number} times", True
    if last.status in UNDER_WAY:
        return "a run is at work on it", False
    again = RETRIES.waits_until(number, ended_at=last.ended_at, now=now)
    return (f"its run failed, and is tried again after {again:%H:%M} UTC" if again else None), False


def with_closed_days(
    arrived: Mapping[dt.date, str], settings: Settings, taken_in: Collection[dt.date]
) -> dict[dt.date, str]:
    """The days that arrived, and the closed ones between what was taken in and them: a night is run of these too."""
    last = max((day for day in taken_in if day < max(arrived)), default=max(arrived))
    days = (last + n * ONE_DAY for n in range(1, (max(arrived) - last).days))
    return {day: CLOSED for day in days if settings.is_closed(day) and day not in taken_in} | dict(arrived)


def fingerprints(files: Mapping[dt.date, Sequence[ArrivedFile]]) -> dict[dt.date, str]:
    """What tells each day's files apart, by day: the same when the same bytes are delivered once more."""
    return {day: fingerprint_of(*(file.identity for file in of)) for day, of in files.items()}


def changed_days(
    days: Collection[dt.date], files: Mapping[dt.date, Sequence[ArrivedFile]], operations: OperationsDatabase
) -> set[dt.date]:
    """Those of `days` that were last taken in from other files than those that are there, or not at all."""
    newest = {delivery.business_date: set(delivery.files.values()) for delivery in operations.records(Delivery)}
    return {day for day in days if newest.get(day) != {file.digest for file in files.get(day, ())}}
