"""Drift: signals of level error, and warnings that do not end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from orchestration.alerting.incidents import Incident
from orchestration.alerting.probes.context import ProbeContext
from resources.records.alerts import Alert
from resources.records.lifecycle import Signal

MOST_SIGNALS = 500  # a dozen watches for a month


def look(context: ProbeContext) -> Iterator[Incident]:
    """An incident for each watch that drifts."""
    signals = context.operations.records(Signal, last=MOST_SIGNALS)
    for signal, happened in drifting(signals, nights=context.settings.alerts.drift_nights):
        yield context.incident(f"drift {signal.watch}", Alert.DRIFT, happened, command="`nightcart drift`.")


def drifting(signals: Sequence[Signal], *, nights: int) -> list[tuple[Signal, str]]:
    """The newest signal of each watch that is to be drifts, with what to say of it.

    That is one of level error, or the last of `nights` in a row that were no better than warn. A night with too little
    to say is no night; a day that was looked at again has its last signal.
    """
    by_watch: dict[str, dict[dt.date, Signal]] = {}
    for signal in signals:
        by_watch.setdefault(signal.watch, {})[signal.business_date] = signal
    drifts = []
    for watch, by_day in by_watch.items():
        last = [by_day[day] for day in sorted(by_day, reverse=True) if by_day[day].level != Signal.UNKNOWN][:nights]
        if not last:
            continue
        if last[0].level == Signal.ERROR:
            drifts.append((last[0], f"{watch}, at the close of {last[0].business_date}: {last[0].says}"))
        elif len(last) == nights and all(signal.level in (Signal.WARN, Signal.ERROR) for signal in last):
            since = last[-1].business_date
            drifts.append((last[0], f"{watch}, {nights} nights in a row since {since}: {last[0].says}"))
    return drifts
