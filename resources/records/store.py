"""The operations database: decisions, as rows that are only ever added. SQLite by default, any SQLAlchemy URL otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from resources.errors import Overtaken
from resources.records import audit
from resources.records.alerts import Heartbeat
from resources.records.kinds import KINDS
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import Override, Verdict

if TYPE_CHECKING:
    import sqlalchemy as sa

Kind = TypeVar("Kind")


@dataclasses.dataclass(frozen=True)
class OperationsDatabase:
    """The records of one retailer, below a SQLAlchemy URL: see `resources.records` for their kinds."""

    url: str

    @property
    def _engine(self) -> sa.Engine:
        return _connected(self.url)

    def _table(self, kind: type) -> sa.Table:
        return _metadata().tables[kind.TABLE]

    def record(self, *records: Any) -> None:
        """Add records, of any kinds, and their entries in the audit trail: all or none of them."""
        with self._writing() as connection:
            self._add(connection, records)

    def decide(self, record: PromotionRecord, *others: Any, expected_version: int) -> None:
        """Add a decision on the champion, and `others` with it, all or none.

        Optimistic lock: `expected_version` is :meth:`last_decision` as it was before the first read that the decision
        depends on. Raises :class:`resources.errors.Overtaken`, with nothing changed, if a decision was added since.
        """
        with self._writing() as connection:
            table = self._table(PromotionRecord)
            newest = connection.execute(table.select().order_by(table.c.id.desc()).limit(1)).mappings().first()
            if newest and newest["id"] != expected_version:
                first = _record(PromotionRecord, newest)
                raise Overtaken(
                    f"Version {record.challenger} was judged while somebody else decided: version {first.challenger}, "
                    f"{first.kind}{f' by {first.by}' if first.by else ''} at {first.decided_at:%Y-%m-%d %H:%M:%S} UTC; "
                    f"the champion is version {first.champion_after} now, and nothing was changed here.",
                    remedy="`nightcart models` shows who is champion; then decide again, if that is still wanted.",
                )
            self._add(connection, (record, *others))

    def last_decision(self) -> int:
        """The number of the newest decision on the champion; 0 before the first."""
        newest = self.numbered(PromotionRecord, last=1)
        return newest[0][0] if newest else 0

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other one writes in: the entries of the audit trail follow each other."""
        import sqlalchemy as sa

        with self._engine.execution_options(is_writing=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text(f"LOCK TABLE {AUDIT} IN EXCLUSIVE MODE"))
            yield connection

    def _add(self, connection: sa.Connection, records: Sequence[Any]) -> None:
        by_kind: dict[type, list[dict[str, Any]]] = {}
        for record in records:
            by_kind.setdefault(type(record), []).append(_row(record))
        trail = _metadata().tables[AUDIT]
        last = connection.execute(trail.select().order_by(trail.c.id.desc()).limit(1)).mappings().first()
        number, previous = (last["id"], last["digest"]) if last else (0, audit.START)
        entries = []
        for kind, rows in by_kind.items():
            table = self._table(kind)
            added = table.insert().returning(table.c.id, sort_by_parameter_order=True)
            for row, record_id in zip(rows, connection.execute(added, rows).scalars(), strict=True):
                entry = audit.sealed(
                    id=(number := number + 1),
                    kind=kind.TABLE,
                    record_id=record_id,
                    payload=audit.payload(row),
                    previous=previous,
                )
                previous = entry.digest
                entries.append(vars(entry))
        if entries:
            connection.execute(trail.insert(), entries)

    def audit_head(self) -> str:
        """The last entry's number and digest: kept elsewhere, it proves later that the end was not cut off."""
        table = _metadata().tables[AUDIT]
        with self._engine.connect() as connection:
            last = connection.execute(table.select().order_by(table.c.id.desc()).limit(1)).mappings().first()
        return f"{last['id']}:{last['digest']}" if last else f"0:{audit.START}"

    def trail(self) -> list[audit.Entry]:
        """The audit trail, in order."""
        table = _metadata().tables[AUDIT]
        with self._engine.connect() as connection:
            return [audit.Entry(**row) for row in connection.execute(table.select().order_by(table.c.id)).mappings()]

    def flaws(self, *, head: str | None = None) -> list[audit.Flaw]:
        """What in the trail, or in the records behind it, is not as it was recorded: see `resources.records.audit`.

        `head` is what :meth:`audit_head` said once, kept elsewhere.
        """
        rows = {
            (kind.TABLE, row["id"]): audit.payload({name: row[name] for name, _ in _columns_of(kind)})
            for kind in KINDS
            if kind is not Heartbeat
            for row in self._rows(kind)
        }
        entries = self.trail()
        ends = audit.broken_ends(entries, head) if head else []
        return [*audit.broken_links(entries), *audit.changed_records(entries, rows), *ends]

    def _rows(self, kind: type) -> list[Mapping[Any, Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(self._table(kind).select()).mappings())

    def claim(self, record: Any) -> bool:
        """Add a record of a kind with `UNIQUE` fields, unless there is one with the same; whether it was added."""
        from sqlalchemy.exc import IntegrityError

        try:
            self.record(record)
        except IntegrityError:
            if not self.records(type(record), **{name: getattr(record, name) for name in type(record).UNIQUE}):
                raise
            return False
        return True

    def records(self, kind: type[Kind], *, last: int | None = None, **equal: Any) -> list[Kind]:
        """The records of a kind in the order in which they were added, those alone whose fields are `equal`.

        `last` is how many of the newest.
        """
        return [record for _, record in self.numbered(kind, last=last, **equal)]

    def numbered(self, kind: type[Kind], *, last: int | None = None, **equal: Any) -> list[tuple[int, Kind]]:
        """The same, each with the number that it has among its kind."""
        table = self._table(kind)
        query = table.select().order_by(table.c.id.desc()).limit(last)
        for name, value in equal.items():
            query = query.where(table.c[name] == value if value is not None else table.c[name].is_(None))
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [(row["id"], _record(kind, row)) for row in reversed(rows)]

    def promotions(self, *, until: dt.date | None = None) -> list[PromotionRecord]:
        """All decisions for business days up to `until`, by day, then in the order in which they were taken."""
        found = sorted(self.records(PromotionRecord), key=lambda record: record.business_date)
        return [record for record in found if until is None or record.business_date <= until]

    def promotion_as_of(self, day: dt.date) -> PromotionRecord | None:
        """The decision that named the champion of `day`'s close."""
        decided = self.promotions(until=day)
        return decided[-1] if decided else None

    def champion_as_of(self, day: dt.date) -> int | None:
        """The version that was champion after the night of `day`, by the last word of the ledger."""
        decided = self.promotion_as_of(day)
        return decided.champion_after if decided else None

    def verdicts(
        self, subject: str, *, since: dt.date | None = None, until: dt.date | None = None
    ) -> dict[tuple[dt.date | None, str], Verdict]:
        """The newest verdict of every check on each partition of a table, by partition and check.

        Of the days `since` … `until`; without either, of a table that has no days.
        """
        import sqlalchemy as sa

        table = self._table(Verdict)
        wanted = (
            table.c.partition.is_(None)
            if since is None and until is None
            else sa.and_(table.c.partition >= (since or dt.date.min), table.c.partition <= (until or dt.date.max))
        )
        newest = (
            sa.select(sa.func.max(table.c.id))
            .where(table.c.subject == subject, wanted)
            .group_by(table.c.partition, table.c.check)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(table.select().where(table.c.id.in_(newest))).mappings().all()
        return {(row["partition"], row["check"]): _record(Verdict, row) for row in rows}

    def overrides(self, *, now: dt.datetime) -> list[Override]:
        """The overrides that have not lapsed at `now`."""
        return [override for override in self.records(Override) if override.expires_at > now]

    def beat(self, name: str, *, now: dt.datetime) -> None:
        """Say that a schedule or sensor was at work; only the latest time of each is kept."""
        table = self._table(Heartbeat)
        with self._engine.execution_options(is_writing=True).begin() as connection:
            connection.execute(table.delete().where(table.c.name == name))
            connection.execute(table.insert().values(name=name, beat_at=now))


# Of the process, not of the resource: Dagster makes a new one for every run and every tick of a sensor. Few, because
# only tests have many.
@functools.lru_cache(maxsize=4)
def _connected(url: str) -> sa.Engine:
    import pathlib

    import sqlalchemy as sa
    from sqlalchemy import event

    engine = sa.create_engine(url)
    if engine.url.get_backend_name() == "sqlite" and engine.url.database:
        pathlib.Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        # A writer waits for another one, longer than a backup or a check of the file takes; readers never wait.
        event.listen(engine, "connect", _patient)
        event.listen(engine, "begin", _begin)
    if _is_behind(engine):
        # Of two processes that come at the same time, one waits and finds everything done.
        with engine.execution_options(is_writing=True).begin() as connection:
            _metadata().create_all(connection)
            _add_missing_columns(connection)
    return engine


@functools.cache
def _metadata() -> sa.MetaData:
    import sqlalchemy as sa

    metadata = sa.MetaData()
    for kind in KINDS:
        columns = [_column(name, annotation) for name, annotation in _columns_of(kind)]
        only_once = [sa.UniqueConstraint(*kind.UNIQUE)] if hasattr(kind, "UNIQUE") else []
        # A day that was decided again has a later id: the order of the ids is the order of things.
        sa.Table(kind.TABLE, metadata, sa.Column("id", sa.Integer, primary_key=True), *columns, *only_once)
    fields = [_column(name, annotation) for name, annotation in _columns_of(audit.Entry) if name != "id"]
    sa.Table(AUDIT, metadata, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), *fields)
    return metadata


def _is_behind(engine: sa.Engine) -> bool:
    """Whether the database lacks a table or a column."""
    import sqlalchemy as sa

    there = sa.inspect(engine)
    tables = set(there.get_table_names())
    return any(
        name not in tables or {column.name for column in table.columns} - {c["name"] for c in there.get_columns(name)}
        for name, table in _metadata().tables.items()
    )


def _add_missing_columns(connection: sa.Connection) -> None:
    """A database of an earlier version gets the columns that records have had since; its rows get the field's default."""
    import sqlalchemy as sa

    there = sa.inspect(connection)
    for kind in KINDS:
        known = {column["name"] for column in there.get_columns(kind.TABLE)}
        for name, annotation in _columns_of(kind):
            if name in known:
                continue
            column, default = _column(name, annotation), _default_of(kind, name)
            given = "" if column.nullable else f" DEFAULT {_literal(default, column, connection.dialect)} NOT NULL"
            of_type = column.type.compile(connection.dialect)
            connection.execute(sa.text(f'ALTER TABLE {kind.TABLE} ADD COLUMN "{name}" {of_type}{given}'))


def _default_of(kind: type, name: str) -> Any:
    (found,) = (each for each in dataclasses.fields(kind) if each.name == name)
    if found.default is not dataclasses.MISSING:
        return found.default
    return found.default_factory() if found.default_factory is not dataclasses.MISSING else ""


def _literal(value: Any, column: sa.Column, dialect: sa.Dialect) -> str:
    import sqlalchemy as sa

    plain, of_type = (json.dumps(value), sa.String()) if isinstance(column.type, sa.JSON) else (value, column.type)
    return str(sa.literal(plain, of_type).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _patient(connection: Any, _: object) -> None:
    connection.isolation_level = None  # `_begin` begins, not the driver
    connection.execute("PRAGMA busy_timeout = 90000")
    connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: sa.Connection) -> None:
    # Who writes waits for its turn at the beginning: what it then reads is the last word.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("is_writing") else "BEGIN")


@functools.cache
def _columns_of(kind: type) -> Sequence[tuple[str, Any]]:
    hints = typing.get_type_hints(kind)
    return [(found.name, hints[found.name]) for found in dataclasses.fields(kind)]


def _column(name: str, annotation: Any) -> sa.Column:
    """The column of a field: plain types have their own, anything composed is JSON."""
    import sqlalchemy as sa

    is_optional = isinstance(annotation, types.UnionType) and type(None) in typing.get_args(annotation)
    plain = next(of for of in typing.get_args(annotation) if of is not type(None)) if is_optional else annotation
    kinds = {
        int: sa.Integer,
        float: sa.Float,
        bool: sa.Boolean,
        str: sa.String,
        dt.date: sa.Date,
        dt.datetime: sa.DateTime(timezone=True),
    }
    return sa.Column(name, kinds.get(plain, sa.JSON), nullable=is_optional, index=name in INDEXED)


AUDIT = "audit"
INDEXED = ("business_date", "subject", "partition", "key", "digest", "decision_id")


def _row(record: Any) -> dict[str, Any]:
    """The record's fields as columns; what is composed, as JSON has it."""
    return {name: _plain(getattr(record, name)) for name, _ in _columns_of(type(record))}


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return json.loads(json.dumps(value)) if isinstance(value, Mapping | list | tuple) else value


def _record(kind: type[Kind], row: Mapping[Any, Any]) -> Kind:
    values = {name: value for name, value in row.items() if name != "id"}
    for name, value in values.items():
        if isinstance(value, dt.datetime) and value.tzinfo is None:  # SQLite forgets the zone
            values[name] = value.replace(tzinfo=dt.UTC)
    return kind(**values)
