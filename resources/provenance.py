"""Which code this is."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import subprocess

from resources import home


@functools.cache
def code_version() -> str:
    """The project's version and, in a git checkout or an image made of one, the commit (`-dirty` when files differ from it)."""
    version = importlib.metadata.version("nightcart")
    if commit := os.environ.get("NIGHTCART_COMMIT"):  # of the image (deploy/Dockerfile)
        return f"{version}+{commit}"
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607
            cwd=home.PROJECT, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}+{found.stdout.strip()}"
