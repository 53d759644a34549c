"""The cursor of the landing place."""

from __future__ import annotations

import datetime as dt

import pytest

from orchestration.arrival.receive import Cursor
from resources.feeds.landing import Look

NOW = dt.datetime(2024, 5, 10, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '"x"', '{"looks": 1}'])
def test_a_cursor_that_is_lost_or_spoilt_is_an_empty_one(text):
    assert Cursor.of(text) == Cursor()


def test_a_cursor_comes_back_as_it_was():
    cursor = Cursor(looks={"/a": Look(stamp="1", since=NOW)}, digests={"/a": ("1", "d")})
    assert Cursor.of(cursor.as_json()) == cursor
