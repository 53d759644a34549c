"""Run commands of `nightcart` one after the other: a list of them on standard input, what became of each as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from importlib.metadata import entry_points


def main() -> None:
    (installed,) = entry_points(group="console_scripts", name="nightcart")
    nightcart = installed.load()

    found = []
    for command in json.load(sys.stdin):
        out, err, code = io.StringIO(), io.StringIO(), 0
        sys.argv = ["nightcart", *command]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                nightcart()
            except SystemExit as end:
                code = end.code or 0
        found.append([code, out.getvalue(), err.getvalue()])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
