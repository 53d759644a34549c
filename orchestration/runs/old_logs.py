"""What a run's steps said, of runs that are over long ago: it goes, and what was made, checked and became of the runs stays.

On SQLite the files of such runs: what stays is in the index too. On Postgres the rows of their events. And the folders in
which steps' output was captured.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from orchestration.runs.dagster_internals import storage_of
from orchestration.runs.nights import UNDER_WAY
from resources.backup import databases
from resources.backup.dagster_storage import lasting_types

AT_ONCE = 500  # runs of a statement


def old_logs(instance: dg.DagsterInstance, *, before: dt.datetime) -> tuple[int, int, Callable[[], None]]:
    """How many runs that ended `before` then have logs yet, the bytes of these (0 on a server), and how they are removed."""
    over = dg.RunsFilter(
        statuses=[each for each in dg.DagsterRunStatus if each not in UNDER_WAY], updated_before=before
    )
    runs = [run.run_id for run in instance.get_runs(over)]
    storage = storage_of(instance)
    output = [folder for run in runs if (folder := Path(instance.storage_directory(), run)).is_dir()]
    if storage.url:
        count = _of_server(storage.url, runs, is_only_counted=True)
        return count, sum(map(_size, output)), lambda: (_of_server(storage.url or "", runs), _drop(output))  # pyright: ignore[reportReturnType]
    files = [file for run in runs for file in storage.events.glob(f"{run}.db*")]
    count = sum(file.suffix == ".db" for file in files)
    return count, sum(map(_size, [*files, *output])), lambda: _drop([*files, *output])


def _of_server(url: str, runs: Sequence[str], *, is_only_counted: bool = False) -> int:
    """Remove the rows of old runs' messages, or count the runs that have some."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as events

    kind, found = sa.func.coalesce(events.c.dagster_event_type, ""), 0
    with databases.opened(url) as connection:
        for start in range(0, len(runs), AT_ONCE):
            old = events.c.run_id.in_(runs[start : start + AT_ONCE]) & kind.not_in(lasting_types())
            if is_only_counted:
                found += connection.scalar(sa.select(sa.func.count(events.c.run_id.distinct())).where(old)) or 0
            else:
                connection.execute(events.delete().where(old))
    return found


def _size(path: Path) -> int:
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def _drop(paths: Sequence[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
