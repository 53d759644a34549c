"""How a score came to be: what was scored, by which version, decided by whom; scored again from the very versions.

Everything is read as it was when the scores were made (:class:`resources.records.lifecycle.Scoring`), so that an
explanation is of those scores and no others. Where a subject was forgotten since, the tables' history begins with that:
the oldest version is read, and that the scores are the same shows that the rows are. What a score means to people is
the domain's explanation, which builds on this one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assets.lifecycle.promotion import TRAINED_ON
from assets.lifecycle.versions import CODE
from resources.errors import Refused
from resources.models.registry import BUSINESS_DATE, DIGEST
from resources.records.lifecycle import PromotionRecord, Scoring
from resources.records.privacy import Erasure

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.model import Model
    from resources.models.registry import ModelVersion
    from resources.policy.client import Answer
    from resources.records.store import OperationsDatabase

NAMED = 6  # features of a score that are named: what speaks most, for it or against it


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """A feature of a score: its value, what it is, and what it added to the score (before any calibration)."""

    feature: str
    value: float | None
    is_about: str
    contribution: float


def scoring_of(day: dt.date, operations: OperationsDatabase) -> Scoring:
    """How the scores of `day` were made last, with the versions of tables in which the same rows can be read.

    Raises :class:`Refused` when their making is not on record.
    """
    made = operations.records(Scoring, business_date=day, last=1)
    if not made:
        raise Refused(
            f"It is not on record that lists of {day} were made.",
            remedy=f"`nightcart nightly --date {day}` makes them; `nightcart status` says which days have some.",
        )
    erasures = operations.records(Erasure)
    versions = {
        table: max([version, *(erasure.versions.get(table, 0) for erasure in erasures)])
        for table, version in made[0].tables.items()
    }
    return replace(made[0], tables=versions)


def scored_again(model: Model, examples: pd.DataFrame, features: Mapping[str, str]) -> pd.DataFrame:
    """`examples` with `score_again` and `attributions`, a list of :class:`Attribution`; `features` says what each is."""
    added = model.contributions(examples)
    attributions: list[list[Attribution]] = [[] for _ in range(len(examples))]
    if added is not None:
        for place, (index, row) in enumerate(added.iterrows()):
            for name in row.abs().sort_values(ascending=False, kind="stable").index[:NAMED]:
                value: Any = examples.at[index, name]
                attributions[place].append(
                    Attribution(
                        feature=str(name),
                        value=None if value != value else float(value),
                        is_about=features.get(str(name), ""),
                        contribution=float(row[name]),
                    )
                )
    return examples.assign(score_again=model.score(examples), attributions=attributions)  # pyright: ignore[reportArgumentType]


def model_facts(version: ModelVersion, model: Model) -> dict[str, Any]:
    """What is on record of the model."""
    return {
        "version": version.version,
        "family": model.family(),
        "title": model.title,
        "trained_in_the_night_of": version.tags.get(BUSINESS_DATE),
        TRAINED_ON: version.parameters.get(TRAINED_ON, "").split(),
        "digest": version.tags.get(DIGEST),
        "code": version.tags.get(CODE),
        "metrics": dict(version.metrics),
    }


def policy_facts(answer: Answer | None) -> dict[str, Any]:
    """What the policy answered when the scores were made: what it kept out, each with the rule; all else it let through."""
    if answer is None:
        return {}
    kept_out = [{"rule": denial.rule, "says": denial.says, **denial.about} for denial in answer.fired]
    return {"package": answer.package, "digest": answer.digest, "kept_out": kept_out}


def champion_facts(operations: OperationsDatabase, scoring: Scoring) -> dict[str, Any]:
    """The decision that had made the model champion when it scored."""
    made = [
        record
        for record in operations.promotions(until=scoring.business_date)
        if record.champion_after == scoring.model_version
        and record.champion_before != scoring.model_version
        and record.decided_at <= scoring.scored_at
    ]
    if not made:
        return {}
    record: PromotionRecord = made[-1]
    return {
        "in_the_night_of": record.business_date,
        "decided_at": record.decided_at,
        "kind": record.kind,
        "by": record.by,
        "instead_of": record.champion_before,
        "reasons": list(record.reasons),
    }
