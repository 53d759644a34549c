"""Take an identifier out of any file: its lines where it was delivered, its letters where it was only written down.

A file is written anew and takes the place of the old one whole, or stays as it is.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import mmap
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from assets.privacy import containers
from assets.privacy.containers import BLOCK, Unsearchable
from assets.privacy.needles import Needle, Needles
from assets.privacy.search import OVERLAP

JOURNALS = ("-wal", "-shm", "-journal")  # of SQLite, beside its file


def clean(path: Path, needles: Needles, *, lines: bool) -> None:
    """Write a file anew without the identifier: without its `lines` and rows, or with other letters in its place.

    Raises :class:`Unsearchable` for one that cannot be written anew.
    """
    beside = next((path.with_name(path.name.removesuffix(end)) for end in JOURNALS if path.name.endswith(end)), None)
    if beside is not None:
        if beside.exists():
            _clean_database(beside, needles)
        else:
            path.unlink()  # what it is the journal of is gone
        return
    with open(path, "rb") as content:
        head = content.read(512)
        if containers.kind_of(head) == "sqlite":
            _clean_database(path, needles)
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
            try:
                _write(content, part, needles, lines=lines)
                part.close()
                Path(part.name).chmod(path.stat().st_mode & 0o777)
                os.replace(part.name, path)
            except (Unsearchable, OSError):
                raise
            except Exception as error:  # what libraries say of a damaged file has no type in common
                raise Unsearchable("damaged, so that it cannot be written anew") from error
            finally:
                Path(part.name).unlink(missing_ok=True)


def renamed(path: Path, needles: Needles) -> Path:
    """Give a file or folder a name without the identifier; returns where it is then."""
    name = os.fsdecode(needles.without(os.fsencode(path.name)))
    target, number = path.with_name(name), 0
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{number}-{name}")
    return path.rename(target)


def _write(content: IO[bytes], into: IO[bytes], needles: Needles, *, lines: bool) -> None:
    content.seek(0)
    kind = containers.kind_of(content.read(512))
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    if kind is None:
        _write_bytes(content, into, needles, lines=lines)
    elif kind == "parquet":
        _write_rows(content, into, needles)
    elif kind == "zip":
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, inside in containers.parts(content, kind, size):
                with archive.open(os.fsdecode(needles.without(os.fsencode(name))), "w", force_zip64=True) as member:
                    _write_part(inside, member, needles, lines=lines)
    elif kind in containers.PACKED:
        for _, inside in containers.parts(content, kind, size):
            with _packed(into, kind) as member:
                _write_part(inside, member, needles, lines=lines)
    else:
        raise Unsearchable(f"a file of the kind {kind}, which is not written anew")


def _write_part(inside: IO[bytes], into: IO[bytes], needles: Needles, *, lines: bool) -> None:
    """A part of a pack, by way of a file: what is written into some kinds has to be sought in."""
    with tempfile.TemporaryFile() as made:
        _write(inside, made, needles, lines=lines)
        made.seek(0)
        while block := made.read(BLOCK):
            into.write(block)


@contextlib.contextmanager
def _packed(into: IO[bytes], kind: str) -> Iterator[Any]:
    if kind == "gzip":
        packed: Any = gzip.GzipFile(fileobj=into, mode="wb")
    elif kind in ("bz2", "xz"):
        packed = {"bz2": bz2.BZ2File, "xz": lzma.LZMAFile}[kind](into, "w")
    else:
        import pyarrow as pa

        packed = pa.CompressedOutputStream(pa.PythonFile(_Open(into), mode="w"), kind)
    with packed:
        yield packed


class _Open(io.RawIOBase):
    """A file that Arrow writes into, and does not close."""

    def __init__(self, into: IO[bytes]) -> None:
        self.into = into

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        return self.into.write(block)


def _write_bytes(content: IO[bytes], into: IO[bytes], needles: Needles, *, lines: bool) -> None:
    """The bytes with the identifier's lines emptied, or with other letters over it."""
    size = content.seek(0, os.SEEK_END)
    if not size:
        return
    with _mapped(content, size) as text:
        done = 0
        for first, last, needle in _spans(text, size, needles):
            if last <= done:
                continue
            if lines:
                first, last = _line(text, size, first, last, needle)
                first = max(first, done)
                instead = b""
            else:
                first = max(first, done)
                instead = (
                    needles.without(bytes(text[first:last]))
                    if needle is None
                    else needles.filler(needle)[: last - first]
                )
            _copy(text, done, first, into)
            into.write(instead)
            done = last
        _copy(text, done, size, into)


@contextlib.contextmanager
def _mapped(content: IO[bytes], size: int) -> Iterator[Any]:
    with mmap.mmap(content.fileno(), size, access=mmap.ACCESS_READ) as text:
        yield text


def _spans(text: Any, size: int, needles: Needles) -> list[tuple[int, int, Needle | None]]:
    found = set()
    for start in range(0, size, BLOCK):
        begin = max(0, start - OVERLAP)
        for first, last, needle in needles.spans(bytes(text[begin : min(size, start + BLOCK)])):
            found.add((begin + first, begin + last, needle))
    return sorted(found, key=lambda each: each[:2])


def _line(text: Any, size: int, first: int, last: int, needle: Needle | None) -> tuple[int, int]:
    """The bounds of the line or lines that some bytes are of, without their ends."""
    ends = [sign.encode(needle.encoding) if needle else sign.encode() for sign in "\n\r"]
    width = len(ends[0])

    def before(end: bytes) -> int:
        place = text.rfind(end, 0, first)
        while place >= 0 and (first - place) % width:
            place = text.rfind(end, 0, place + width - 1)
        return place + width if place >= 0 else 0

    def after(end: bytes) -> int:
        place = text.find(end, last)
        while place >= 0 and (place - last) % width:
            place = text.find(end, place + 1)
        return place if place >= 0 else size

    start = max(map(before, ends))
    return max(start, _mark(text) if start == 0 else 0), min(map(after, ends))


def _mark(text: Any) -> int:
    """The bytes of a mark of the byte order at the beginning."""
    marks = (b"\xff\xfe\0\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
    return next((len(mark) for mark in marks if text[: len(mark)] == mark), 0)


def _copy(text: Any, first: int, last: int, into: IO[bytes]) -> None:
    for start in range(first, last, BLOCK):
        into.write(text[start : min(last, start + BLOCK)])


def _write_rows(content: IO[bytes], into: IO[bytes], needles: Needles) -> None:
    """The rows of a Parquet file, of which those that have the identifier are empty."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq

    of: Any = pyarrow.compute
    given = pq.read_schema(content)
    content.seek(0)
    kept = {key: value for key, value in (given.metadata or {}).items() if not needles.are_in(value)}
    schema = pa.schema([field.with_nullable(True) for field in given], metadata=kept)
    with pq.ParquetWriter(into, schema) as writer:
        for batch in containers.batches(content, "parquet"):
            masks = [
                containers.mask(values, name, needles)
                for name, values in zip(batch.schema.names, batch.columns, strict=True)
            ]
            theirs = None
            for each in filter(lambda each: each is not None, masks):
                each = of.fill_null(each, False)
                theirs = each if theirs is None else of.or_(theirs, each)
            columns: list[Any] = list(batch.columns)
            if theirs is not None:
                stays = pa.array(
                    [None if is_theirs else place for place, is_theirs in enumerate(theirs.to_pylist())], pa.int64()
                )
                columns = [values.take(stays) for values in columns]
            writer.write_table(pa.table(columns, schema=schema))


def _clean_database(path: Path, needles: Needles) -> None:
    """Write other letters over the identifier in every value of an SQLite file, and leave nothing of the old pages."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
            connection.execute("BEGIN IMMEDIATE")
            for table in containers.tables_of(connection):
                _clean_table(connection, table, needles)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unsearchable("a database that another process holds, or that is damaged") from error


def _clean_table(connection: sqlite3.Connection, table: str, needles: Needles) -> None:
    names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    changed = []
    for rowid, *row in connection.execute(f"SELECT rowid, * FROM {table}"):
        as_bytes = tuple(each.encode("utf-8", "surrogateescape") if isinstance(each, str) else each for each in row)
        if not needles.are_in(containers.as_bytes(as_bytes, names, needles)):
            continue
        for name, value in zip(names, as_bytes, strict=True):
            new = _value(name, value, needles)
            if new != value:
                is_text = not isinstance(row[names.index(name)], bytes)
                changed.append(
                    (name, new.decode("utf-8", "replace") if is_text and isinstance(new, bytes) else new, rowid)
                )
    for name, new, rowid in changed:
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"UPDATE {table} SET {quoted} = ? WHERE rowid = ?", (new, rowid))


def _value(name: str, value: Any, needles: Needles) -> Any:
    """A value of a database with other letters over the identifier; a number that is it is 0."""
    if isinstance(value, bytes):
        if name in needles.columns and value.decode("utf-8", "replace") == needles.subject:
            return b"x" * len(value)
        return needles.without(value)
    is_it = str(value) == needles.subject and (needles.is_telling or name in needles.columns)
    return 0 if is_it else value
