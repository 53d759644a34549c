"""The command line as it is typed: a process of its own, a state of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from resources import home
from resources.tables.store import TableStore


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

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from orchestration.cli import main; main()", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, text=True, stdout=pipe, stderr=pipe)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=250)
        return process.returncode, out, err

    def several(self, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
        """Commands one after the other in a single process, which spares the imports of all but the first."""
        script = Path(__file__).with_name("several_commands.py")
        with subprocess.Popen(
            [sys.executable, str(script)],
            env=self.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            out, err = process.communicate(json.dumps(commands), timeout=250)
        assert process.returncode == 0, err
        return [tuple(each) for each in json.loads(out.splitlines()[-1])]

    def rows(self, table: str) -> list[dict[str, object]]:
        found = TableStore(root=str(self.state / "tables")).read(table)
        return sorted(found.to_pyarrow().to_pylist(), key=repr)
