"""Locks: held alone or shared, on a server for all hosts, and given back by the system when their holder dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.errors import Unavailable
from resources.locks import Held, hold

HOLDER = """
import sys
from pathlib import Path
from resources.locks import hold
with hold("tables", database=sys.argv[1], is_shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(params=["file", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'operations.db'}"
    return request.getfixturevalue("postgres").url.render_as_string(hide_password=False)


@pytest.mark.parametrize("kind", ["shared", "alone"])
def test_another_process_keeps_a_lock_until_it_dies(database: str, kind: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Held) as held, hold("tables", database=database, patience=0.2):
        pass
    if kind == "alone":
        assert f"process {holder.pid}" in held.value.holder
        with pytest.raises(Held), hold("tables", database=database, is_shared=True):
            pass
    else:
        with hold("tables", database=database, is_shared=True):
            pass
    with hold("others", database=database):
        pass
    holder.kill()
    holder.wait()
    with hold("tables", database=database, patience=10):
        pass


def test_who_lost_the_lock_meanwhile_is_told(postgres: sa.Engine, new_database: Callable[[str], str]) -> None:
    url = new_database("operations")
    ended = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with (
        postgres.connect() as connection,
        pytest.raises(Unavailable, match="somebody else may have written"),
        hold("tables", database=url),
    ):
        connection.execute(ended, {"name": sa.make_url(url).database})
