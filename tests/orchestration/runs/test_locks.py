"""One command at a time on a state, on one machine and on several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestration.runs.locks import hold
from resources.errors import Refused
from resources.records.store import OperationsDatabase

HOLD = """
import sys
from pathlib import Path
from orchestration.runs.locks import hold
from resources.records.store import OperationsDatabase
with hold(Path(sys.argv[1]), OperationsDatabase(url=sys.argv[2])):
    print("held", flush=True)
    input()
"""


@pytest.fixture(params=["file", "server"])
def records(request: pytest.FixtureRequest, operations: OperationsDatabase) -> OperationsDatabase:
    if request.param == "file":
        return operations
    return OperationsDatabase(url=request.getfixturevalue("new_database")("operations"))


def test_a_second_command_is_refused_with_the_process_that_is_first(
    tmp_path: Path, records: OperationsDatabase
) -> None:
    with (
        hold(tmp_path, records),
        pytest.raises(Refused, match=rf"process {os.getpid()}"),
        hold(tmp_path, records, patience=0.2),
    ):
        pass
    with hold(tmp_path, records):
        pass


def test_the_lock_of_a_killed_command_is_free(tmp_path: Path, records: OperationsDatabase) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "of_another_machine"), records.url]
    if records.url.startswith("sqlite"):
        command[-2] = str(tmp_path)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(Refused, match=rf"process {holder.pid}"), hold(tmp_path, records, patience=0):
            pass
        holder.send_signal(signal.SIGKILL)
    with hold(tmp_path, records):
        pass


def test_a_command_that_did_well_does_so_though_the_server_was_started_anew(
    tmp_path: Path, new_database: Callable[[str], str], postgres: sa.Engine
) -> None:
    records = OperationsDatabase(url=new_database("operations"))
    with hold(tmp_path, records):
        with postgres.connect() as connection:
            ended = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            connection.execute(ended, {"name": sa.make_url(records.url).database})
        assert records.trail() == []
    with hold(tmp_path, records):
        pass
