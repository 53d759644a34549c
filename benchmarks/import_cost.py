"""What a process pays for the code location: `import orchestration.definitions` against `import dagster` alone.

Every step of a multiprocess or Kubernetes run, every `dg` command and every code server starts with this import.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import PYTHON, arguments, in_turns, report

GOAL = 1.3


def main() -> None:
    given = arguments(__doc__, repeat=7).parse_args()
    commands = {
        "import dagster": [PYTHON, "-c", "import dagster"],
        "import orchestration.definitions": [PYTHON, "-c", "import orchestration.definitions"],
    }
    with tempfile.TemporaryDirectory() as scratch:
        costs = in_turns(commands, repeat=given.repeat, state=Path(scratch) / "state")
    report("a fresh interpreter", costs, goal=GOAL)


if __name__ == "__main__":
    main()
