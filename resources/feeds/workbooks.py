"""Workbooks, read in a process of its own that is bounded in time and memory.

A file of a few kilobytes may refer to one text a million times, or have its last cell in the last row of all: the reader
ends its process where there is no memory for that, and that is not to be a night's. Run as a module, it is that process:
the workbook comes on its standard input, the rows go as Parquet to its standard output.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any

from resources.errors import FeedRefused
from resources.feeds.files import FULL_SHEETS, told_apart
from resources.tables.slices import granted

if TYPE_CHECKING:
    import pyarrow as pa

SECONDS = 600  # of CPU
OF_ITSELF = 1 << 30  # bytes of address space that Python and Arrow reserve
REFUSED = 3  # its exit code: what it has written is a refusal
SHEETS = "--sheets"


def rows_of_sheet(content: IO[bytes], path: str, sheet: str | None) -> IO[bytes]:
    """A sheet as Parquet of texts, below its first line, which are the names; numbers without a needless `.0`, times as ISO 8601.

    Raises :class:`FeedRefused` where it is not told which sheet, and for what is no workbook, or takes too much to be read.
    """
    return _asked(content, path, sheet or "")


def sheets(content: IO[bytes], path: str) -> list[str]:
    """The sheets of a workbook that have anything in them."""
    with _asked(content, path, SHEETS) as answer:
        return json.load(answer)


def _asked(content: IO[bytes], path: str, question: str) -> IO[bytes]:
    memory, answer = granted(), tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with tempfile.TemporaryFile() as given:
        shutil.copyfileobj(content, given)
        given.seek(0)
        command = [sys.executable, "-I", "-m", __name__, question, path, str(memory)]
        ended = subprocess.run(command, check=False, stdin=given, stdout=answer, stderr=subprocess.DEVNULL)  # noqa: S603
    answer.seek(0)
    if not ended.returncode:
        return answer
    with answer:
        message, remedy = (
            json.load(answer)
            if ended.returncode == REFUSED
            else (
                f"{path} takes more than {SECONDS} seconds or {memory >> 20:,} MB to be read.",
                "look at the workbook; if it is right, set NIGHTCART_MEMORY to more, or have it delivered as CSV.",
            )
        )
    raise FeedRefused(message, remedy=remedy)


def _workbook(content: bytes, path: str) -> Any:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise FeedRefused(
            f"{path} is a workbook, and the package that reads it is missing.", remedy="`uv sync --extra excel`."
        ) from error
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(content))
    except (CalamineError, OSError) as error:
        raise FeedRefused(
            f"{path} is no workbook that can be read: {error}; it begins with {content[:40]!r}.",
            remedy="if it is CSV, give it the ending .csv; if it is a page or an older workbook, save it as .xlsx anew; else have "
            "it delivered again.",
        ) from error


def _filled(book: Any) -> list[str]:
    """The sheets with anything in them, the one with most lines first: a cover has few."""
    heights = {name: book.get_sheet_by_name(name).height for name in book.sheet_names}
    return sorted(filter(heights.__getitem__, heights), key=lambda name: -heights[name])


def _rows(book: Any, path: str, sheet: str | None) -> pa.Table:
    import pyarrow as pa

    filled = _filled(book)
    if not filled or (sheet is not None and sheet not in book.sheet_names):
        what = f"no sheet {sheet!r}" if sheet and filled else "no sheet with anything in it"
        raise FeedRefused(
            f"{path} has {what}; it has {', '.join(book.sheet_names[:20])}.",
            remedy="have it delivered again, or correct `sheet` in the configuration.",
        )
    if sheet is None and len(filled) > 1:
        raise FeedRefused(
            f"{path} has {len(filled)} sheets: {', '.join(filled[:20])}.",
            remedy=f'write sheet = "{filled[0]}" or another into the configuration.',
        )
    header, *lines = book.get_sheet_by_name(name := sheet or filled[0]).to_python(skip_empty_area=False)
    if (count := len(lines) + 1) in FULL_SHEETS:
        raise FeedRefused(
            f"{path} has {count:,} lines in its sheet {name}, as many as a sheet can have: what came after them is not there.",
            remedy="have it delivered as CSV or Parquet, which have no such limit, or in several workbooks.",
        )
    names = told_apart(_cell(cell) or f"column{place}" for place, cell in enumerate(header, start=1))
    columns = zip(*lines, strict=True) if lines else itertools.repeat((), len(names))
    values = [pa.array([_cell(cell) for cell in column], pa.string()) for column in columns]
    return pa.table(values, names=names)


def _cell(value: Any) -> str | None:
    """A cell as text."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    text = str(value).strip()
    return text or None


def _answer(question: str, path: str) -> None:
    import pyarrow.parquet as pq

    book = _workbook(sys.stdin.buffer.read(), path)
    if question == SHEETS:
        sys.stdout.write(json.dumps(_filled(book)))
    else:
        pq.write_table(_rows(book, path, question or None), sys.stdout.buffer)


if __name__ == "__main__":
    question, path, memory = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError):  # it is bounded to less already
        most = int(memory) + OF_ITSELF
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        _answer(question, path)
    except FeedRefused as refusal:
        print(json.dumps([refusal.message, refusal.remedy]))
        raise SystemExit(REFUSED) from None
