"""What the settings say that a line means, on record: a day keeps the lines that they said when it was taken in."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection

from resources.config.retailer import Settings
from resources.records.feeds import Delivery, Reading
from resources.records.store import OperationsDatabase
from resources.text import listed

# Where the lines are and how they may be packed, and what must hold of them: neither changes what one means.
NO_MEANING = {"path", "url_in", "most_unpacked", "contract"}


def reading(settings: Settings, *, run_id: str) -> Reading:
    """The settings that say which lines count, of which day, household and product, and how much."""
    of_feed = settings.transactions.model_dump(mode="json", exclude=NO_MEANING, exclude_defaults=True)
    columns = {f"columns.{name}": column for name, column in of_feed.pop("columns").items()}
    told = {**of_feed, **columns, "timezone": settings.timezone, "currency": settings.currency}
    return Reading(
        settings={name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in told.items()},
        run_id=run_id,
        read_at=dt.datetime.now(dt.UTC),
    )


def read_otherwise(now: Reading, before: Reading, last: Delivery, *, others: Collection[dt.date]) -> list[str]:
    """What `now` says otherwise than `before`, with the command that makes it good for the days `others`, in a sentence.

    `last` is what was taken in last by the settings of before.
    """
    names = sorted(now.settings.keys() | before.settings.keys())
    both = {name: tuple(each.settings.get(name, "not set") for each in (now, before)) for name in names}
    changed = [f"{name} is {new} and was {old}" for name, (new, old) in both.items() if new != old]
    if not changed or not others:
        return []
    return [
        f"Lines are read otherwise than when {last.business_date} was taken in: {listed(changed)}. The days that are there keep "
        "theirs as they were read, so that lines at their borders may be lacking, or there twice: `nightcart backfill --from "
        f"{min(others)} --to {max(others)} --assets group:ingestion --force` takes them in as the settings are now."
    ]


def keep(now: Reading, before: Reading | None, operations: OperationsDatabase) -> None:
    """Put on record how lines are read from now on, where it is otherwise than before."""
    if before is None or now.settings != before.settings:
        operations.record(now)
