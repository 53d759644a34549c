"""Which lines of a delivered file name a person, and how they are taken out of a kept copy of it.

A line of a text file that does not fit its header names whoever stands anywhere in it.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import itertools
import os
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from resources.config.feeds import FeedConfig
from resources.feeds import quoting
from resources.feeds.converted import LINE
from resources.feeds.files import is_parquet, own_names
from resources.feeds.lines import BLOCK, HEADER_LINES, Header, NoHeader, header_in, is_gzip
from resources.identifiers import identifier

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Matches = Callable[[str], bool]  # told identifiers
# Nothing may be lost of bytes that are none of the encoding.
AS_IT_IS: dict[str, Any] = {"errors": "surrogateescape", "newline": ""}


# Pieces of a broken line that may be glued to one another: of one sort of signs each.
PIECES = re.compile(r"[A-Z]+|[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+|[\W_]")
MOST_PIECES, LONGEST = 16, 64  # of an identifier
SHORT_NUMBER = re.compile(r"[0-9]{1,3}")  # is in every price and time


def tokens(line: str, delimiter: str) -> set[str]:
    """What may be a value of a broken line: what stands between its delimiters and quotation marks, and what is glued to it.

    The feed's own delimiter or any other: that it is another may be what is wrong with the line. A number of up to three
    digits is a value only where it stands between delimiters or marks.
    """
    signs = {delimiter, *",;|\t\"'"}
    parts = {token.strip(" \t\r\n\"'") for each in signs for token in line.split(each)}
    parts |= set(re.split("|".join(map(re.escape, signs)) + r"|\s", line))
    with contextlib.suppress(csv.Error):
        parts |= {token.strip() for fields in csv.reader([line], delimiter=delimiter) for token in fields}
    bounds = [0, *(found.end() for found in PIECES.finditer(line))]
    glued = (
        line[first:last]
        for place, first in enumerate(bounds)
        for last in bounds[place + 1 : place + 1 + MOST_PIECES]
        if last - first <= LONGEST
    )
    return parts | {each for each in glued if not SHORT_NUMBER.fullmatch(each)}


def count(
    content: IO[bytes], name: str, files: FeedConfig, column: str, matches: Matches, *, in_doubt: bool = False
) -> int:
    """How many lines of a file name a person in `column`; none in a file without it, or `in_doubt` those that have it anywhere."""
    if is_parquet(name, files):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            opened = pq.ParquetFile(content)
            if (own := _in_file(opened, column)) is None:
                return 0
            asked = [name for name in (own, LINE) if name in opened.schema_arrow.names]
            groups = (opened.read_row_group(n, columns=asked) for n in range(opened.num_row_groups))
            return sum(_compute().sum(_theirs(group, own, files, matches)).as_py() or 0 for group in groups)
        except pa.ArrowInvalid:
            return 0
    try:
        with _opened(content, name) as raw:
            text = io.TextIOWrapper(raw, encoding=_encoding(content, name, files), **AS_IT_IS)
            return sum(n for _, n in _judged(text, files, column, matches, in_doubt=in_doubt))
    except (EOFError, gzip.BadGzipFile):
        return 0


def count_in(copy: Path, files: FeedConfig, column: str, matches: Matches, *, in_doubt: bool = False) -> int:
    """:func:`count` of a kept copy."""
    with open(copy, "rb") as content:
        return count(content, copy.name, files, column, matches, in_doubt=in_doubt)


def redact(copies: Sequence[Path], files: FeedConfig, column: str, matches: Matches, *, in_doubt: bool = False) -> int:
    """Empty the lines that name a person, in copies of delivered files; returns how many. `in_doubt` as :func:`count` has it.

    All other lines keep their bytes and their number. A copy is replaced whole or not at all; what was made of it in
    another encoding goes, for it is made again when it is needed.
    """
    redacted = 0
    for copy in copies:
        if n := count_in(copy, files, column, matches, in_doubt=in_doubt):
            redacted += n
            with tempfile.NamedTemporaryFile(dir=copy.parent, prefix=".part-", delete=False) as part:
                try:
                    _write_redacted(copy, part, files, column, matches, in_doubt=in_doubt)
                    part.close()
                    os.replace(part.name, copy)
                finally:
                    Path(part.name).unlink(missing_ok=True)
            for made_of_it in copy.parent.glob(f"from-*/{glob.escape(copy.name)}"):
                made_of_it.unlink()
    return redacted


def redact_all(copies: Sequence[Path], files: FeedConfig, column: str, matches: Matches) -> None:
    """:func:`redact` whatever is there of `copies`; one that cannot be read is deleted: nobody can say whose lines it has."""
    for copy in dict.fromkeys(copies):
        if not copy.is_symlink() and copy.is_file():
            try:
                if not redact([copy], files, column, matches):
                    _read_to_its_end(copy, files)  # one that was cut off has no lines to redact
            except Exception:  # what libraries say of a damaged file has no type in common
                copy.unlink()


def _read_to_its_end(copy: Path, files: FeedConfig) -> None:
    if is_parquet(copy.name, files):
        import pyarrow.parquet as pq

        pq.read_metadata(copy)
        return
    with open(copy, "rb") as content, _opened(content, copy.name) as text:
        while text.read(BLOCK):
            pass


def _write_redacted(
    copy: Path, part: IO[bytes], files: FeedConfig, column: str, matches: Matches, *, in_doubt: bool
) -> None:
    with open(copy, "rb") as content:
        if is_parquet(copy.name, files):
            import pyarrow.parquet as pq

            _redact_parquet(pq.ParquetFile(content), part, files, column, matches)
            return
        is_packed = is_gzip(content, copy.name)
        packed = gzip.GzipFile(fileobj=part, mode="wb") if is_packed else contextlib.nullcontext(part)
        with _opened(content, copy.name) as raw, packed as target:
            encoding = _encoding(content, copy.name, files)
            text = io.TextIOWrapper(raw, encoding=encoding, **AS_IT_IS)
            for line, _ in _judged(text, files, column, matches, in_doubt=in_doubt):
                target.write(line.encode(encoding, errors="surrogateescape"))


def _redact_parquet(opened: pq.ParquetFile, part: IO[bytes], files: FeedConfig, column: str, matches: Matches) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [field.with_nullable(True) for field in opened.schema_arrow], metadata=opened.schema_arrow.metadata
    )
    name = _in_file(opened, column) or column
    with pq.ParquetWriter(part, schema) as writer:
        for number in range(opened.num_row_groups):
            group = opened.read_row_group(number)
            theirs = _theirs(group, name, files, matches)
            columns = [_compute().if_else(theirs, pa.scalar(None, values.type), values) for values in group.columns]
            writer.write_table(pa.table(columns, schema=schema))


def _theirs(group: pa.Table, column: str, files: FeedConfig, matches: Matches) -> pa.ChunkedArray:
    """Which rows name a person: in their column, or anywhere in a line that could not be taken apart."""
    import pyarrow as pa

    theirs = _mask(group[column], matches)
    if LINE not in group.column_names:
        return theirs
    lines = [line for line in group[LINE].unique().to_pylist() if line is not None]
    broken = pa.array([line for line in lines if _has_anywhere(line, files, matches)], pa.string())
    return _compute().or_(theirs, _compute().is_in(group[LINE], value_set=broken))


def _has_anywhere(line: str, files: FeedConfig, matches: Matches) -> bool:
    """Whether a line that cannot be taken apart names a person."""
    return any(map(matches, map(identifier, tokens(line, files.delimiter))))


def _in_file(opened: pq.ParquetFile, column: str) -> str | None:
    """What a Parquet file itself calls a column, which is read under another name where that is one of ours."""
    names = opened.schema_arrow.names
    return dict(zip(own_names(names), names, strict=True)).get(column)


def _mask(values: pa.ChunkedArray, matches: Matches) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    named = [value for value in values.unique().to_pylist() if value is not None and matches(identifier(value))]
    return _compute().is_in(values, value_set=pa.array(named, values.type))


def _compute() -> Any:
    """Arrow's functions, which are made as the module is loaded: no checker sees them."""
    import pyarrow.compute

    return pyarrow.compute


def _judged(
    text: IO[str], files: FeedConfig, column: str, matches: Matches, *, in_doubt: bool
) -> Iterator[tuple[str, int]]:
    """The file's lines, without what names a household, each with the number of its lines that did.

    What is a record is told as it is when the file is read (:mod:`resources.feeds.quoting`).
    """
    ahead: deque[str] = deque()

    def first_lines(most: int) -> list[str]:
        ahead.extend(itertools.islice(text, max(most - len(ahead), 0)))
        return list(itertools.islice(ahead, most))

    above = [_plain(line, files).removesuffix(b"\n") for line in first_lines(files.skip_lines + 1 + HEADER_LINES)]
    try:
        header = header_in(above, files)
    except NoHeader:  # such a file is not read
        header = Header(names=(), lines=0)
    for _ in range(header.lines):
        yield ahead.popleft(), 0
    names = [name.lower() for name in header.names]
    place = names.index(column.lower()) if column.lower() in names else None
    sign = quoting.sign_for(files.delimiter)
    while first := first_lines(1):
        height, line = 1, _plain(first[0], files)
        if place is not None and b'"' in line:
            height = quoting.lines_of_value(
                [_plain(each, files) for each in first_lines(quoting.MOST_LINES)], len(names), sign
            )
        lines = [ahead.popleft() for _ in range(max(height, 1))]
        record = b"".join(_plain(each, files) for each in lines)
        if place is None and not in_doubt:
            is_theirs = False
        elif place is not None and quoting.is_whole(record, len(names), sign):
            fields = next(csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape")), delimiter=sign.decode()))
            is_theirs = matches(identifier(fields[place]))
        else:
            is_theirs = _has_anywhere("".join(lines), files, matches)
        yield "".join(map(_ending, lines) if is_theirs else lines), int(is_theirs)


def _plain(line: str, files: FeedConfig) -> bytes:
    """A line as it is judged when the file is read."""
    ending = _ending(line)
    text = line.removesuffix(ending) + "\n" if ending else line + "\n"
    return text.encode("utf-8", "surrogateescape").replace(files.delimiter.encode(), quoting.sign_for(files.delimiter))


def _ending(line: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if line.endswith(end)), "")


@contextlib.contextmanager
def _opened(content: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    with gzip.GzipFile(fileobj=content) if is_gzip(content, name) else contextlib.nullcontext(content) as opened:
        yield opened  # pyright: ignore[reportReturnType]


def _encoding(content: IO[bytes], name: str, files: FeedConfig) -> str:
    """The encoding of a text: the feed's, unless the text begins with the mark of another."""
    if is_gzip(content, name):
        return files.encoding
    mark = content.read(2)
    content.seek(0)
    return {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(mark, files.encoding)
