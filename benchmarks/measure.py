"""What whole processes cost, side by side: run in turns, compared pair by pair, printed as one small table.

Standard library only. Linux counts the memory of the process that starts another one towards the peak of the other
until it has loaded its own program: a parent that holds little measures what its children hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resources import home

PYTHON = sys.executable
DG = (PYTHON, "-m", "resources.home", str(Path(sys.executable).with_name("dg")))
BENCHMARKS = Path(__file__).resolve().parent
WORK = "seconds of work:"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process cost, together with the processes that it started and waited for."""

    wall: float  # seconds
    cpu: float  # seconds of all cores, user and system
    peak: float  # MiB, of its largest process
    work: float | None = None  # seconds that the process itself took for the work alone, without starting and importing


COLUMNS = {"wall": "wall s", "cpu": "CPU s", "peak": "peak MiB", "work": "work s"}


@contextlib.contextmanager
def work() -> Iterator[None]:
    """In a measured process: time what is inside, and tell the parent."""
    start = time.perf_counter()
    yield
    print(f"{WORK} {time.perf_counter() - start:.4f}", flush=True)


def environment(state: Path) -> dict[str, str]:
    """The environment of a measured process: all state below `state`, and compiled modules kept from run to run.

    Without the latter every process would compile what it imports wherever PYTHONDONTWRITEBYTECODE is set or the
    packages were installed by another user, and the ratios would compare compilers.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in home.environment() and not name.startswith("NIGHTCART_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return (
        inherited
        | home.LIBRARIES
        | {"NIGHTCART_HOME": str(state), "PYTHONPYCACHEPREFIX": str(state.parent / "compiled")}
    )


def run(arguments: Sequence[str], *, state: Path) -> Cost:
    """Run one process from the project's folder; raises SystemExit with the end of its output when it fails."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            arguments, cwd=home.PROJECT, env=environment(state), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}:\n{said[-4_000:]}")
    worked = [float(line.removeprefix(WORK)) for line in said.splitlines() if line.startswith(WORK)]
    return Cost(
        wall=wall,
        cpu=used.ru_utime + used.ru_stime,
        peak=used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),  # bytes there, KiB elsewhere
        work=sum(worked) if worked else None,
    )


def in_turns(
    commands: Mapping[str, Sequence[str]],
    *,
    repeat: int,
    state: Path,
    before: Callable[[], None] = lambda: None,
    after: Callable[[str], object] = lambda run: None,
    warm_up: bool = True,
) -> dict[str, list[Cost]]:
    """Run every command `repeat` times, in turns and every other time in the opposite order.

    `before` makes the state that each run starts from, `after` looks at what it left, and is given a name of the run. A
    round that is not counted comes first, unless `warm_up` is false: it fills the file cache and compiles modules.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(-1 if warm_up else 0, repeat):
        for name in list(commands)[:: 1 if turn % 2 else -1]:
            before()
            cost = run(commands[name], state=state)
            after(f"{name}, {turn + 1} of {repeat}")
            if turn >= 0:
                costs[name].append(cost)
                print(f"  {name}, {turn + 1} of {repeat}: {cost.wall:.2f} s", file=sys.stderr)
    return costs


def report(
    title: str, costs: Mapping[str, Sequence[Cost]], *, goal: float, judged_by: Sequence[str] = ("wall", "cpu")
) -> None:
    """Print the medians of two sides, the baseline first, and the ratio: the median over runs that were neighbours."""
    sides = list(costs.values())
    shown = [column for column in COLUMNS if all(getattr(cost, column) is not None for side in sides for cost in side)]
    rows = {
        name: [statistics.median(getattr(cost, column) for cost in side) for column in shown]
        for name, side in costs.items()
    }
    ratios = {
        column: [getattr(cost, column) / getattr(base, column) for base, cost in zip(*sides, strict=True)]
        for column in shown
    }
    rows["ratio"] = [statistics.median(each) for each in ratios.values()]
    width = max(map(len, (title, *rows))) + 2
    print(f"\n{title:<{width}}" + "".join(f"{COLUMNS[column]:>10}" for column in shown))
    for name, values in rows.items():
        print(f"{name:<{width}}" + "".join(f"{value:>10.2f}" for value in values))
    for column in judged_by:
        low, ratio, high = min(ratios[column]), statistics.median(ratios[column]), max(ratios[column])
        verdict = "met" if ratio <= goal else "missed"
        range_ = f"{low:.2f} … {high:.2f} of {len(sides[0])} pairs"
        print(f"  {COLUMNS[column]}: {ratio:.2f} ({range_}), goal {goal:.2f} {verdict}")


def arguments(description: str | None, *, repeat: int) -> argparse.ArgumentParser:
    """What every benchmark takes."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=repeat, help="how often each side runs (default %(default)s)")
    return parser
