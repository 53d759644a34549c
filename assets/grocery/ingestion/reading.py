"""How lines are read, on record: a setting that was changed since, and a kind of lines that is new, are told once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from assets.grocery.ingestion.filters import MOST_KINDS
from assets.grocery.ingestion.unread import digest, unread
from resources.config.retailer import Settings
from resources.records.feeds import Delivery, Reading
from resources.records.store import OperationsDatabase
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis

    from assets.grocery.ingestion.cleaning import Cleaned

# Where the lines are and how they may be packed, and what must hold of them: neither changes what one means.
NO_MEANING = {"path", "url_in", "most_unpacked", "contract"}
Kinds = Mapping[tuple[str, str, bool], int]  # as of `Cleaned`


def compared(
    delivered: ibis.Table,
    cleaned: Cleaned,
    settings: Settings,
    operations: OperationsDatabase,
    *,
    days: Collection[dt.date],
    others: Collection[dt.date],
    run_id: str,
) -> tuple[list[Reading], list[str]]:
    """How the lines of `days` are read, to go on record where it is otherwise than before, and what a person should hear of it.

    `others` are the days that are there and were not taken in now.
    """
    before = next(iter(operations.records(Reading, last=1)), None)
    # A total, or a header in the middle, says nothing in most columns, or their names.
    good = delivered.filter(delivered.defect.isnull()).anti_join(cleaned.quarantine, ["source_file", "source_row"])
    columns = unread(good, settings.transactions, before.alike if before else {}, is_one_day=len(days) == 1)
    now = of(settings, cleaned.kinds, columns.alike, before=before, run_id=run_id)
    says = [*columns.told, *no_longer_closed(settings, operations, taken_in={*others, *days})]
    if not before:
        return [now], says
    is_same = (now.settings, now.kinds, now.alike) == (before.settings, before.kinds, before.alike)
    says = [*read_otherwise(now, before, others=others), *new_kinds(now, before, cleaned.kinds), *says]
    return [now] * (not is_same), says


def of(
    settings: Settings, kinds: Kinds, alike: Mapping[str, str] | None = None, *, before: Reading | None, run_id: str
) -> Reading:
    """What the settings say of a line, and all that its columns have said so far: of `where` and `unless`, and those not read."""
    of_feed = settings.transactions.model_dump(mode="json", exclude=NO_MEANING, exclude_defaults=True)
    if query := of_feed.get("query"):
        of_feed["query"] = digest(query)  # it may have a password in it
    columns = {f"columns.{name}": column for name, column in of_feed.pop("columns").items()}
    says = {**of_feed, **columns, "timezone": settings.timezone, "currency": settings.currency}
    known = {name: set(digests) for name, digests in before.kinds.items()} if before else {}
    for column, said, _ in kinds:
        if known.setdefault(column, {digest(said)}):
            known[column].add(digest(said))
    return Reading(
        settings={name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in says.items()},
        kinds={name: sorted(digests) if len(digests) <= MOST_KINDS else [] for name, digests in sorted(known.items())},
        alike=alike or {},
        run_id=run_id,
        read_at=dt.datetime.now(dt.UTC),
    )


def read_otherwise(now: Reading, before: Reading, *, others: Collection[dt.date]) -> list[str]:
    """What the settings say otherwise, with the command that makes it good for the days `others`, in a sentence."""
    names = sorted(now.settings.keys() | before.settings.keys())
    both = {name: tuple(each.settings.get(name, "not set") for each in (now, before)) for name in names}
    changed = [f"{name} is {new:.200} and was {old:.200}" for name, (new, old) in both.items() if new != old]
    if not changed or not others:
        return []
    return [
        f"Lines are read otherwise than before: {listed(changed)}. The days that are there keep theirs as they were read, so that "
        f"lines at their borders may be lacking, or there twice: `nightcart backfill --from {min(others)} --to {max(others)} "
        "--assets group:ingestion --force` takes them in as the settings are now."
    ]


def new_kinds(now: Reading, before: Reading, kinds: Kinds) -> list[str]:
    """What columns of `where` and `unless` say that they never said before, and what became of such lines, in a sentence."""
    new = [
        f"{column} is {said} in {plural(lines, 'line')}, {'taken in' if counts else 'left out'}"
        for (column, said, counts), lines in sorted(kinds.items())
        if now.kinds[column] and before.kinds.get(column) and digest(said) not in before.kinds[column]
    ]
    return [
        f"What no delivery said before: {listed(new)}. If it is not as it should be, correct `where` and `unless` of "
        "[transactions], and take the days in again."
    ] * bool(new)


def no_longer_closed(settings: Settings, operations: OperationsDatabase, *, taken_in: Collection[dt.date]) -> list[str]:
    """The days without lines that were declared closed when they were taken in and are not any more, in a sentence."""
    empty = {delivery.business_date for delivery in operations.records(Delivery, content=Delivery.NO_LINES)}
    if not (days := sorted(day for day in empty if day not in taken_in and not settings.is_closed(day))):
        return []
    return [
        f"{listed(days)} has no lines: it was declared closed, and is not any more. "
        f"`nightcart backfill --from {days[0]} --to {days[-1]} --assets group:ingestion --force` takes in what there is."
    ]
