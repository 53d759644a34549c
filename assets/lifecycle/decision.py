"""Evaluate a candidate on the holdout, submit it to the promotion policy, build the decision record.

The same for a night's challenger and for a version that a person wants as champion; who asks decides what follows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.lifecycle import card
from assets.lifecycle.champion import PROBABILITIES
from assets.lifecycle.checks import CHALLENGER
from assets.lifecycle.evaluation import Judgement, judge
from assets.lifecycle.model import Model
from assets.lifecycle.promotion import (
    OF_PROBABILITIES,
    PACKAGE,
    Candidate,
    DataHealth,
    HumanOverride,
    question,
    reasons,
)
from assets.lifecycle.signals import SIGNALS_READ
from assets.lifecycle.versions import load, load_verified
from assets.quality.gates import Versions
from resources.errors import Damaged, MadeForOtherFeatures
from resources.records.lifecycle import PolicyDecision, PromotionRecord, Signal

if TYPE_CHECKING:
    from assets.lifecycle.domain import Lifecycle
    from resources.models.registry import ModelVersion
    from resources.records.store import OperationsDatabase


@dataclass(frozen=True, kw_only=True)
class PromotionDecision:
    """What came of it: the record to add to the ledger, the policy's answer with it, and what they stand on."""

    record: PromotionRecord
    answered: PolicyDecision
    judgement: Judgement
    baselines: Sequence[Model]
    card: Mapping[str, Any]


def evaluate_candidate(
    candidate: ModelVersion,
    work: Lifecycle,
    *,
    kind: str,
    day: dt.date,
    judged_by: dt.date,
    before: int | None,
    by: str = "",
    override: HumanOverride | None = None,
) -> PromotionDecision:
    """Judge `candidate` by the holdout of the night of `judged_by` and ask the policy about it, as of `day`.

    `kind` is who asks (:mod:`assets.lifecycle.promotion`), `before` the version that is champion so far. Raises
    :class:`Refused` when the version is not what it was.
    """
    domain, settings, now = work.domain, work.settings, dt.datetime.now(dt.UTC)
    model = load_verified(work.registry, candidate)
    windows = domain.windows(judged_by, settings).holdout
    work.say(f"Judging version {candidate.version} on the holdout")
    baselines = [Model.create(family) for family in settings.model.baselines]
    champion, notes = _defender(before, candidate, work)
    judgement = judge(
        domain.holdout(windows, work),
        windows,
        candidate=(f"challenger (version {candidate.version})", model),
        baselines={baseline.title: baseline for baseline in baselines},
        champion=champion,
        work=work,
    )
    made_on = Candidate.of(candidate, domain).made_on or day
    shut = work.gates.closed(work.operations, stands_on({made_on: candidate}, work), now=now)
    health = DataHealth(closed_gates=[str(gate) for gate in shut], signals=_newest_signals(work.operations, until=day))

    def asked(missing: Sequence[str] = ()) -> dict[str, Any]:
        return question(
            kind,
            day,
            Candidate.of(candidate, domain),
            domain,
            judgement=judgement,
            health=health,
            missing_on_card=missing,
            override=override,
        )

    numbers = judgement.numbers(subjects=domain.subjects, slice_metric=domain.slice_metric)
    facts = card.facts(candidate, model, work, measured=asked()["measured"], numbers=numbers)
    answer = work.policy.ask(PACKAGE, asked(card.missing(facts, domain)))
    fired = {denial.rule for denial in answer.fired}
    are_probabilities = judgement.scores_are_probabilities and OF_PROBABILITIES not in fired
    record = PromotionRecord(
        business_date=day,
        challenger=candidate.version,
        champion_before=before,
        champion_after=candidate.version if answer.is_allowed else before,
        is_promoted=answer.is_allowed,
        reasons=[*reasons(answer, judgement, domain), *notes],
        numbers=numbers | {"policy_digest": answer.digest, PROBABILITIES: are_probabilities},
        kind=kind,
        by=by,
        decided_at=now,
        run_id=work.run_id,
    )
    return PromotionDecision(
        record=record,
        answered=answer.on_record(subject=card.subject(candidate.version), run_id=work.run_id, now=now),
        judgement=judgement,
        baselines=baselines,
        card=facts,
    )


def stands_on(versions: Mapping[dt.date, ModelVersion], work: Lifecycle) -> dict[str, Versions]:
    """Whose gates must be open for versions, by the night that each was made for: all that they were learnt from."""
    needs: dict[str, Versions] = {}
    for day in sorted(versions):
        for subject, of in work.domain.inputs(day, work).items():
            needs[subject] = {**needs.get(subject, {}), **of}
    return {**needs, CHALLENGER: {day: str(version.version) for day, version in versions.items()}}


def _newest_signals(operations: OperationsDatabase, *, until: dt.date) -> list[Signal]:
    """The newest signal of each drift check up to a night."""
    newest: dict[str, Signal] = {}
    for signal in operations.records(Signal, last=SIGNALS_READ):
        if signal.business_date <= until and (
            signal.watch not in newest or signal.business_date >= newest[signal.watch].business_date
        ):
            newest[signal.watch] = signal
    return list(newest.values())


def _defender(
    before: int | None, candidate: ModelVersion, work: Lifecycle
) -> tuple[tuple[str, Model] | None, tuple[str, ...]]:
    """The champion that the candidate must beat, by name, if there is one; and what is to be noted of it."""
    if before is None or before == candidate.version:
        return None, ()
    name = f"champion (version {before})"
    try:
        return (name, load(work.registry, work.registry.version(before))), ()
    # Who cannot score what this code makes can neither defend itself nor serve tomorrow.
    except MadeForOtherFeatures:
        return None, (f"{name} was made for other features than today's and cannot be compared",)
    except Damaged as error:
        return None, (f"{name} cannot be compared: {error.message}",)
