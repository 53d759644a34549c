"""Dagster's storage, as one database: as it is on Postgres, and as a backup has it.

On SQLite it is many files: runs, schedules, and of the events one file a run beside an index, in which those of assets, of
their checks and of a run's status are once more. :func:`gather` and :func:`scatter` go from one form to the other. The
index's numbers are quoted elsewhere (by the tags of events, the results of checks, the cursors of sensors), and are kept
or replaced together.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resources.backup import databases

if TYPE_CHECKING:
    import sqlalchemy as sa

# What the owner of a new database has put there already, and what a daemon that is no more said of itself.
NOT_OURS = ("secondary_indexes", "instance_info", "daemon_heartbeats")
EVENT = "run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition"
QUOTED = {  # columns with the number of an event
    "asset_event_tags": ("event_id",),
    "asset_check_executions": ("evaluation_event_storage_id", "materialization_event_storage_id"),
}


@dataclass(frozen=True, kw_only=True)
class DagsterStorage:
    """Where Dagster's storage is: the `url` of a database, or, without one, the SQLite files below `folder`."""

    folder: Path = Path()
    url: str | None = field(default=None, repr=False)

    @property
    def runs(self) -> Path:
        """The SQLite file of runs."""
        return self.folder / "history" / "runs.db"

    @property
    def events(self) -> Path:
        """The folder with the files of events."""
        return self.folder / "history" / "runs"

    @property
    def index(self) -> Path:
        """The SQLite file with the events that are looked for across runs."""
        return self.events / "index.db"

    @property
    def schedules(self) -> Path:
        """The SQLite file of schedules and sensors."""
        return self.folder / "schedules" / "schedules.db"

    def export(self, file: Path) -> dict[str, int]:
        """All of it in a new SQLite `file`; the rows of each table."""
        if self.url is None:
            return gather(self, file)
        with databases.opened(self.url) as source:
            databases.make_file(file, tables(), databases.revision(source))
            with databases.opened(file) as target:
                return databases.copy(source, target, tables())

    def bring(self, file: Path) -> None:
        """Put what :meth:`export` wrote in the place of what is there; the storage itself has been made by Dagster."""
        if self.url is None:
            scatter(file, self)
            return
        with databases.opened(file) as source, databases.opened(self.url) as target:
            databases.empty(target, tables())
            databases.copy(source, target, tables())

    def version(self) -> str | None:
        """The migration that it is at."""
        with databases.opened(self.url or self.runs) as connection:
            return databases.revision(connection)


def tables() -> list[sa.Table]:
    """The tables of runs, events and schedules."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    every = (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata)
    return databases.tables_of(*every, but=NOT_OURS)


def _of_file() -> tuple[list[str], list[str], list[str]]:
    """The names of the tables in the file of runs, in the index, and in the file of schedules."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    runs, events, schedules = (
        [table.name for table in databases.tables_of(each, but=(*NOT_OURS, "event_logs"))]
        for each in (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata)
    )
    return runs, events, schedules


def lasting_types() -> list[str]:
    """The types of the events that SQLite's index has as well: what was made and checked, and what became of runs."""
    from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS

    return sorted({each.value for each in (*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS)})


def _mirrored() -> str:
    return ", ".join(f"'{each}'" for each in lasting_types())


def gather(source: DagsterStorage, file: Path) -> dict[str, int]:
    """Put all files into one, a new one. Events are numbered anew, in their order: the number tells it, across all runs."""
    with databases.opened(source.runs) as connection:
        databases.make_file(file, tables(), databases.revision(connection))
    with _sqlite(file) as one:
        for path, names in zip((source.runs, source.index, source.schedules), _of_file(), strict=True):
            with _attached(one, path):
                _take(one, names)
        one.execute("CREATE TEMP TABLE seen (file TEXT, place INTEGER, timestamp TEXT)")
        files = sorted(source.events.glob("*.db"))
        for path in files:  # what is in both is taken from the index, whose numbers are quoted
            is_taken = f"(coalesce(dagster_event_type, '') IN ({_mirrored()})) = {int(path == source.index)}"
            with _attached(one, path):
                one.execute(
                    f"INSERT INTO seen SELECT ?, id, timestamp FROM other.event_logs WHERE {is_taken}", [path.name]
                )
        one.execute(
            "CREATE TEMP TABLE numbered AS SELECT file, place, row_number() OVER (ORDER BY timestamp, file, place) AS id FROM seen"
        )
        one.execute("CREATE UNIQUE INDEX temp.by_place ON numbered (file, place)")
        for path in files:
            with _attached(one, path):
                one.execute(
                    f"INSERT INTO main.event_logs (id, {EVENT}) SELECT numbered.id, {EVENT} FROM other.event_logs AS event "
                    "JOIN numbered ON numbered.file = ? AND numbered.place = event.id",
                    [path.name],
                )
        new = f"SELECT id FROM numbered WHERE file = '{source.index.name}' AND place"
        for table, columns in QUOTED.items():
            for column in columns:
                one.execute(f"UPDATE {table} SET {column} = ({new} = {column})")
        # It has numbers too, and Dagster makes it again.
        one.execute("UPDATE asset_keys SET cached_status_data = NULL")
        _move_cursors(one, f"{new} <= ? ORDER BY place DESC LIMIT 1")
        return {table.name: one.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0] for table in tables()}


def _move_cursors(one: sqlite3.Connection, new: str) -> None:
    """Let the cursors of sensors that look at what became of runs name the `new` number of the last event they have seen."""
    for table, column in (("instigators", "instigator_body"), ("jobs", "job_body")):
        for number, body in one.execute(f"SELECT id, {column} FROM {table}").fetchall():
            try:
                instigator = json.loads(body)
                cursor = json.loads(instigator["job_specific_data"]["cursor"])
                found = one.execute(new, [cursor["record_id"]]).fetchone()
            except (KeyError, TypeError, ValueError):  # of a schedule, or of another kind
                continue
            cursor["record_id"] = found[0] if found else 0
            instigator["job_specific_data"]["cursor"] = json.dumps(cursor)
            one.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [json.dumps(instigator), number])


def scatter(file: Path, target: DagsterStorage) -> None:
    """Put the rows of one file in the place of all that is in the files of a storage, which Dagster has made."""
    for path in target.events.glob("*.db*"):
        if not path.name.startswith(target.index.name):
            path.unlink()
    empty = target.events / "index.db.empty"  # how Dagster makes a run's file: it is copied for each
    for path, names in zip((target.runs, target.index, target.schedules), _of_file(), strict=True):
        with _sqlite(path) as part, _attached(part, file):
            for name in (*reversed(names), *(["event_logs"] if path == target.index else [])):
                part.execute(f"DELETE FROM main.{name}")
            if path == target.index:
                part.execute("VACUUM main INTO ?", [str(empty)])
                _take_events(part, f"dagster_event_type IN ({_mirrored()})")
            _take(part, names)
    with _sqlite(file) as one:
        one.execute("CREATE INDEX by_run ON event_logs (run_id)")
        runs = [run for (run,) in one.execute("SELECT DISTINCT run_id FROM event_logs")]
    for run in runs:
        shutil.copy(empty, path := target.events / f"{run}.db")
        with _sqlite(path) as part, _attached(part, file):
            _take_events(part, "run_id = ?", run)
            part.execute("PRAGMA main.journal_mode = WAL")
    empty.unlink()


def _take(one: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Add all rows of tables of the other file; a column that only one of the two has is left out."""
    for table in tables:
        of_each = ({row[1] for row in one.execute(f"PRAGMA {of}.table_info({table})")} for of in ("main", "other"))
        columns = ", ".join(f'"{name}"' for name in sorted(set.intersection(*of_each)))
        one.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM other.{table}")


def _take_events(one: sqlite3.Connection, which: str, *values: str) -> None:
    one.execute(
        f"INSERT INTO main.event_logs (id, {EVENT}) SELECT id, {EVENT} FROM other.event_logs WHERE {which}", values
    )


@contextlib.contextmanager
def _sqlite(file: Path) -> Iterator[sqlite3.Connection]:
    """A file whose statements are each a transaction: to attach another in one is not possible."""
    with contextlib.closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # killed, it is done again
        yield connection


@contextlib.contextmanager
def _attached(one: sqlite3.Connection, file: Path) -> Iterator[None]:
    """Another file, as `other`."""
    one.execute("ATTACH ? AS other", [str(file)])
    try:
        yield
    finally:
        one.execute("DETACH other")
