"""Which lines of a delivered file name a person, and how they are taken out of a kept copy of it.

A line of a text file that does not fit its header names whoever stands anywhere in it.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from resources.config.feeds import FeedConfig

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Matches = Callable[[str], bool]
# Nothing may be lost of bytes that are none of the encoding.
AS_IT_IS: dict[str, Any] = {"errors": "surrogateescape", "newline": ""}


def as_text(value: Any) -> str:
    """An identifier as text, as the tables have it: 1510 and 1510.0 are the same."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def tokens(line: str, delimiter: str) -> set[str]:
    """What stands between the delimiters of a broken line, with and without regard to its quotation marks.

    The feed's own delimiter or any other: that it is another may be what is wrong with the line.
    """
    parts = {token.strip(" \t\r\n\"'") for each in {delimiter, *",;|\t"} for token in line.split(each)}
    with contextlib.suppress(csv.Error):
        parts |= {token.strip() for fields in csv.reader([line], delimiter=delimiter) for token in fields}
    return parts


def count(content: IO[bytes], name: str, files: FeedConfig, column: str, matches: Matches) -> int:
    """How many lines of a file name a person in `column`; none in a file without it."""
    if _is_parquet(name, files):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            opened = pq.ParquetFile(content)
            if column not in opened.schema_arrow.names:
                return 0
            groups = (opened.read_row_group(n, columns=[column]) for n in range(opened.num_row_groups))
            return sum(_compute().sum(_mask(group[column], matches)).as_py() or 0 for group in groups)
        except pa.ArrowInvalid:
            return 0
    try:
        with _opened(content, name) as raw:
            text = io.TextIOWrapper(raw, encoding=files.encoding, **AS_IT_IS)
            return sum(n for _, n in _judged(text, files.delimiter, column, matches))
    except (EOFError, gzip.BadGzipFile):
        return 0


def count_in(copy: Path, files: FeedConfig, column: str, matches: Matches) -> int:
    """:func:`count` of a kept copy."""
    with open(copy, "rb") as content:
        return count(content, copy.name, files, column, matches)


def redact(copies: Sequence[Path], files: FeedConfig, column: str, matches: Matches) -> int:
    """Empty the lines that name a person, in copies of delivered files; returns how many.

    All other lines keep their bytes and their number. A copy is replaced whole or not at all; what was made of it in
    another encoding goes, for it is made again when it is needed.
    """
    redacted = 0
    for copy in copies:
        if n := count_in(copy, files, column, matches):
            redacted += n
            with tempfile.NamedTemporaryFile(dir=copy.parent, prefix=".part-", delete=False) as part:
                try:
                    _write_redacted(copy, part, files, column, matches)
                    part.close()
                    os.replace(part.name, copy)
                finally:
                    Path(part.name).unlink(missing_ok=True)
            for made_of_it in copy.parent.glob(f"from-*/{glob.escape(copy.name)}"):
                made_of_it.unlink()
    return redacted


def _write_redacted(copy: Path, part: IO[bytes], files: FeedConfig, column: str, matches: Matches) -> None:
    with open(copy, "rb") as content:
        if _is_parquet(copy.name, files):
            import pyarrow.parquet as pq

            _redact_parquet(pq.ParquetFile(content), part, column, matches)
            return
        packed = gzip.GzipFile(fileobj=part, mode="wb") if copy.name.endswith(".gz") else contextlib.nullcontext(part)
        with _opened(content, copy.name) as raw, packed as target:
            text = io.TextIOWrapper(raw, encoding=files.encoding, **AS_IT_IS)
            for line, _ in _judged(text, files.delimiter, column, matches):
                target.write(line.encode(files.encoding, errors="surrogateescape"))


def _redact_parquet(opened: pq.ParquetFile, part: IO[bytes], column: str, matches: Matches) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [field.with_nullable(True) for field in opened.schema_arrow], metadata=opened.schema_arrow.metadata
    )
    with pq.ParquetWriter(part, schema) as writer:
        for number in range(opened.num_row_groups):
            group = opened.read_row_group(number)
            theirs = _mask(group[column], matches)
            columns = [_compute().if_else(theirs, pa.scalar(None, values.type), values) for values in group.columns]
            writer.write_table(pa.table(columns, schema=schema))


def _mask(values: pa.ChunkedArray, matches: Matches) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    named = [value for value in values.unique().to_pylist() if value is not None and matches(as_text(value))]
    return _compute().is_in(values, value_set=pa.array(named, values.type))


def _compute() -> Any:
    """Arrow's functions, which are made as the module is loaded: no checker sees them."""
    import pyarrow.compute

    return pyarrow.compute


def _judged(text: IO[str], delimiter: str, column: str, matches: Matches) -> Iterator[tuple[str, int]]:
    """The file's lines, without what names a household, each with the number of its lines that did."""
    records = _records(text, delimiter)
    header, first = next(records, ([], ""))
    names = [name.strip().lstrip("\ufeff") for name in header]
    yield first, 0
    place = names.index(column) if column in names else None
    for fields, lines in records:
        if place is None:
            yield lines, 0
        elif len(fields) == len(names):
            is_theirs = matches(fields[place].strip())
            yield (_ending(lines) * lines.count("\n") if is_theirs else lines), int(is_theirs)
        else:
            for line in lines.splitlines(keepends=True):
                is_theirs = any(map(matches, tokens(line, delimiter)))
                yield (_ending(line) if is_theirs else line), int(is_theirs)


def _ending(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n"


def _records(text: IO[str], delimiter: str) -> Iterator[tuple[list[str], str]]:
    """Each record of a text file: its fields, and its lines as they stand there."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text:
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = []
        yield fields, "".join(taken)
        taken.clear()


def _is_parquet(name: str, files: FeedConfig) -> bool:
    return (files.format or ("parquet" if ".parquet" in name or ".pq" in name else "csv")) == "parquet"


@contextlib.contextmanager
def _opened(content: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    with gzip.GzipFile(fileobj=content) if name.endswith(".gz") else contextlib.nullcontext(content) as opened:
        yield opened  # pyright: ignore[reportReturnType]
