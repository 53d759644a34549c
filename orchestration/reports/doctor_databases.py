"""What the doctor asks of each database: whether it can be used as it is, and what is to be done where not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources import postgres
from resources.errors import Refused, Unavailable, of_postgres
from resources.models.mlflow_tables import UPGRADE
from resources.records.health import require_whole

if TYPE_CHECKING:
    import dagster as dg
    import sqlalchemy as sa

OLDEST = 13  # the oldest Postgres that its makers kept up when this was written, less one
MOST_OFF = (
    5.0  # seconds between its clock and ours: instants on record are in order within less than a night's shortest step
)
FEWEST_LEFT = 5  # connections that are free: what a run takes at its most

Schema = Callable[["sa.Connection"], str]


def examined(url: str, *, variable: str, schema: Schema) -> str:
    """What a database is, its server, clock and room, in a sentence; raises errors of ours where it cannot be used as it is."""
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError

    if not postgres.is_of(url):
        require_whole({variable: url})
        return f"{url.partition(':')[0]} on this machine, {_schema_of_file(url, schema)}"
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=postgres.CONNECT)
    try:
        with engine.connect() as connection, engine.connect() as other:
            require_session(connection, other, variable)
            return f"{_server(connection, variable)}; {schema(connection)}"
    except DBAPIError as error:
        raise of_postgres(error, variable=variable) or error from error


def _schema_of_file(url: str, schema: Schema) -> str:
    import sqlalchemy as sa

    file = sa.make_url(url).database
    if not file or not Path(file).exists():
        return "made when it is first opened"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return schema(connection)


def require_session(connection: sa.Connection, other: sa.Connection, variable: str) -> None:
    """A connection is a session of the server's, and keeps its locks: not so behind a pool that lends one for a transaction."""
    import sqlalchemy as sa

    session = sa.text("SELECT pg_backend_pid()")
    mine = connection.scalar(session)
    # The other one takes the session that is free meanwhile, if any is lent.
    other.execute(sa.text("BEGIN"))
    other.execute(session)
    now_mine = connection.scalar(session)
    other.execute(sa.text("ROLLBACK"))
    if now_mine != mine:
        raise Refused(
            f"{variable} leads to a pool that lends a connection for a transaction, and loses the locks of those who write.",
            remedy="name the server itself, or a pool that lends one for a session (PgBouncer: `pool_mode = session`).",
        )


def _server(connection: sa.Connection, variable: str) -> str:
    import sqlalchemy as sa

    def ask(query: str) -> Any:
        return connection.scalar(sa.text(query))

    version = int(ask("SHOW server_version_num")) // 10_000
    if version < OLDEST:
        raise Refused(f"The server of {variable} is Postgres {version}.", remedy=f"let it be {OLDEST} or newer.")
    if ask("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"):
        raise Unavailable(
            f"The database of {variable} can only be read: it is a copy, or is being moved.",
            remedy=f"name the server that is written to in {variable}.",
        )
    if not ask("SELECT has_schema_privilege(current_schema(), 'CREATE')") or ask(
        "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND NOT pg_has_role(tableowner, 'USAGE')"
    ):
        raise Refused(
            f"The user of {variable} may not make or change tables there.",
            remedy="let the user own it: `ALTER DATABASE name OWNER TO user`, and its tables too.",
        )
    if (encoding := ask("SHOW server_encoding")) != "UTF8":
        raise Refused(
            f"The database of {variable} is in {encoding}, and cannot hold every name of a product.",
            remedy="make it anew: `CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0`.",
        )
    before = time.time()
    theirs = float(ask("SELECT extract(epoch FROM clock_timestamp())"))
    if abs(off := theirs - (before + time.time()) / 2) > MOST_OFF:
        raise Refused(
            f"The clock of the server of {variable} is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this machine's.",
            remedy="let both follow a time server (NTP): records are in the order of their instants.",
        )
    most, used = (
        int(ask("SHOW max_connections")),
        ask("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL"),
    )
    if most - used < FEWEST_LEFT:
        raise Unavailable(
            f"The server of {variable} has {used} of {most} connections in use.",
            remedy="end what else is connected, or raise its `max_connections`.",
        )
    return f"Postgres {version}, {used} of {most} connections in use, its clock {abs(off):.1f} s off"


def of_records(connection: sa.Connection) -> str:
    """At which migration the records are; raises :class:`Refused` for those of a later version of the project."""
    from resources.records import database, migrations

    version = database.known_version(connection)
    if version == migrations.NEWEST:
        return f"at migration {version}"
    return f"{f'at migration {version}' if version else 'empty'}, brought to {migrations.NEWEST} when it is next opened"


def of_models(connection: sa.Connection) -> str:
    """At which migration MLflow's tables are; raises :class:`Refused` for another than the installed MLflow's."""
    import sqlalchemy as sa
    from mlflow.store.db.utils import _get_latest_schema_revision

    if not sa.inspect(connection).has_table("alembic_version"):
        return "empty, filled by MLflow when it is first opened"
    version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if version != (newest := _get_latest_schema_revision()):
        raise Refused(
            f"MLflow's tables are at migration {version}, and the MLflow that is installed needs {newest}.",
            remedy=UPGRADE,
        )
    return f"MLflow's migration {version}"


def of_runs(instance: dg.DagsterInstance) -> str:
    """At which migration Dagster's tables are; raises :class:`Refused` for others than the installed Dagster's."""
    found, newest = instance.run_storage.alembic_version() or (None, None)  # as the events and the schedules
    if found != newest:
        raise Refused(
            f"Dagster's tables are at migration {found}, and the Dagster that is installed needs {newest}.",
            remedy="after a backup, where nothing runs: `python -m resources.home dagster instance migrate`.",
        )
    return f"Dagster's migration {found}"
