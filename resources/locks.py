"""Locks that the system frees when their holder dies: in a Postgres database, for all hosts that use it, else by a file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from resources import postgres
from resources.errors import Refused, Unavailable, of_postgres

OFTEN = 0.1  # seconds between two tries
KEY = "hashtext(current_schema() || '.' || '{name}')"


class Held(Exception):
    """Somebody else holds the lock: `holder` says who, where that is known."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def hold(
    name: str, *, database: str | None, file: Path | None = None, is_shared: bool = False, patience: float | None = 0.0
) -> Iterator[None]:
    """Hold the lock `name`, alone or with others that share it (`is_shared`), for as long as the context lasts.

    It is in the `database` if that is a URL of Postgres, else it is the `file`, by default one beside the SQLite `database`. Raises
    :class:`Held` when that takes longer than `patience` seconds (None: waits for ever), :class:`Unavailable` at the end
    where the lock was lost meanwhile.
    """
    if database and postgres.is_of(database):
        where = _in_database(name, database, is_shared)
    elif database and file is None:
        where = _in_file(Path(database.removeprefix("sqlite:///")).with_name(f".{name}"), is_shared)
    elif file:
        where = _in_file(file, is_shared)
    else:
        raise Refused(
            f"Nobody can be kept from writing where the {name} are.",
            remedy="name the operations database that they are of.",
        )
    with where as (take, holder):
        until = None if patience is None else time.monotonic() + patience
        while not take():
            if until is not None and time.monotonic() >= until:
                raise Held(holder())
            time.sleep(OFTEN)
        yield


Taking = tuple[Callable[[], bool], Callable[[], str]]


@contextlib.contextmanager
def _in_file(file: Path, is_shared: bool) -> Iterator[Taking]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:

        def take() -> bool:
            try:
                fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if not is_shared:
                lock.truncate(0)
                lock.write(f"process {os.getpid()}")
                lock.flush()
            return True

        def holder() -> str:
            lock.seek(0)
            return lock.read().strip()

        yield take, holder


@contextlib.contextmanager
def _in_database(name: str, database: str, is_shared: bool) -> Iterator[Taking]:
    """A connection of its own, for the server frees the lock with it; in no transaction, which would keep old rows alive."""
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy.exc import DBAPIError

    key, kind = KEY.format(name=name), "_shared" if is_shared else ""
    who = f"process {os.getpid()} on {socket.gethostname()}"[:63]  # as long as such a name may be
    engine = sa.create_engine(
        database,
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"application_name": who, **postgres.CONNECT},
    )
    event.listen(engine, "connect", postgres.bound)
    holders = (
        "SELECT string_agg(DISTINCT application_name, ', ') FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = "
        f"'advisory' AND granted AND classid::bigint = (({key}::bigint >> 32) & 4294967295) AND objid::bigint = ({key}::bigint & 4294967295)"
    )
    with contextlib.ExitStack() as opened:
        try:
            connection = opened.enter_context(engine.connect())
        except DBAPIError as error:
            raise of_postgres(error, variable=postgres.OPERATIONS) or error from error
        yield (
            lambda: bool(connection.scalar(sa.text(f"SELECT pg_try_advisory_lock{kind}({key})"))),
            lambda: connection.scalar(sa.text(holders)) or "",
        )
        try:
            connection.scalar(sa.text(f"SELECT pg_advisory_unlock{kind}({key})"))
        except DBAPIError as error:
            raise Unavailable(
                "The database ended the connection that held a lock: somebody else may have written meanwhile.",
                remedy="run it again.",
            ) from error
