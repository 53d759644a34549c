"""Markdown put together from text that comes from elsewhere: what is put in is shown as it is, and makes no markup.

A value is escaped by its type: a plain string is text, :class:`Markdown` is what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from resources.text import on_one_line

# What opens or closes something anywhere in a line: code, emphasis, links and images, HTML, a cell, an entity; and what
# makes an address a link by itself.
ANYWHERE = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=www)\.(?=\w)|@(?=\w)")
# What makes a heading, a rule or a list where it begins a line.
FIRST = re.compile(r"^(?=(?:#{1,6}|[+-])(?:\s|$)|=+\s*$|-[\s-]*$)|^(\d{1,9})(?=[.)](?:\s|$))")


class Markdown(str):
    """Markdown that is meant as such, and is not escaped once more."""

    __slots__ = ()


def text(value: object) -> Markdown:
    """A value as text on one line, in a paragraph, a list or a table's cell."""
    if isinstance(value, Markdown):
        return value
    escaped = ANYWHERE.sub(lambda found: f"\\{found[0]}", on_one_line(value).lstrip())
    return Markdown(FIRST.sub(lambda found: f"{found[1] or ''}\\", escaped))


def code(value: object) -> Markdown:
    """A value in a fixed-width font, in backticks that it has not; also in a table's cell."""
    content = on_one_line(value)
    fence = "`" * (max((len(run) for run in re.findall("`+", content)), default=0) + 1)
    blank = " " if "`" in content or content != content.strip() else ""
    # In a cell a stroke ends the cell, in backticks too: what stands for it there is escaped.
    return Markdown(f"{fence}{blank}{content}{blank}{fence}".replace("|", "\\|"))


def bullets(lines: Iterable[object]) -> Markdown:
    """A list."""
    return Markdown("\n".join(f"- {text(line)}" for line in lines))


def table(headers: Sequence[object], rows: Iterable[Sequence[object]]) -> Markdown:
    """A table; each cell is text unless it is Markdown."""
    lines = [f"| {' | '.join(map(text, cells))} |" for cells in (headers, *rows)]
    return Markdown("\n".join([lines[0], "|---" * len(headers) + "|", *lines[1:]]))
