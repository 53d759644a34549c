"""Files that are neither plain CSV nor Parquet, as what they are kept as: unpacked, or their rows as Parquet.

An archive is what is in it. A sheet of a workbook and lines of JSON become Parquet, so that they are read, and a person is
taken out of them, as of any other file.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from resources.errors import FeedRefused
from resources.feeds.files import REDELIVER, SMALL, told_apart

if TYPE_CHECKING:
    import pyarrow as pa

WORKBOOKS = (".xlsx", ".xlsm")
JSON_LINES = (".jsonl", ".ndjson")
PACKED = {".zst": "zstd", ".bz2": "bz2", ".gz": "gzip"}
BLOCK = 1 << 20
LONGEST_LINE = 1 << 20  # bytes of a line of JSON
SHOWN = 10_000  # bytes that are kept of one that is none
LINE, DEFECT = "nightcart_line", "nightcart_defect"
ONE_OBJECT = "have it delivered as one JSON object a line, then materialise the day again."
MOST_CELLS = 50_000_000  # of a sheet, with those that are empty
CELL = re.compile(rb'<c [^>]{0,60}?r="([A-Z]{1,3})([0-9]{1,7})"')


def copy_name(name: str) -> str:
    """What a file of this name is kept as; the same name for one that is kept as it is."""
    lower = name.lower()
    for ending in (".zst", ".bz2"):
        if lower.endswith(ending):
            return copy_name(name[: -len(ending)])
    if lower.endswith(".zip"):
        inside = name[: -len(".zip")]
        return copy_name(inside if "." in inside else f"{inside}.csv")
    is_rows = lower.removesuffix(".gz").endswith((*WORKBOOKS, *JSON_LINES))
    return f"{name}.parquet" if is_rows else name


def is_converted(name: str) -> bool:
    """Whether a file of this name is kept as something else than its bytes."""
    return copy_name(name) != name


def convert(content: IO[bytes], path: str, *, sheet: str | None, most_unpacked: int) -> IO[bytes]:
    """The content of a file as it is kept. Raises :class:`FeedRefused` for one that cannot be taken apart."""
    lower = path.lower()
    try:
        if lower.endswith(".zip"):
            inside = _unzipped(content, path, most_unpacked)
            return _again(inside, path[: -len(".zip")], sheet, most_unpacked)
        for ending in (".zst", ".bz2"):
            if lower.endswith(ending):
                inside = _unpacked(content, path, PACKED[ending], most_unpacked)
                return _again(inside, path[: -len(ending)], sheet, most_unpacked)
        if lower.endswith(WORKBOOKS):
            _refuse_a_bomb(content, path, most_unpacked)
            return _as_parquet(_rows_of_sheet(content, path, sheet))
        if lower.endswith(".gz"):
            content = _unpacked(content, path, "gzip", most_unpacked)
        return _as_parquet(_rows_of_json(content, path))
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise FeedRefused(f"{path} is truncated or unreadable: {error}.", remedy=REDELIVER) from error


def sheets(content: IO[bytes], path: str) -> list[str]:
    """The sheets of a workbook that have anything in them."""
    book = _workbook(content, path)
    return [name for name in book.sheet_names if book.get_sheet_by_name(name).height]


def _again(content: IO[bytes], path: str, sheet: str | None, most_unpacked: int) -> IO[bytes]:
    is_one = is_converted(path)
    return convert(content, path, sheet=sheet, most_unpacked=most_unpacked) if is_one else content


def _unzipped(content: IO[bytes], path: str, most_unpacked: int) -> IO[bytes]:
    with zipfile.ZipFile(content) as archive:
        members = [
            each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            names = ", ".join(each.filename for each in members[:5])
            raise FeedRefused(
                f"{path} holds {len(members)} files ({names}): which of them is the feed cannot be told.",
                remedy="pack every file into an archive of its own.",
            )
        with archive.open(members[0]) as inside:
            return _copied(inside, path, most=max(SMALL, most_unpacked * members[0].compress_size))


def _unpacked(content: IO[bytes], path: str, compression: str, most_unpacked: int) -> IO[bytes]:
    import pyarrow as pa

    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    with pa.CompressedInputStream(pa.PythonFile(content, mode="r"), compression) as inside:
        return _copied(inside, path, most=max(SMALL, most_unpacked * size))  # pyright: ignore[reportArgumentType]


def _copied(inside: IO[bytes], path: str, *, most: int) -> IO[bytes]:
    into, size = tempfile.TemporaryFile(), 0  # noqa: SIM115 - the caller closes it
    while block := inside.read(BLOCK):
        into.write(block)
        size += len(block)
        if size > most:
            into.close()
            raise FeedRefused(
                f"{path} has more than {most:,} bytes when it is unpacked.",
                remedy="look at the file; if it is right, raise `most_unpacked` in the configuration.",
            )
    into.seek(0)
    return into


def _as_parquet(rows: pa.Table) -> IO[bytes]:
    import pyarrow.parquet as pq

    into = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    pq.write_table(rows, into)
    into.seek(0)
    return into


def _refuse_a_bomb(content: IO[bytes], path: str, most_unpacked: int) -> None:
    """Refuse a workbook that grows beyond measure as it is unpacked, or whose cells are as far apart."""
    size, read, widest, lowest = content.seek(0, io.SEEK_END), 0, 0, 0
    content.seek(0)
    if not zipfile.is_zipfile(content):
        content.seek(0)
        return
    with zipfile.ZipFile(content) as archive:
        for member in archive.infolist():
            rest = b""
            with archive.open(member) as inside:
                while block := inside.read(BLOCK):
                    read += len(block)
                    if read > max(SMALL, most_unpacked * size):
                        raise FeedRefused(
                            f"{path} has more than {max(SMALL, most_unpacked * size):,} bytes when it is unpacked.",
                            remedy="look at the file; if it is right, raise `most_unpacked` in the configuration.",
                        )
                    for column, row in CELL.findall(rest + block) if "worksheets/" in member.filename else ():
                        widest = max(widest, sum((sign - 64) * 26**n for n, sign in enumerate(reversed(column))))
                        lowest = max(lowest, int(row))
                    rest = block[-100:]
    content.seek(0)
    if widest * lowest > MOST_CELLS:
        raise FeedRefused(
            f"{path} has cells as far as row {lowest:,} and column {widest:,}: more than {MOST_CELLS:,} in all.",
            remedy="have what is far from the table deleted, or the table delivered as CSV.",
        )


def _workbook(content: IO[bytes], path: str) -> Any:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise FeedRefused(
            f"{path} is a workbook, and the package that reads it is missing.", remedy="`uv sync --extra excel`."
        ) from error
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(content.read()))
    except (CalamineError, OSError) as error:
        raise FeedRefused(f"{path} is no workbook that can be read: {error}.", remedy=REDELIVER) from error


def _rows_of_sheet(content: IO[bytes], path: str, sheet: str | None) -> pa.Table:
    """A sheet as text, below its first line, which are the names; numbers without a needless `.0`, times as ISO 8601."""
    import pyarrow as pa

    book = _workbook(content, path)
    filled = [name for name in book.sheet_names if book.get_sheet_by_name(name).height]
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
    header, *lines = book.get_sheet_by_name(sheet or filled[0]).to_python(skip_empty_area=False)
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


def _rows_of_json(content: IO[bytes], path: str) -> pa.Table:
    """Lines of JSON objects, with the types that their values have; what is nested is text.

    A line that is none has nothing but the line itself and why, in the columns :data:`LINE` and :data:`DEFECT`. Raises
    :class:`FeedRefused` where no line is one, and where the last breaks off.
    """
    import pyarrow as pa

    rows, names, broken = [], {}, None
    for number, line in enumerate(iter(lambda: content.readline(LONGEST_LINE + 1), b""), start=1):
        if not line.strip():
            continue
        row, why, is_ended = None, f"line {number:,} is no JSON object", line.endswith(b"\n")
        if len(line) > LONGEST_LINE:
            why = f"line {number:,} has more than {LONGEST_LINE:,} bytes, of which only the beginning is kept"
            while not is_ended and (rest := content.readline(LONGEST_LINE)):
                is_ended = rest.endswith(b"\n")
        else:
            with contextlib.suppress(ValueError, RecursionError):
                row = json.loads(line)
        if not isinstance(row, dict):
            shown = line[:SHOWN].rstrip(b"\r\n").decode(errors="backslashreplace")
            broken = broken or FeedRefused(f"{path}, {why}: {shown[:60]!r}.", remedy=ONE_OBJECT)
            if not is_ended:
                raise broken
            row = {LINE: shown, DEFECT: why}
        names |= dict.fromkeys(row)
        rows.append(row)
    if broken and names.keys() <= {LINE, DEFECT}:
        raise broken
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if not any(isinstance(value, (dict, list)) for value in values):
            column = pa.array(values)
            return column.cast(pa.string()) if pa.types.is_null(column.type) else column
    texts: Iterator[str | None] = (
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values
    )
    return pa.array(list(texts), pa.string())
