"""A version of a registered model, as the registry tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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
