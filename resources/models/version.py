"""A version of a registered model, as the registry tells of it, and what its files are known by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A version of the registered model and what is on record of it; `is_thrown_away` where its run in MLflow was deleted."""

    version: int
    run_id: str
    source: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    aliases: Sequence[str]
    is_thrown_away: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What is put on record with a new version.

    `identity` names everything that the model was made from; the same identity is the same model, and is registered
    once. `tables` are the exact versions of the input tables, `documents` texts by file name (:meth:`resources.models.registry.ModelRegistry.document`).
    """

    business_date: str
    identity: str
    inputs: Sequence[str]
    parameters: Mapping[str, Any]
    tables: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            total.update(str(file.relative_to(folder)).encode())
            total.update(file.read_bytes())
    return total.hexdigest()
