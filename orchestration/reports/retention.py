"""The report of what a pruning removes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.reports.report import Report

if TYPE_CHECKING:
    from assets.lifecycle.retention import Prunable


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What there is of one kind, in bytes."""

    kind: str
    count: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Pruned(Report):
    """What was removed (`is_done`), or would be."""

    is_done: bool
    kinds: Sequence[Kind]


def kind(prunable: Prunable) -> Kind:
    """How much there is of something that is old."""
    return Kind(kind=prunable.kind, count=prunable.count, size=prunable.size)
