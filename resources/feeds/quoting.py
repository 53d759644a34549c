"""Quotation marks: which values they close on their line, which go on over several lines, and which only seem to.

A record is a physical line. A value may go on over lines only where none of those that follow looks like a whole record,
split without regard to the marks: so a mark that a till forgot to close costs one line, and not all up to the next mark.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

UNIT_SEPARATOR = b"\x1f"
MOST_LINES = 100  # of a value
INSIDE = r'(?:[^"]|"")*'


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """Regular expressions of a line with a delimiter of one byte, in the syntax that RE2 and Python share.

    `value` is one, `whole` a line of closed values, `opening` one whose last value is not closed; `quoted` is a value
    in marks, after the delimiter before it. Blanks around the marks are no part of the value.
    """

    value: str
    whole: str
    opening: str
    quoted: str


@functools.cache
def grammar(delimiter: bytes) -> Grammar:
    """The grammar of lines with `delimiter`. A mark within a value that does not begin with one is any character."""
    sign = re.escape(delimiter.decode("latin-1"))
    blanks = "" if delimiter == b" " else " *"
    bare = rf'(?:[^" {sign}\n][^{sign}\n]*)?'
    value = rf'(?:{blanks}"{INSIDE}"{blanks}|{blanks}{bare})'
    return Grammar(
        value=value,
        whole=rf"^(?:{value}{sign})*{value}\n?$",
        opening=rf'^(?:{value}{sign})*{blanks}"{INSIDE}$',
        quoted=rf'(^|{sign}){blanks}"{INSIDE}"',
    )


@functools.cache
def _compiled(delimiter: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    """Of Python, without turning back: the values up to one that is open, up to a closing mark, and those after it."""
    of, sign = grammar(delimiter), re.escape(delimiter.decode("latin-1"))
    inside = r'(?:[^"]|"")*+'
    blanks = "" if delimiter == b" " else " *"
    value = of.value.replace(INSIDE, inside)
    return (
        re.compile(rf'(?:{value}{sign})*+{blanks}"(?P<inside>{inside})$'.encode("latin-1")),
        re.compile(rf'(?P<inside>{inside})"{blanks}(?P<rest>.*)$'.encode("latin-1"), re.DOTALL),
        re.compile(rf"{value}(?:{sign}{value})*+\n?$".encode("latin-1")),
    )


def are_closed(signs: np.ndarray, ends: np.ndarray, delimiter: int) -> bool:
    """Whether every mark of a block of lines opens or closes a value of its line; `ends` are the line feeds' places."""
    import numpy as np

    marks = np.flatnonzero(signs == ord('"'))
    opens, closes = marks[::2], marks[1::2]
    if len(opens) != len(closes) or (np.searchsorted(ends, opens) != np.searchsorted(ends, closes)).any():
        return False
    before, after = np.zeros(256, bool), np.zeros(256, bool)
    before[[delimiter, *b'\n"']] = after[[delimiter, *b'\n\r"']] = True
    return bool(before[signs[opens - 1]].all() and after[signs[closes + 1]].all())


def sign_for(delimiter: str) -> bytes:
    """The byte that stands for a delimiter where lines are judged: itself, if it is one in UTF-8."""
    sign = delimiter.encode()
    return sign if len(sign) == 1 else UNIT_SEPARATOR


def height_of_header(lines: Sequence[bytes], delimiter: bytes) -> int:
    """How many of `lines` the header takes: more than one where a name goes on; 0 where a mark is not closed.

    Between the lines of a name there is no delimiter.
    """
    opening, closing, _ = _compiled(delimiter)
    opened = opening.match(lines[0])
    if not opened:
        return 1
    if delimiter in opened["inside"]:
        return 0
    for height, line in enumerate(lines[1:], start=2):
        closed = closing.match(line)
        if delimiter in (closed["inside"] if closed else line):
            return 0
        if closed:
            again = opening.match(closed["rest"])
            if not again:
                return height
            if delimiter in again["inside"]:
                return 0
    return 0


def lines_of_value(lines: Sequence[bytes], columns: int, delimiter: bytes) -> int:
    """How many of `lines`, the first of which leaves a value open, are one record of `columns` values.

    1 where the mark looks unclosed; 0 where that cannot be said before more lines are there.
    """
    opening, closing, whole = _compiled(delimiter)
    opened = opening.match(lines[0])
    if not opened:
        return 1
    for place, line in enumerate(lines[1:MOST_LINES], start=1):
        closed = closing.match(line)
        inside = closed["inside"] if closed else line
        if _is_record(line, inside, columns, delimiter):
            return 1
        if not closed:
            continue
        rest = closed["rest"]
        opened = opening.match(rest) if rest.startswith(delimiter) else None
        if opened is None:
            is_end = rest in (b"", b"\n") or (rest.startswith(delimiter) and whole.match(rest) is not None)
            record = b"".join(lines[: place + 1])
            return place + 1 if is_end and width(record, delimiter) == columns else 1
        if _is_record(line, opened["inside"], columns, delimiter):
            return 1
    return 1 if len(lines) >= MOST_LINES else 0


def width(record: bytes, delimiter: bytes) -> int:
    """How many values a record of closed values has."""
    quoted = re.compile(grammar(delimiter).quoted.encode("latin-1"))
    return quoted.sub(rb"\1", record).count(delimiter) + 1


def is_whole(record: bytes, columns: int, delimiter: bytes) -> bool:
    """Whether a record's values are all closed and as many as the columns; a delimiter after the last is none too many."""
    found = width(record, delimiter)
    is_ended = found == columns + 1 and record.endswith(delimiter + b"\n")
    return (found == columns or is_ended) and _compiled(delimiter)[2].match(record) is not None


def _is_record(line: bytes, inside: bytes, columns: int, delimiter: bytes) -> bool:
    """Whether a line, part of which would be inside a value, looks like a record by itself."""
    return delimiter in inside and line.count(delimiter) >= columns - 1
