"""The model's versions, what each was trained on, and the last decisions on who is champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.reports.report import Report
from resources.errors import Refused
from resources.models.registry import ModelRegistry
from resources.models.version import ModelVersion
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase

DECISIONS = 3  # of the latest, that are shown


@dataclass(frozen=True, kw_only=True)
class Models(Report):
    """All versions of a registered model, newest first, and the latest decisions, oldest first."""

    name: str
    versions: Sequence[ModelVersion]
    decisions: Sequence[PromotionRecord]


@dataclass(frozen=True, kw_only=True)
class Card(Report):
    """A version's model card, as Markdown."""

    version: int
    markdown: str


def models(registry: ModelRegistry, operations: OperationsDatabase) -> Models:
    """What the registry and the ledger of promotions have; raises :class:`Refused` when there is no model."""
    versions = registry.versions()
    if not versions and operations.promotions():
        raise Refused(
            f"The registry has no versions of {registry.name}, and decisions on some are on record.",
            remedy="`nightcart reconcile` registers the champion again from its files, or says what is lost.",
        )
    if not versions:
        raise Refused("There is no model yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`.")
    return Models(name=registry.name, versions=versions, decisions=operations.promotions()[-DECISIONS:])
