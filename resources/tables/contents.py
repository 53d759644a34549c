"""Whether the files of a table are those that were written: their digests, held against the ones on record.

Delta's writer puts no checksums into its Parquet files, and DuckDB looks at none: of a hundred flipped bits it reads sixty
as other values. So every file's digest goes on record with its commit, and every file is held against it before it is read.

Of an object store it is the ETag that the store gave the object, which has the one that was written as long as nobody puts another
in its place: a listing has a thousand of them, where a digest of our own would need every byte to be fetched. What was sent
arrived whole, for its SHA-256 is in the request's signature, and bits do not rot unnoticed there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from resources.days import ranges
from resources.errors import Damaged
from resources.tables import object_store
from resources.text import listed

if TYPE_CHECKING:
    from resources.tables.store import TableStore

Partition = dt.date | None
GONE = "is gone"
ETAG = "ETag "  # begins the digest of an object, which its store gave it


class Part(NamedTuple):
    """A live file of a table, as the table's log has it."""

    path: str
    day: Partition
    rows: int
    size: int  # bytes


class OnRecord(Protocol):
    """The files of a table's partition, as they were put on record: digest and rows by path."""

    @property
    def partition(self) -> Partition:
        """The day, or None."""
        ...

    @property
    def version(self) -> int:
        """The table's, as it was written."""
        ...

    @property
    def files(self) -> Mapping[str, Sequence[Any]]:
        """Digest and rows by path."""
        ...


class Ledger(Protocol):
    """Where it is on record: see `resources.records.contents`."""

    @property
    def url(self) -> str:
        """The database's, as SQLAlchemy has it."""
        ...

    def seal(
        self, table: str, version: int, files: Mapping[Partition, Mapping[str, Sequence[Any]]], *, now: dt.datetime
    ) -> None:
        """Put files on record."""
        ...

    def sealed_tables(self) -> set[str]:
        """The tables of which something is on record."""
        ...

    def first_day(self, table: str) -> dt.date | None:
        """The first day of which a table had files when it was last written."""
        ...

    def sealed(
        self, table: str, partitions: Collection[Partition] | None = None, *, last: int | None = None
    ) -> Sequence[OnRecord]:
        """What is on record of partitions."""
        ...


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """A file of a table that is not what was written: what it is instead, in words, and the command that mends it."""

    table: str
    file: str
    day: Partition
    says: str

    @property
    def remedy(self) -> str:
        """The command that makes it again, from the kept copies of what was delivered."""
        return remedies([self])[0]

    def __str__(self) -> str:
        return f"{self.file}, a file of {self.table}{f' of {self.day}' if self.day else ''}, {self.says}"


def digest(file: Path | str, *, opened_by: Callable[..., Any] = open) -> str:
    """The SHA-256 of a file."""
    with opened_by(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class _Found(NamedTuple):
    """A file that is there: its name in full, bytes, what stays the same as long as nobody touches it, its digest."""

    name: str
    size: int
    stamp: tuple[Any, ...]
    digest: Callable[[], str]
    read: Callable[[], str]  # the SHA-256 of all of it


def _look(store: TableStore, table: str, paths: Collection[str]) -> Callable[[str], _Found | None]:
    """What there is at a path of a table, None where nothing is; `paths` are those that will be asked for."""
    if store.is_remote:
        filesystem, root = object_store.filesystem(store.uri(table))
        folder = posixpath.commonpath([posixpath.dirname(path) for path in paths] or [""])
        there = {
            name.removeprefix(f"{root}/"): _Found(
                f"s3://{name}",
                about["size"],
                (tag,),
                lambda tag=tag: f"{ETAG}{tag}",
                lambda name=name: digest(name, opened_by=filesystem.open),
            )
            for name, about in filesystem.find(f"{root}/{folder}", detail=True).items()
            for tag in [about["ETag"].strip('"')]
        }
        return there.get

    def on_disk(path: str) -> _Found | None:
        file = Path(store.uri(table), path)
        if not file.exists():
            return None
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        return _Found(str(file), stat.st_size, stamp, lambda: digest(file), lambda: digest(file))

    return on_disk


def _differ(store: TableStore, found: _Found, written: str, *, is_read: bool) -> bool:
    """Whether a file is not what is on record.

    One that was brought from a disk to an object store is read for that (`is_read`), or not looked at; of one that was
    brought back only its size is known.
    """
    if written.startswith(ETAG) == store.is_remote:
        return found.digest() != written
    return store.is_remote and is_read and found.read() != written


def seal(
    store: TableStore, ledger: Ledger, table: str, version: int, parts: Sequence[Part], days: Collection[Partition]
) -> None:
    """Put on record what the partitions `days`, which were written just now, hold.

    And all others, of a table of which nothing is on record: an earlier version made it.
    """
    written = set(days) if ledger.sealed(table, last=1) else {*days, *(part.day for part in parts)}
    files: dict[Partition, dict[str, Sequence[Any]]] = {day: {} for day in written}
    new = [part for part in parts if part.day in files]
    look = _look(store, table, [part.path for part in new])
    for part in new:
        if found := look(part.path):
            files[part.day][part.path] = (found.digest(), part.rows)
    ledger.seal(table, version, files, now=dt.datetime.now(dt.UTC))


def seal_again(store: TableStore, ledger: Ledger) -> None:
    """Put on record anew what was brought from one object store to another, byte by byte, and is in other parts there.

    An ETag is of the parts in which an object was sent, if there were several (`…-2`).
    """
    for table in sorted(ledger.sealed_tables()) if store.is_remote else ():
        parts = store.parts(table) if store.exists(table) else []
        look = _look(store, table, [part.path for part in parts])
        known = _on_record(ledger, table, parts)
        others = {
            part.day
            for part in parts
            if part.path in known and (found := look(part.path))
            for tags in [(found.digest(), known[part.path][1][0])]
            if tags[1].startswith(ETAG) and tags[0] != tags[1] and "-" in "".join(tags)
        }
        if others:
            seal(store, ledger, table, store.version(table), parts, others)


def flaws(
    store: TableStore, ledger: Ledger | None, table: str, parts: Sequence[Part], *, verified: set[object] | None = None
) -> Iterator[Flaw]:
    """Those of a table's live files that are not what was written: gone, cut off, of other bytes, days or rows.

    `verified` remembers files that were looked at, as long as the system says that nobody has touched them.
    """
    known: dict[str, tuple[Partition, Sequence[Any]]] | None = None
    look = _look(store, table, [part.path for part in parts]) if parts else dict[str, _Found]().get
    for part in parts:
        there = look(part.path)
        if there is None or there.size != part.size:
            file = there.name if there else f"{store.uri(table)}/{part.path}"
            yield Flaw(table=table, file=file, day=part.day, says="is cut off" if there else GONE)
            continue
        key = (table, *part, *there.stamp)
        if ledger is None or (verified is not None and key in verified):
            continue
        if known is None:
            known = _on_record(ledger, table, parts)
        if part.path in known:
            day, (written, rows) = known[part.path]
            if (day, rows) != (part.day, part.rows):
                yield Flaw(
                    table=table,
                    file=there.name,
                    day=day,
                    says=f"has {rows} rows{f' of {day}' if day else ''} on record, and the table's log says {part.rows}"
                    f"{f' of {part.day}' if day else ''}: the log was changed",
                )
                continue
            if _differ(store, there, written, is_read=verified is None):
                yield Flaw(
                    table=table, file=there.name, day=part.day, says="is not what was written: bytes have changed"
                )
                continue
        if verified is not None:
            verified.add(key)


def require_whole(
    store: TableStore, ledger: Ledger | None, table: str, parts: Sequence[Part], *, verified: set[object]
) -> None:
    """Raise :class:`Damaged` for the first of :func:`flaws`: to be asked before the files are read."""
    for flaw in flaws(store, ledger, table, parts, verified=verified):
        raise Damaged(f"{flaw}.", remedy=f"{flaw.remedy} makes it again, or bring the file back from a backup.")


def _on_record(ledger: Ledger, table: str, parts: Sequence[Part]) -> dict[str, tuple[Partition, Sequence[Any]]]:
    """What is on record of the files of `parts`, by path."""
    days, paths = {part.day for part in parts}, {part.path for part in parts}
    known: dict[str, tuple[Partition, Sequence[Any]]] = {}
    # Of a table without days every commit is on record, and the newest is what is nearly always read; what is nowhere
    # among its day's is perhaps another day's, whose partition was changed in the log.
    for partitions, last in (*([(days, 1)] if days == {None} else []), (days, None), (None, None)):
        known = {
            path: (each.partition, of_path)
            for each in ledger.sealed(table, partitions, last=last)
            for path, of_path in each.files.items()
        }
        if paths <= known.keys():
            break
    return known


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A look at every file of a table: how many there are of any version, how many of them are not on record, what is wrong."""

    files: int
    unknown: int
    flaws: Sequence[Flaw]


def verify(store: TableStore, ledger: Ledger, table: str) -> Verified:
    """Hold all files of a table, those of older versions that are still there included, against what is on record.

    Raises :class:`Damaged` where its log cannot be read.
    """
    records = ledger.sealed(table)
    known = {path: (each.partition, of_path) for each in records for path, of_path in each.files.items()}
    parts = store.parts(table) if store.exists(table) else []
    live = {part.path for part in parts}
    found = list(flaws(store, ledger, table, parts))
    now = f"the table is at version {store.version(table)}" if store.exists(table) else "the table is gone"
    for record in _lacking(records, parts):
        says = f"was in version {record.version}, and is not among its files any more: {now}"
        found.append(Flaw(table=table, file=min(record.files), day=record.partition, says=says))
    older = known.keys() - live
    look = _look(store, table, older)
    there = {path: each for path in sorted(older) if (each := look(path))}
    found += [
        Flaw(
            table=table, file=each.name, day=known[path][0], says="is of an older version, and bytes of it have changed"
        )
        for path, each in there.items()
        if _differ(store, each, known[path][1][0], is_read=True)
    ]
    brought_back = {path for path, (_, of) in known.items() if of[0].startswith(ETAG) and not store.is_remote}
    unknown = [part for part in parts if part.path not in known or part.path in brought_back]
    return Verified(files=len(parts) + len(there), unknown=len(unknown), flaws=found)


def remedies(flaws: Iterable[Flaw]) -> list[str]:
    """The commands that make again what flaws are of: one for each run of days of an asset."""
    days: dict[str, set[Partition]] = {}
    for flaw in flaws:
        days.setdefault(_asset(flaw.table), set()).add(flaw.day)
    commands = [
        f"`nightcart backfill --from {first} --to {last} --assets {asset} --force`"
        for asset, of_asset in days.items()
        for first, last in ranges(day for day in of_asset if day)
    ]
    return [*commands, *(["the next night"] if any(None in of_asset for of_asset in days.values()) else [])]


def gone(store: TableStore, ledger: Ledger) -> dict[str, set[Partition]]:
    """The partitions of which tables do not hold any more what is on record, by the asset that makes them."""
    found: dict[str, set[Partition]] = {}
    for table in sorted(ledger.sealed_tables()):
        records = _lacking(ledger.sealed(table), store.parts(table) if store.exists(table) else [])
        found.setdefault(_asset(table), set()).update(each.partition for each in records)
    return {asset: partitions for asset, partitions in found.items() if partitions}


def lacking(store: TableStore, ledger: Ledger) -> dict[str, tuple[str, str]]:
    """The same by asset, in a sentence, and with what makes it again: a command, or the next night."""
    said = {}
    for asset, partitions in gone(store, ledger).items():
        days = sorted(each for each in partitions if each)
        of, again = "", "the next night"
        if days:
            of, again = (
                f" of {listed(days, 3)}",
                f"`nightcart backfill --from {days[0]} --to {days[-1]} --assets {asset}`",
            )
        says = f"{asset} has not what was written last{of}: it was changed by hand, or is of an older time"
        said[asset] = (f"{says}.", f"{again} makes it again.")
    return said


def _asset(table: str) -> str:
    """The asset that a table is made by."""
    return table.removesuffix("_quarantine")


def _lacking(records: Sequence[OnRecord], parts: Sequence[Part]) -> list[OnRecord]:
    """The newest records of partitions whose files a table has not, or not any more."""
    live = {part.path for part in parts}
    return [each for each in {each.partition: each for each in records}.values() if each.files.keys() - live]
