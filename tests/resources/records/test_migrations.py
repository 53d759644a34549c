"""A database of any earlier version opens, whole as it was; the migrations make what the records' classes say."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from resources.errors import Refused
from resources.records import audit, database, migrations
from resources.records.alerts import Heartbeat
from resources.records.audit import Entry
from resources.records.contents import Contents
from resources.records.feeds import Arrival, Delivery, Reading
from resources.records.lifecycle import PromotionRecord
from resources.records.marks import Mark
from resources.records.object_stores import ProvenStore
from resources.records.retention import Pruning
from resources.records.store import OperationsDatabase
from tests.resources.records.every_kind import BEAT, EVERY_KIND, WHOLE_SECOND

# Made by version 0.1 (c468c9c) of the records in `every_kind`, which it added one by one.
OLD = (Path(__file__).parent / "operations_0_1.sql").read_text()
OLD_HEAD = "24:046ba63346582615fb08db3eb1ce3b61e1b226d4a88ce8f6eed091416475d0ef"


def made_by(script: str, folder: Path) -> str:
    file = folder / "operations.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(script)
    connection.close()
    return f"sqlite:///{file}"


def schema(url: str) -> list[tuple[str, ...]]:
    with database.connected(url).connect() as connection:
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> 'operations_version' ORDER BY name"
        return [tuple(row) for row in connection.execute(sa.text(query))]


def differences(url: str) -> list[Any]:
    """Between the tables that are there and those that the classes ask for."""
    with database.connected(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrations.VERSION_TABLE})
        return compare_metadata(context, database.METADATA)


def old_trail() -> list[Entry]:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(OLD)
        names = ("id", "kind", "record_id", "payload", "previous", "digest")
        rows = connection.execute(f"SELECT {', '.join(names)} FROM audit ORDER BY id").fetchall()
    return [Entry(**dict(zip(names, row, strict=True))) for row in rows]


OLD_KINDS = [kind for kind in database.KINDS if kind not in (Contents, Mark, ProvenStore, Pruning, Reading)]


def test_awkward_records_are_of_every_kind():
    assert {type(record) for record in EVERY_KIND} == set(OLD_KINDS)


def test_database_of_version_0_1_is_adopted_as_it_is(tmp_path):
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(OLD)
        before = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    operations = OperationsDatabase(url=made_by(OLD, tmp_path))
    assert operations.flaws(head=OLD_HEAD) == []
    assert operations.audit_head() == OLD_HEAD
    assert operations.trail() == old_trail()
    added = re.compile(
        ", stamp VARCHAR DEFAULT '' NOT NULL|, is_ended BOOLEAN DEFAULT 0 NOT NULL|, distinct_lines INTEGER DEFAULT '0' NOT NULL"
    )
    added_tables = " contents | marks |object_stores| prunings |fencing_tokens|TABLE state | costs | readings "
    kept = [text for (text,) in schema(operations.url) if not re.search(added_tables, text)]
    assert [(added.sub("", text),) for text in kept] == before
    assert differences(operations.url) == []
    (beat,) = operations.records(Heartbeat)
    assert (beat.name, beat.beat_at) == BEAT


@pytest.mark.parametrize("kind", OLD_KINDS, ids=lambda kind: kind.__name__)
def test_records_of_version_0_1_are_read(kind, tmp_path):
    read = OperationsDatabase(url=made_by(OLD, tmp_path)).records(kind)
    given = [record for record in EVERY_KIND if type(record) is kind]
    assert len(read) == len(given) > 0
    for one, other in zip(read, given, strict=True):
        values = {name: value for name, value in vars(other).items() if not isinstance(value, tuple | dict)}
        assert replace(one, **values) == one  # JSON has lists instead of tuples, and texts as keys
        assert audit._differences(audit.payload(vars(other)), audit.payload(vars(one))) == []


def test_records_are_added_to_one_of_version_0_1(tmp_path):
    operations = OperationsDatabase(url=made_by(OLD, tmp_path))
    operations.record(*EVERY_KIND[:3])
    assert operations.flaws(head=OLD_HEAD) == []
    assert len(operations.trail()) == len(EVERY_KIND) + 3


def test_payloads_are_identical_to_the_byte_to_those_of_version_0_1(operations):
    for record in EVERY_KIND:
        operations.record(record)
    assert operations.trail() == old_trail()
    assert operations.audit_head() == OLD_HEAD
    assert operations.flaws(head=OLD_HEAD) == []


def test_what_a_later_field_says_is_sealed_and_where_it_is_empty_nothing_changed(operations):
    for kind, later in ((Arrival, {"stamp": "12 2024-05-07"}), (Delivery, {"is_ended": True})):
        record = next(record for record in EVERY_KIND if isinstance(record, kind))
        operations.record(record, replace(record, **later))
        before, after = (json.loads(entry.payload) for entry in operations.trail()[-2:])
        assert after == before | later
    assert operations.flaws() == []


def test_migrations_make_the_tables_of_the_classes(operations):
    assert operations.trail() == []
    assert differences(operations.url) == []


def test_all_migrations_are_known():
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(migrations.REVISIONS)


def test_database_that_is_up_to_date_is_opened_without_alembic(operations, monkeypatch):
    operations.record(EVERY_KIND[0])
    database.connected.cache_clear()
    monkeypatch.setattr(migrations, "configuration", None)
    assert len(operations.trail()) == 1


def test_database_of_a_later_version_is_refused(operations):
    operations.record(EVERY_KIND[0])
    with database.connected(operations.url).begin() as connection:
        connection.execute(sa.text("UPDATE operations_version SET version_num = '9999'"))
    database.connected.cache_clear()
    with pytest.raises(Refused, match=r"at migration 9999, .* Remedy: install that version again") as refused:
        operations.trail()
    assert "…@" in str(refused.value) or "operations.db" in str(refused.value)  # and no password


def test_database_of_a_still_earlier_version_gets_the_columns_that_came_since(tmp_path):
    script = (
        "CREATE TABLE promotions (id INTEGER NOT NULL PRIMARY KEY, business_date DATE NOT NULL, challenger INTEGER NOT NULL, "
        "champion_before INTEGER, champion_after INTEGER, is_promoted BOOLEAN NOT NULL, reasons JSON NOT NULL, "
        "decided_at DATETIME NOT NULL, run_id VARCHAR NOT NULL);"
        "INSERT INTO promotions VALUES (1, '2024-03-01', 1, NULL, 1, 1, '[]', '2024-03-02 01:00:00', 'r');"
        "CREATE TABLE alerts (id INTEGER NOT NULL PRIMARY KEY, key VARCHAR NOT NULL, kind VARCHAR NOT NULL, happened VARCHAR NOT NULL, "
        "meaning VARCHAR NOT NULL, command VARCHAR NOT NULL, is_over BOOLEAN NOT NULL, told_at DATETIME NOT NULL);"
        "INSERT INTO alerts VALUES (1, 'k', 'drift', 'h', 'm', 'c', 1, '2024-03-02 01:00:00');"
    )
    operations = OperationsDatabase(url=made_by(script, tmp_path))
    (old,) = operations.promotions()
    assert (old.kind, old.by, old.numbers) == ("night", "", {})
    (alert,) = operations.records(type(EVERY_KIND[-4]))
    assert (alert.is_event, alert.is_delivered, alert.is_over) == (False, False, True)
    operations.decide(replace(old, challenger=2), expected_version=1)
    assert [flaw.entry for flaw in operations.flaws()] == [2, 2]  # what was never sealed, and is named as such
    assert differences(operations.url) == []


def _open(url: str) -> int:
    operations = OperationsDatabase(url=url)
    operations.record(replace(EVERY_KIND[1], decided_at=WHOLE_SECOND))
    return len(operations.records(PromotionRecord))


def test_whoever_opens_a_new_file_while_another_makes_its_tables_waits(tmp_path):
    file = tmp_path / "operations.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE first (id INTEGER)")
        soon = threading.Timer(0.5, other.execute, ["COMMIT"])
        soon.start()
        assert OperationsDatabase(url=f"sqlite:///{file}").records(PromotionRecord) == []
        soon.join()


def test_processes_that_open_a_new_database_at_once_make_it_once(url):
    with ProcessPoolExecutor(3) as pool:
        assert max(pool.map(_open, [url] * 3)) == 3
    with database.connected(url).connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM operations_version")).all() == [(migrations.NEWEST,)]
    assert OperationsDatabase(url=url).flaws() == []
