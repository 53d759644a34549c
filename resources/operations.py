"""The operations database: decisions, as rows that are only ever added. SQLite by default, any SQLAlchemy URL otherwise."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from pydantic import Field

from resources.records import KINDS, Heartbeat, Override, PromotionRecord, Verdict

if TYPE_CHECKING:
    import sqlalchemy as sa

Kind = TypeVar("Kind")


class OperationsDatabase(dg.ConfigurableResource):
    """The records of one retailer: see `resources.records` for their kinds."""

    url: str = Field(description="SQLAlchemy URL.")

    @property
    def _engine(self) -> sa.Engine:
        return _connected(self.url)

    def _table(self, kind: type) -> sa.Table:
        return _metadata().tables[kind.TABLE]

    def record(self, *records: Any) -> None:
        """Add records, of any kinds, all or none of them."""
        by_kind: dict[type, list[dict[str, Any]]] = {}
        for record in records:
            by_kind.setdefault(type(record), []).append(_row(record))
        with self._engine.begin() as connection:
            for kind, rows in by_kind.items():
                connection.execute(self._table(kind).insert(), rows)

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
        with self._engine.begin() as connection:
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
    _metadata().create_all(engine)
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
    return metadata


def _patient(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 90000")


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
