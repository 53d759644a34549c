"""A text that the engine would misread, written anew: UTF-8, line feeds, records alone, each with its row in front.

What is no record is set aside with its row and what is wrong with it, so that together they are the lines that came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from resources.config.feeds import FeedConfig
from resources.errors import FeedRefused
from resources.feeds import quoting
from resources.feeds.files import REDELIVER, FeedFile
from resources.feeds.lines import (
    LONGEST_LINE,
    SHOWN,
    Block,
    Header,
    is_packed,
    is_text,
    line_blocks,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# What is wrong with a line; the first that holds is told.
TOO_LONG = "the line is of {size:,} bytes, of which only the beginning is kept"
NO_TEXT = "its bytes are no text in"
ZERO_BYTES = "it has zero bytes"
NOT_CLOSED = "a quotation mark opens a value and is not closed on its line"
NOT_DOUBLED = "a quotation mark within a value in quotation marks is not doubled"
NOT_AS_MANY = "Expected Number of Columns: {columns} Found: {found}"
DEFECTS = (TOO_LONG, NO_TEXT + " {encoding}", ZERO_BYTES, NOT_CLOSED, NOT_DOUBLED, NOT_AS_MANY)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a text came to: the number of its `records`, good or not, and those `set_aside`.

    `set_aside` has the columns `source_row`, `line` and `defect`.
    """

    records: int
    set_aside: pa.Table


@dataclass(frozen=True, kw_only=True)
class _Records:
    """Records of a part of a file: the `rows` of all, the text of the good ones as it is to be written, and the others."""

    rows: np.ndarray
    good: bytes
    set_aside: Sequence[tuple[int, str, str]]


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What a record must be: so many `columns` between delimiters, which are the file's `own` or stand for them."""

    columns: int
    delimiter: bytes
    own: bytes
    encoding: str


def prepare(file: FeedFile, settings: FeedConfig, header: Header, into: IO[bytes]) -> Prepared:
    """Write the records of a text file that fit its header `into` another, their row in front.

    Rows are physical lines after the header. Raises :class:`FeedRefused` for a file that breaks off in its last line.
    """
    import pyarrow as pa

    shape = _Shape(
        columns=len(header.names),
        delimiter=quoting.sign_for(settings.delimiter),
        own=settings.delimiter.encode(),
        encoding=settings.encoding,
    )
    blocks = _below(header, line_blocks(file, settings), settings)
    records, aside, is_open = 0, [], False
    for block, part in _parts(blocks, shape):
        into.write(part.good)
        records += len(part.rows)
        aside += part.set_aside
        is_open = block.is_open and bool(part.set_aside) and part.set_aside[-1][0] == part.rows[-1]
    into.flush()
    if is_open and not is_packed(file.copy):
        row, _, defect = aside[-1]
        raise FeedRefused(
            f"{file.path} is truncated: its last line, row {row:,}, breaks off ({defect}).", remedy=REDELIVER
        )
    schema = pa.schema({"source_row": pa.int64(), "line": pa.string(), "defect": pa.string()})
    columns = zip(*aside, strict=True) if aside else ([], [], [])
    return Prepared(records=records, set_aside=pa.table([list(each) for each in columns], schema=schema))


def _below(header: Header, blocks: Iterator[Block], settings: FeedConfig) -> Iterator[Block]:
    """The blocks without the header and what is above it, their delimiter being that of the copy."""
    own, delimiter, above = settings.delimiter.encode(), quoting.sign_for(settings.delimiter), header.lines
    for block in blocks:
        content = block.content
        while above and content:
            content, above = content[content.find(b"\n") + 1 :], above - 1
        if content:
            content = content.replace(own, delimiter) if own != delimiter else content
            yield Block(content=content, size=block.size, is_open=block.is_open)


def _parts(blocks: Iterator[Block], shape: _Shape) -> Iterator[tuple[Block, _Records]]:
    """The records of each block; lines in whose last a value may go on wait for the next."""
    import numpy as np

    row, waiting = 1, b""
    for block in blocks:
        content = waiting if block.size else waiting + block.content
        if content:
            records, taken = _records(content, row, shape, is_last=block.is_open or bool(block.size))
            row += content.count(b"\n", 0, taken)
            waiting = content[taken:]
            yield Block(content=b"", is_open=block.is_open and not block.size), records
        if block.size:
            line = (row, _shown(block.content), TOO_LONG.format(size=block.size))
            yield block, _Records(rows=np.array([row]), good=b"", set_aside=[line])
            row += 1
    if waiting:
        yield Block(content=b""), _records(waiting, row, shape, is_last=True)[0]


def _records(content: bytes, row: int, shape: _Shape, *, is_last: bool) -> tuple[_Records, int]:
    """The records of whole lines, the first of which is `row`, and how many bytes of them there are."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute

    of: Any = pyarrow.compute  # its functions are made as the module is loaded: no checker sees them
    grammar, sign = quoting.grammar(shape.delimiter), shape.delimiter.decode("latin-1")

    def where(condition: pa.Array) -> np.ndarray:
        return condition.to_numpy(zero_copy_only=False)

    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")) + 1
    bounds, taken = np.concatenate([[0], ends]), len(content)
    lines = _slices(content, bounds)
    is_opening = np.zeros(len(lines), bool)
    if b'"' in content:
        marked = np.flatnonzero(where(of.match_substring(lines, '"')))
        is_opening[marked] = where(of.match_substring_regex(lines.take(pa.array(marked)), grammar.opening))
        bounds, taken = _joined(content, bounds, np.flatnonzero(is_opening), shape, is_last=is_last)
        lines = _slices(content, bounds)
    rows = row + np.searchsorted(ends, bounds[:-1], side="right")
    is_blank = np.diff(bounds) == 1
    if is_blank.any():
        lines, rows = lines.filter(pa.array(~is_blank)), rows[~is_blank]
    is_whole, bare = np.ones(len(lines), bool), lines
    is_opening = np.zeros(len(lines), bool)
    if b'"' in content:
        is_marked = of.match_substring(lines, '"')
        marked, with_marks = np.flatnonzero(where(is_marked)), lines.filter(is_marked)
        is_whole[marked] = where(of.match_substring_regex(with_marks, grammar.whole))
        is_opening[marked] = where(of.match_substring_regex(with_marks, grammar.opening))
        # What is within marks has no delimiters; of the lines without, all are.
        unquoted = of.replace_substring_regex(with_marks, grammar.quoted, r"\1")
        bare = of.replace_with_mask(lines, is_marked, unquoted)
    found = where(of.count_substring(bare, sign)) + 1
    # A delimiter after the last value is none too many.
    is_ended = (found == shape.columns + 1) & where(of.ends_with(bare, sign + "\n"))
    tests = (
        where(of.binary_length(lines)) > LONGEST_LINE + 1,
        ~_are_text(content, lines),
        where(of.match_substring(lines, "\0")) if b"\0" in content else np.zeros(len(lines), bool),
        is_opening,
        ~is_whole,
        (found != shape.columns) & ~is_ended,
    )
    defect = np.select(tests, range(1, len(tests) + 1), 0)
    is_good = pa.array(defect == 0)
    numbers = pa.array(rows).filter(is_good).cast(pa.string()).cast(pa.binary())
    good = of.binary_join_element_wise(numbers, lines.filter(is_good), shape.delimiter)
    bad = np.flatnonzero(defect)
    set_aside = [
        (
            int(rows[place]),
            _shown(line.replace(shape.delimiter, shape.own)),
            DEFECTS[defect[place] - 1].format(
                size=len(line) - 1, encoding=shape.encoding, columns=shape.columns, found=found[place]
            ),
        )
        for place, line in zip(bad.tolist(), lines.take(pa.array(bad)).to_pylist(), strict=True)
    ]
    return _Records(rows=rows, good=_bytes_of(good), set_aside=set_aside), taken


def _slices(content: bytes, bounds: np.ndarray) -> pa.Array:
    """The pieces of `content` between `bounds`, without a copy of them."""
    import numpy as np
    import pyarrow as pa

    offsets = pa.py_buffer(bounds.astype(np.int32))
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, offsets, pa.py_buffer(content)])


def _bytes_of(texts: pa.Array) -> bytes:
    """The texts one after the other."""
    import numpy as np

    _, offsets, content = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset :] if len(texts) else [0, 0]
    return content.to_pybytes()[bounds[0] : bounds[len(texts)]] if len(texts) else b""


def _joined(
    content: bytes, bounds: np.ndarray, opening: np.ndarray, shape: _Shape, *, is_last: bool
) -> tuple[np.ndarray, int]:
    """The bounds of records where values go on over lines, and how many bytes are told so far."""
    import numpy as np

    inner, end = [], 0
    for place in opening.tolist():
        if place < end:
            continue
        until = min(place + quoting.MOST_LINES, len(bounds) - 1)
        lines = [content[bounds[n] : bounds[n + 1]] for n in range(place, until)]
        height = quoting.lines_of_value(lines, shape.columns, shape.delimiter)
        if not height and not is_last:
            bounds = np.delete(bounds[: place + 1], inner)
            return bounds, int(bounds[-1])
        end = place + max(height, 1)
        inner += range(place + 1, end)
    return np.delete(bounds, inner), len(content)


def _are_text(content: bytes, lines: pa.Array) -> np.ndarray:
    """Which lines are UTF-8."""
    import numpy as np

    if is_text(content):
        return np.ones(len(lines), bool)
    return np.array(list(map(is_text, lines.to_pylist())), bool)


def _shown(line: bytes) -> str:
    """A line as it is kept when it is set aside: bytes that are no text stand there by their number."""
    line = line if len(line) <= LONGEST_LINE + 1 else line[:SHOWN]
    return line.removesuffix(b"\n").replace(b"\0", b"\\x00").decode("utf-8", "backslashreplace")
