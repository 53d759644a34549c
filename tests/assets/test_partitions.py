"""The business days of the retailer in use, as partitions."""

from __future__ import annotations

import datetime as dt

from assets.grocery.partitions import business_days, last_day
from resources.config.loader import load_settings
from tests.support import retailer

NOON = dt.datetime(2025, 6, 15, 12, tzinfo=dt.UTC)


def test_partitions_are_the_days_of_the_history_both_ends_included():
    keys = business_days.get_partition_keys(current_time=NOON)
    assert keys == [day.isoformat() for day in retailer.days()]  # the closed day too
    assert "2024-02-29" in keys


def test_day_begins_at_midnight_of_the_retailers_zone():
    window = business_days.time_window_for_partition_key("2024-03-31")  # the clocks change: 23 hours
    assert window.start.astimezone(dt.UTC) == dt.datetime(2024, 3, 30, 23, tzinfo=dt.UTC)
    assert window.end.astimezone(dt.UTC) == dt.datetime(2024, 3, 31, 22, tzinfo=dt.UTC)


def test_last_day_of_a_finished_history_is_its_end(settings):
    assert last_day(settings, now=NOON) == retailer.LAST_DAY


def test_last_day_of_a_live_feed_is_the_last_that_is_over(settings):
    live = settings.model_copy(update={"last_business_day": None})
    # half past one in Berlin, and still the day before in UTC: 10 March is over
    assert last_day(live, now=dt.datetime(2024, 3, 10, 23, 30, tzinfo=dt.UTC)) == dt.date(2024, 3, 10)
    assert last_day(live, now=dt.datetime(2024, 3, 10, 22, 30, tzinfo=dt.UTC)) == dt.date(2024, 3, 9)


def test_settings_are_loaded_once(settings):
    assert load_settings() == settings
