"""Files within files: what packs, archives, tables and databases hold, by their first bytes, whatever they are called."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import sqlite3
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assets.privacy.needles import Needles
from resources.identifiers import identifier

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 8 << 20
KINDS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"SQLite format 3\0": "sqlite",
}
# What packs its bytes, and is not unpacked here.
CLOSED = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"PARE": "encrypted Parquet",
    b"\xff\x06\0\0sNaPpY": "snappy",
    b"%PDF": "PDF",
    **dict.fromkeys((b"ORC\x08", b"ORC\n", b"ORC\x12"), "ORC"),
    b"Obj\x01": "Avro",
    b"\x89HDF": "HDF5",
    b"\xd0\xcf\x11\xe0": "an old file of Office, or one with a password",
    b"LZIP\x01": "lzip",
    b"\x89LZO": "lzop",
    b"]\0\0": "lzma",
    b"\x1f\x9d": "compress",
    b"MSCF\0": "a cabinet",
    **dict.fromkeys((b"x\x01", b"x\x9c", b"x\xda"), "zlib"),
}
PACKED = ("gzip", "zstd", "lz4", "bz2", "xz")
DEEPEST = 8  # packs within packs
GROWTH, SMALL = 2_000, 1 << 30  # what a pack may grow to: so many times its bytes, or so many


class Unsearchable(Exception):
    """Why something cannot be looked through: a piece of a sentence."""


def kind_of(head: bytes) -> str | None:
    """What a content is by its first bytes; None for text, and for what is not packed. Raises :class:`Unsearchable`."""
    for magic, name in CLOSED.items():
        if head.startswith(magic):
            raise Unsearchable(f"{name}, which is not unpacked here")
    if head[8:12] == b"DUCK":
        raise Unsearchable("a database of DuckDB, which packs its columns")
    if head[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in KINDS.items() if head.startswith(magic)), None)


def unpacked(content: IO[bytes], kind: str) -> IO[bytes]:
    """What is packed in a content of one of :data:`PACKED`, as a stream."""
    if kind == "gzip":
        return gzip.GzipFile(fileobj=content)  # pyright: ignore[reportReturnType]
    if kind == "bz2":
        return bz2.BZ2File(content)  # pyright: ignore[reportReturnType]
    if kind == "xz":
        return lzma.LZMAFile(content)  # pyright: ignore[reportReturnType]
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(content, mode="r"), kind)  # pyright: ignore[reportReturnType]


@contextlib.contextmanager
def spooled(stream: IO[bytes], *, most: int) -> Iterator[IO[bytes]]:
    """A stream as a file without a name, as far as it can be read.

    Raises :class:`Unsearchable` afterwards, if it is damaged or has more than `most` bytes.
    """
    size, why, read = 0, "", getattr(stream, "read1", stream.read)  # the first gives what there is before it fails
    with tempfile.TemporaryFile() as into:
        try:
            while block := read(BLOCK):
                into.write(block)
                size += len(block)
                if size > most:
                    why = f"it grows beyond {most:,} bytes as it is unpacked"
                    break
        except Exception:  # what libraries say of a damaged file has no type in common
            why = "damaged: only what stands before the damage was looked through"
        into.seek(0)
        yield into
    if why:
        raise Unsearchable(why)


def parts(content: IO[bytes], kind: str, size: int) -> Iterator[tuple[str, IO[bytes]]]:
    """The contents in a pack or archive with their names. Raises :class:`Unsearchable`, at the end for what is damaged."""
    most = max(SMALL, GROWTH * size)
    if kind in PACKED:
        with spooled(unpacked(content, kind), most=most) as inside:
            yield "", inside
    elif kind == "zip":
        with zipfile.ZipFile(content) as archive:
            for member in archive.infolist():
                if member.flag_bits & 1:
                    raise Unsearchable("an archive with a password")
                with archive.open(member) as stream, spooled(stream, most=most) as inside:
                    yield member.filename, inside
    else:
        with tarfile.open(fileobj=content) as archive:
            for entry in archive:
                if stream := archive.extractfile(entry):
                    with spooled(stream, most=most) as inside:  # pyright: ignore[reportArgumentType]
                        yield entry.name, inside


def batches(content: IO[bytes], kind: str) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet or Arrow file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == "parquet":
        with pq.ParquetFile(content) as opened:
            yield from opened.iter_batches(batch_size=1 << 16)
        return
    with pa.ipc.open_file(content) as opened:
        yield from (opened.get_batch(number) for number in range(opened.num_record_batches))


def mask(values: pa.Array, name: str, needles: Needles) -> pa.Array | None:
    """Which values of a column have the subject in them; None for none at all."""
    import pyarrow as pa
    import pyarrow.compute

    of: Any = pyarrow.compute  # its functions are made as the module is loaded: no checker sees them
    types, is_named = pa.types, name in needles.columns
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()  # pyright: ignore[reportAttributeAccessIssue]
    if types.is_null(values.type) or types.is_temporal(values.type) or types.is_boolean(values.type):
        return None
    is_number = types.is_integer(values.type) or types.is_floating(values.type) or types.is_decimal(values.type)
    if is_number:
        if not (needles.subject.isdigit() and (is_named or needles.is_telling)):
            return None
        try:
            theirs = of.equal(values, pa.scalar(int(needles.subject)).cast(values.type))
        except (pa.ArrowException, OverflowError):  # no number of that type is so large
            return None
        return theirs if of.any(theirs).as_py() else None
    distinct = values.unique() if not types.is_nested(values.type) else values
    texts = {}
    for value in distinct.to_pylist():
        if value is not None:
            whole = json.dumps(value, default=str) if isinstance(value, list | dict) else value
            texts[whole] = whole if isinstance(whole, bytes) else str(whole).encode("utf-8", "surrogatepass")
    if not is_named and not needles.are_in(b"\n".join(texts.values())) and not types.is_nested(values.type):
        return None
    those = {
        value
        for value, text in texts.items()
        if needles.are_in(text) or (is_named and identifier(text.decode("utf-8", "replace")) == needles.subject)
    }
    if not those:
        return None
    if types.is_nested(values.type):
        return pa.array([json.dumps(value, default=str) in those for value in values.to_pylist()])
    return of.is_in(values, value_set=pa.array(list(those), values.type))


def tables_with(database: Path, needles: Needles, *, is_copy: bool = False) -> list[str]:
    """The tables of an SQLite file that have the subject in them. Raises :class:`Unsearchable`."""
    found = []
    try:
        with contextlib.closing(sqlite3.connect(_uri(database, is_copy=is_copy), uri=True, timeout=30)) as connection:
            connection.text_factory = bytes
            for name in tables_of(connection):
                columns = [column for _, column, *_ in connection.execute(f"PRAGMA table_info({name})")]
                names, held, size = [column.decode() for column in columns], [], 0
                for row in connection.execute(f"SELECT * FROM {name}"):
                    held.append(as_bytes(row, names, needles))
                    size += len(held[-1])
                    if size > BLOCK:
                        if needles.are_in(b"\n".join(held)):
                            break
                        held, size = [], 0
                if needles.are_in(b"\n".join(held)):
                    found.append(name)
    except sqlite3.Error as error:
        raise Unsearchable("a database of SQLite that is damaged, or held by another process") from error
    return found


def as_bytes(row: tuple[Any, ...], names: list[str], needles: Needles) -> bytes:
    """A row of a database as text, each value beside its column where that tells whose it is."""
    values = (value if isinstance(value, bytes) else str(value).encode() for value in row)
    if needles.is_telling:
        return b"\n".join(values)
    return b"\n".join(b'%s": "%s"' % (name.encode(), value) for name, value in zip(names, values, strict=True))


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """The tables of a database, quoted."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    names = (name.decode() if isinstance(name, bytes) else name for (name,) in rows.fetchall())
    return ['"' + name.replace('"', '""') + '"' for name in names]


def _uri(database: Path, *, is_copy: bool) -> str:
    from urllib.parse import quote

    return f"file:{quote(str(database))}?{'immutable=1' if is_copy else 'mode=ro'}"
