"""A version of a registered model, as the registry tells of it, and what its files are known by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A version of the registered model and what is on record of it."""

    version: int
    run_id: str
    source: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    aliases: Sequence[str]


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            total.update(str(file.relative_to(folder)).encode())
            total.update(file.read_bytes())
    return total.hexdigest()
