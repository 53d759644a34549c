"""The cursor of the landing place."""

from __future__ import annotations

import datetime as dt
import os

import pytest

from orchestration.arrival.receive import Cursor, take_stock
from resources.config.feeds import LandingConfig
from resources.feeds.landing import SET_ASIDE, Look
from resources.records.feeds import Arrival

NOW = dt.datetime(2024, 5, 10, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '"x"', '{"looks": 1}'])
def test_a_cursor_that_is_lost_or_spoilt_is_an_empty_one(text):
    assert Cursor.of(text) == Cursor()


def test_a_cursor_comes_back_as_it_was():
    cursor = Cursor(looks={"/a": Look(stamp="1", since=NOW)}, digests={"/a": ("1", "d")})
    assert Cursor.of(cursor.as_json()) == cursor


def test_what_is_no_file_is_set_aside_without_being_opened_and_the_others_are_seen(tmp_path, settings, operations):
    day = dt.date(2024, 1, 9)
    place = LandingConfig.model_validate({"path": f"{tmp_path}/{{date}}*.csv", "settle_seconds": 0})
    (tmp_path / f"{day}.csv").write_text("customer\n")
    os.mkfifo(tmp_path / f"{day}-1.csv")
    (tmp_path / f"{day}-2.csv").symlink_to("/dev/zero")
    (tmp_path / f"{day}-3.csv").mkdir()
    (tmp_path / f"{day}-4.csv").symlink_to("/etc/hostname")
    (tmp_path / f"{day}-5.csv").symlink_to("nowhere")
    (tmp_path / f"{day}-6.csv").symlink_to(f"{day}.csv")  # one that stays in its place is the file
    (tmp_path / os.fsdecode(f"{day}-".encode() + b"\xff\n.csv")).write_text("x")
    stock = None
    for _ in range(2):
        before = stock.cursor if stock else Cursor()
        stock = take_stock(settings, place, operations, before=before, now=NOW, last_closed=day, say=print)
    assert stock
    assert [os.path.basename(file.path) for file in stock.files[day]] == [
        f"{day}-6.csv",
        f"{day}-\\xff .csv",
        f"{day}.csv",
    ]
    aside = operations.records(Arrival)
    assert len(aside) == len(list((tmp_path / SET_ASIDE).iterdir())) == 5
    assert {each.outcome for each in aside} == {Arrival.SET_ASIDE}
    assert [each.reason for each in aside if not each.reason.startswith("It is a ")] == []
