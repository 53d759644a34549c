"""`ingest_on_arrival` over the ticks of some mornings, on a real instance and real tables."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.grocery.staleness import FEATURES, stale_now
from assets.partitions import PARTITION_TAG
from assets.quality import staleness
from orchestration.arrival import plan as planning
from orchestration.definitions import build_defs
from orchestration.runs.attempts import Retries
from orchestration.sensors.arrival import ingest_on_arrival
from resources.config.feeds import LandingConfig
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.feeds import events
from resources.feeds.landing import EVENT, SET_ASIDE, look
from resources.feeds.reader import FeedReader
from resources.records.feeds import Arrival, Delivery
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

DAY = dt.date(2024, 1, 9)  # before nights are possible: only its baskets are taken in
NIGHT = dt.date(2024, 3, 12)


@dataclass
class Shop:
    """The corner shop with a landing place of its own, and all that the sensor reaches."""

    landing: Path
    sales: Path
    instance: dg.DagsterInstance
    resources: dict[str, Any]
    cursor: str | None = None

    @cached_property
    def defs(self) -> dg.Definitions:
        return build_defs(**self.resources)

    @property
    def operations(self) -> OperationsDatabase:
        return self.resources["operations"]

    def text(self, day: dt.date) -> str:
        return (self.sales / f"{day}.csv").read_text(encoding="utf-8")

    def deliver(self, day: dt.date, text: str | None = None, *, part: str = "", is_whole: bool = True) -> Path:
        """Put a file of `day` into the landing place: what the shop sold, or `text`."""
        file = self.landing / f"{day}{part}.csv"
        file.write_text(self.text(day) if text is None else text, encoding="utf-8")
        if is_whole:
            Path(f"{file}.done").touch()
        return file

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """The runs that the sensor asks for, and else why not."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources=self.resources,
            repository_def=self.defs.get_repository_def(),
        )
        result = ingest_on_arrival(context)
        self.cursor = context.cursor
        if isinstance(result, dg.SkipReason):
            return [], result.skip_message or ""
        return list(result.run_requests or []), ""

    def run(self, request: dg.RunRequest) -> bool:
        """Carry a request out, as the daemon would; whether all of it, and all checks, held."""
        result = self.defs.resolve_job_def(str(request.job_name)).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            asset_selection=[dg.AssetKey("transactions")],  # the snapshots are of no interest here
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            raise_on_error=False,
        )
        return result.success

    def put_run(self, status: dg.DagsterRunStatus, day: dt.date, tags: dict[str, str] | None = None) -> None:
        """A nightly of `day` in the instance, that was never executed."""
        job = self.defs.resolve_job_def("nightly")
        self.instance.create_run_for_job(job, status=status, tags={PARTITION_TAG: str(day), **(tags or {})})

    def took_in(self, *days: dt.date, digests: tuple[str, ...] = ("from elsewhere",)) -> None:
        """Days that were taken in before, by whatever."""
        now = dt.datetime.now(dt.UTC)
        about: dict[str, Any] = {
            "columns": {},
            "rows": 1,
            "broken": {},
            "content": "x",
            "run_id": "r",
            "taken_in_at": now,
        }
        files = {f"{number}.csv": digest for number, digest in enumerate(digests)}
        self.operations.record(*(Delivery(business_date=day, files=files, **about) for day in days))

    def read(self, day: dt.date) -> None:
        """What a run that takes a day in puts on record of its file."""
        (file,) = [file for file in look(self.resources["settings"].landing) if file.day == day]
        digest = hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
        about: dict[str, Any] = {"event_id": "e", "reason": "", "seen_at": NOW, "stamp": file.stamp}
        taken = Arrival(path=file.path, digest=digest, business_date=day, outcome=Arrival.TAKEN, **about)
        self.operations.record(taken)
        self.took_in(day, digests=(digest,))

    def outcomes(self) -> list[tuple[str, str]]:
        return [(Path(a.path).name, a.outcome) for a in self.operations.records(Arrival)]

    def rows(self, day: dt.date) -> int:
        return self.resources["tables"].rows_by_day("transactions").get(day, 0)


@pytest.fixture
def shop(tmp_path, settings: Settings, tables: TableStore, feeds: FeedReader, operations, instance) -> Shop:
    (tmp_path / "landing").mkdir()
    place = LandingConfig.model_validate({"path": f"{tmp_path}/landing/{{date}}*.csv", "marker": ".done"})
    # Its own path has no files: all that comes, comes to the landing place.
    feed = settings.transactions.model_copy(update={"path": [f"{tmp_path}/nothing/{{date}}.csv"]})
    own = settings.model_copy(update={"landing": place, "transactions": feed})
    resources = {"settings": own, "tables": tables, "feeds": feeds, "operations": operations}
    return Shop(tmp_path / "landing", Path(settings.transactions.path[0]).parent, instance, resources)


def lines(text: str) -> int:
    return len(text.splitlines()) - 1


def test_a_file_is_taken_in_once_and_again_when_it_is_corrected(shop: Shop) -> None:
    assert shop.tick()[1].startswith("No complete file")
    file = shop.deliver(DAY, is_whole=False)
    assert shop.tick()[1].startswith("No complete file")  # its marker is not there

    shop.deliver(DAY)
    (first,), _ = shop.tick()
    assert (first.job_name, first.partition_key) == ("ingestion", "2024-01-09")
    assert shop.run(first)
    assert shop.rows(DAY) == lines(shop.text(DAY))

    quiet = "Every file that has arrived is taken in."
    assert shop.tick() == ([], quiet)
    shop.cursor = None  # deleted
    assert shop.tick() == ([], quiet)
    assert shop.outcomes() == [(file.name, "taken")]
    before = shop.operations.records(Delivery)[-1]
    shop.deliver(DAY)  # the same file once more: only its bytes can tell
    (same,), _ = shop.tick()
    assert (same.job_name, shop.run(same)) == ("ingestion", True)
    assert shop.tick() == ([], quiet)
    copy = shop.deliver(DAY, part=" (copy)")  # and under another name
    (same,), _ = shop.tick()
    assert (same.job_name, shop.run(same)) == ("ingestion", True)
    assert shop.tick() == ([], quiet)
    shop.cursor = None
    assert shop.tick() == ([], quiet)
    assert shop.outcomes()[1:] == [(file.name, "taken"), (copy.name, "repeated")]
    after = shop.operations.records(Delivery)[-1]
    assert (after.content, after.files) == (before.content, before.files)

    staleness.record_made(
        shop.operations, FEATURES, {DAY: staleness.latest_delivery_id(shop.operations)}, run_id="r", now=NOW
    )
    copy.unlink()
    shop.deliver(DAY, "\n".join(shop.text(DAY).splitlines()[:-1]) + "\n")
    (again,), _ = shop.tick()
    assert again.job_name == "ingestion"
    assert again.run_key != first.run_key
    assert stale_now(shop.operations) == []
    assert shop.run(again)
    assert shop.rows(DAY) == lines(shop.text(DAY)) - 1
    assert [(found.subject, found.days, found.corrected) for found in stale_now(shop.operations)] == [
        ("features", [DAY], [DAY])
    ]
    assert shop.tick() == ([], quiet)
    assert shop.outcomes()[3:] == [(file.name, "taken")]


NOW = dt.datetime(2024, 5, 20, tzinfo=dt.UTC)


def test_what_cannot_be_used_is_set_aside_with_its_reason_and_the_next_file_is_taken(shop: Shop) -> None:
    spoilt = shop.deliver(DAY)
    Path(f"{spoilt}{EVENT}").write_text('{"type": "com.other"}')
    shop.deliver(DAY + ONE_DAY, "customer,receipt\n1,2\n")
    shop.deliver(DAY + 2 * ONE_DAY, "")
    text = shop.text(DAY + 3 * ONE_DAY)
    wrong = shop.deliver(DAY + 3 * ONE_DAY)
    about = {"retailer": "corner_shop", "path": str(wrong), "day": DAY + 3 * ONE_DAY, "digest": "0" * 64}
    Path(f"{wrong}{EVENT}").write_text(events.as_json(events.arrived(**about, at=NOW, source="/till")))  # pyright: ignore
    shop.deliver(DAY + 4 * ONE_DAY, text[: len(text) * 2 // 3].rsplit(",", 2)[0])  # cut off, but marked
    shop.deliver(dt.date(2023, 12, 31), text)
    good = shop.deliver(DAY - ONE_DAY)

    requests, _ = shop.tick()
    assert {Path(a.path).name: a.outcome for a in shop.operations.records(Arrival)} == {
        "2023-12-31.csv": "set aside",  # by their names alone
    }
    took = {request.partition_key: shop.run(request) for request in requests}
    assert [day for day, is_good in took.items() if is_good] == [str(DAY - ONE_DAY)]
    assert shop.tick() == ([], "Every file that has arrived is taken in.")
    reasons = {Path(a.path).name: (a.outcome, a.reason) for a in shop.operations.records(Arrival)}
    assert reasons.pop(good.name) == ("taken", "")
    assert {outcome for outcome, _ in reasons.values()} == {"set aside"}
    for name, says in {
        spoilt.name: "breaks its schema",
        f"{DAY + ONE_DAY}.csv": "lacks the columns",
        f"{DAY + 2 * ONE_DAY}.csv": "is empty (0 bytes)",
        wrong.name: "sha256",
        f"{DAY + 4 * ONE_DAY}.csv": "is truncated",
        "2023-12-31.csv": "outside of Corner Shop's history",
    }.items():
        assert says in reasons[name][1]
        assert "Remedy" in reasons[name][1]
    assert sorted(file.name for file in shop.landing.iterdir()) == [good.name, f"{good.name}.done", SET_ASIDE]
    assert len([file for file in (shop.landing / SET_ASIDE).iterdir() if file.suffix == ".csv"]) == 6

    # Delivered once more as it was, it is no news; delivered well, it is taken.
    shop.deliver(DAY + ONE_DAY, "customer,receipt\n1,2\n")
    shop.deliver(DAY)
    took = {request.partition_key: shop.run(request) for request in shop.tick()[0]}
    assert took == {str(DAY): True, str(DAY + ONE_DAY): False}
    assert {a.outcome for a in shop.operations.records(Arrival, path=str(shop.landing / f"{DAY + ONE_DAY}.csv"))} == {
        "set aside"
    }
    assert not (shop.landing / f"{DAY + ONE_DAY}.csv").exists()


def test_a_day_of_two_files_waits_for_both(shop: Shop) -> None:
    place = shop.resources["settings"].landing.model_copy(update={"files_a_day": 2})
    shop.resources["settings"] = shop.resources["settings"].model_copy(update={"landing": place})
    header, *rest = shop.text(DAY).splitlines()
    north, south = ("\n".join([header, *rest[place::2]]) + "\n" for place in (0, 1))
    shop.deliver(DAY, north, part="_north")
    assert shop.tick()[0] == []
    shop.deliver(DAY, south, part="_south")
    (both,), _ = shop.tick()
    assert shop.run(both)
    assert shop.rows(DAY) == len(rest)
    assert shop.tick()[0] == []


def test_an_event_that_the_deliverer_put_beside_a_file_is_the_one_on_record(shop: Shop) -> None:
    file = shop.deliver(DAY, is_whole=False)
    told = {"specversion": "1.0", "id": "till-7", "source": "/till", "type": events.ARRIVED}
    data = {"retailer": "corner_shop", "business_date": str(DAY), "rows": lines(shop.text(DAY))}
    Path(f"{file}{EVENT}").write_text(json.dumps(told | {"data": data}))
    shop.deliver(DAY)
    (request,), _ = shop.tick()
    assert shop.run(request)
    assert [record.event_id for record in shop.operations.records(Arrival)] == ["till-7"]


def test_new_days_have_their_nights_one_by_one_and_a_late_day_is_taken_in_alone(shop: Shop) -> None:
    history = [dt.date(2024, 1, 1) + n * ONE_DAY for n in range((NIGHT - dt.date(2024, 1, 1)).days)]
    shop.took_in(*history)
    shop.put_run(dg.DagsterRunStatus.SUCCESS, NIGHT - ONE_DAY)
    shop.deliver(NIGHT)
    shop.deliver(NIGHT + ONE_DAY)

    (night,), _ = shop.tick()
    assert (night.job_name, night.partition_key) == ("nightly", str(NIGHT))
    assert (repeated := shop.tick()[0])  # until its run is there it is asked for under the same key: it is one run
    assert [request.run_key for request in repeated] == [night.run_key]

    shop.put_run(dg.DagsterRunStatus.STARTED, NIGHT)  # by the schedule: not launched by the sensor as well
    requests, why = shop.tick()
    assert requests == []
    assert "a run is at work on it" in why
    (under_way,) = shop.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    shop.instance.report_run_canceled(under_way)
    shop.put_run(dg.DagsterRunStatus.SUCCESS, NIGHT)
    shop.read(NIGHT)

    (night,), _ = shop.tick()
    assert (night.job_name, night.partition_key) == ("nightly", str(NIGHT + ONE_DAY))
    shop.deliver(DAY)  # a late file of an old day: first its baskets, then the night that is made of them
    (late,), _ = shop.tick()
    assert (late.job_name, late.partition_key) == ("ingestion", str(DAY))


def test_a_failed_run_is_launched_again_under_a_fresh_key_and_given_up_after_some(shop: Shop, monkeypatch) -> None:
    shop.deliver(DAY, shop.text(DAY).replace(str(DAY), "yesterday"))  # readable, but no line of it is usable
    keys = set()
    for attempt in range(len(planning.RETRIES.pauses) + 1):
        (request,), _ = shop.tick()
        assert request.run_key not in keys
        keys.add(request.run_key)
        assert not shop.run(request)
        if attempt == 0:
            assert "is tried again after" in shop.tick()[1]
            monkeypatch.setattr(planning, "RETRIES", Retries(pauses=[dt.timedelta()] * 3))
    requests, why = shop.tick()
    assert requests == []
    assert "its runs failed 4 times" in why
    shop.tick()
    assert shop.outcomes() == [(f"{DAY}.csv", "taken"), (f"{DAY}.csv", "given up")]  # once

    broken = shop.text(DAY).replace(str(DAY), "yesterday")
    shop.deliver(DAY, broken)  # as it was: it is read once more, and stays given up
    (request,), _ = shop.tick()
    assert not shop.run(request)
    assert shop.tick() == ([], f"{DAY}: its runs failed 4 times")
    shop.deliver(DAY)  # corrected: a new beginning
    (request,), _ = shop.tick()
    assert shop.run(request)
    assert shop.tick()[0] == []


def test_without_a_landing_place_nothing_is_done_and_it_says_so(shop: Shop) -> None:
    shop.resources["settings"] = shop.resources["settings"].model_copy(update={"landing": None})
    assert "has no [landing]" in shop.tick()[1]


def test_a_tick_opens_no_file_however_large_and_one_that_cannot_be_moved_stops_no_other(
    shop: Shop, monkeypatch
) -> None:
    large = shop.deliver(DAY, "")
    with large.open("ab") as content:
        content.truncate(200 * 1024**2)
    (shop.landing / f"{DAY}.csv{EVENT}").write_text("{}")
    shop.deliver(dt.date(2023, 12, 31), "")  # outside of the history
    shop.tick()  # what is imported and connected once

    def opened(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a tick opened a file")

    def stuck(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError("a file in use")

    shop.deliver(dt.date(2023, 12, 31), "")
    monkeypatch.setattr("resources.feeds.reader.open_file", opened)
    monkeypatch.setattr("resources.feeds.landing.event_beside", opened)
    monkeypatch.setattr(FeedReader, "kept", opened)
    monkeypatch.setattr("resources.feeds.landing.set_aside", stuck)
    began = time.process_time()
    (request,), _ = shop.tick()
    assert request.partition_key == str(DAY)
    assert time.process_time() - began < 0.5


def test_a_cursor_of_an_earlier_version_knows_the_files_that_it_digested(shop: Shop) -> None:
    shop.deliver(DAY)
    (request,), _ = shop.tick()
    assert shop.run(request)
    (taken,) = shop.operations.records(Arrival)
    fresh = OperationsDatabase(url=f"sqlite:///{shop.landing.parent / 'earlier.db'}")
    fresh.record(replace(taken, stamp=""), *shop.operations.records(Delivery))
    shop.resources["operations"] = fresh
    shop.cursor = json.dumps({"looks": {}, "digests": {taken.path: [taken.stamp, taken.digest]}})
    for _ in range(2):
        assert shop.tick() == ([], "Every file that has arrived is taken in.")
