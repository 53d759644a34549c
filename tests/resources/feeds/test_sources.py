"""Where feeds are: a server that does not answer is told apart from a file that is not there."""

import datetime as dt
import http.server
import io
import itertools
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resources.config.feeds import FeedConfig
from resources.errors import FeedMissing, FeedRefused, Unavailable
from resources.feeds.reader import FeedReader
from resources.feeds.sources import BLOCK, blocks_of, changed_at, copy_name

LINES = b"basket,product\n1,2\n"


@pytest.fixture
def server() -> Iterator[str]:
    """An HTTP server whose answer a path names: `/404/day.csv`; `/short/…` breaks off, `/200/?…` has the file.

    `/mute/…` says nothing after its header, `/slow/…` one byte a while, `/changing/…` has a newer file every time,
    and `/odd/…` one of no time at all.
    """
    asked = itertools.count(1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("day.csv", LINES)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = self.path.split("/")[1]
            content = packed.getvalue() if first == "archive" else LINES
            self.send_response(int(first) if first.isdigit() else 200)
            self.send_header("Content-Length", str(len(content) + (100 if first == "short" else 0)))
            if first == "changing":
                self.send_header("Last-Modified", f"Mon, 01 Jan 2024 00:00:{next(asked):02} GMT")
            if first == "odd":
                self.send_header("Last-Modified", "Mon, the first of January")
            self.end_headers()
            if self.command == "HEAD":
                return
            for byte in LINES if first in ("mute", "slow") else ():
                time.sleep(1 if first == "mute" else 0.15)
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            self.wfile.write(content)

        do_HEAD = do_GET

        log_message = lambda *_: None  # noqa: E731

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("place", ["", "file://"])
def test_the_lock_of_an_open_workbook_is_no_file(place: str, tmp_path: Path) -> None:
    (tmp_path / "2024-01-09.csv").write_bytes(LINES)
    (tmp_path / "~$2024-01-09.csv").write_bytes(b"who has it open")
    (kept,) = FeedReader(tmp_path / "raw").keep(FeedConfig(path=[f"{place}{tmp_path}/*.csv"]))
    assert kept.copy.name == "2024-01-09.csv"


def test_when_a_file_was_written_is_what_its_server_says(server: str, tmp_path: Path) -> None:
    first = dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()
    assert first <= (changed_at(f"{server}/changing/day.csv") or 0) < first + 60
    assert changed_at(f"{server}/200/day.csv") is None
    assert changed_at(f"{server}/odd/day.csv") is None


def test_signed_address_is_a_file_and_no_pattern(server: str, tmp_path: Path) -> None:
    kept = FeedReader(tmp_path).keep(FeedConfig(path=[f"{server}/200/day.csv?sig=abc"]))
    assert [file.copy.read_bytes() for file in kept] == [LINES]
    assert "abc" not in kept[0].name


@pytest.mark.parametrize("answer", ["404", "410"])
def test_file_that_the_server_does_not_have_is_missing(server: str, tmp_path: Path, answer: str) -> None:
    with pytest.raises(FeedMissing):
        FeedReader(tmp_path).keep(FeedConfig(path=[f"{server}/{answer}/day.csv"]))


@pytest.mark.parametrize("path", ["500/day.csv", "503/*.csv", "403/day.csv", "short/day.csv"])
def test_server_in_trouble_is_no_missing_delivery(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(Unavailable, match="check the address"):
        FeedReader(tmp_path).keep(FeedConfig(path=[f"{server}/{path}"]))
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("path", ["day.csv", "*.csv"])
def test_server_that_is_down_is_no_missing_delivery(server: str, tmp_path: Path, path: str) -> None:
    port = int(server.rpartition(":")[2])
    nobody = server.replace(str(port), "9")  # a port that nobody listens at
    with pytest.raises(Unavailable) as raised:
        FeedReader(tmp_path).keep(FeedConfig(path=[f"{nobody}/{path}"]))
    assert "closed_days" not in str(raised.value)


@pytest.mark.parametrize("first", ["mute", "slow"])
def test_a_server_that_says_next_to_nothing_is_not_waited_for(
    server: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.tables.object_store.ANSWER", 0.2)
    monkeypatch.setattr("resources.feeds.sources.PATIENCE", 0.1)
    with pytest.raises(Unavailable, match="comes too slowly: 1 bytes" if first == "slow" else "cannot be reached"):
        FeedReader(tmp_path).keep(FeedConfig(path=[f"{server}/{first}/day.csv"]))
    assert not list(tmp_path.rglob("*.csv"))


def test_a_file_that_its_server_has_another_of_meanwhile_is_not_taken(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="was replaced while it was read"):
        FeedReader(tmp_path).keep(FeedConfig(path=[f"{server}/changing/day.csv"]))


def test_an_archive_is_read_from_a_server_that_sends_it_in_one_piece(server: str, tmp_path: Path) -> None:
    (kept,) = FeedReader(tmp_path).keep(FeedConfig(path=[f"{server}/archive/day.zip"]))
    assert kept.copy.read_bytes() == LINES


def test_a_server_that_sends_without_end_fills_no_disk(server: str) -> None:
    class Endless:
        def read(self, size: int) -> bytes:
            return b"x" * size

    with pytest.raises(FeedRefused, match="more than 5,242,880 bytes, and there is room for 5,000,000"):
        list(blocks_of(Endless(), f"{server}/200/day.csv", room=5_000_000))  # pyright: ignore[reportArgumentType]


def test_a_file_that_is_written_anew_meanwhile_is_not_mixed(tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_bytes(b"1" * (BLOCK + 1))
    with open(file, "rb") as content:
        blocks = blocks_of(content, str(file), room=1 << 30)
        assert next(blocks) == b"1" * BLOCK
        file.write_bytes(b"2" * (BLOCK + 1))  # of the same size
        with pytest.raises(Unavailable, match="is being written while it is read"):
            list(blocks)


@pytest.mark.parametrize("path", ["{date}.csv", "{date}/*.csv", "*{date}.csv"])
def test_a_share_that_is_not_mounted_is_no_missing_delivery(tmp_path: Path, path: str) -> None:
    feed = FeedConfig(path=[f"{tmp_path}/share/{path}"])
    for is_there in (False, True):
        with pytest.raises(Unavailable, match="is mounted here") as raised:
            FeedReader(tmp_path / "raw").keep(feed, days=[dt.date(2024, 5, 8)])
        assert "closed_days" not in str(raised.value)
        if not is_there:
            (tmp_path / "share").mkdir()
    (tmp_path / "share" / "2024-05-07.csv").write_bytes(LINES)
    with pytest.raises(FeedMissing, match="There is no file for 2024-05-08"):
        FeedReader(tmp_path / "raw").keep(feed, days=[dt.date(2024, 5, 8)])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
@example("sales/..")
@example("sales/")
@example("sales/" + "é" * 300 + ".csv")
@example("a\0b.csv")
def test_a_copy_has_a_name_of_its_own_folder_whatever_a_deliverer_calls_the_file(path):
    for place in (path, f"s3://bucket/{path}x.csv"):
        name = copy_name(place)
        assert name not in ("", ".", "..")
        assert not set(name) & {"/", "\0"}
        assert len(os.fsencode(name)) <= 255
