"""What was made from a day's lines before they were corrected: worked out from the deliveries on record, by their content.

Whatever is made from delivered lines puts on record the delivery up to which it knew them (:func:`record_made`). A day of
it is stale when a later delivery has changed a day that it is made of; a day that was only taken in again, with the same
lines, makes nothing stale. What is stale stays in use, for it was true when it was made: `nightcart status` lists it.
Which days a subject is made of is the domain's to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from resources.records.feeds import Delivery
from resources.records.quality import DerivedFrom
from resources.records.store import OperationsDatabase


def latest_delivery_id(operations: OperationsDatabase) -> int:
    """The number of the newest delivery: to be asked before any lines are read."""
    newest = operations.numbered(Delivery, last=1)
    return newest[0][0] if newest else 0


def record_made(
    operations: OperationsDatabase, subject: str, days: Mapping[dt.date, int], *, run_id: str, now: dt.datetime
) -> None:
    """Put on record that `subject` was made for `days`, each from the deliveries up to a number."""
    operations.record(
        *(
            DerivedFrom(subject=subject, business_date=day, deliveries=number, run_id=run_id, made_at=now)
            for day, number in days.items()
        )
    )


def delivery_watermark(operations: OperationsDatabase, subject: str, days: Sequence[dt.date]) -> dict[dt.date, int]:
    """The deliveries up to which each day of `subject` was made: what is made of it knows no more."""
    newest = {day: operations.records(DerivedFrom, subject=subject, business_date=day, last=1) for day in days}
    return {day: records[0].deliveries for day, records in newest.items() if records}


@dataclass(frozen=True, kw_only=True)
class Stale:
    """Days of `subject` that were made before days that they are made of were `corrected`."""

    subject: str
    days: Sequence[dt.date]
    corrected: Sequence[dt.date]


def stale(
    made: Iterable[DerivedFrom], deliveries: Sequence[tuple[int, Delivery]], reach: Mapping[str, int | None]
) -> list[Stale]:
    """What was made from lines that are others now, by subject; `deliveries` are numbered, in order.

    `reach` has the length in days, up to its own, of what each subject is made of; None is the whole history.
    """
    by_day: dict[dt.date, list[tuple[int, str]]] = {}
    for number, delivery in deliveries:
        contents = by_day.setdefault(delivery.business_date, [])
        if delivery.instead_of:  # one subject's lines were erased: who knew them knows what is left
            contents[:] = [(n, delivery.content if c == delivery.instead_of else c) for n, c in contents]
        contents.append((number, delivery.content))
    newest = {(record.subject, record.business_date): record for record in made}  # the last of each is what is there
    corrected: dict[str, dict[dt.date, set[dt.date]]] = {}
    for (subject, day), record in newest.items():
        length = reach[subject]
        first = day - dt.timedelta(days=length - 1) if length else dt.date.min
        for of, contents in by_day.items():
            if first <= of <= day and _content_as_of(contents, record.deliveries) != contents[-1][1]:
                corrected.setdefault(subject, {}).setdefault(day, set()).add(of)
    return [
        Stale(subject=subject, days=sorted(days), corrected=sorted(set().union(*days.values())))
        for subject, days in corrected.items()
    ]


def _content_as_of(contents: Sequence[tuple[int, str]], until: int) -> str | None:
    """A day's content as of a delivery; None before its first."""
    return next((content for number, content in reversed(contents) if number <= until), None)
