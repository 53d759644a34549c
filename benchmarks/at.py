"""`nightcart`, or a script, at another time: `python benchmarks/at.py 2024-03-19T02:00 nightcart nightly --date 2024-03-18`.

Every clock that Python reads goes on from that time (UTC); libraries that wait by the machine's own are left alone. Needs
`time-machine`, which nothing else does: `uv run --with time-machine python …`.
"""

from __future__ import annotations

import datetime as dt
import runpy
import sys

import time_machine  # pyright: ignore[reportMissingImports]

if __name__ == "__main__":
    when, program, *arguments = sys.argv[1:]
    sys.argv = [program, *arguments]
    with time_machine.travel(dt.datetime.fromisoformat(when).replace(tzinfo=dt.UTC), tick=True):
        if program == "nightcart":
            from orchestration.cli import main

            main()
        else:
            runpy.run_path(program, run_name="__main__")
