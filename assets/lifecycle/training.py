"""How a night's challenger is trained, and how the night decides on it.

The decision itself is made in :mod:`assets.lifecycle.decision`, by the policy; what is done of it is put on record there
and in the registry by the assets.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.lifecycle.decision import PromotionDecision, evaluate_candidate
from assets.lifecycle.domain import Lifecycle
from assets.lifecycle.estimates import Estimate
from assets.lifecycle.evaluation import Evaluation, evaluate
from assets.lifecycle.model import Model
from assets.lifecycle.promotion import HOLDOUT, NIGHT, TRAINED_ON
from assets.lifecycle.versions import RECIPE, SAMPLE, golden_sample, register
from assets.quality.gates import of_days
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.models.registry import ModelRegistry, ModelVersion
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "reference.json"  # under which name a reference is kept on a version's record


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A registered challenger: how many `examples` it learnt from, and its quality on the holdout."""

    version: ModelVersion
    model: Model
    examples: int
    evaluation: Evaluation


def train(day: dt.date, work: Lifecycle) -> Trained:
    """Fit the challenger of `day` on the label windows before its holdout, judge it, and register it."""
    domain, config = work.domain, work.settings.model
    windows = domain.windows(day, work.settings)
    learn_from = domain.examples(windows.train, work)
    model = Model.create(config.family, config.parameters)
    work.say(f"Fitting {model.title} on {len(learn_from):,} examples of {len(windows.train)} label windows")
    model.fit(learn_from, seed=config.seed)
    learnt_from = len(learn_from)
    del learn_from  # the holdout takes its place in memory

    evaluation = evaluate(model, domain.holdout(windows.holdout, work), work)
    work.say("Registering the version in MLflow")
    recipe = {"family": model.family(), "parameters": dict(model.parameters), "seed": config.seed}
    version = register(
        model,
        day,
        work,
        made_from=[*domain.made_from(windows.train, work), config.seed],
        tables={name: work.tables.version(name) for name in domain.input_tables},
        parameters={
            "seed": config.seed,
            "examples": learnt_from,
            TRAINED_ON: " ".join(as_of.isoformat() for as_of in windows.train),
            HOLDOUT: " ".join(as_of.isoformat() for as_of in windows.holdout),
        },
        metrics=evaluation.metrics(),
        documents=_documents(model, day, evaluation.promised, evaluation.some, work),
        tags={RECIPE: json.dumps(recipe)},  # MLflow's own parameters are texts
    )
    return Trained(version=version, model=model, examples=learnt_from, evaluation=evaluation)


def already_decided(operations: OperationsDatabase, day: dt.date, candidate: ModelVersion) -> PromotionRecord | None:
    """The decision of `day` on this very challenger. A night is decided anew only while no later one stands on it."""
    decided = [record for record in operations.promotions() if record.kind == PromotionRecord.NIGHT]
    of_the_day = [record for record in decided if record.business_date == day]
    if of_the_day and of_the_day[-1].challenger == candidate.version:
        return of_the_day[-1]
    if of_the_day and decided[-1].business_date > day:
        raise Refused(
            f"{day} was decided with version {of_the_day[-1].challenger}, and later nights, up to "
            f"{decided[-1].business_date}, stand on it; it is not decided again with version {candidate.version}.",
            remedy="leave it, or run the nightly of the latest day again.",
        )
    return None


def decide(day: dt.date, candidate: ModelVersion, work: Lifecycle) -> PromotionDecision:
    """Decide on the challenger of `day`; where there is no champion and it is none, the best baseline stands in."""
    decision = evaluate_candidate(
        candidate,
        work,
        kind=NIGHT,
        day=day,
        judged_by=day,
        before=work.operations.champion_as_of(day - ONE_DAY),
    )
    if decision.record.champion_after is not None:
        return decision
    # Nobody is left without scores.
    judgement = decision.judgement
    stand_in = next(model for model in decision.baselines if model.title == judgement.best_baseline)
    some = next(iter(work.domain.holdout(work.domain.windows(day, work.settings).holdout, work)))
    documents = _documents(stand_in, day, judgement.quality[stand_in.title], some, work)
    version = register(stand_in, day, work, made_from=["stand-in"], documents=documents).version
    note = f"{stand_in.title} serves as champion, version {version}, until a challenger beats it"
    record = dataclasses.replace(decision.record, champion_after=version, reasons=[*decision.record.reasons, note])
    return dataclasses.replace(decision, record=record)


def _documents(
    model: Model, day: dt.date, promised: Mapping[str, Estimate], some: pd.DataFrame, work: Lifecycle
) -> dict[str, str]:
    """What is kept with a version: the reference that later nights are compared with, and the golden sample."""

    def may_be_used(night: dt.date) -> bool:
        needs = {name: of_days(work.tables, name, [night]) for name in work.domain.feature_tables}
        return not work.gates.closed(work.operations, needs, now=dt.datetime.now(dt.UTC))

    numbers = {name: estimate.as_list() for name, estimate in promised.items()}
    return {
        REFERENCE: work.domain.reference(day, model, numbers, work, may_be_used),
        SAMPLE: golden_sample(model, some.drop(columns=list(work.domain.labels))),
    }


def refuse_an_emptied_registry(registry: ModelRegistry, operations: OperationsDatabase) -> None:
    """Refuse an empty registry that is not new: it would give the numbers of the ledger's versions to other models."""
    if (known := operations.promotions()) and not registry.versions():
        raise Refused(
            f"The registry at {registry.tracking_uri} is empty, and the ledger knows version {known[-1].challenger}: it is "
            "not the one that it was.",
            remedy="bring MLflow's database back to where it was, or from a backup.",
        )
