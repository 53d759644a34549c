"""The operations database in SQLAlchemy Core: its tables, how it is opened and who may write. SQLite and Postgres.

Imports SQLAlchemy at module level, so it is itself imported only where a database is opened (`resources.records.base`).

A table follows from the frozen dataclass of its records. These are not mapped by SQLAlchemy's ORM: it cannot map a
frozen class, since it writes its own state into every instance, and to import it would cost each process that loads the
definitions, and each command that looks, 0.93 s of CPU (Dagster itself takes 1.6 s and imports no SQLAlchemy until a run's
storage is opened; Core alone takes 0.6 s, and is paid only by who opens the database). Whether these tables are those that
the migrations make is checked by a test.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import datetime as dt
import functools
import pathlib
import sqlite3
import time
import types
import typing
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from resources import postgres
from resources.errors import NightcartError, Refused, of_postgres
from resources.postgres import PATIENCE
from resources.records import (  # noqa: F401
    contents,
    feeds,
    lifecycle,
    marks,
    migrations,
    object_stores,
    privacy,
    publication,
    quality,
    retention,
)
from resources.records.alerts import Heartbeat
from resources.records.audit import Entry
from resources.records.base import Record
from resources.records.costs import StepCost
from resources.records.fencing import FencingToken
from resources.records.identity import Owner, StateIdentity


class Instant(sa.TypeDecorator[dt.datetime]):
    """An instant, in UTC whatever the zone it came in; SQLite forgets the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """What is stored."""
        return value and value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """What is read."""
        return value and (value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC))


# Anything composed is JSON.
TYPES = {int: sa.Integer, float: sa.Float, bool: sa.Boolean, str: sa.String, dt.date: sa.Date, dt.datetime: Instant}
# Of a Postgres server. A process keeps one connection: twenty runs at once keep twenty here, as many for Dagster and for
# MLflow, of the hundred that a server has by default. Its threads (a follower of events, a sensor's ticks) need few more.
POOL = {"pool_size": 1, "max_overflow": 4, "pool_pre_ping": True}
INDEXED = ("business_date", "subject", "partition", "key", "digest", "decision_id")


def _table(kind: type, metadata: sa.MetaData) -> sa.Table:
    """The table of a dataclass; without a field `id`, rows are numbered by the database, in the order they are added."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    number = sa.Column("id", sa.Integer, primary_key=True, autoincrement="id" not in names)
    columns = [_column(name, hints[name]) for name in names if name != "id"]
    unique = [sa.UniqueConstraint(*kind.UNIQUE)] if getattr(kind, "UNIQUE", ()) else []
    return sa.Table(kind.TABLE, metadata, number, *columns, *unique)


def _column(name: str, annotation: Any) -> sa.Column[Any]:
    parts = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    (plain,) = (part for part in parts if part is not type(None))
    return sa.Column(name, TYPES.get(plain, sa.JSON), nullable=type(None) in parts, index=name in INDEXED)


METADATA = sa.MetaData()
KINDS = tuple(
    Record.__subclasses__()
)  # those of the modules above, sealed in the audit trail; heartbeats, tokens and costs are not
TABLES = {kind: _table(kind, METADATA) for kind in (*KINDS, Heartbeat, FencingToken, StepCost, StateIdentity, Entry)}


# Of the process, not of the store: Dagster makes a new one for every run and every tick of a sensor. Few, because only
# tests have many.
@functools.lru_cache(maxsize=4)
def connected(url: str) -> sa.Engine:
    """The engine of a database, which is made, or brought to the newest migration, where it is not there yet.

    Raises :class:`Refused` where a later version of the project has changed its tables.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite" and engine.url.database:
        pathlib.Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _patient)
        event.listen(engine, "begin", _begin)
        # Whoever closes an SQLite file last puts into it what stands beside it in `-wal`: at rest it is one file, to be
        # copied or brought back by hand.
        atexit.register(engine.dispose)
    with engine.connect() as connection:
        is_current = _version(connection) == migrations.NEWEST
    if not is_current:
        with writing(engine) as connection:
            _upgrade(connection)
    return engine


def _engine(url: str) -> sa.Engine:
    try:
        if not postgres.is_of(url):
            return sa.create_engine(url)
        engine = sa.create_engine(url, connect_args=postgres.CONNECT, **POOL)
    except (exc.ArgumentError, ImportError, ValueError):  # which may quote the password
        raise Refused(
            f"{postgres.OPERATIONS} has no URL that SQLAlchemy understands, or one with a driver that is not installed.",
            remedy="write it as postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; `@`, `:` and `/` in a password as %40, %3A and %2F.",
        ) from None
    event.listen(engine, "connect", postgres.bound)
    event.listen(engine, "handle_error", _explained)
    return engine


def _explained(context: sa.engine.ExceptionContext) -> NightcartError | None:
    """What a server's error is raised as."""
    return None if context.is_pre_ping else of_postgres(context.original_exception, variable=postgres.OPERATIONS)


@functools.lru_cache(maxsize=4)
def owned(url: str, owner: Owner) -> sa.Engine:
    """The engine of the database of `owner`'s state, who is put on record in one that is new; raises :class:`Refused` if it is another's."""
    engine, table = connected(url), TABLES[StateIdentity]
    with engine.connect() as connection:
        found = owner.settle(connection, table)
    if found is None:
        with writing(engine) as connection:  # of two that come at the same time, one finds the other's
            if owner.settle(connection, table) is None:
                connection.execute(table.insert(), vars(owner.first()))
                owner.settle(connection, table)
    return engine


def _version(connection: sa.Connection) -> str | None:
    """The migration that the database is at; None before the first."""
    if not sa.inspect(connection).has_table(migrations.VERSION_TABLE):
        return None
    return connection.scalar(sa.text(f"SELECT version_num FROM {migrations.VERSION_TABLE}"))


def _upgrade(connection: sa.Connection) -> None:
    """Run what migrations are missing. Of two processes that come at the same time, one waits and finds them done."""
    if known_version(connection) == migrations.NEWEST:
        return
    from alembic import command

    command.upgrade(migrations.configuration(connection), "head")


def known_version(connection: sa.Connection) -> str | None:
    """The same; raises :class:`Refused` where a later version of the project has changed the tables."""
    version = _version(connection)
    if version and version not in migrations.REVISIONS:
        raise Refused(
            f"{connection.engine.url.render_as_string(hide_password=True)} was opened by a later version of Nightcart: its "
            f"tables are at migration {version}, and this version knows those up to {migrations.NEWEST}.",
            remedy="install that version again; or restore a backup from before it into an empty place (docs/runbooks.md, Go back to an earlier version).",
        )
    return version


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no other one writes in: what it reads is the last word. Readers never wait."""
    with engine.execution_options(is_writing=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.audit'))"))
        yield connection


@contextlib.contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that reads one state of the database, whatever is written meanwhile."""
    if engine.dialect.name == "postgresql":  # SQLite's transactions are so anyway
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.begin() as connection:
        yield connection


def _patient(connection: Any, _: object) -> None:
    connection.isolation_level = None  # `_begin` begins, not the driver
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
    until = time.monotonic() + PATIENCE
    while True:  # SQLite itself does not wait for whoever is just setting it too, or making the file's first tables
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("is_writing") else "BEGIN")
