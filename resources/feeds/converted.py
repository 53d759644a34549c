"""Files that are neither plain CSV nor Parquet, as what they are kept as: unpacked, or their rows as Parquet.

An archive is what is in it. A sheet of a workbook and lines of JSON become Parquet, so that they are read, and a person is
taken out of them, as of any other file.
"""

from __future__ import annotations

import codecs
import contextlib
import glob
import io
import itertools
import json
import re
import shlex
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from resources.errors import FeedRefused
from resources.feeds import workbooks
from resources.feeds.files import RAISE_MOST, REDELIVER, SMALL
from resources.feeds.lines import BEGINNING, BLOCK, GZIP, HEADER_REMEDY, LONGEST_LINE, MOST_COLUMNS, NO_TEXT, SHOWN

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
WORKBOOKS = (".xlsx", ".xlsm")
JSON_LINES = (".jsonl", ".ndjson", ".json")
UNQUOTED, SLASH = re.compile(r"[^\w./*?\[\]-]"), r"\\\g<0>"  # of a shell, in a glob
UNPACKS = {".gz": "gzip -dcf", ".zst": "zstd -dcf", ".bz2": "bzip2 -dcf", ".zip": "unzip -p"}
PACKED = {".zip": "zip", ".zst": "zstd", ".bz2": "bz2", ".gz": "gzip"}
FIRST_BYTES = {b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", GZIP: "gzip"}
LINES_HELD = 100_000  # of lines of JSON, as objects
LINE, DEFECT = "nightcart_line", "nightcart_defect"
ONE_OBJECT = "have it delivered as one JSON object a line, then materialise the day again."
WITHIN_ONE = ".. | .{name}? | arrays | .[]"  # jq's
BY_PANDAS = " pandas' sales.to_json('sales.jsonl', orient='records', lines=True) writes it so."
# How a value is written with its type by MongoDB's exports, Avro's unions and DynamoDB's.
TYPED = frozenset({"$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"})
TYPED |= {"string", "int", "long", "float", "double", "boolean", "S", "N", "M", "L", "BOOL", "NULL"}
ENVELOPE = "Item"  # of every line of DynamoDB's exports
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


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
        if lower.endswith(WORKBOOKS):
            _refuse_a_bomb(content, path, most_unpacked)
            return workbooks.rows_of_sheet(content, path, sheet)
        inside = _unpacked(content, path, most_unpacked)
        for ending in (".zip", ".zst", ".bz2"):
            if lower.endswith(ending):
                return _again(inside, path[: -len(ending)], sheet, most_unpacked)
        return _json_as_parquet(inside, path)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        why = str(error).strip().rstrip(".") or "it ends too early"
        raise FeedRefused(f"{path} is truncated or unreadable: {why}.", remedy=REDELIVER) from error


def _again(content: IO[bytes], path: str, sheet: str | None, most_unpacked: int) -> IO[bytes]:
    is_one = is_converted(path)
    return convert(content, path, sheet=sheet, most_unpacked=most_unpacked) if is_one else content


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in an archive that have anything in them, by name."""
    hidden = re.compile(r"__MACOSX/|(.*/)?\.[^/]*$")  # as macOS packs them
    files = [each for each in archive.infolist() if not hidden.match(each.filename) and not each.is_dir()]
    return sorted((each for each in files if each.file_size), key=lambda each: each.filename) or files


def names_in(path: str) -> list[str]:
    """What the files in an archive are called."""
    with zipfile.ZipFile(path) as archive:
        return [each.filename for each in members(archive)]


def _unzipped(content: IO[bytes], path: str, most_unpacked: int) -> IO[bytes]:
    """What is in an archive; of several files of text with one header, all lines below it."""
    size = content.seek(0, io.SEEK_END)
    with zipfile.ZipFile(content) as archive, contextlib.ExitStack() as stack:
        files = members(archive)
        packed = min(sum(each.compress_size for each in files), size)  # an archive may say that it has more than it has
        most = max(SMALL, most_unpacked * packed)
        if len(files) == 1:
            with archive.open(files[0]) as inside:
                return _copied(inside, path, most=most)
        if len({(each.CRC, each.file_size) for each in files}) < len(files):
            names = ", ".join(each.filename for each in files[:5])
            raise FeedRefused(f"{path} holds the same file twice, among {names}.", remedy="pack each file once.")
        into, header = stack.enter_context(tempfile.TemporaryFile()), b""
        for each in files:
            with archive.open(each) as inside:
                first = inside.readline(LONGEST_LINE).removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
                if (header and first != header) or not re.fullmatch(rb"[^\0\x1f\x8b{\[]+", first):
                    raise _several(path, files)
                into.write(b"" if header else first + b"\n")
                header = first
                last = b"\n"
                while block := inside.read(BLOCK):
                    into.write(block)
                    last = block[-1:]
                    _require_measure(into.tell(), path, most=most)
                into.write(b"" if last in b"\r\n" else b"\n")
        if not files:
            raise _several(path, files)
        stack.pop_all()  # the caller closes it
    into.seek(0)
    return into


def _several(path: str, files: Sequence[zipfile.ZipInfo]) -> FeedRefused:
    names, folder = ", ".join(each.filename for each in files[:5]), path.removesuffix(".zip") + "_unzipped"
    return FeedRefused(
        f"{path} holds {len(files)} files ({names}) that are no texts with one header: which of them is the feed cannot be told.",
        remedy=f"`unzip {shlex.quote(path)} -d {shlex.quote(folder)}`, then name the files in that folder.",
    )


def _unpacked(content: IO[bytes], path: str, most_unpacked: int) -> IO[bytes]:
    """What is in a pack, told by its first bytes: a text may be called `.gz`, and a pack `.json`; by its name where it is no text."""
    import pyarrow as pa

    first, size = content.read(BEGINNING), content.seek(0, io.SEEK_END)
    content.seek(0)
    compression = next((name for magic, name in FIRST_BYTES.items() if first.startswith(magic)), None)
    if not compression and NO_TEXT.search(first):
        compression = PACKED.get(PurePosixPath(path.lower()).suffix)
    if compression == "zip":
        return _unzipped(content, path, most_unpacked)
    if not compression:
        return _copied(content, path, most=size)
    with pa.CompressedInputStream(pa.PythonFile(content, mode="r"), compression) as inside:
        return _copied(inside, path, most=max(SMALL, most_unpacked * size))  # pyright: ignore[reportArgumentType]


def _copied(inside: IO[bytes], path: str, *, most: int) -> IO[bytes]:
    size = 0
    with contextlib.ExitStack() as stack:
        into = stack.enter_context(tempfile.TemporaryFile())
        while block := inside.read(BLOCK):
            into.write(block)
            size += len(block)
            _require_measure(size, path, most=most)
        stack.pop_all()  # the caller closes it
    into.seek(0)
    return into


def _refuse_a_bomb(content: IO[bytes], path: str, most_unpacked: int) -> None:
    """Refuse a workbook that grows beyond measure as it is unpacked."""
    size, read = content.seek(0, io.SEEK_END), 0
    content.seek(0)
    if zipfile.is_zipfile(content):
        with zipfile.ZipFile(content) as archive:
            for member in archive.infolist():
                with archive.open(member) as inside:
                    while block := inside.read(BLOCK):
                        read += len(block)
                        _require_measure(read, path, most=max(SMALL, most_unpacked * size))
    content.seek(0)


def _require_measure(size: int, path: str, *, most: int) -> None:
    if size > most:
        raise FeedRefused(
            f"{path} has more than {most:,} bytes when it is unpacked.",
            remedy=RAISE_MOST,
        )


def _json_as_parquet(content: IO[bytes], path: str) -> IO[bytes]:
    """Lines of JSON objects, with the types that their values have in all of them; what is nested is text.

    A line that is none has nothing but the line itself and why, in the columns :data:`LINE` and :data:`DEFECT`. Raises
    :class:`FeedRefused` where no line is one, and where the last breaks off. Read twice, so that a part of it is held at a time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = _with_an_object_a_line(content, path)
    kinds: dict[str, set[str]] = {}
    count = 0
    broken: Row | None = None
    for rows in _parts_of_json(content, path):
        count += len(rows)
        broken = broken or next((row for row in rows if DEFECT in row), None)
        for name in dict.fromkeys(itertools.chain.from_iterable(rows)):
            kinds.setdefault(name, set()).update(_kind([row.get(name) for row in rows]))
        if count == 1 and all(map(_has_all_lines, rows[0].values())):
            raise FeedRefused(
                f"{path} is one object, with the columns or the lines in it.", remedy=ONE_OBJECT + BY_PANDAS
            )
    if broken and kinds.keys() <= {LINE, DEFECT}:
        raise _no_object(path, broken)
    schema = pa.schema({name: _type(of) for name, of in kinds.items()})
    into = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with pq.ParquetWriter(into, schema) as writer:
        content.seek(0)
        for rows in _parts_of_json(content, path):
            columns = [_column([row.get(name) for row in rows], schema.field(name).type) for name in schema.names]
            writer.write_table(pa.table(columns, schema=schema))
    into.seek(0)
    return into


def _with_an_object_a_line(content: IO[bytes], path: str) -> IO[bytes]:
    """JSON of an object a line: itself, or what one list of objects, or objects over several lines or on one, are as that.

    Raises :class:`FeedRefused` for a list that breaks off.
    """
    first = content.read(BLOCK).lstrip().partition(b"\n")[0].strip()
    content.seek(0)
    if not first.startswith(b"[") and first != b"{" and b"}{" not in first:
        return content
    import duckdb

    into = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with tempfile.NamedTemporaryFile(suffix=".json") as given, duckdb.connect() as engine:
        shutil.copyfileobj(content, given)
        given.flush()
        how = "array" if first.startswith(b"[") else "unstructured"
        # A line feed of JSON is a blank: within a text it is written `\n`.
        query = f"SELECT translate(json::VARCHAR, chr(10) || chr(13), '  ') FROM read_json_objects(?, format = '{how}')"
        try:
            found = engine.execute(query, [given.name])
            while rows := found.fetchmany(LINES_HELD):
                into.writelines(f"{text}\n".encode() for (text,) in rows)
        except duckdb.Error as error:
            raise FeedRefused(f"{path} is JSON that breaks off, or is none of objects.", remedy=ONE_OBJECT) from error
    into.seek(0)
    return into


def _parts_of_json(content: IO[bytes], path: str) -> Iterator[list[Row]]:
    """The objects of the lines, :data:`LINES_HELD` at a time."""
    rows: list[Row] = []
    names: set[str] = set()
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
                found = json.loads(line, object_hook=_untyped)
                if SURROGATE.search(line):
                    json.dumps(found, ensure_ascii=False).encode()  # raises for half of a sign, which no text has
                row = found[ENVELOPE] if isinstance(found, dict) and found.keys() == {ENVELOPE} else found
        if not isinstance(row, dict):
            row = {LINE: line[:SHOWN].rstrip(b"\r\n").decode(errors="backslashreplace"), DEFECT: why}
            if not is_ended:
                raise _no_object(path, row)
        names |= row.keys()
        if len(names) > MOST_COLUMNS:
            raise FeedRefused(
                f"{path} has more than {MOST_COLUMNS:,} columns by line {number:,}.", remedy=HEADER_REMEDY
            )
        rows.append(row)
        if len(rows) == LINES_HELD:
            yield rows
            rows = []
    if rows:
        yield rows


def _untyped(found: Row) -> Any:
    """An object of JSON; its value alone where it is one of :data:`TYPED`."""
    if len(found) != 1 or not TYPED.issuperset(found):
        return found
    ((name, value),) = found.items()
    if name == "NULL":
        return None
    if name in ("$numberInt", "$numberLong") and isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)
    return value


def _has_all_lines(value: Any) -> bool:
    """Whether a value of the only object of a file is a column of it, or a line, as pandas writes them; orders are a list of objects."""
    return isinstance(value, dict) or (isinstance(value, list) and not any(isinstance(each, dict) for each in value))


def by_jq(program: str, path: str) -> str:
    """The command that makes lines of JSON of the files at a path or glob with a program of jq, in a file beside each."""
    unpacks = UNPACKS.get(PurePosixPath(path.lower()).suffix, "cat")
    file = '"$f"' if glob.has_magic(path) else shlex.quote(path)
    command = f"{unpacks} {file} | jq -c {shlex.quote(program)} > {file}.jsonl"
    return f"`for f in {UNQUOTED.sub(SLASH, path)}; do {command}; done`" if glob.has_magic(path) else f"`{command}`"


def _no_object(path: str, row: Row) -> FeedRefused:
    remedy = ONE_OBJECT
    if inside := re.match(r'\{.{0,1000}?"(\w+)" *: *\[ *\{', row[LINE], re.DOTALL):
        remedy = f"{by_jq(WITHIN_ONE.format(name=inside[1]), path)} makes one object a line of its {inside[1]}."
    return FeedRefused(f"{path}, {row[DEFECT]}: {row[LINE][:60]!r}.", remedy=remedy)


def _kind(values: list[Any]) -> set[str]:
    """What values are together: a type of Arrow, `long` for whole numbers that no float holds, none for no value."""
    import pyarrow as pa

    if any(isinstance(value, (dict, list)) for value in values):
        return {"string"}
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return {"string"}
    if pa.types.is_null(column.type):
        return set()
    is_long = pa.types.is_integer(column.type) and any(value and abs(value) > 2**53 for value in values)
    return {str(column.type), *(["long"] if is_long else [])}


def _type(kinds: set[str]) -> pa.DataType:
    """The type of a column whose parts are of these kinds; text for what goes together in no other."""
    import pyarrow as pa

    types = {
        frozenset({"int64"}): pa.int64(),
        frozenset({"int64", "long"}): pa.int64(),
        frozenset({"double"}): pa.float64(),
        frozenset({"int64", "double"}): pa.float64(),
        frozenset({"bool"}): pa.bool_(),
    }
    return types.get(frozenset(kinds), pa.string())


def _column(values: list[Any], type_: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if not pa.types.is_string(type_):
        return pa.array(values, type_)
    texts: Iterator[str | None] = (
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values
    )
    return pa.array(list(texts), type_)
