"""Which decision on the champion holds: the newest one whose version passed its gate."""

from __future__ import annotations

import datetime as dt

from assets.grocery.training.checks import CHAMPION_GATE
from assets.quality import gates
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase


def let_out(
    operations: OperationsDatabase, *, now: dt.datetime, until: dt.date | None = None
) -> list[tuple[int, PromotionRecord]]:
    """The last decision of every business day up to `until` whose gate is open, by day, with its number.

    A training that died between its decision and the check of it has named a champion that may not be used: the one
    before serves on, and the training is not over.
    """
    numbered = operations.numbered(PromotionRecord)
    by_day = {
        record.business_date: (number, record)
        for number, record in sorted(numbered, key=lambda found: (found[1].business_date, found[0]))
        if until is None or record.business_date <= until
    }
    versions = {day: str(record.champion_after) for day, (_, record) in by_day.items()}
    if not versions:
        return []
    closed = {gate.partition for gate in gates.closed(operations, {CHAMPION_GATE.subject: versions}, now=now)}
    return [found for day, found in by_day.items() if day not in closed]


def serving(operations: OperationsDatabase, day: dt.date, *, now: dt.datetime) -> PromotionRecord | None:
    """The decision that named the champion which scores the lists of `day`, as far as it is known `now`."""
    found = let_out(operations, until=day, now=now)
    return found[-1][1] if found else None
