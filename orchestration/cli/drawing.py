"""What all commands draw with, and how a command is called on the machine at hand."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from orchestration.reports.report import Report
from resources import home

R = TypeVar("R", bound=Report)

console = Console(highlight=False)

DAY: dict[str, Any] = {"formats": ["%Y-%m-%d"], "metavar": "YYYY-MM-DD"}  # what an option that is a day takes
Json = Annotated[bool, typer.Option("--json", help="All of it as JSON, for machines.")]


def show(report: R, draw: Callable[[R], None], *, as_json: bool) -> None:
    """A report for machines, alone on standard output, or drawn."""
    if as_json:
        print(report.as_json())
    else:
        draw(report)


def table(*columns: str, title: str | None = None, right: Sequence[str] = (), wrap: Sequence[str] = ()) -> Table:
    """An empty table; its columns keep to one line but for those that may `wrap`."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=column not in wrap)
    return made


def say(text: str) -> None:
    """Print a line with Rich's markup; commands in backticks are called as they are on this machine."""
    console.print(runnable(text))


@functools.cache
def prefix() -> str:
    """What stands before a command of the environment here: `uv run `, a folder, or nothing where it is on the path."""
    scripts = Path(sys.executable).parent
    is_in_project = scripts == home.PROJECT / ".venv" / "bin" and Path.cwd().is_relative_to(home.PROJECT)
    # What `uv run` starts has the environment on its path; the shell that it was typed in has not.
    if "UV_RUN_RECURSION_DEPTH" not in os.environ and shutil.which("nightcart") == str(scripts / "nightcart"):
        return ""
    if is_in_project and shutil.which("uv"):
        return "uv run "
    folder = scripts.relative_to(Path.cwd()) if scripts.is_relative_to(Path.cwd()) else scripts
    return f"{folder}/"


def runnable(text: str) -> str:
    """`text` with the commands in its backticks as they can be typed here."""
    return re.sub(r"`(?=(?:nightcart|dg|dagster|dagster-daemon|mlflow)\b)", lambda _: f"`{prefix()}", text)
