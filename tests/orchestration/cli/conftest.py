"""Commands in this process, on a test's own adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestration.cli import app, context, drawing
from resources import home
from resources.errors import Refused
from resources.notifier import Notifier
from resources.policy.client import Policy
from resources.resources import Resources

Run = Callable[..., Result]


@pytest.fixture
def policy_folder() -> Path:
    """The policy that commands ask; a test that changes it has a copy of its own."""
    return home.PROJECT / "config" / "policy"


@pytest.fixture
def reached(
    settings, feeds, tables, registry, operations, policy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Resources:
    """What commands reach."""
    reached = Resources(
        settings=settings,
        feeds=feeds,
        tables=replace(tables, ledger=operations),
        registry=registry,
        policy=Policy(folder=str(policy_folder)),
        notifier=Notifier(urls_in="NOWHERE"),
        operations=operations,
    )
    monkeypatch.setattr(context, "resources", lambda: reached)
    return reached


@pytest.fixture
def run(reached: Resources, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command: its exit code and what it prints; what it refuses is raised."""
    monkeypatch.setattr(drawing.console, "_width", 300)  # not `width`, which would be put back as a fixed one
    monkeypatch.setattr(drawing, "prefix", lambda: "")

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments)
        if isinstance(result.exception, Refused):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run
