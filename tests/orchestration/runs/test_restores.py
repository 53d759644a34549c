"""Parts of the state age together: a night does not begin on a part of yesterday, and no restore brings back who was erased."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from assets.grocery.publication.served import served_now
from assets.privacy.suppression import KEY_BYTES, key_id, subject_hash
from orchestration.cli.launch import mark_lists
from resources import home
from resources.errors import Damaged, Refused
from resources.parts import FILE, RECORDS, Parts
from resources.records import database
from resources.records.health import require_whole
from resources.records.identity import Owner
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase
from tests.support.shop import TOMORROW, CornerShop, failures, open_shop

NOON = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)
DAY_AFTER = TOMORROW + dt.timedelta(days=1)


class Cursors(dict[str, str]):
    def get_cursor_values(self, keys: set[str]) -> dict[str, str]:
        return {key: self[key] for key in keys & self.keys()}

    def set_cursor_values(self, pairs: dict[str, str]) -> None:
        self.update(pairs)


@pytest.fixture
def parts(tmp_path: Path, operations, registry) -> Parts:
    return parts_in(str(tmp_path), operations, registry)


def parts_in(place: str, operations, registry) -> Parts:
    return Parts.of(
        operations=operations,
        tables=f"{place}/tables",
        raw=f"{place}/raw",
        registry=registry,
        cursors=Cursors(),
    )


def test_a_ledger_that_a_hand_edited_lets_no_night_begin(parts: Parts) -> None:
    parts.operations.record(Erasure(household="h", key="k", step=Erasure.ASKED, by="ann", reason="", at=NOON))
    parts.begin(is_night=True, now=NOON)
    with contextlib.closing(sqlite3.connect(parts.operations.url.removeprefix("sqlite:///"))) as database_:
        database_.execute("DELETE FROM erasures")
        database_.commit()
    with pytest.raises(Damaged, match="erasures 1 is gone"):
        parts.begin(is_night=True, now=NOON)
    parts.operations.put_back()
    parts.begin(is_night=True, now=NOON)


def test_parts_of_one_time_fit_and_a_state_without_marks_does(parts: Parts) -> None:
    parts.require_fit()
    for _ in range(3):
        parts.set_marks(now=NOON)
        parts.require_fit()
    assert {part.name: part.read() for part in parts.parts} == {
        "MLflow": 3,
        "raw copies": 3,
        "tables": 3,
        "Dagster's storage": 3,
    }


def test_in_an_object_store_marks_stand_beside_the_objects(bucket: str, operations, registry) -> None:
    parts = parts_in(bucket, operations, registry)
    for _ in range(2):
        parts.begin(is_night=True, now=NOON)
    assert {part.read() for part in parts.parts} == {2}
    parts.parts[0].write(1)
    with pytest.raises(Refused, match="raw copies, restored from a backup, is older"):
        parts.require_fit()


def test_tables_of_another_state_are_refused_until_a_person_says_otherwise(tmp_path: Path, registry) -> None:
    first, second = (
        OperationsDatabase(
            url=f"sqlite:///{tmp_path / name}.db", owner=Owner(retailer="corner_shop", folder=tmp_path / name)
        )
        for name in ("first", "second")
    )
    parts_in(str(tmp_path), first, registry).begin(is_night=True, now=NOON)
    parts = parts_in(str(tmp_path), second, registry)
    with pytest.raises(
        Refused, match=r"raw is of the state .*not parts of one state.*NIGHTCART_OPERATIONS_URL.*reconcile"
    ):
        parts.begin(is_night=True, now=NOON)
    parts.set_marks(now=NOON)  # as `nightcart reconcile` does
    parts.begin(is_night=True, now=NOON)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{", b"[1]"], ids=["empty", "other bytes", "no mark"])
def test_a_damaged_mark_is_told_with_what_writes_it_anew(parts: Parts, tmp_path: Path, content: bytes) -> None:
    parts.set_marks(now=NOON)
    (tmp_path / "tables" / FILE).write_bytes(content)
    with pytest.raises(
        Damaged, match=rf"tables/{FILE}, which says .* is damaged.*`rm .*tables/{FILE}`, and `nightcart reconcile`"
    ):
        parts.begin(is_night=True, now=NOON)
    (tmp_path / "tables" / FILE).unlink()
    parts.begin(is_night=False, now=NOON)
    parts.set_marks(now=NOON)
    parts.begin(is_night=True, now=NOON)


@pytest.mark.parametrize("name", ["MLflow", "raw copies", "tables", "Dagster's storage"])
@pytest.mark.parametrize("was", [0, 1], ids=["before marks", "yesterday"])
def test_the_part_that_is_older_is_named_with_its_command(parts: Parts, name: str, was: int) -> None:
    for _ in range(2):
        parts.set_marks(now=NOON)
    (part,) = (part for part in parts.parts if part.name == name)
    part.write(was)
    says = f"of different times: {name}, restored from a backup, is older than the records.*`nightcart reconcile`"
    with pytest.raises(Refused, match=says):
        parts.begin(is_night=True, now=NOON)
    parts.begin(is_night=False, now=NOON)  # what mends is not kept from it
    parts.set_marks(now=NOON)
    parts.begin(is_night=True, now=NOON)


def test_older_records_are_told_by_all_other_parts(parts: Parts, tmp_path: Path) -> None:
    for _ in range(2):
        parts.set_marks(now=NOON)
    yesterday = Parts(
        operations=OperationsDatabase(url=f"sqlite:///{tmp_path / 'old.db'}"), parts=parts.parts, folders=parts.folders
    )
    with pytest.raises(Refused) as refused:
        yesterday.require_fit()
    assert f"different times: {RECORDS}, restored from a backup, is older than raw copies, tables, MLflow" in str(
        refused.value
    )
    yesterday.set_marks(now=NOON)
    yesterday.require_fit()


def test_a_process_that_dies_while_it_sets_marks_makes_nothing_older(parts: Parts) -> None:
    parts.set_marks(now=NOON)
    whole = parts.parts
    for reached in range(len(whole)):

        def dies(number: int) -> None:
            raise KeyboardInterrupt

        broken = [
            part if n < reached else type(part)(name=part.name, read=part.read, write=dies)
            for n, part in enumerate(whole)
        ]
        with contextlib.suppress(KeyboardInterrupt):
            Parts(operations=parts.operations, parts=broken, folders=parts.folders).set_marks(now=NOON)
        parts.require_fit()


def test_who_was_erased_is_on_record_again_when_older_records_are_brought_back(parts: Parts, tmp_path: Path) -> None:
    key = b"k" * KEY_BYTES
    erased = Erasure(
        household=subject_hash("H-1", key), key=key_id(key), step=Erasure.DONE, by="ann", reason="", at=NOON
    )
    parts.operations.record(erased)
    parts.set_marks(now=NOON)
    yesterday = Parts(
        operations=OperationsDatabase(url=f"sqlite:///{tmp_path / 'old.db'}"), parts=parts.parts, folders=parts.folders
    )
    with pytest.raises(Refused):
        yesterday.begin(is_night=True, now=NOON)
    assert [each.household for each in yesterday.operations.records(Erasure)] == [erased.household]


# On a shop


OF_YESTERDAY = {
    "tables": "tables",
    "raw": "raw copies",
    "mlflow.db": "MLflow",
    "dagster": "Dagster's storage",
    "operations.db": RECORDS,
}


def parts_of(shop: CornerShop) -> Parts:
    cursors = shop.instance.daemon_cursor_storage
    return Parts.of(
        operations=shop.operations,
        tables=shop.tables.root,
        raw=shop.folder / "raw",
        registry=shop.registry,
        cursors=cursors,
    )


@pytest.mark.parametrize("name", OF_YESTERDAY)
def test_a_night_refuses_to_begin_on_a_part_of_yesterday(tmp_path: Path, prepared_shops, name: str) -> None:
    prepared_shops.copy("night", folder := tmp_path / "shop")
    kept = tmp_path / "yesterday"
    with open_shop(folder) as shop:  # what a copy has, while nothing runs
        parts_of(shop).set_marks(now=NOON)
    shutil.copytree(folder, kept, symlinks=True)
    with open_shop(folder) as shop:
        parts_of(shop).set_marks(now=NOON)
    database.connected.cache_clear()
    for old in folder.glob(f"{name}*"):
        if old.is_dir():
            shutil.rmtree(old)
        elif old.name != "mlflow.db":  # which MLflow, in this process, has open: it is overwritten
            old.unlink()
    for old in kept.glob(f"{name}*"):
        (shutil.copytree if old.is_dir() else shutil.copy)(old, folder / old.name)
    first = {"asset_selection": [dg.AssetKey("transactions")]}
    with open_shop(folder) as shop:
        result = shop.run("nightly", TOMORROW, **first)
        assert f"different times: {OF_YESTERDAY[name]}, restored from a backup, is older" in failures(result)
        parts_of(shop).set_marks(now=NOON)  # as `nightcart reconcile` does
        assert shop.run("nightly", TOMORROW, **first).success


@pytest.mark.slow
def test_a_flipped_bit_of_yesterdays_baskets_stops_the_night_and_its_command_mends_it(
    after_two_nights: CornerShop,
) -> None:
    shop, yesterday = after_two_nights, TOMORROW
    (part,) = (part for part in shop.tables.parts("transactions") if part.day == yesterday)
    file = Path(shop.tables.uri("transactions"), part.path)
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 4
    file.write_bytes(content)
    result = shop.night(DAY_AFTER)
    assert not result.success
    again = f"`nightcart backfill --from {yesterday} --to {yesterday} --assets transactions --force`"
    assert f"transactions of {yesterday}, is not what was written" in failures(result)
    assert again in str(result.get_step_failure_events())
    assert shop.take_in(yesterday, yesterday).success
    assert shop.night(DAY_AFTER).success


# Databases


@pytest.mark.parametrize("place", [0, 20_000], ids=["header", "a page"])
def test_a_database_that_is_not_whole_is_named_before_anything_is_written(tmp_path: Path, place: int) -> None:
    file = tmp_path / "operations.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE verdicts (id INTEGER PRIMARY KEY, says TEXT)")
        connection.executemany("INSERT INTO verdicts (says) VALUES (?)", [("x" * 200,)] * 1000)
        connection.commit()
    databases = {
        "records": f"sqlite:///{file}",
        "models": "postgresql://somewhere/else",
        "nothing": f"sqlite:///{tmp_path}/none",
    }
    require_whole(databases)
    content = bytearray(file.read_bytes())
    content[place // 4096 * 4096 : place // 4096 * 4096 + 16] = b"\xff" * 16
    file.write_bytes(content)
    with pytest.raises(
        Damaged,
        match=f"{file}, the database of records, is damaged.*{file.name}-wal.*bring {file} back from the newest backup",
    ):
        require_whole(databases)


@pytest.mark.slow
def test_lists_are_marked_although_the_records_are_damaged(after_a_night: CornerShop, monkeypatch) -> None:
    shop = after_a_night
    reached = SimpleNamespace(tables=shop.tables, operations=shop.operations)
    monkeypatch.setattr("orchestration.cli.context.resources", lambda: reached)
    file = Path(shop.operations.url.removeprefix("sqlite:///"))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.connected.cache_clear()
    with file.open("r+b") as content:
        content.write(b"\0" * 16)
    with pytest.raises(Damaged, match="the database of records, is damaged") as damaged:
        require_whole({"records": shop.operations.url})
    mark_lists(TOMORROW, because=damaged.value.message)
    served = served_now(replace(shop.tables, ledger=None))
    assert served
    assert (served.is_carried_over, served.published_for) == (True, DAY_AFTER)
    assert "is damaged" in served.carried_over_because


def test_marks_stand_in_no_place_that_is_read_as_a_table_or_a_copy() -> None:
    assert FILE.startswith(".")
    assert home.erasure_key() == home.state() / "erasure.key"


def test_no_night_begins_while_a_restore_is_not_finished(parts: Parts, tmp_path: Path) -> None:
    parts.begin(is_night=True, now=NOON)
    Path(parts.folders[0], FILE).write_text('{"restoring": "1", "forgotten": {}}', encoding="utf-8")
    with pytest.raises(Refused, match="is being restored"):
        parts.begin(is_night=False, now=NOON)
    parts.set_marks(now=NOON)
    parts.begin(is_night=True, now=NOON)
