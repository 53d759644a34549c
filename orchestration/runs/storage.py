"""Dagster's storage in production (deploy/dagster.yaml): its own on Postgres, over one pool of connections a process.

Dagster opens a connection for each query: 6 ms on one machine, more with TLS over a network, and a night of the tests asks 2,400
times. Here a process keeps one, and closes what its threads need beyond it at a time. So twenty runs at once keep twenty, of
the hundred that Postgres has by default.

Loaded by the web server and the daemon, which load no code location: it imports none of ours either.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config

if TYPE_CHECKING:
    import sqlalchemy as sa

AT_MOST = 10  # connections of a process at a time: the daemon has as many threads


class Storage(DagsterPostgresStorage):
    """Dagster's storage on Postgres."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Storage:
        """The storage; its URL may name any driver, and is used with the one whose errors Dagster understands."""
        from sqlalchemy import make_url

        from resources.errors import of_postgres

        url = make_url(pg_url_from_config(config_value)).set(drivername="postgresql+psycopg2")
        try:
            storage = cls(url.render_as_string(hide_password=False), inst_data=inst_data)
        except Exception as error:
            raise of_postgres(error, variable="NIGHTCART_DAGSTER_URL") or error from error
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            vars(part)["_engine"] = _pooled(url)
        return storage


@functools.cache
def _pooled(url: sa.URL) -> sa.Engine:
    from sqlalchemy import create_engine

    return create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=AT_MOST - 1, pool_pre_ping=True)
