"""Which code this is."""

from __future__ import annotations

import functools
import importlib.metadata
import subprocess

from resources import home


@functools.cache
def code_version() -> str:
    """The project's version and, in a git checkout, the commit (`-dirty` when files differ from it)."""
    version = importlib.metadata.version("nightcart")
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607
            cwd=home.PROJECT, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}+{found.stdout.strip()}"
