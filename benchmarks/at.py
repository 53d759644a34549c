"""`nightcart`, or a script, at another time: `python benchmarks/at.py 2024-03-19T02:00 nightcart nightly --date 2024-03-18`.

Every clock that Python reads goes on from that time (UTC); libraries that wait by the machine's own are left alone. At
SIGUSR1 it jumps by the seconds in CLOCK_STEP. Needs `time-machine`, which nothing else does: `uv run --with time-machine
python …`.
"""

from __future__ import annotations

import datetime as dt
import os
import runpy
import signal
import sys

import time_machine  # pyright: ignore[reportMissingImports]

if __name__ == "__main__":
    when, program, *arguments = sys.argv[1:]
    sys.argv = [program, *arguments]
    with time_machine.travel(dt.datetime.fromisoformat(when).replace(tzinfo=dt.UTC), tick=True) as clock:
        step = dt.timedelta(seconds=float(os.environ.get("CLOCK_STEP", "0")))
        signal.signal(signal.SIGUSR1, lambda *_: clock.shift(step))
        if program == "nightcart":
            from orchestration.cli import main

            main()
        else:
            runpy.run_path(program, run_name="__main__")
