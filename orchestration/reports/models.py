"""The model's versions, what each was trained on, and the last decisions on who is champion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.reports.report import Report
from resources.errors import Refused
from resources.models.registry import BUSINESS_DATE, TABLE, ModelRegistry
from resources.models.version import ModelVersion
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase

TITLE = "nightcart.title"
DECISIONS = 3  # of the latest, that are shown


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of the model: `metrics` of its own holdout, `trained_on` the closes that its label weeks begin after."""

    version: int
    aliases: Sequence[str]
    business_date: str
    title: str
    metrics: Mapping[str, float]
    examples: int
    trained_on: Sequence[str]
    tables: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A decision on the champion; `by` is empty for one that a night took."""

    business_date: dt.date
    kind: str
    by: str
    challenger: int
    champion_before: int | None
    champion_after: int | None
    is_promoted: bool
    reasons: Sequence[str]
    decided_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Models(Report):
    """All versions of a registered model, newest first, and the latest decisions, oldest first."""

    name: str
    versions: Sequence[Version]
    decisions: Sequence[Promotion]


@dataclass(frozen=True, kw_only=True)
class Card(Report):
    """A version's model card, as Markdown."""

    version: int
    markdown: str


def models(registry: ModelRegistry, operations: OperationsDatabase) -> Models:
    """What the registry and the ledger of promotions have; raises :class:`Refused` when there is no model."""
    versions = registry.versions()
    if not versions:
        raise Refused("There is no model yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`.")
    return Models(
        name=registry.name,
        versions=[_version(each) for each in versions],
        decisions=[promotion(each) for each in operations.promotions()[-DECISIONS:]],
    )


def promotion(record: PromotionRecord) -> Promotion:
    """A decision without the numbers that it stands on."""
    return Promotion(
        business_date=record.business_date,
        kind=record.kind,
        by=record.by,
        challenger=record.challenger,
        champion_before=record.champion_before,
        champion_after=record.champion_after,
        is_promoted=record.is_promoted,
        reasons=record.reasons,
        decided_at=record.decided_at,
    )


def _version(version: ModelVersion) -> Version:
    return Version(
        version=version.version,
        aliases=version.aliases,
        business_date=version.tags.get(BUSINESS_DATE, ""),
        title=version.tags.get(TITLE, ""),
        metrics=version.metrics,
        examples=int(version.parameters.get("examples", 0)),
        trained_on=version.parameters.get("label_weeks_from_closes", "").split(),
        tables={
            tag.removeprefix(TABLE): int(value) for tag, value in sorted(version.tags.items()) if tag.startswith(TABLE)
        },
    )
