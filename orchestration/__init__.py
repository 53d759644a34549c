"""Control plane: what runs, when and under which rules. Nothing imports it but tests and the tools' entry points."""

import sys
from importlib.util import find_spec
from pathlib import Path


def _require_own_planes() -> None:
    """Say so where another package of one of our names stands before ours, instead of running it."""
    ours = Path(__file__).resolve().parents[1]
    for plane in ("assets", "resources"):
        found = find_spec(plane)
        there = Path(found.origin).resolve() if found and found.origin else None
        if there is None or there.parents[1] != ours:
            why = f"The package {plane!r} that Python finds is {there}, not Nightcart's. Remedy: take its folder out of PYTHONPATH."
            raise SystemExit(f"✗ {why}") if Path(sys.argv[0]).name == "nightcart" else ImportError(why)


_require_own_planes()
