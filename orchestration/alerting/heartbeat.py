"""Whether schedules and sensors are at work: Dagster does not tell when one stops, fails at every tick or falls silent.

Each of ours records a heartbeat when it has done its work (:func:`records_heartbeat`); :func:`faults` judges these and
Dagster's own ticks together. Facts come in as arguments: `orchestration.alerting.probes.daemon` looks them up.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from resources.records.alerts import Heartbeat
from resources.records.store import OperationsDatabase

R = TypeVar("R")

WATCH = "alert_schedule"
LOOKED = "alerting"  # the last look of the job that the schedule asks for
# The schedule beats this name when it finds that it has been away: since when it has been at work without a break.
AWAKE = f"{WATCH} is awake"

# Ticks that fail, or do not come, in a row before it is told: one is a restart or a lock, three are no accident.
TICKS = 3
# Nothing is silent that was heard within this: a daemon that starts anew, loads the code and waits for a lock of SQLite
# has taken up to two minutes; the schedule itself ticks every five, and must miss more than one.
LEAST_SILENCE = dt.timedelta(minutes=15)


def records_heartbeat(body: Callable[..., R]) -> Callable[..., R]:
    """Record a heartbeat of a schedule or sensor, under its own name, once it has done its work.

    `body` takes `operations`. A tick that raises leaves none. It goes below Dagster's decorator: `@dg.sensor(…)`,
    `@records_heartbeat`, the function.
    """

    @functools.wraps(body)
    def run(*args: Any, **resources: Any) -> R:
        result = body(*args, **resources)
        resources["operations"].beat(body.__name__, now=dt.datetime.now(dt.UTC))
        return result

    return run


def wake(operations: OperationsDatabase, *, now: dt.datetime) -> None:
    """The schedule's own heartbeat; one that has been away notes since when it is back."""
    beats = {beat.name: beat.beat_at for beat in operations.records(Heartbeat)}
    if abs(now - beats.get(WATCH, dt.datetime.min.replace(tzinfo=dt.UTC))) > LEAST_SILENCE:
        operations.beat(AWAKE, now=now)
    operations.beat(WATCH, now=now)


@dataclass(frozen=True, kw_only=True)
class InstigatorHealth:
    """A schedule, sensor or daemon, and whether it is at work.

    `ticks` are the last ones, the newest first: why each failed, or None. `seen_at` is when it was last at work, and
    `expected_since` the time since when it must have been.
    """

    name: str
    kind: str
    is_stopped: bool = False
    ticks: Sequence[str | None] = ()
    seen_at: dt.datetime | None
    expected_since: dt.datetime


def faults(all_of_them: Iterable[InstigatorHealth], *, awake_since: dt.datetime | None) -> dict[InstigatorHealth, str]:
    """What is wrong, in a sentence, with each of those that are not at work.

    Silence is judged by the time alone in which the schedule of alerts was awake: after a night without power everything has been
    silent, and is about to wake. What was never at work cannot have stopped.
    """
    wrong = {}
    for each in all_of_them:
        failures = [why for why in each.ticks[:TICKS] if why]
        if each.is_stopped:
            wrong[each] = f"The {each.kind} {each.name} has been stopped."
        elif len(failures) == TICKS:
            wrong[each] = f"The {each.kind} {each.name} failed {TICKS} times in a row: {failures[0]}"
        elif (
            each.seen_at and each.seen_at < each.expected_since and (awake_since or each.seen_at) < each.expected_since
        ):
            wrong[each] = f"The {each.kind} {each.name} has not been at work since {each.seen_at:%Y-%m-%d %H:%M} UTC."
    return wrong
