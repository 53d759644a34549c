"""The real year: every line of the file in exactly one place, and a day on which the clocks change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from assets.ingestion import cleaning
from resources import home
from resources.feeds import FeedReader
from resources.settings import load_settings
from resources.table_store import TableStore

LINES = 1_469_307


@pytest.mark.slow
def test_the_year_and_the_quarantine_hold_every_line_and_a_day_is_a_new_york_day(
    tables: TableStore, feeds: FeedReader
) -> None:
    settings = load_settings(home.DEFAULT_CONFIG)
    feed = settings.transactions
    delivered, files = feeds.read(feed, engine=tables.engine, columns=cleaning.source_columns(feed))
    first, last = settings.first_business_day, dt.date(2017, 12, 31)
    cleaned = cleaning.clean(
        delivered, feed, timezone=settings.timezone, first_day=first, last_day=last, since=first, until=last
    )
    assert sum(cleaned.lines.values()) == LINES
    assert sum(cleaned.broken.values()) == 0
    days = set(cleaned.lines)
    assert len(days) == 364
    assert dt.date(2017, 12, 25) not in days

    # In New York 2017-03-12 begins at 05:00 UTC and, an hour short, ends at 04:00 UTC of the next day.
    raw = tables.engine.raw_sql(
        f"SELECT file_row_number + 1 FROM read_parquet('{Path(files[0].copy)}', file_row_number = true) "
        "WHERE transaction_timestamp >= '2017-03-12 05:00:00' AND transaction_timestamp < '2017-03-13 04:00:00'"
    )
    expected = {row for (row,) in raw.fetchall()}
    found = cleaned.transactions.filter(cleaned.transactions.business_date == dt.date(2017, 3, 12))
    assert set(found.source_row.to_pyarrow().to_pylist()) == expected
    assert len(expected) == cleaned.lines[dt.date(2017, 3, 12)] == 5_577
