"""What it costs to look: the commands that print what is stored, each against `import dagster` alone.

On the state of a night of the demo, which is made first where `--keep` names no folder that has it.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from pathlib import Path

from measure import PYTHON, arguments, in_turns, run
from states import with_keep

GOAL = 1.0  # a second and a half on the machine where `import dagster` took that long
LOOKS = ("recommend 1510", "status", "models", "decisions", "drift")
NIGHTCART = str(Path(PYTHON).with_name("nightcart"))


def main() -> None:
    given = with_keep(arguments(__doc__, repeat=5)).parse_args()
    with contextlib.ExitStack() as stack:
        state = (
            given.keep.resolve() if given.keep else Path(stack.enter_context(tempfile.TemporaryDirectory())) / "state"
        )
        if not (state / "complete_journey").exists():
            run([NIGHTCART, "demo"], state=state)
        looks = {f"nightcart {look}": [NIGHTCART, *look.split()] for look in LOOKS}
        costs = in_turns(
            {"import dagster": [PYTHON, "-c", "import dagster"], **looks}, repeat=given.repeat, state=state
        )
    ratios = {
        name: statistics.median(cost.cpu / base.cpu for base, cost in zip(costs["import dagster"], side, strict=True))
        for name, side in costs.items()
    }
    print(f"\n{'what a look costs':<28}{'CPU s':>8}{'ratio':>8}")
    for name, side in costs.items():
        print(f"{name:<28}{statistics.median(cost.cpu for cost in side):>8.2f}{ratios[name]:>8.2f}")
    missed = [name for name, ratio in ratios.items() if ratio > GOAL]
    print(f"  CPU: goal {GOAL:.2f} {'missed by ' + ', '.join(missed) if missed else 'met'}")


if __name__ == "__main__":
    main()
