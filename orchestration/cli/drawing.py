"""What all commands draw with, and how a command is called on the machine at hand.

What is drawn is text, whatever is in it: the console takes no markup from a string. Style is written in a template, a
literal (:func:`styled`, :func:`say`), and what is put into it is text again. The type checker refuses a template that is
put together from values.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import string
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, LiteralString, TypeVar

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Span, Text

from orchestration.reports.report import Report
from resources import home
from resources.errors import Unwritable
from resources.text import printable

R = TypeVar("R", bound=Report)

BETWEEN = 2  # places between two columns of a table
NARROWEST = 6  # places that a column has at least; where there are fewer, the library finds a way

console = Console(highlight=False, markup=False, emoji=False)

COMMAND = re.compile(r"`(?=(?:nightcart|dg|dagster|dagster-daemon|mlflow|python -m)\b)")  # where one begins
DAY: dict[str, Any] = {"formats": ["%Y-%m-%d"], "metavar": "YYYY-MM-DD"}  # what an option that is a day takes
Json = Annotated[bool, typer.Option("--json", help="All of it as JSON, for machines.")]


def show(report: R, draw: Callable[[R], None], *, as_json: bool) -> None:
    """A report for machines, alone on standard output, or drawn."""
    if as_json:
        print_json(report.as_json())
    else:
        draw(report)


def print_json(text: str) -> None:
    """JSON, alone on standard output; raises :class:`Unwritable` where not all of it could be written."""
    print(text, flush=True)
    if getattr(sys.stdout, "is_lost", False):
        raise Unwritable("What was asked for could not be written whole.", remedy="make room where it is written to.")


def table(
    *columns: str, title: str | Text | None = None, right: Sequence[str] = (), wrap: Sequence[str] = ()
) -> TextTable:
    """An empty table; its columns keep to one line but for those that may `wrap`."""
    heading = Text(printable(title)) if isinstance(title, str) else title
    made = TextTable(
        box=box.SIMPLE_HEAD, title=heading, title_justify="left", show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        may_wrap = column in wrap
        made.add_column(
            Text(column),
            justify="right" if column in right else "left",
            no_wrap=not may_wrap,
            overflow="fold" if may_wrap else "ellipsis",
        )
    return made


class TextTable(Table):
    """A table whose cells are text, and whose columns are as wide as their longest word at least, while there is room."""

    def add_row(self, *cells: Any, **kwargs: Any) -> None:
        """A cell that is a string is text, whatever is in it; one that is styled text keeps its style."""
        super().add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in cells), **kwargs)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cells = [[column.header, *column.cells] for column in self.columns]
        natural = [max(_width(cell, str.splitlines) for cell in of_one) for of_one in cells]
        least = [
            (NARROWEST if column.ratio else wide) if column.no_wrap else max(_width(cell, str.split) for cell in of_one)
            for column, of_one, wide in zip(self.columns, cells, natural, strict=True)
        ]
        room = options.max_width - BETWEEN * (len(cells) - 1)
        free = [place for place, column in enumerate(self.columns) if column.ratio or not column.no_wrap]
        left = room - sum(natural[place] for place in range(len(cells)) if place not in free)
        if sum(natural) > room and left >= NARROWEST * len(free):
            # Words that would leave no room for others are folded.
            is_enough = sum(least[place] for place in free) <= left
            narrow = [least[place] if is_enough else min(least[place], left // len(free)) for place in free]
            more = _shared(left - sum(narrow), [natural[place] - of for place, of in zip(free, narrow, strict=True)])
            for place, *widths in zip(free, narrow, more, strict=True):
                self.columns[place].width = sum(widths)
        yield from super().__rich_console__(console, options)


def _shared(room: int, wanted: Sequence[int]) -> list[int]:
    """`room` for those that want some of it: who wants little gets it, the others get as much as one another."""
    given = [0] * len(wanted)
    for rank, place in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        given[place] = min(wanted[place], room // (len(wanted) - rank))
        room -= given[place]
    return given


def _width(cell: object, parts: Callable[[str], list[str]]) -> int:
    """Of the widest part, in places of the terminal."""
    return max((cell_len(part) for part in parts(str(cell))), default=0)


def say(template: LiteralString, /, *values: object, **named: object) -> None:
    """Print :func:`styled` text."""
    console.print(styled(template, *values, **named))


def styled(template: LiteralString, /, *values: object, **named: object) -> Text:
    """Text with Rich's markup in the template, and values put in as by `str.format`, as they are.

    A value that is styled text keeps its style. Commands in backticks, also those in values, are called as they are on
    this machine.
    """
    fields = _Fields()
    if COMMAND.search(template):
        named["_prefix"] = prefix()
    filled = fields.vformat(COMMAND.sub("`{_prefix}", template), values, named)
    return fields.placed(Text.from_markup(filled, emoji=False))


def joined(separator: LiteralString, parts: Sequence[object]) -> Text:
    """Texts, styled or not, with a separator between them."""
    return Text(separator).join(part if isinstance(part, Text) else Text(runnable(printable(part))) for part in parts)


class _Fields(string.Formatter):
    """Leaves a private character where each value goes, so that no value is read as markup, and puts the values there."""

    FIRST = 0xF0000

    def __init__(self) -> None:
        self.values: list[Text] = []

    def format_field(self, value: Any, format_spec: str) -> str:
        text = value if isinstance(value, Text) else Text(runnable(printable(format(value, format_spec))))
        self.values.append(text)
        return chr(self.FIRST + len(self.values) - 1)

    def placed(self, marked: Text) -> Text:
        """The text with each value in its place, in the style that the template has there."""
        edges = {edge for at, each in enumerate(marked.plain) if ord(each) >= self.FIRST for edge in (at, at + 1)}
        made = Text()
        for piece in marked.divide(sorted(edges)):
            if len(piece) == 1 and ord(piece.plain) >= self.FIRST:
                value = self.values[ord(piece.plain) - self.FIRST].copy()
                value.spans[:0] = [Span(0, len(value), span.style) for span in piece.spans]
                piece = value
            made.append_text(piece)
        return made


@functools.cache
def prefix() -> str:
    """What stands before a command of the environment here: `uv run `, a folder, or nothing where it is on the path."""
    scripts = Path(sys.executable).parent
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody removed it
        here = Path("/")
    is_in_project = scripts == home.PROJECT / ".venv" / "bin" and here.is_relative_to(home.PROJECT)
    # What `uv run` starts has the environment on its path; the shell that it was typed in has not.
    if "UV_RUN_RECURSION_DEPTH" not in os.environ and shutil.which("nightcart") == str(scripts / "nightcart"):
        return ""
    if is_in_project and shutil.which("uv"):
        return "uv run "
    folder = scripts.relative_to(here) if scripts.is_relative_to(here) and here != Path("/") else scripts
    return f"{folder}/"


def runnable(text: str) -> str:
    """`text` with the commands in its backticks as they can be typed here."""
    return COMMAND.sub(lambda _: f"`{prefix()}", text)
