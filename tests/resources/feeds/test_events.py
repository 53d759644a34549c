"""The event that announces a file: it fits its schema, or is refused with what is wrong."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from resources.feeds import events
from resources.feeds.events import EventRefused

DAY = dt.date(2024, 1, 9)
TOLD: dict[str, Any] = {"retailer": "corner_shop", "path": "/in/2024-01-09.csv", "day": DAY, "digest": "a" * 64}


@pytest.fixture
def event() -> dict[str, Any]:
    made = events.arrived(**TOLD, rows=3, at=dt.datetime(2024, 1, 10, tzinfo=dt.UTC), source="/till")
    return json.loads(events.as_json(made))


def test_what_we_announce_fits_our_own_schema_and_comes_back_as_it_was(event):
    read = events.read(json.dumps(event), where="event")
    assert read.get_type() == "com.nightcart.feed.arrived"
    assert read.get_data() == event["data"]
    events.require_match(read, **TOLD, rows=3)


def test_the_same_bytes_of_a_day_are_the_same_event(event):
    again = events.arrived(**TOLD, at=dt.datetime(2024, 1, 11, tzinfo=dt.UTC), source="/other")
    assert again.get_id() == event["id"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "com.other"}, "type: 'com.nightcart.feed.arrived' was expected"),
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"time": "yesterday"}, "no CloudEvent"),
        ({"data": {"retailer": "corner_shop"}}, "'business_date' is a required property"),
        ({"data": {"retailer": "corner_shop", "business_date": "2024-02-30"}}, "data.business_date"),
        ({"data": {"retailer": "corner_shop", "business_date": "2024-01-09", "rows": "3"}}, "data.rows"),
        ({"data": {"retailer": "corner_shop", "business_date": "2024-01-09", "day": 1}}, "Additional properties"),
        ({"data": None}, "data"),
    ],
)
def test_an_event_that_breaks_its_schema_is_refused_by_the_place(event, change, says):
    with pytest.raises(EventRefused, match=says):
        events.read(json.dumps(event | change), where="event")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"event"'])
def test_what_is_no_event_at_all_is_refused(text):
    with pytest.raises(EventRefused, match="Remedy"):
        events.read(text, where="event")


@pytest.mark.parametrize(
    "differs", [{"retailer": "other"}, {"day": dt.date(2024, 1, 8)}, {"digest": "b" * 64}, {"rows": 2}]
)
def test_an_event_that_says_other_things_than_its_file_is_refused(event, differs):
    read = events.read(json.dumps(event), where="event")
    with pytest.raises(EventRefused, match="they do not belong together"):
        events.require_match(read, **(TOLD | {"rows": 3} | differs))
