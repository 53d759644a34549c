"""The records' tests run on SQLite and on a real Postgres server."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.errors import Refused
from resources.records import database
from resources.records.store import OperationsDatabase

NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: a file, and a schema of the server."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path / 'operations.db'}"
    else:
        engine: sa.Engine = request.getfixturevalue("postgres")
        schema = f"test_{os.getpid()}_{next(NUMBERS)}"
        with engine.connect() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
        options = {"options": f"-csearch_path={schema}"}
        made = engine.url.update_query_dict(options).render_as_string(hide_password=False)
    yield made
    with contextlib.suppress(Refused):
        database.connected(made).dispose()
    database.connected.cache_clear()


@pytest.fixture
def operations(url: str) -> OperationsDatabase:
    return OperationsDatabase(url=url)


def in_child(url: str) -> OperationsDatabase:
    """The database in a forked process, which may not use its parent's connections."""
    database.connected(url).dispose(close=False)
    return OperationsDatabase(url=url)
