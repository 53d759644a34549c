"""Nights that failed and nothing newer made good, and the one that is not done by its time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from orchestration.alerting.probes.runs import what_failed
from orchestration.runs.dagster_internals import ended_ticks
from orchestration.runs.nights import night_so_far
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.records.alerts import Alert
from resources.records.quality import Verdict

SCHEDULE = "nightly_schedule"
FIRST_NIGHT = "night without any before"


def look(context: ProbeContext) -> Iterator[Incident]:
    """An incident for each lost night, and one for all that are missing."""
    for day, run in context.lost_nights.items():
        happened, kind, checks = what_failed(context.instance, run)
        command = f"mend what it names, then `nightcart nightly --date {day}` goes on where it stopped"
        for _, check in checks[:1]:
            for verdict in context.operations.records(Verdict, run_id=run.run_id, check=check, last=1):
                which = " ".join(map(str, filter(None, (verdict.subject, check, verdict.partition))))
                command += f'; or let it through: `nightcart override {which} --reason "…"`, then the same'
        yield context.incident(night_key(day), kind, happened, command=f"{command}.", night=day)
    if missing := _missing(context):
        first, last = missing[0], missing[-1]
        what = f"The night of {last} was" if first == last else f"The nights of {first} … {last} were"
        by = f"{context.settings.alerts.night_is_due_by:%H:%M} ({context.settings.timezone})"
        yield context.incident(
            # One thing for as long as it goes on, and the same when its first night is tried and fails.
            night_key(first) if context.served else FIRST_NIGHT,
            Alert.MISSED,
            f"{what} not done by {by}: {_why_not_done(context, last)}",
            command=f"`nightcart nightly --date {last}`.",
            night=last,
        )


def night_key(day: dt.date) -> str:
    """The key of what is wrong with the night of `day`."""
    return f"night {day}"


def due_night(settings: Settings, *, now: dt.datetime) -> dt.date | None:
    """The last business day whose lists should be there at `now`; a finished data set is played, and never late."""
    if settings.last_business_day:
        return None
    local = now.astimezone(ZoneInfo(settings.timezone))
    day = local.date() - (1 if local.time() >= settings.alerts.night_is_due_by else 2) * ONE_DAY
    return day if day >= settings.first_business_day else None


def _missing(context: ProbeContext) -> list[dt.date]:
    """The business days, in order, whose lists should be there, that are newer than what is served and did not fail."""
    due, served = due_night(context.settings, now=context.now), context.served
    if due is None:
        return []
    first = served.made_on + ONE_DAY if served else due
    days = (first + n * ONE_DAY for n in range((due - first).days + 1))
    return [day for day in days if day not in context.lost_nights]


def _why_not_done(context: ProbeContext, day: dt.date) -> str:
    if run_id := night_so_far(context.instance, day).under_way:
        return f"run {run_id[:8]} is under way."
    state = context.instigator_states.get(SCHEDULE)
    ticks = ended_ticks(context.instance, state, limit=1) if state else []
    # What the schedule says of that night, and not of the one before.
    if ticks and ticks[0].skip_reason and str(day) in ticks[0].skip_reason:
        return ticks[0].skip_reason
    return "no run of it has succeeded."
