"""A version is weighed: judged on the holdout against everybody who has a say, put before the policy, and worded.

The same for a night's challenger and for a version that a person wants as champion; who asks decides what follows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.grocery.tables import EXAMPLES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.examples import LabelWeeks, label_weeks
from assets.grocery.training.label_weeks import read_examples, read_truth
from assets.lifecycle import card
from assets.lifecycle.promotion import PACKAGE, Candidate, Inputs, Said, question, reasons
from assets.lifecycle.versions import load, sound
from assets.quality import gates
from resources.errors import Damaged, MadeForOtherFeatures
from resources.records.lifecycle import PolicyDecision, PromotionRecord, Signal
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.evaluation import Judgement
    from assets.lifecycle.model import Recommender
    from resources.config.retailer import Settings
    from resources.models.registry import ModelRegistry, ModelVersion
    from resources.policy.client import Policy
    from resources.tables.store import TableStore

CHALLENGER = "challenger"
SIGNALS_READ = 500  # of the newest, among them the last night's of every watch


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What came of it: the record to add to the ledger, the policy's answer beside it, and what they stand on."""

    record: PromotionRecord
    answered: PolicyDecision
    judgement: Judgement
    holdout: pd.DataFrame
    baselines: Sequence[Recommender]
    card: Mapping[str, Any]


def weigh(
    kind: str,
    candidate: ModelVersion,
    *,
    day: dt.date,
    judged_by: dt.date,
    before: int | None,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
    policy: Policy,
    run_id: str,
    now: dt.datetime,
    by: str = "",
    override: Said | None = None,
    say: Callable[[str], object],
) -> Weighed:
    """Judge `candidate` by the holdout of the night of `judged_by` and ask the policy about it, as of `day`.

    `before` is the version that is champion so far. Raises :class:`Refused` when the version is not what it was.
    """
    from assets.lifecycle.evaluation import judge
    from assets.lifecycle.model import Recommender

    recommender = sound(registry, candidate)
    weeks = label_weeks_of(judged_by, settings).holdout
    holdout = read_examples(tables, weeks)
    say(f"Judging version {candidate.version} on {len(holdout):,} candidates of the holdout")
    baselines = [Recommender.create(family) for family in settings.model.baselines]
    champion, notes = _defender(registry, before, candidate)
    judgement = judge(
        holdout,
        read_truth(tables, weeks),
        challenger=(f"challenger (version {candidate.version})", recommender),
        baselines={baseline.title: baseline for baseline in baselines},
        champion=champion,
        model=settings.model,
        rule=settings.promotion,
    )
    made_on = Candidate.of(candidate).made_on or day
    shut = gates.closed(operations, stands_on({made_on: candidate}, settings, tables), now=now)
    inputs = Inputs(closed_gates=[str(gate) for gate in shut], signals=_newest_signals(operations, until=day))

    def asked(missing: Sequence[str] = ()) -> dict[str, Any]:
        return question(
            kind,
            day,
            Candidate.of(candidate),
            judgement=judgement,
            inputs=inputs,
            missing_on_card=missing,
            override=override,
        )

    numbers = judgement.numbers()
    facts = card.facts(
        candidate,
        recommender,
        name=settings.name,
        model=settings.model,
        measured=asked()["measured"],
        numbers=numbers,
    )
    answer = policy.ask(PACKAGE, asked(card.missing(facts)))
    record = PromotionRecord(
        business_date=day,
        challenger=candidate.version,
        champion_before=before,
        champion_after=candidate.version if answer.is_allowed else before,
        is_promoted=answer.is_allowed,
        reasons=[*reasons(answer, judgement), *notes],
        numbers=numbers | {"policy_digest": answer.digest},
        kind=kind,
        by=by,
        decided_at=now,
        run_id=run_id,
    )
    return Weighed(
        record=record,
        answered=answer.on_record(subject=card.subject(candidate.version), run_id=run_id, now=now),
        judgement=judgement,
        holdout=holdout,
        baselines=baselines,
        card=facts,
    )


def stands_on(
    versions: Mapping[dt.date, ModelVersion], settings: Settings, tables: TableStore
) -> dict[str, gates.Versions]:
    """Whose gates must be open for versions, by the night that each was made for: all that they were learnt from."""
    return {
        **delivered(tables, until=max(versions)),
        **learnt_from(list(versions), settings, tables),
        CHALLENGER: {day: str(version.version) for day, version in versions.items()},
    }


def _newest_signals(operations: OperationsDatabase, *, until: dt.date) -> list[Signal]:
    """The newest signal of each watch up to a night."""
    newest: dict[str, Signal] = {}
    for signal in operations.records(Signal, last=SIGNALS_READ):
        if signal.business_date <= until and (
            signal.watch not in newest or signal.business_date >= newest[signal.watch].business_date
        ):
            newest[signal.watch] = signal
    return list(newest.values())


def _defender(
    registry: ModelRegistry, before: int | None, candidate: ModelVersion
) -> tuple[tuple[str, Recommender] | None, tuple[str, ...]]:
    """The champion that the challenger must beat, by name, if there is one; and what is to be said of it."""
    if before is None or before == candidate.version:
        return None, ()
    name = f"champion (version {before})"
    try:
        return (name, load(registry, registry.version(before))), ()
    # Who cannot score what this code makes can neither defend itself nor serve tomorrow.
    except MadeForOtherFeatures:
        return None, (f"{name} was made for other features than today's and cannot be compared",)
    except Damaged as error:
        return None, (f"{name} cannot be compared: {error.message}",)


def delivered(tables: TableStore, *, until: dt.date) -> dict[str, gates.Versions]:
    """The delivered tables that label weeks are made of."""
    return {
        TRANSACTIONS: gates.history(tables, TRANSACTIONS, until=until),
        PRODUCTS: gates.whole(tables, PRODUCTS),
        OFFERS: gates.whole(tables, OFFERS),
    }


def learnt_from(days: Sequence[dt.date], settings: Settings, tables: TableStore) -> dict[str, gates.Versions]:
    """The label weeks that the nights of `days` learn from and judge by."""
    weeks = sorted({as_of for day in days for as_of in label_weeks_of(day, settings).all})
    return {EXAMPLES: gates.of_days(tables, EXAMPLES, weeks)}


def label_weeks_of(day: dt.date, settings: Settings) -> LabelWeeks:
    model = settings.model
    return label_weeks(day, train=model.label_weeks, holdout=model.holdout_weeks, first_day=settings.first_business_day)
