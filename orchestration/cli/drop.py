"""`drop`: plays the demo's days into the landing place, as a deliverer would."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import context, runs
from orchestration.cli.drawing import DAY, say
from resources.days import ONE_DAY
from resources.errors import Refused

if TYPE_CHECKING:
    from resources.config.retailer import Settings


def drop(
    days: Annotated[int, typer.Option(min=1, help="How many business days.")] = 1,
    from_: Annotated[
        dt.datetime | None, typer.Option("--from", **DAY, help="The first; default: the next one.")
    ] = None,
    every: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait so long between two days.")] = 0,
) -> None:
    """Deliver the demo's next days into its landing folder, where the sensor finds them: watch it with `make ui`.

    Each is a file of its own, with its event, written under another name and renamed, then marked as complete. The next
    day is the one after the last that was taken in or dropped. Days on which the stores are closed have no file.

    Examples: `nightcart drop --days 3`, `nightcart drop --from 2017-11-20`, `nightcart drop --days 7 --every 120`
    """
    from assets.grocery.partitions import settings
    from assets.grocery.tables import TRANSACTIONS
    from resources import home
    from resources.feeds.landing import look

    if settings.name != "complete_journey" or settings.landing is None:
        raise Refused(
            f"The retailer in use is {settings.title}, not the demo: its files come from elsewhere.",
            remedy="`nightcart use config/complete_journey.toml`.",
        )
    landed = {file.day for file in look(settings.landing)}
    taken_in = set(filter(None, context.resources().tables.rows_by_day(TRANSACTIONS)))
    if not from_ and not taken_in | landed:
        raise Refused("There is nothing to go on from.", remedy="`nightcart demo` takes in the history first.")
    first = from_.date() if from_ else max(taken_in | landed) + ONE_DAY
    runs.require_days(first)
    wanted = [first + n * ONE_DAY for n in range(days)]
    for number, day in enumerate(day for day in wanted if day <= (settings.last_business_day or day)):
        if settings.is_closed(day):
            say("  [dim]{:%A} {}: the stores are closed[/]", day, day)
            continue
        if number and every:
            time.sleep(every)
        file, rows = write(day, settings)
        say("  [green]✓[/] {:%A} {}: {:,} lines, {}", day, day, rows, os.path.relpath(file, home.PROJECT))


def write(day: dt.date, settings: Settings) -> tuple[Path, int]:
    """Deliver a day of the feed's own files as a file of its own; returns it and its rows.

    Its event comes first and its marker last: what a sensor finds with a marker is complete.
    """
    import pyarrow.parquet as pq

    from resources.feeds import events
    from resources.feeds.landing import EVENT, path_of
    from resources.feeds.reader import FeedReader
    from resources.home import state

    feed, landing = settings.transactions, settings.landing
    assert landing
    (bulk,) = FeedReader(raw=state() / "raw").keep(feed)
    begins, ends = (_begin(of, settings) for of in (day, day + ONE_DAY))
    (column,) = feed.columns.occurred_at
    lines = pq.read_table(bulk.copy, filters=[(column, ">=", begins), (column, "<", ends)])
    file = Path(path_of(landing, day))
    file.parent.mkdir(parents=True, exist_ok=True)
    marker = Path(f"{file}{landing.marker or ''}")
    if landing.marker:
        marker.unlink(missing_ok=True)
    part = file.with_name(f".{file.name}.part")
    pq.write_table(lines, part)
    event = events.arrived(
        retailer=settings.name,
        path=str(file),
        day=day,
        digest=hashlib.sha256(part.read_bytes()).hexdigest(),
        rows=lines.num_rows,
        at=dt.datetime.now(dt.UTC),
        source="/nightcart/drop",
    )
    Path(f"{file}{EVENT}").write_text(events.as_json(event), encoding="utf-8")
    os.replace(part, file)
    if landing.marker:
        marker.touch()
    return file, lines.num_rows


def _begin(day: dt.date, settings: Settings) -> dt.datetime:
    """The instant at which a business day begins, in UTC, without zone: as the demo's timestamps are."""
    from zoneinfo import ZoneInfo

    begin = dt.datetime.combine(day, settings.transactions.business_day_ends, tzinfo=ZoneInfo(settings.timezone))
    return begin.astimezone(dt.UTC).replace(tzinfo=None)
