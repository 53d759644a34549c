"""The contract for people, and when a feed is overdue."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.grocery.ingestion.contract import as_markdown, overdue
from resources.config.retailer import Settings

MONDAY, TUESDAY, WEDNESDAY = (
    dt.date(2024, 3, 29) + dt.timedelta(days=n) for n in (0, 1, 2)
)  # Easter; the last is closed


@pytest.fixture
def due(settings: Settings) -> Settings:
    """The corner shop in Berlin, whose feed is due at six and whose columns are told."""
    contract = settings.transactions.contract.model_copy(
        update={"due_by": dt.time(6), "allowed": {"product_id": ["P-001", "P-002"]}, "columns": {"article": "text"}}
    )
    feed = settings.transactions.model_copy(update={"contract": contract})
    return settings.model_copy(update={"transactions": feed, "last_business_day": None})


def test_every_clause_is_in_the_table(due):
    table = as_markdown(due)
    for clause in (
        "| `customer` | is there: it is our `household_id` |",
        "| `article` | is there, of type text |",
        "| `product_id` | is one of 2 values: P-001, P-002 |",
        "| `quantity` | is a number from 0 to 100,000 |",
        "0.4 to 2.5 times the lines of the same weekday",
        "at most 2.0% lines",
        "| a day | is there by 06:00 of the day after, Europe/Berlin |",
        "2024-03-31",
    ):
        assert clause in table


def test_the_assets_page_shows_it(settings):
    from assets.grocery.ingestion.assets import transactions

    shown = transactions.metadata_by_key[transactions.key]["contract"]
    assert shown.value == as_markdown(settings)


def at(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), tzinfo=dt.UTC)


def test_a_day_is_overdue_from_its_hour_on_in_local_time(due):
    # Saturday's feed is due on Sunday at six, when the clocks have been put forward: at 04:00 UTC.
    assert overdue(due, taken_in={MONDAY}, now=at(WEDNESDAY, 4)) == []
    assert overdue(due, taken_in={MONDAY}, now=at(WEDNESDAY, 4, 1)) == [TUESDAY]
    assert overdue(due, taken_in={MONDAY, TUESDAY}, now=at(WEDNESDAY, 4, 1)) == []


def test_nothing_is_awaited_of_closed_days_before_the_first_day_or_without_an_hour(due, settings):
    later = at(WEDNESDAY + dt.timedelta(days=1), 12)
    assert overdue(due, taken_in={MONDAY, TUESDAY}, now=later) == []  # Sunday is closed, Monday is not over
    assert overdue(due, taken_in=set(), now=later) == []
    assert overdue(settings, taken_in={MONDAY}, now=later) == []
    finished = due.model_copy(update={"last_business_day": WEDNESDAY + dt.timedelta(days=9)})
    assert overdue(finished, taken_in={MONDAY}, now=later) == []  # it is played


def test_a_gap_in_the_past_is_overdue_too(due):
    assert overdue(due, taken_in={MONDAY - dt.timedelta(days=1), TUESDAY}, now=at(WEDNESDAY, 12)) == [MONDAY]
