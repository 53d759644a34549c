"""Databases, copied table by table: SQLite into a file, into Postgres, and back, all in one way.

The tables are those that the owner of the database declares in SQLAlchemy (ours, MLflow's, Dagster's), so that a value has
the same type wherever it is. Whoever owns a database makes it; here its rows are exchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resources import postgres
from resources.config.deployment import sqlite_url

if TYPE_CHECKING:
    import sqlalchemy as sa

CHUNK = 2_000  # rows at a time


@contextlib.contextmanager
def opened(url: str | Path) -> Iterator[sa.Connection]:
    """One transaction on a database, an SQLite file by its path: it reads one state, and writes all or nothing."""
    import sqlalchemy as sa

    url = sqlite_url(url) if isinstance(url, Path) else url
    if is_server := postgres.is_of(url):
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=postgres.CONNECT)
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    else:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        if not is_server:  # whose driver begins none before the first write
            connection.exec_driver_sql("BEGIN")
        yield connection


def revision(connection: sa.Connection) -> str | None:
    """The migration that a database is at, which Alembic keeps in the same table for all of ours, MLflow's and Dagster's."""
    import sqlalchemy as sa

    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def tables_of(*metadata: sa.MetaData, but: Collection[str] = ()) -> list[sa.Table]:
    """The tables that are declared, those that others refer to first."""
    return [table for each in metadata for table in each.sorted_tables if table.name not in but]


def empty(connection: sa.Connection, tables: list[sa.Table]) -> None:
    """Remove all rows."""
    for table in reversed(tables):
        connection.execute(table.delete())


def copy(source: sa.Connection, target: sa.Connection, tables: list[sa.Table]) -> dict[str, int]:
    """Put the rows of tables into those of the same names, which have none; how many there were of each.

    Numbers that the target gives out go on after those that it was given.
    """
    import sqlalchemy as sa

    copied = {}
    there = set(sa.inspect(source).get_table_names())
    for table in tables:
        if table.name not in there:  # of a database that its owner has not brought to the newest migration
            continue
        copied[table.name] = 0
        rows = source.execution_options(yield_per=CHUNK).execute(table.select()).mappings()
        for chunk in rows.partitions():
            target.execute(table.insert(), [dict(row) for row in chunk])
            copied[table.name] += len(chunk)
    go_on_numbering(target, tables)
    return copied


def go_on_numbering(connection: sa.Connection, tables: list[sa.Table]) -> None:
    """Let Postgres' sequences go on after the greatest number of each table; SQLite looks by itself."""
    import sqlalchemy as sa

    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        column = table.autoincrement_column
        if column is None:
            continue
        name = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
        if name:
            greatest = sa.func.coalesce(sa.func.max(column), 0)  # MLflow's first experiment is 0, which none gives out
            connection.execute(sa.select(sa.func.setval(name, sa.func.greatest(greatest, 1), greatest >= 1)))


def move_texts(connection: sa.Connection, tables: list[sa.Table], places: Mapping[str, str]) -> None:
    """Let every text that is one of `places`, or a path below it, name the new place instead."""
    import sqlalchemy as sa

    for table in tables:
        for column in (each for each in table.columns if isinstance(each.type, sa.String)):
            for before, after in places.items():
                below = column.startswith(f"{before}/", autoescape=True)
                moved = sa.literal(after) + sa.func.substr(column, len(before) + 1)
                connection.execute(table.update().where((column == before) | below).values({column: moved}))


def make_file(path: Path, tables: list[sa.Table], version: str | None) -> None:
    """Make an SQLite file with empty tables, without their indexes, at a migration of theirs."""
    import sqlalchemy as sa

    mark = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False))
    with opened(path) as connection:
        for table in tables:
            connection.execute(sa.schema.CreateTable(table))
        mark.create(connection)
        if version:
            connection.execute(mark.insert(), {"version_num": version})
