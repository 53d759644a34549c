"""A command that is printed can be typed as it is printed, on the machine at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.cli import drawing
from resources import home


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with an environment of its own, whose folder is the working directory; nothing on the path."""
    scripts = tmp_path / "project" / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for folder in (scripts, tmp_path / "tools"):
        folder.mkdir(exist_ok=True)
        script = folder / ("nightcart" if folder == scripts else "uv")
        script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    monkeypatch.setattr(home, "PROJECT", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    yield tmp_path
    drawing.prefix.cache_clear()


def called() -> str:
    drawing.prefix.cache_clear()
    return drawing.runnable("`nightcart status`, or `dg launch`; `make ui` shows it.")


def test_without_uv_it_is_the_script_of_the_environment(machine: Path, monkeypatch) -> None:
    assert called() == "`.venv/bin/nightcart status`, or `.venv/bin/dg launch`; `make ui` shows it."
    monkeypatch.chdir(machine)
    assert called().startswith("`project/.venv/bin/nightcart status`")


def test_with_uv_it_is_run_by_uv_inside_the_project(machine: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(machine / "tools"))
    assert called() == "`uv run nightcart status`, or `uv run dg launch`; `make ui` shows it."
    monkeypatch.chdir(machine / "tools")
    assert called().startswith(f"`{machine}/project/.venv/bin/nightcart status`")


def test_where_it_is_on_the_path_it_is_plain_but_not_for_what_uv_has_put_there(machine: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(machine / "project" / ".venv" / "bin"))
    assert called() == "`nightcart status`, or `dg launch`; `make ui` shows it."
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert called().startswith("`.venv/bin/nightcart status`")
