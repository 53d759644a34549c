"""`nightcart audit`, `rollback`, `card`: what they show, and what they refuse."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestration.cli import app, launch, screens
from resources import home
from resources.config.loader import load_settings
from resources.errors import Refused
from resources.policy.client import Policy
from resources.records.lifecycle import RetrainingRequest
from resources.resources import build_resources

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def run(settings, operations, tables, registry, monkeypatch: pytest.MonkeyPatch):
    """A command: its exit code and what it shows."""
    policy = Policy(folder=str(home.PROJECT / "config" / "policy"))
    reached = replace(
        build_resources(load_settings()),
        settings=settings,
        operations=operations,
        tables=tables,
        registry=registry,
        policy=policy,
    )
    monkeypatch.setattr("orchestration.cli.adapters.adapters", lambda: reached)

    def run(*arguments: str) -> str:
        text = io.StringIO()
        for module in (screens, launch):
            monkeypatch.setattr(module, "console", Console(file=text, width=300, highlight=False))
        result = CliRunner().invoke(app, arguments)
        if isinstance(result.exception, Refused):
            raise result.exception
        assert result.exit_code == 0, result.output
        return text.getvalue() + result.output

    return run


@pytest.fixture
def two_wishes(operations) -> None:
    for reason in ("first", "second"):
        operations.record(RetrainingRequest(reason=reason, by="ann", made_at=NOON))


def test_trail_is_verified_and_its_head_told(run, operations, two_wishes) -> None:
    head = run("audit", "head").strip()
    assert head == operations.audit_head()
    assert f"2 entries, all as they were recorded. Head: {head}" in run("audit", "verify", "--head", head)


def test_copy_is_verified_on_its_own_and_a_change_is_told(run, operations, two_wishes, tmp_path: Path) -> None:
    head = operations.audit_head()
    with sqlite3.connect(operations.url.removeprefix("sqlite:///")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = Path(shutil.copy(operations.url.removeprefix("sqlite:///"), tmp_path / "copy.db"))
    assert "2 entries" in run("audit", "verify", str(copy))
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE wishes SET by = 'eve' WHERE id = 2")
    with pytest.raises(Refused, match="entry 2: wishes 2 was changed: by was 'ann' and is 'eve'"):
        run("audit", "verify", str(copy))
    with sqlite3.connect(copy) as connection:
        connection.execute("DELETE FROM wishes WHERE id = 2")
        connection.execute("DELETE FROM audit WHERE id = 2")
    assert "1 entries" in run("audit", "verify", str(copy))
    with pytest.raises(Refused, match="entry 2: it was the last one once, and is gone: the end was cut off"):
        run("audit", "verify", str(copy), "--head", head)
    assert "2 entries" in run("audit", "verify")


def test_what_is_no_copy_or_no_head_is_refused(run, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="There is no file"):
        run("audit", "verify", str(tmp_path / "none.db"))
    with pytest.raises(Refused, match="is no head of a trail"):
        run("audit", "verify", "--head", "abc")
    (tmp_path / "text.db").write_text("not a database")
    with pytest.raises(Refused, match="no operations database"):
        run("audit", "verify", str(tmp_path / "text.db"))


def test_trail_is_shown_and_given_to_machines(run, two_wishes) -> None:
    assert '"reason": "second"' in run("audit", "show", "--last", "1")
    assert "first" not in run("audit", "show", "--last", "1")
    entries = [json.loads(line) for line in run("audit", "show", "--json").splitlines()]
    assert [json.loads(entry["payload"])["reason"] for entry in entries] == ["first", "second"]
    assert run("audit", "show", "--kind", "promotions").count("wishes") == 0


def test_before_any_night_there_is_nothing_to_decide(run) -> None:
    with pytest.raises(Refused, match="There has been no night yet"):
        run("rollback", "--reason", "why not")
    with pytest.raises(Refused, match="A decision on the champion has a reason"):
        run("promote", "1", "--reason", " ")
    with pytest.raises(Refused, match="There is no champion yet"):
        run("card")
