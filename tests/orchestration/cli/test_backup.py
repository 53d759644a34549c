"""`nightcart backup`, `restore` and `move`, as they are typed."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import backup, launch
from resources import home
from resources.backup import state
from resources.backup.files import Folder, Manifest
from resources.errors import Refused
from resources.parts import FILE, RESTORING, Parts
from tests.support.command_line import Nightcart

DAY = ("--from", "2024-01-01", "--to", "2024-01-01", "--assets", "transactions")


def test_a_shop_is_brought_onto_an_empty_machine(tmp_path: Path) -> None:
    first, other, kept = Nightcart(tmp_path / "a"), Nightcart(tmp_path / "b"), str(tmp_path / "kept")
    said = first.several(("backfill", *DAY), ("backup", kept), ("audit", "verify", f"{kept}/operations.db"))
    assert [code for code, _, _ in said] == [0, 0, 0], said
    head = Manifest.read(Folder(kept)).head
    shutil.move(first.state, tmp_path / "gone")
    said = other.several(
        ("restore", kept),
        ("audit", "verify", "--tables", "--head", head),
        ("backfill", *DAY),
        ("restore", kept),
        ("move",),
    )
    assert [code for code, _, _ in said] == [0, 0, 0, 1, 1], said
    assert "1 done, 0 to make" in said[2][1]  # it knows of the run
    assert "The state is not empty: there are records, tables, raw." in said[3][2]
    assert "where it is" in said[4][2]
    taken_in = other.rows("transactions")
    assert taken_in
    # What is on record, and in no table any more, is not taken for done.
    shutil.move(other.state / "tables" / "transactions", tmp_path / "aside")
    said = other.several(("backfill", *DAY), ("backfill", *DAY), ("audit", "verify", "--tables"))
    assert [code for code, _, _ in said] == [0, 0, 0], said
    assert "Written once, and not in the tables any more: 2024-01-01." in said[0][1]
    assert "1 done, 0 to make" in said[1][1]
    assert other.rows("transactions") == taken_in


def test_a_laptop_moves_to_postgres_and_an_object_store(
    tmp_path: Path, bucket: str, new_database: Callable[[str], str]
) -> None:
    laptop, production = Nightcart(tmp_path / "a"), Nightcart(tmp_path / "b")
    production.environment |= {
        "NIGHTCART_ENVIRONMENT": "production",
        "NIGHTCART_OPERATIONS_URL": new_database("operations"),
        "MLFLOW_TRACKING_URI": new_database("mlflow"),
        "NIGHTCART_DAGSTER_URL": new_database("dagster"),
        "NIGHTCART_TABLES": f"{bucket}/tables",
        "NIGHTCART_RAW": f"{bucket}/raw",
        "NIGHTCART_MLFLOW_ARTIFACTS": f"{bucket}/models",
        "NIGHTCART_ERASURE_KEY": "ab" * 32,
    }
    said = laptop.several(("backfill", *DAY), ("audit", "head"))
    assert [code for code, _, _ in said] == [0, 0], said
    head = said[1][1].strip()
    said = production.several(
        ("move", str(laptop.state)),
        ("move", str(laptop.state)),
        ("audit", "verify", "--tables", "--head", head),
        ("backfill", *DAY),
        ("backfill", "--from", "2024-01-02", "--to", "2024-01-02", "--assets", "transactions"),
        ("audit", "verify", "--tables", "--head", head),
    )
    (again,) = [error for code, _, error in said if code]
    assert "The state is not empty" in again
    assert "1 done, 0 to make" in said[3][1]


def a_backup(**of_it: Any) -> Manifest:
    empty: Any = {"parts": [], "models": "", "revisions": {}, "versions": {}, "rows": {}, "files": {}}
    known: Any = {"id": "1", "made_at": "", "retailer": "", "state": "", "head": "", "has_key": False}
    return Manifest(**empty | known | of_it)


def test_a_backup_of_another_retailer_is_refused(run, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    a_backup(retailer="bakery").write(folder)
    with pytest.raises(Refused, match="is a backup of bakery, and not of corner_shop"):
        run("restore", str(tmp_path))


def test_no_backup_is_made_in_the_state_that_it_is_of(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "erasure_key", lambda: tmp_path / "erasure.key")
    for place in (home.state() / "backup", home.state() / "tables" / ".." / "x"):
        with pytest.raises(Refused, match=r"is in the state folder.*name a folder elsewhere"):
            run("backup", str(place), "--without-key")
        assert not place.exists()


def test_whether_the_key_goes_into_a_backup_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "erasure_key", lambda: tmp_path / "erasure.key")
    assert backup._chosen(None) is None  # nobody was ever forgotten
    (tmp_path / "erasure.key").write_bytes(b"k" * 32)
    with pytest.raises(Refused, match=r"can find out by guessing who was forgotten.*--with-key.*--without-key"):
        backup._chosen(None)
    assert backup._chosen(True) == b"k" * 32
    assert backup._chosen(False) is None


def test_a_move_that_was_killed_is_gone_on_with_by_the_same_command(run, reached, tmp_path: Path, monkeypatch) -> None:
    """Its copy of the state is a new one each time, and what it had begun to bring has to be known again."""
    asked = []

    def bring(instance: object, source: Folder, manifest: Manifest, *, is_told: bool) -> None:
        asked.append((manifest.id, is_told))

    backups = iter(("one", "two"))
    monkeypatch.setattr(launch, "running", contextlib.nullcontext)
    monkeypatch.setattr(state, "back_up", lambda *_, **__: a_backup(id=next(backups), state="s"))
    monkeypatch.setattr(backup, "places", lambda _: state.Places.of_files(tmp_path / "there"))
    monkeypatch.setattr(backup, "_bring", bring)
    for _ in range(2):
        run("move", str(tmp_path / "here"))
    assert asked == [("move of s", False)] * 2
    folder = Path(reached.tables.root)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps({RESTORING: asked[0][0]}), encoding="utf-8")
    parts = Parts.of(
        operations=reached.operations, tables=str(folder), raw=str(folder), registry=reached.registry, cursors={}
    )  # pyright: ignore[reportArgumentType]
    with pytest.raises(Refused, match=r"the same `nightcart move` again"):
        parts.require_whole()
