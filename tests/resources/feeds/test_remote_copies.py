"""Deliveries and their kept copies in an object store."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from resources.config.feeds import FeedConfig, LandingConfig
from resources.errors import Refused
from resources.feeds import landing, remote_copies
from resources.feeds.reader import FeedReader
from resources.feeds.redaction import redact
from resources.feeds.retention import old_copies
from resources.tables import object_store

MONDAY = dt.date(2024, 1, 1)
FEED = FeedConfig(path=["{date}.csv"])


def put(url: str, text: str) -> None:
    filesystem, place = object_store.filesystem(url)
    filesystem.pipe_file(place, text.encode())


def kept_in(store: str) -> dict[str, str]:
    return {f"{copy.parent.name}/{copy.name}": copy.read_text() for copy in remote_copies.each(store)}


@pytest.fixture
def reader(bucket: str, tmp_path: Path) -> FeedReader:
    return FeedReader(raw=tmp_path / "raw", store=f"{bucket}/raw")


def test_a_day_is_read_from_a_landing_place_and_kept_there(bucket: str, reader: FeedReader, engine) -> None:
    place = LandingConfig(path=f"{bucket}/in/{{date}}.csv", marker=".done")
    feed = FeedConfig(path=[f"{bucket}/sales/{{date}}.csv"])
    put(f"{bucket}/sales/{MONDAY}.csv", "who\nanother\n")
    put(f"{bucket}/in/{MONDAY}.csv", "who\nH1\nH2\n")
    assert landing.of_days(place, [MONDAY]) == []  # without its marker
    lines, _ = reader.read(feed, engine=engine, columns=["who"], days=[MONDAY], landing_place=place)
    assert lines.who.to_pyarrow().to_pylist() == ["another"]
    put(f"{bucket}/in/{MONDAY}.csv.done", "")
    (before,) = landing.look(place)
    lines, files = reader.read(feed, engine=engine, columns=["who"], days=[MONDAY], landing_place=place)
    assert sorted(lines.who.to_pyarrow().to_pylist()) == ["H1", "H2"]
    assert sorted(kept_in(reader.place).values()) == ["who\nH1\nH2\n", "who\nanother\n"]
    put(f"{bucket}/in/{MONDAY}.csv", "who\nH3\nH2\n")
    (after,) = landing.look(place)
    assert before.stamp != after.stamp
    put(f"{bucket}/in/{MONDAY}.csv{landing.EVENT}", "{}")
    assert landing.event_beside(files[0].path) == "{}"
    landing.set_aside(files[0].path, place, digest=files[0].digest)
    assert landing.look(place) == []


def test_what_is_redacted_leaves_no_older_version(bucket: str, reader: FeedReader, tmp_path: Path) -> None:
    object_store.client().put_bucket_versioning(
        Bucket=bucket.removeprefix("s3://"), VersioningConfiguration={"Status": "Enabled"}
    )
    delivered = tmp_path / "sales.csv"
    delivered.write_text("who,what\nH1,milk\nH2,tea\n")
    (file,) = reader.keep(FeedConfig(path=[str(delivered)]))
    reader.keep(FeedConfig(path=[str(delivered)]))  # the same bytes are there: nothing is written
    assert len(list(object_store.versions(reader.place))) == 1
    assert redact([file.copy], FEED, "who", lambda who: who == "H1") == 1
    reader.put_back([file.copy])
    assert kept_in(reader.place) == {f"{file.digest[:16]}/sales.csv": "who,what\n\nH2,tea\n"}
    for copy in remote_copies.each(reader.place):
        assert redact([copy], FEED, "who", lambda who: who == "H2") == 1
    assert kept_in(reader.place) == {f"{file.digest[:16]}/sales.csv": "who,what\n\n\n"}
    assert [version.is_newest for version in object_store.versions(reader.place)] == [True]
    file.copy.unlink()
    reader.put_back([file.copy])
    assert list(object_store.versions(reader.place)) == []


def test_a_landing_place_that_may_not_be_read_is_told(bucket: str) -> None:
    with pytest.raises(Refused, match="does not permit this"):
        landing.exists("s3://fault-0/in/a.csv")


def test_old_copies_are_found_and_removed_there(reader: FeedReader, operations, tmp_path: Path) -> None:
    delivered = tmp_path / "catalogue.csv"
    for content in ("a\n1\n", "a\n2\n"):
        delivered.write_text(content)
        reader.keep(FeedConfig(path=[str(delivered)]))
        time.sleep(1)  # a store tells times to the second
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=10)
    old = old_copies(reader.place, operations, before=MONDAY, now=now, days=5)
    assert len(old.copies) == 1
    old.remove()
    assert list(kept_in(reader.place).values()) == ["a\n2\n"]
