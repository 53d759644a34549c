"""What was made from a day's lines before they were corrected: told by the deliveries on record, by their content.

Whatever is made from transactions puts on record up to which delivery it knew them (:func:`made`). A day of it is stale
when a delivery after that one has changed a day that it is made of; a day that was only taken in again, with the same
lines, makes nothing stale. What is stale stays in use, for it was true when it was made: `nightcart status` lists it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from resources.records.feeds import Delivery
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import DerivedFrom
from resources.records.store import OperationsDatabase

FEATURES, LISTS, PERFORMANCE, CHAMPION = "features", "recommendations", "realised_performance", "champion"
# The days, up to its own, that each is made of: the whole history, or the week that lists are compared with.
REACH: Mapping[str, int | None] = {FEATURES: None, LISTS: None, PERFORMANCE: 7, CHAMPION: None}


def so_far(operations: OperationsDatabase) -> int:
    """The number of the newest delivery: to be asked before any transactions are read."""
    newest = operations.numbered(Delivery, last=1)
    return newest[0][0] if newest else 0


def made(
    operations: OperationsDatabase, subject: str, days: Mapping[dt.date, int], *, run_id: str, now: dt.datetime
) -> None:
    """Put on record that `subject` was made for `days`, each from the deliveries up to a number."""
    operations.record(
        *(
            DerivedFrom(subject=subject, business_date=day, deliveries=number, run_id=run_id, made_at=now)
            for day, number in days.items()
        )
    )


def known_to(operations: OperationsDatabase, subject: str, days: Sequence[dt.date]) -> dict[dt.date, int]:
    """The deliveries up to which each day of `subject` was made: what is made of it knows no more."""
    found = {day: operations.records(DerivedFrom, subject=subject, business_date=day, last=1) for day in days}
    return {day: records[0].deliveries for day, records in found.items() if records}


@dataclass(frozen=True, kw_only=True)
class Stale:
    """Days of `subject` that were made before days that they are made of were `corrected`."""

    subject: str
    days: Sequence[dt.date]
    corrected: Sequence[dt.date]


def stale(made: Iterable[DerivedFrom], deliveries: Sequence[tuple[int, Delivery]]) -> list[Stale]:
    """What was made from lines that are others now, by subject; `deliveries` are numbered, in order."""
    by_day: dict[dt.date, list[tuple[int, str]]] = {}
    for number, delivery in deliveries:
        told = by_day.setdefault(delivery.business_date, [])
        if delivery.instead_of:  # one household's lines were erased: who knew them knows what is left
            told[:] = [(n, delivery.content if c == delivery.instead_of else c) for n, c in told]
        told.append((number, delivery.content))
    newest = {(record.subject, record.business_date): record for record in made}  # the last of each is what is there
    found: dict[str, dict[dt.date, set[dt.date]]] = {}
    for (subject, day), record in newest.items():
        length = REACH[subject]
        first = day - dt.timedelta(days=length - 1) if length else dt.date.min
        for of, contents in by_day.items():
            if first <= of <= day and _known(contents, record.deliveries) != contents[-1][1]:
                found.setdefault(subject, {}).setdefault(day, set()).add(of)
    return [
        Stale(subject=subject, days=sorted(days), corrected=sorted(set().union(*days.values())))
        for subject, days in found.items()
    ]


def _known(contents: Sequence[tuple[int, str]], until: int) -> str | None:
    """A day's content as of a delivery; None before its first."""
    return next((content for number, content in reversed(contents) if number <= until), None)


def of_champion(promotions: Sequence[PromotionRecord], deliveries: Sequence[tuple[int, Delivery]]) -> list[DerivedFrom]:
    """What today's champion was trained on, as if it were on record: all that had come when it was promoted."""
    newest = promotions[-1].champion_after if promotions else None
    of = [record for record in promotions if record.champion_after == newest][:1]
    return [
        DerivedFrom(
            subject=CHAMPION,
            business_date=record.business_date,
            deliveries=max((n for n, delivery in deliveries if delivery.taken_in_at <= record.decided_at), default=0),
            run_id=record.run_id,
            made_at=record.decided_at,
        )
        for record in of
    ]


def on_record(operations: OperationsDatabase) -> list[Stale]:
    """What is stale now."""
    deliveries = operations.numbered(Delivery)
    records = [*operations.records(DerivedFrom), *of_champion(operations.promotions(), deliveries)]
    return stale(records, deliveries)
