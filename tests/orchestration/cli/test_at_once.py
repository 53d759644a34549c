"""Commands that are typed at the same moment: who removes or copies, and who decides on the champion."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest

from assets.lifecycle import manual
from orchestration.cli import decide, launch, prune
from resources.errors import Unavailable


@pytest.mark.parametrize("command", [("promote", "1"), ("rollback",)], ids=lambda command: command[0])
def test_nobody_removes_or_copies_while_a_champion_is_made(run, reached, monkeypatch, command) -> None:
    def decides(*_: object, **__: object) -> None:
        with pytest.raises(Unavailable, match="Somebody is writing"), reached.tables.alone():
            pass
        raise SystemExit(7)

    monkeypatch.setattr(decide, "_person", lambda _: SimpleNamespace())
    monkeypatch.setattr(manual, "promote", decides)
    monkeypatch.setattr(manual, "roll_back", decides)
    assert run(*command, "--reason", "why not").exit_code == 7


def test_what_is_needed_is_asked_when_nobody_decides_any_more(run, reached, monkeypatch) -> None:
    def asks() -> None:
        with pytest.raises(Unavailable, match="Somebody is writing"), reached.tables.alone():
            pass
        raise SystemExit(7)

    monkeypatch.setattr(launch, "running", contextlib.nullcontext)
    monkeypatch.setattr(prune, "require_quiet", lambda _: None)
    monkeypatch.setattr(prune, "_needed", asks)
    assert run("prune").exit_code == 7
