"""The store of records: rows that are only ever added, each with its entry in the audit trail.

Generic: what a kind of record means, and the queries on it, are in the module of its concern.
SQLAlchemy is imported when a database is opened, not before.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from resources.records import audit
from resources.records.audit import Entry

if TYPE_CHECKING:
    import sqlalchemy as sa

    from resources.records.identity import Owner


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Record:
    """A row that is only ever added. A subclass is a frozen dataclass, one kind of record, with a table of its own.

    A record is never changed: what came of it later is another record. No two have the same values in the `unique`
    fields. Dates are business days, instants are in UTC.
    """

    TABLE: ClassVar[str]
    UNIQUE: ClassVar[Sequence[str]]

    def __init_subclass__(cls, *, table: str, unique: Sequence[str] = ()) -> None:
        cls.TABLE, cls.UNIQUE = table, unique
        dataclass(frozen=True, kw_only=True)(cls)


Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class RecordStore:
    """The records in one database. Its `url` is SQLAlchemy's, and may hold a password, so that it is not shown."""

    url: str = field(repr=False)
    owner: Owner | None = None  # of the state; without one, whoever's it is, it is opened

    @property
    def _engine(self) -> sa.Engine:
        return _database().owned(self.url, self.owner) if self.owner else _database().connected(self.url)

    def close(self) -> None:
        """Close the connections that are kept; what is asked afterwards opens others."""
        self._engine.dispose()

    @staticmethod
    def _table(kind: type) -> sa.Table:
        return _database().TABLES[kind]

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that no other one writes in: the entries of the audit trail follow each other."""
        return _database().writing(self._engine)

    def record(self, *records: Record) -> None:
        """Add records, of any kinds, and their entries in the audit trail: all or none of them."""
        with self._writing() as connection:
            self._add(connection, records)

    def claim(self, record: Record) -> bool:
        """Add a record of a kind with `unique` fields; False, with nothing added, if there is one with the same values."""
        from sqlalchemy.exc import IntegrityError

        try:
            self.record(record)
        except IntegrityError:
            if not self.records(type(record), **{name: getattr(record, name) for name in type(record).UNIQUE}):
                raise
            return False
        return True

    def _admit(self, connection: sa.Connection) -> None:
        """Raise where a run may write no more (`resources.records.fencing`), in the transaction that it writes in."""

    def _add(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        self._admit(connection)
        by_kind: dict[type[Record], list[dict[str, Any]]] = {}
        for record in records:
            by_kind.setdefault(type(record), []).append(vars(record))
        number, previous = self._head(connection)
        entries = []
        for kind, rows in by_kind.items():
            table = self._table(kind)
            added = table.insert().returning(table.c.id, sort_by_parameter_order=True)
            for row, record_id in zip(rows, connection.execute(added, rows).scalars(), strict=True):
                number += 1
                entry = audit.sealed(
                    id=number, kind=kind.TABLE, record_id=record_id, payload=audit.payload(row), previous=previous
                )
                previous = entry.digest
                entries.append(vars(entry))
        if entries:
            connection.execute(self._table(Entry).insert(), entries)

    def _head(self, connection: sa.Connection) -> tuple[int, str]:
        """The last entry's number and digest."""
        table = self._table(Entry)
        last = connection.execute(table.select().order_by(table.c.id.desc()).limit(1)).first()
        return (last.id, last.digest) if last else (0, audit.START)

    def audit_head(self) -> str:
        """The last entry's number and digest. Kept elsewhere, it proves later that the end was not cut off."""
        with self._engine.connect() as connection:
            number, digest = self._head(connection)
        return f"{number}:{digest}"

    def trail(self) -> list[Entry]:
        """The audit trail, in order."""
        with self._engine.connect() as connection:
            return self._trail(connection)

    def _trail(self, connection: sa.Connection, *, kinds: Sequence[type] | None = None) -> list[Entry]:
        """The entries in order; of some `kinds` of records alone, if they are named."""
        table = self._table(Entry)
        wanted = table.select().order_by(table.c.id)
        if kinds is not None:
            wanted = wanted.where(table.c.kind.in_([kind.TABLE for kind in kinds]))
        return [Entry(**row) for row in connection.execute(wanted).mappings()]

    def _payloads(self, connection: sa.Connection, kinds: Iterable[type]) -> dict[tuple[str, int], str]:
        """What the rows of some kinds say now, as the trail would have it, by table and number."""
        return {
            (kind.TABLE, row["id"]): audit.payload({name: row[name] for name in row if name != "id"})
            for kind in kinds
            for row in connection.execute(self._table(kind).select()).mappings()
        }

    def flaws(self, *, head: str | None = None) -> list[audit.Flaw]:
        """Differences of the trail, and of the records behind it, from what was recorded: see `resources.records.audit`.

        `head` is an earlier :meth:`audit_head`, kept elsewhere. Writers do not disturb it, nor does it hold them up.
        """
        with _database().snapshot(self._engine) as connection:
            entries, rows = self._trail(connection), self._payloads(connection, _database().KINDS)
        ends = audit.broken_ends(entries, head) if head else []
        return [*audit.broken_links(entries), *audit.changed_records(entries, rows), *ends]

    def records(self, kind: type[Kind], *, last: int | None = None, **equal: Any) -> list[Kind]:
        """The records of a kind whose fields are `equal`, in the order they were added; of these, the `last` so many."""
        return [record for _, record in self.numbered(kind, last=last, **equal)]

    def numbered(self, kind: type[Kind], *, last: int | None = None, **equal: Any) -> list[tuple[int, Kind]]:
        """The same, each with its number among its kind."""
        with self._engine.connect() as connection:
            return self._read(connection, kind, last=last, **equal)

    def _read(
        self, connection: sa.Connection, kind: type[Kind], *conditions: Any, last: int | None = None, **equal: Any
    ) -> list[tuple[int, Kind]]:
        table = self._table(kind)
        query = table.select().where(*conditions).filter_by(**equal).order_by(table.c.id.desc()).limit(last)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        return [(row.pop("id"), kind(**row)) for row in reversed(rows)]


def _database() -> types.ModuleType:
    from resources.records import database

    return database
