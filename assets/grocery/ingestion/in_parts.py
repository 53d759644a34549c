"""The cleaning of more lines than fit into memory: a group of days at a time, with the same rows as all at once.

No rule looks beyond a business day. So the delivered lines are laid into a folder for each group of days, in one pass, and
the cleaned ones of every group into a file.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.cleaning import Cleaned
from resources.tables import engine
from resources.tables.slices import slices_for

if TYPE_CHECKING:
    import ibis

    from resources.config.retailer import TransactionsConfig

PART = "nightcart_part"  # no feed's column
BYTES_A_LINE = 900  # as delivered, under our names, and judged
COUNTS, TABLES = ("lines", "broken", "left_out", "delivered", "kinds"), ("transactions", "quarantine")


@contextlib.contextmanager
def cleaned(
    delivered: ibis.Table,
    feed: TransactionsConfig,
    *,
    timezone: str,
    since: dt.date,
    until: dt.date,
    parts: int | None = None,
    **how: Any,
) -> Iterator[Cleaned]:
    """What :func:`assets.grocery.ingestion.cleaning.clean` makes of lines, in as many `parts` as the memory asks for.

    Its tables are there as long as the context lasts.
    """
    import ibis

    days = (until - since).days + 1
    if parts is None:
        parts = slices_for(delivered.count().to_pyarrow().as_py(), bytes_a_row=BYTES_A_LINE) if days > 1 else 1
    parts, how = min(parts, days), {"timezone": timezone, **how}
    if parts == 1:
        yield cleaning.clean(delivered, feed, since=since, until=until, **how)
        return
    length = -(-days // parts)
    parts = -(-days // length)
    day = cleaning.business_date_of(delivered, feed, timezone=timezone)
    # Lines of no day, and those that are not asked for, are a part of their own, the last.
    number = day.delta(since, unit="day") // length
    numbered = delivered.mutate(**{PART: number.between(0, parts - 1).ifelse(number, parts).cast("int64")})
    first_day, last_day = how["first_day"], how["last_day"]
    if 2 * days < (last_day - first_day).days:  # else to look at the day twice costs more than to write all
        is_left_out = day.between(first_day, last_day) & ~day.between(since, until)
        numbered = numbered.filter(~is_left_out.fill_null(False))
    with tempfile.TemporaryDirectory(dir=engine.scratch(ibis.get_backend(delivered)), prefix="days-") as scratch:  # pyright: ignore[reportArgumentType]
        folder, counts = Path(scratch), {name: Counter[Any]() for name in COUNTS}
        engine.write_in_parts(numbered, by=PART, folder=folder / "delivered")
        for place in range(parts + 1):
            files = engine.part_of(folder / "delivered", PART, place)
            first = since + place * length * cleaning.ONE_DAY
            last = min(first + (length - 1) * cleaning.ONE_DAY, until)
            span = (first, last) if place < parts else (since, until)
            lines = engine.read_files(files, like=delivered)
            part = cleaning.clean(lines, feed, since=span[0], until=span[1], **how)
            for name, counted in counts.items():
                counted.update(getattr(part, name))
            for name in TABLES:
                engine.write_file(getattr(part, name), folder / name / f"{place:06}.parquet")
            shutil.rmtree(files, ignore_errors=True)
        tables = {name: engine.read_files(folder / name, like=getattr(part, name)) for name in TABLES}  # pyright: ignore[reportPossiblyUnboundVariable] - there is one
        yield Cleaned(**tables, **counts)
