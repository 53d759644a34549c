"""Commands that are killed and typed again, and commands that are typed at the same time."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.command_line import Nightcart

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 1, 31)


@pytest.fixture
def nightcart(tmp_path: Path) -> Nightcart:
    return Nightcart(tmp_path / "state")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The table of a backfill that nobody killed."""
    whole = Nightcart(tmp_path_factory.mktemp("whole"))
    assert whole("backfill", "--from", str(FIRST), "--to", str(LAST))[0] == 0
    return whole.rows("transactions")


@pytest.mark.parametrize("begun", ["raw/*", "tables/transactions_quarantine", "tables/transactions"])
def test_a_killed_backfill_run_again_leaves_the_same_tables(nightcart: Nightcart, undisturbed, begun: str) -> None:
    rows = undisturbed
    command = ("backfill", "--from", str(FIRST), "--to", str(LAST))
    process = nightcart.start(*command)
    while not any(nightcart.state.glob(begun)):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if (nightcart.state / "tables" / "transactions" / "_delta_log").exists():
        assert nightcart.rows("transactions") in ([], rows)  # never half

    code, _out, err = nightcart(*command)
    assert code == 0, err
    assert nightcart.rows("transactions") == rows


def test_two_at_a_time_are_refused(nightcart: Nightcart) -> None:
    first = nightcart.start("backfill", "--from", str(FIRST), "--to", str(LAST))
    lock = nightcart.state / "nightcart.lock"
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGSTOP)  # it is at it for as long as the second waits
    code, _, err = nightcart("backfill", "--from", str(FIRST), "--to", str(LAST))
    os.kill(first.pid, signal.SIGCONT)
    assert code == 1
    assert "Another nightcart is running" in err
    assert str(first.pid) in err
    assert first.wait() == 0


# What a night that failed goes on with
