"""SQLite files that are opened in another folder than the one they were made in."""

from __future__ import annotations

import atexit
import functools
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

NO_TELEMETRY = {"telemetry": {"enabled": False}}


@functools.cache
def _empty_dagster() -> Path:
    """The databases of a Dagster instance that has run nothing: to make them takes longer than many a test."""
    import dagster as dg

    folder = Path(tempfile.mkdtemp(prefix="nightcart-empty-dagster-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with dg.DagsterInstance.local_temp(str(folder), overrides=NO_TELEMETRY) as instance:
        assert instance.get_runs() == []
    return folder


@functools.cache
def _keep_engines() -> None:
    """Dagster makes an SQLAlchemy engine for each connection, which compiles each statement anew: a quarter of a small night."""
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage
    from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

    @functools.lru_cache(maxsize=16)
    def kept(url: str) -> sa.Engine:
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})

    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = lambda url, **_: kept(url)  # pyright: ignore


def lay_out_dagster(folder: Path) -> None:
    """A new Dagster instance's files, in a folder that is not there yet."""
    _keep_engines()
    shutil.copytree(_empty_dagster(), folder)


def replace_text(database: Path, before: str, after: str) -> None:
    """Write `after` wherever any text of a database says `before`, whatever tables and columns it has."""
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                    f'WHERE typeof("{column}") = \'text\' AND instr("{column}", ?)',
                    (before, after, before),
                )


def move_mlflow(database: Path, before: str, after: str) -> None:
    """Tell MLflow's database, copied with its files, that they are below `after` now and no longer below `before`."""
    from mlflow.tracking._tracking_service import utils

    replace_text(database, before, after)
    # MLflow remembers by a run's id where its files are, and the copy's runs have the ids of those it was copied from.
    utils._artifact_repos_cache.clear()
