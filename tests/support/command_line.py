"""The command line as it is typed: a process of its own, a state of its own."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from resources import home

SCRIPT = "nightcart"
# A process is forked from one that has imported what commands import of others, which is seconds of each; of ours it has
# nothing, for that depends on the variables that the process is given.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *("alembic", "dagster", "dagster._cli", "deltalake", "duckdb", "great_expectations", "ibis", "lightgbm"),
        *("matplotlib.pyplot", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "pandas", "rich", "scipy", "typer"),
    ]
)


class Process:
    """A command of `nightcart` in a process of its own, which ends with its exit code; or several, one after the other."""

    def __init__(self, environment: Mapping[str, str], *commands: Sequence[str], is_several: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nightcart-command-")
        for stream in ("out", "err"):
            Path(self._folder.name, stream).touch()
        target = _run_several if is_several else _run
        arguments = ([list(command) for command in commands], dict(environment), self._folder.name)
        self._process = PROCESSES.Process(target=target, args=arguments)
        self._process.start()
        self.pid = self._process.pid or 0

    def wait(self, timeout: float = 250) -> int:
        """Its exit code, once it has ended; below zero, the signal that ended it."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"still at it after {timeout} s: {self.said('err')}")
        return self._process.exitcode

    def said(self, stream: str) -> str:
        """What it printed to `out` or `err`."""
        return Path(self._folder.name, stream).read_text(encoding="utf-8")

    def results(self) -> list[tuple[int, str, str]]:
        """Of each command its exit code and what it printed."""
        assert self.wait() == 0, self.said("err")
        return [tuple(each) for each in json.loads(Path(self._folder.name, "results").read_text(encoding="utf-8"))]


def _run(commands: list[list[str]], environment: dict[str, str], folder: str) -> None:
    nightcart = _entered(environment, folder)
    (arguments,) = commands
    sys.argv = [SCRIPT, *arguments]
    nightcart()


def _run_several(commands: list[list[str]], environment: dict[str, str], folder: str) -> None:
    nightcart, found = _entered(environment, folder), []
    for arguments in commands:
        out, err, code = io.StringIO(), io.StringIO(), 0
        sys.argv = [SCRIPT, *arguments]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                nightcart()
            except SystemExit as end:
                code = end.code or 0
        found.append([code, out.getvalue(), err.getvalue()])
    Path(folder, "results").write_text(json.dumps(found), encoding="utf-8")


def _entered(environment: dict[str, str], folder: str) -> Callable[[], None]:
    """The script, in a process that has its variables and writes to files."""
    os.environ.clear()
    os.environ.update(environment)
    if environment.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    for number, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{stream}", os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    (installed,) = entry_points(group="console_scripts", name=SCRIPT)
    return installed.load()


class Nightcart:
    """`nightcart` with a state folder of its own."""

    def __init__(self, state: Path, config: Path | None = None) -> None:
        names = set(home.environment())
        config = config or Path(os.environ["NIGHTCART_CONFIG"])
        self.environment = {name: value for name, value in os.environ.items() if name not in names}
        self.environment |= {"NIGHTCART_HOME": str(state), "NIGHTCART_CONFIG": str(config)}
        self.environment |= {"COLUMNS": "200", "PYTHONWARNINGS": "ignore"}
        # As in an environment that is activated: commands are printed as they are written.
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.environment['PATH']}"
        self.environment.pop("UV_RUN_RECURSION_DEPTH", None)
        self.state = state / config.stem

    def start(self, *arguments: str) -> Process:
        return Process(self.environment, arguments)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        return process.wait(), process.said("out"), process.said("err")

    def several(self, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
        """Commands one after the other in a single process, which spares the imports of all but the first."""
        return Process(self.environment, *commands, is_several=True).results()

    def rows(self, table: str) -> list[dict[str, object]]:
        from resources.tables.store import TableStore

        found = TableStore(root=str(self.state / "tables")).read(table)
        return sorted(found.to_pyarrow().to_pylist(), key=repr)
