"""`nightcart audit`: what it shows, and what it refuses."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

from resources.errors import Refused
from resources.records.lifecycle import RetrainingRequest

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def two_wishes(operations) -> None:
    for reason in ("first", "second"):
        operations.record(RetrainingRequest(reason=reason, by="ann", made_at=NOON))


def test_trail_is_verified_and_its_head_told(run, operations, two_wishes) -> None:
    head = run("audit", "head").stdout.strip()
    assert head == operations.audit_head()
    assert f"2 entries, all as they were recorded. Head: {head}" in run("audit", "verify", "--head", head).stdout


def test_copy_is_verified_on_its_own_and_a_change_is_told(run, operations, two_wishes, tmp_path: Path) -> None:
    head = operations.audit_head()
    with sqlite3.connect(operations.url.removeprefix("sqlite:///")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = Path(shutil.copy(operations.url.removeprefix("sqlite:///"), tmp_path / "copy.db"))
    assert "2 entries" in run("audit", "verify", str(copy)).stdout
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE wishes SET by = 'eve' WHERE id = 2")
    with pytest.raises(Refused, match="entry 2: wishes 2 was changed: by was 'ann' and is 'eve'"):
        run("audit", "verify", str(copy))
    result = run("audit", "verify", str(copy), "--json")
    assert (result.exit_code, len(json.loads(result.stdout)["flaws"])) == (1, 1)
    with sqlite3.connect(copy) as connection:
        connection.execute("DELETE FROM wishes WHERE id = 2")
        connection.execute("DELETE FROM audit WHERE id = 2")
    assert "1 entries" in run("audit", "verify", str(copy)).stdout
    with pytest.raises(Refused, match="entry 2: it was the last one once, and is gone: the end was cut off"):
        run("audit", "verify", str(copy), "--head", head)
    assert "2 entries" in run("audit", "verify").stdout


def test_what_is_no_copy_or_no_head_is_refused(run, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="There is no file"):
        run("audit", "verify", str(tmp_path / "none.db"))
    with pytest.raises(Refused, match="is no head of a trail"):
        run("audit", "verify", "--head", "abc")
    (tmp_path / "text.db").write_text("not a database")
    with pytest.raises(Refused, match="no operations database"):
        run("audit", "verify", str(tmp_path / "text.db"))


def test_trail_is_shown_and_given_to_machines(run, two_wishes) -> None:
    assert '"reason": "second"' in run("audit", "show", "--last", "1").stdout
    assert "first" not in run("audit", "show", "--last", "1").stdout
    entries = [json.loads(line) for line in run("audit", "show", "--json").stdout.splitlines()]
    assert [json.loads(entry["payload"])["reason"] for entry in entries] == ["first", "second"]
    assert run("audit", "show", "--kind", "promotions").stdout.count("wishes") == 0


def test_before_any_night_there_is_nothing_to_decide(run) -> None:
    with pytest.raises(Refused, match="There has been no night yet"):
        run("rollback", "--reason", "why not")
    with pytest.raises(Refused, match="A decision on the champion has a reason"):
        run("promote", "1", "--reason", " ")
    with pytest.raises(Refused, match="There is no champion yet"):
        run("card")


def test_every_file_of_the_tables_is_verified_and_the_command_that_mends_is_named(run, reached) -> None:
    tables = reached.tables
    day = dt.date(2024, 3, 1)
    tables.replace_days("transactions", pa.table({"business_date": [day], "value": [1]}), days=[day])
    assert "1 file of 1 tables, all as they were written" in run("audit", "verify", "--tables").stdout
    file = Path(tables.uri("transactions"), tables.parts("transactions")[0].path)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    again = f"`nightcart backfill --from {day} --to {day} --assets transactions --force`"
    with pytest.raises(Refused, match=f"transactions of {day}, is not what was written.*{again}"):
        run("audit", "verify", "--tables")
    result = run("audit", "verify", "--tables", "--json")
    assert (result.exit_code, json.loads(result.stdout)["tables"]["remedies"]) == (1, [again])
