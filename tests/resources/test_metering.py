"""What a piece of work uses, and that nothing is counted twice or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import astuple

import pytest

from resources.metering import MIB, Used, metered, unaccounted

BURN = "import time\nwhile time.process_time() < .3: pass"


def test_cpu_of_children_memory_and_bytes_are_counted(tmp_path):
    with metered() as found:
        subprocess.run([sys.executable, "-c", BURN], check=True)
        held = bytearray(os.urandom(MIB)) * 256
        time.sleep(0.25)
        with (tmp_path / "file").open("wb") as file:
            file.write(memoryview(held)[: 64 * MIB])
            file.flush()
            os.fsync(file.fileno())
        del held
    before, used = found
    assert used.cpu_seconds >= 0.3
    assert used.wall_seconds >= 0.5
    assert used.peak_mib > before.peak_mib + 150  # what tests before held may be let go of meanwhile
    assert used.gib_seconds > 0
    assert used.written_mib in (0, pytest.approx(64, abs=8))  # nothing where the folder is in memory


def test_work_and_what_is_around_it_are_all_that_the_process_used():
    unaccounted()
    before = sum(os.times()[:4])
    parts = []
    for _ in range(3):
        _burn(0.1)
        with metered() as found:
            _burn(0.2)
        parts += found
    parts.append(unaccounted())
    whole = sum(os.times()[:4]) - before
    assert sum(part.cpu_seconds for part in parts) == pytest.approx(whole, rel=0.01, abs=0.02)  # ticks of 10 ms


def test_work_that_fails_has_used_something():
    kept = []

    def work() -> None:
        with metered() as found:
            kept.append(found)
            _burn(0.05)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    ((_, used),) = kept
    assert used.cpu_seconds >= 0.05


def test_a_process_without_a_thread_to_spare_does_its_work_all_the_same(monkeypatch: pytest.MonkeyPatch):
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with metered() as found:
        _burn(0.05)
    assert found[-1].cpu_seconds >= 0.05
    assert found[-1].peak_mib > 1


def test_a_sum_has_the_larger_peak():
    one, other = (Used(cpu_seconds=n, peak_mib=n, wall_seconds=n, written_mib=n) for n in (1, 2))
    assert astuple(one + other) == (3, 3, 0, 2, 0, 3)


def _burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
