"""Incidents, and when they are told, told again, and over: pure rules over what is wrong now and what is on record.

An incident has a key, the same for what is one and the same thing. It is told once, again only while it lasts, and its
end once. What was told is in the records of the operations database alone (:class:`Alert`): any process, inside Dagster
or outside, learns from them what is still to be told. What counts as an incident is decided in
`orchestration.alerting.probes`.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from resources.notifier import Notifier
from resources.records.alerts import Alert
from resources.records.store import OperationsDatabase

log = logging.getLogger("nightcart.alerts")

# What was not delivered is tried again after so long: longer than a delivery takes, so that no other process tells what
# one is about to; shorter than the time between two ticks of the schedule.
RETRY_AFTER = dt.timedelta(minutes=2)
MOST_CHARACTERS = 600  # of what happened: the rest is in the run, and a telephone shows no more


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that is wrong now: its key, whose first word names its probe, and what an :class:`Alert` says of it.

    `night` is the business day whose night brought no lists, if that is what is wrong.
    """

    key: str
    kind: str
    happened: str
    meaning: str
    command: str
    is_event: bool = False
    night: dt.date | None = None

    def as_alert(self, *, now: dt.datetime) -> Alert:
        """The alert that tells it at `now`."""
        return Alert(**{name: value for name, value in vars(self).items() if name != "night"}, told_at=now)


def newest(on_record: Iterable[Alert]) -> dict[str, Alert]:
    """The last record of each key."""
    return {alert.key: alert for alert in on_record}


def open_now(on_record: Iterable[Alert]) -> list[Alert]:
    """What was told, or is about to be, and lasts."""
    return [alert for alert in newest(on_record).values() if not (alert.is_over or alert.is_event)]


def to_tell(
    raised: Sequence[Alert],
    on_record: Iterable[Alert],
    *,
    now: dt.datetime,
    repeat_after: dt.timedelta,
    looked_at: Collection[str] = (),
) -> list[Alert]:
    """What is to be told at `now`, of what is `raised` and of what has ended.

    What has ended is what is open and not raised, of those parts of the world that were `looked_at`: the first words of
    keys. A clock that was put back delays nothing for ever: what counts is the distance.
    """
    last = newest(on_record)

    def is_past(alert: Alert, after: dt.timedelta) -> bool:
        return abs(now - alert.told_at) >= after

    def is_due(alert: Alert) -> bool:
        before = last.get(alert.key)
        if before is None or (before.is_over and not before.is_event) or before.kind != alert.kind:
            return True
        if not before.is_delivered:
            return is_past(before, RETRY_AFTER)
        return not before.is_event and is_past(before, repeat_after)

    due = [alert for alert in raised if is_due(alert)]
    keys = {alert.key for alert in raised}
    for key, before in last.items():
        if key in keys or key.partition(" ")[0] not in looked_at:
            continue
        is_ending = not (before.is_over or before.is_event)
        if is_ending or (not before.is_delivered and is_past(before, RETRY_AFTER)):
            due.append(replace(before, is_over=before.is_over or is_ending))
    return [replace(alert, is_delivered=False, told_at=now) for alert in due]


def tell(alerts: Sequence[Alert], *, title: str, operations: OperationsDatabase, notifier: Notifier) -> bool:
    """Tell alerts together, in one message; returns whether it was delivered.

    They are on record before, so that they are not lost when it is not, and tried again at a later tick. What another
    process is telling at the same moment is left to it. Whatever the notifier raises is logged and goes no further: no
    run fails for it.
    """
    if not alerts:
        return True
    operations.record(*alerts)
    alerts = [alert for alert in alerts if _is_ours(alert, operations)]
    if not alerts:
        return True
    try:
        notifier.tell(subject(alerts, title=title), "\n\n".join(map(text, alerts)))
    except Exception as error:  # of whatever service: it stays on record as not delivered, and is tried again
        log.warning("An alert could not be delivered, and is tried again: %s", error)
        return False
    operations.record(*(replace(alert, is_delivered=True) for alert in alerts))
    return True


def _is_ours(alert: Alert, operations: OperationsDatabase) -> bool:
    """Whether an alert that was just put on record is ours to tell: of two that found the same, the first on record tells.

    Looked up after writing, so that one of the two sees the other. Where the other was done before ours was written, ours
    is over too: it must not stand there as undelivered.
    """
    same = [
        each
        for each in operations.records(Alert, key=alert.key, last=10)
        if (each.kind, each.is_over) == (alert.kind, alert.is_over)
    ]
    same = [each for each in same if each.told_at == alert.told_at or abs(each.told_at - alert.told_at) < RETRY_AFTER]
    if same[0].told_at == alert.told_at:
        return True
    if any(each.is_delivered for each in same):
        operations.record(replace(alert, is_delivered=True))
    return False


def subject(alerts: Sequence[Alert], *, title: str) -> str:
    """The first line of a message."""
    counts = Counter(f"end of {alert.kind}" if alert.is_over else alert.kind for alert in alerts)
    return f"{title}: " + ", ".join(kind if n == 1 else f"{n} × {kind}" for kind, n in counts.items())


def text(alert: Alert) -> str:
    """What a person reads: what happened, what it means, what to run next."""
    happened = alert.happened if len(alert.happened) <= MOST_CHARACTERS else alert.happened[: MOST_CHARACTERS - 1] + "…"
    if alert.is_over:
        return f"Over: {happened}"
    return f"{happened}\n{alert.meaning}\nNext: {alert.command}"
