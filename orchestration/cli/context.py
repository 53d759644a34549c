"""What the command line reaches: the adapters of the retailer in use, made once a process."""

from __future__ import annotations

from orchestration.cli import adapters
from resources.resources import Resources


def resources() -> Resources:
    """The adapters."""
    return adapters.adapters()
