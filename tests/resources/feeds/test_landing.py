"""The landing place: which files are there, of which day, and whether they are complete."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pydantic import ValidationError

from resources.config.feeds import FeedConfig, LandingConfig
from resources.feeds import landing
from resources.feeds.landing import EVENT, Look, complete, day_in, look, set_aside
from resources.feeds.reader import FeedReader

DAY, NEXT = dt.date(2024, 1, 9), dt.date(2024, 1, 10)
NOW = dt.datetime(2024, 1, 11, 6, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def place(folder: Path, name: str = "{date}.csv", **settings) -> LandingConfig:
    return LandingConfig.model_validate({"path": f"{folder}/{name}", **settings})


@pytest.mark.parametrize(
    ("path", "pattern", "day"),
    [
        ("/in/2024-01-09.csv", "/in/{date}.csv", DAY),
        ("/in/2024/20240109_north.csv", "/in/{date:%Y}/{date:%Y%m%d}_*.csv", DAY),
        ("/in/2023/20240109_north.csv", "/in/{date:%Y}/{date:%Y%m%d}_*.csv", None),  # two days in one path
        ("/in/a/20240109.csv", "/in/*{date:%Y%m%d}.csv", None),  # a star does not cross folders
        ("/in/a/b/20240109.csv", "/in/**/{date:%Y%m%d}.csv", DAY),
        ("s3://bucket/in/2024009", "s3://bucket/in/{date:%Y%j}", DAY),
        ("/in/09Jan2024.csv", "/in/{date:%d%b%Y}.csv", DAY),
        ("/in/09Okt2024.csv", "/in/{date:%d%b%Y}.csv", None),
        ("/in/2024-02-30.csv", "/in/{date}.csv", None),
        ("/in/2024-01-09.csv.part", "/in/{date}.csv", None),
    ],
)
def test_the_day_is_read_from_the_path(path, pattern, day):
    assert day_in(path, pattern) == day


@pytest.mark.parametrize("path", ["in/sales.csv", "in/{date:%Y-%m}.csv", "in/{date:%d %B %Y %m}.csv"])
def test_a_path_that_does_not_tell_the_day_is_refused(path):
    with pytest.raises(ValidationError, match=r"does not tell the day|cannot be read back"):
        LandingConfig(path=path)


def test_a_place_that_is_not_there_yet_is_empty(tmp_path):
    assert look(place(tmp_path / "nothing")) == []


def test_the_lock_of_an_open_workbook_is_no_file(tmp_path):
    for name in ("sales 2024-01-09.xlsx", "~$sales 2024-01-09.xlsx"):
        (tmp_path / name).write_text("x")
    assert [Path(file.path).name for file in look(place(tmp_path, "*{date}.xlsx"))] == ["sales 2024-01-09.xlsx"]


def test_a_marker_alone_decides_and_is_no_file_of_the_feed(tmp_path):
    for name in ("2024-01-09.csv", "2024-01-10.csv", "2024-01-09.csv.done", f"2024-01-09.csv{EVENT}", "readme.csv"):
        (tmp_path / name).write_text("x")
    at = place(tmp_path, "{date}.csv*", marker=".done")
    files = look(at)
    assert [(Path(file.path).name, file.day) for file in files] == [("2024-01-09.csv", DAY), ("2024-01-10.csv", NEXT)]
    done, looks = complete(files, at, before={}, now=NOW)
    assert [file.day for file in done] == [DAY]
    assert looks == {}


def test_without_a_marker_a_file_is_complete_when_it_has_stopped_growing_between_two_looks(tmp_path):
    at, file = place(tmp_path, settle_seconds=60), tmp_path / "2024-01-09.csv"

    def seen(before: dict[str, Look], minutes: float) -> tuple[int, dict[str, Look]]:
        done, looks = complete(look(at), at, before=before, now=NOW + minutes * MINUTE)
        return len(done), looks

    file.write_text("half")
    done, looks = seen({}, 0)
    assert done == 0  # seen once
    file.write_text("half and the other half")
    done, looks = seen(looks, 5)
    assert done == 0  # it grew
    done, looks = seen(looks, 5.5)
    assert done == 0  # the same, but for half a minute only
    done, looks = seen(looks, 6)
    assert done == 1
    assert seen(looks, 6.5)[0] == 1
    assert seen({}, 7)[0] == 0  # what was remembered is lost: it takes two looks again
    file.write_text("half and the other hal!")  # as long as before, but written anew
    assert seen(looks, 8)[0] == 0


def test_a_clock_that_was_put_back_makes_a_file_wait_anew_but_not_for_ever(tmp_path):
    at = place(tmp_path, settle_seconds=60)
    (tmp_path / "2024-01-09.csv").write_text("whole")
    _, looks = complete(look(at), at, before={}, now=NOW + dt.timedelta(days=1))
    done, looks = complete(look(at), at, before=looks, now=NOW)
    assert not done
    assert complete(look(at), at, before=looks, now=NOW + MINUTE)[0]


def test_what_is_set_aside_is_moved_with_its_event_and_loses_its_marker(tmp_path):
    for name in ("2024-01-09.csv", "2024-01-09.csv.done", f"2024-01-09.csv{EVENT}"):
        (tmp_path / name).write_text(name)
    at = place(tmp_path, marker=".done")
    moved = Path(set_aside(str(tmp_path / "2024-01-09.csv"), at, digest="abcdef0123456789"))
    assert moved.name == "abcdef012345-2024-01-09.csv"
    assert moved.read_text() == "2024-01-09.csv"
    assert Path(f"{moved}{EVENT}").exists()
    assert [file.name for file in tmp_path.iterdir()] == [landing.SET_ASIDE]
    assert look(at) == []


class TestWhereADayIsReadFrom:
    """A day that has complete files in the landing place is read from them, any other from the feed's own path."""

    @pytest.fixture
    def at(self, tmp_path) -> LandingConfig:
        for folder in ("feed", "landing"):
            (tmp_path / folder).mkdir()
        for day in (DAY, NEXT):
            (tmp_path / "feed" / f"{day}.csv").write_text(f"the feed's {day}")
        (tmp_path / "landing" / f"{DAY}.csv").write_text("landed")
        return place(tmp_path / "landing", marker=".done")

    def names(self, feeds: FeedReader, files: FeedConfig, days, at: LandingConfig) -> list[str]:
        return [file.copy.read_text() for file in feeds.keep(files, days=days, landing_place=at)]

    def test_of_a_feed_with_a_file_a_day(self, feeds, tmp_path, at):
        files = FeedConfig.model_validate({"path": f"{tmp_path}/feed/{{date}}.csv"})
        assert self.names(feeds, files, [DAY, NEXT], at) == ["the feed's 2024-01-09", "the feed's 2024-01-10"]
        (tmp_path / "landing" / f"{DAY}.csv.done").touch()  # until now it was not complete
        assert self.names(feeds, files, [DAY, NEXT], at) == ["landed", "the feed's 2024-01-10"]

    def test_of_a_feed_in_one_file_which_is_not_asked_for_when_every_day_has_landed(self, feeds, tmp_path, at):
        (tmp_path / "all.csv").write_text("all days")
        files = FeedConfig.model_validate({"path": f"{tmp_path}/all.csv"})
        (tmp_path / "landing" / f"{DAY}.csv.done").touch()
        assert self.names(feeds, files, [DAY, NEXT], at) == ["landed", "all days"]
        (tmp_path / "all.csv").unlink()
        assert self.names(feeds, files, [DAY], at) == ["landed"]

    def test_the_same_bytes_under_two_names_are_one_file_and_a_day_needs_as_many_files_as_it_has(
        self, feeds, tmp_path, at
    ):
        files = FeedConfig.model_validate({"path": f"{tmp_path}/feed/{{date}}.csv"})
        (tmp_path / "landing" / f"{DAY} (copy).csv").write_text("landed")
        both = at.model_copy(update={"path": f"{tmp_path}/landing/{{date}}*.csv", "marker": None})
        assert self.names(feeds, files, [DAY], both) == ["landed"]
        three = both.model_copy(update={"files_a_day": 3})
        assert self.names(feeds, files, [DAY], three) == ["the feed's 2024-01-09"]


def test_links_that_lead_round_stop_no_other_file(tmp_path):
    (tmp_path / "2024-05-08.csv").write_text("a,b\n1,2\n")
    for link, target in (("2024-05-09.csv", "2024-05-09.csv"), ("2024-05-10.csv", "x"), ("x", "2024-05-10.csv")):
        (tmp_path / link).symlink_to(tmp_path / target)
    place = LandingConfig(path=str(tmp_path / "{date}.csv"))
    assert [(file.day.day, file.wrong) for file in landing.look(place)] == [
        (8, None),
        (9, "a link to nothing"),
        (10, "a link to nothing"),
    ]
