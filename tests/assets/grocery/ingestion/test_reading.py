"""A setting that says what a line means, changed in the middle of a history, is told with the days that it is about."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

from assets.grocery.ingestion.reading import read_otherwise, reading
from orchestration.definitions import build_defs
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.records.feeds import Delivery, Reading
from tests.support.shop import CornerShop

DAYS = [dt.date(2024, 1, 8) + dt.timedelta(days=n) for n in range(3)]
LAST = Delivery(
    business_date=DAYS[1],
    files={},
    columns={},
    rows=1,
    broken={},
    content="",
    run_id="r",
    taken_in_at=dt.datetime(2024, 1, 10, tzinfo=dt.UTC),
)


def settings_with(**of_feed: object) -> Settings:
    settings = load_settings()
    return settings.model_copy(update={"transactions": settings.transactions.model_copy(update=of_feed)})


def test_what_changes_the_meaning_of_a_line_is_told_and_what_does_not_is_not():
    before = reading(load_settings(), run_id="r")
    ends = reading(settings_with(business_day_ends=dt.time(4), unless={"art": ["R"]}), run_id="s")
    (says,) = read_otherwise(ends, before, LAST, others=DAYS[:2])
    assert says.startswith(
        "Lines are read otherwise than when 2024-01-09 was taken in: "
        'business_day_ends is "04:00:00" and was not set, unless is {"art": ["R"]} and was not set.'
    )
    assert "`nightcart backfill --from 2024-01-08 --to 2024-01-09 --assets group:ingestion --force`" in says
    moved = reading(settings_with(path=["/elsewhere/{date}.csv"], most_unpacked=9), run_id="s")
    assert read_otherwise(moved, before, LAST, others=DAYS[:2]) == []
    assert read_otherwise(ends, before, LAST, others=[]) == []  # every day is taken in by what is said now


def test_it_is_told_once_and_put_on_record(shop: CornerShop):
    def take_in(shop: CornerShop, day: dt.date) -> list[str]:
        result = shop.take_in(day, day)
        assert result.success
        logs = shop.instance.all_logs(result.run_id)
        return [entry.user_message for entry in logs if entry.level == logging.WARNING]

    own = shop.tables, shop.registry, shop.operations
    feed = {"path": [f"{shop.feed}/{{date}}.csv"], "business_day_ends": dt.time(4)}
    changed = build_defs(
        **dict(zip(("tables", "registry", "operations"), own, strict=True)),
        settings=settings_with(**feed),
        feeds=FeedReader(raw=shop.folder / "raw"),
    )
    assert take_in(shop, DAYS[0]) == []
    assert take_in(shop, DAYS[1]) == []
    (says,) = take_in(replace(shop, defs=changed), DAYS[2])
    assert "when 2024-01-09 was taken in: business_day_ends is" in says
    assert take_in(replace(shop, defs=changed), DAYS[0]) == []
    first, second = shop.operations.records(Reading)
    assert second.settings == first.settings | {"business_day_ends": '"04:00:00"'}
