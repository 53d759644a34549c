"""The real year: every line of the file in exactly one place, and a day on which the clocks change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from assets.grocery.ingestion import cleaning
from resources import home
from resources.config.feeds import LandingConfig
from resources.config.loader import load_settings
from resources.feeds.reader import FeedReader
from resources.tables.engine import content_digest
from resources.tables.store import TableStore

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


@pytest.mark.slow
def test_a_dropped_day_is_the_same_lines_as_in_the_file_of_the_year(
    tables: TableStore, feeds: FeedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.cli.drop import write

    monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path))
    settings, day = load_settings(home.DEFAULT_CONFIG), dt.date(2017, 3, 12)
    feed, place = settings.transactions, settings.landing

    def content(landing_place: LandingConfig | None) -> tuple[int, str]:
        lines, files = feeds.read(
            feed,
            engine=tables.engine,
            columns=cleaning.source_columns(feed),
            days=[day, day + dt.timedelta(days=1)],
            landing_place=landing_place,
        )
        cleaned = cleaning.clean(
            lines,
            feed,
            timezone=settings.timezone,
            first_day=settings.first_business_day,
            last_day=dt.date(2017, 12, 31),
            since=day,
            until=day + dt.timedelta(days=1),
            landed=[file.day for file in files if file.day],
        )
        found = cleaned.transactions.drop("source_file", "source_row")
        return len(files), content_digest(found)

    file, rows = write(day, settings)
    assert rows == 5_577
    assert sorted(path.name for path in file.parent.iterdir()) == [
        file.name,
        f"{file.name}.done",
        f"{file.name}.event.json",
    ]
    # One day from the landing place, the day after from the file of the year: nothing twice, nothing lost.
    (from_year, once), (from_both, also) = content(None), content(place)
    assert (from_year, from_both) == (1, 2)
    assert also == once
