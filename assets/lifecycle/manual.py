"""What a person decides on the champion: another version, the one before, or that the registry agrees with the ledger again.

Everything is under the same rules as a night's decision: a version is loaded and scores its golden sample first, the
policy is asked, the decision is compare-and-set, it stands in the ledger with who and why, and the aliases follow it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assets.lifecycle import card
from assets.lifecycle.champion import (
    CHAMPION_GATE,
    SAME_AS,
    Divergence,
    champion_state,
    champions,
    divergences,
    sync_aliases,
)
from assets.lifecycle.decision import evaluate_candidate
from assets.lifecycle.promotion import PACKAGE, PROMOTE, ROLLBACK, Candidate, HumanOverride, question
from assets.lifecycle.versions import load_verified, registration
from resources.errors import Refused
from resources.models.registry import ModelRegistry, ModelVersion
from resources.records.lifecycle import PromotionRecord, Registration
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase
from resources.text import listed

if TYPE_CHECKING:
    from assets.lifecycle.domain import Lifecycle


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who decides, why, and when; `day` is the night whose scores are the first that may follow it."""

    name: str
    reason: str
    day: dt.date
    now: dt.datetime


def promote(version: int, person: Person, work: Lifecycle, *, is_overriding: bool) -> PromotionRecord:
    """Make a version champion, judged as a night's challenger is, by the holdout of the last night that trained.

    With `is_overriding` the policy is told of the person and the reason, and says whether that lets it through; what
    speaks against it is on record all the same. Raises :class:`Refused` when it does not allow it (which is on record,
    too), and :class:`resources.errors.Overtaken` when somebody decides at the same moment.
    """
    operations = work.operations
    expected, ledger = operations.last_decision(), operations.promotions()
    before = champion_state(ledger).champion
    nights = [record.business_date for record in ledger if record.kind == PromotionRecord.NIGHT]
    if not nights:
        raise Refused("No night has trained yet.", remedy="`nightcart nightly --date YYYY-MM-DD` does.")
    if version == before:
        raise Refused(f"Version {version} is champion.", remedy="`nightcart models` lists the others.")
    candidate = work.registry.version(version)
    decision = evaluate_candidate(
        candidate,
        work,
        kind=PROMOTE,
        day=person.day,
        judged_by=max(nights),
        before=before,
        by=person.name,
        override=HumanOverride(by=person.name, reason=person.reason) if is_overriding else None,
    )
    record = replace(
        decision.record, reasons=[f"wanted: {person.reason}", *decision.record.reasons], decided_at=person.now
    )
    if not record.is_promoted:
        operations.record(decision.answered)
        against = "; ".join(f"{each['rule']}: {each['says']}" for each in decision.answered.fired)
        raise Refused(
            f"The policy does not allow version {version} to be champion: {against}.",
            remedy=f'mend that, or `nightcart promote {version} --override --reason "…"`, which goes on record.',
        )
    operations.decide(record, decision.answered, _gate_passed(record), expected_version=expected)
    card.attach(work.registry, candidate, decision.card)
    _carry_out(record, work)
    return record


def _carry_out(record: PromotionRecord, work: Lifecycle) -> None:
    sync_aliases(work.registry, work.operations)
    card.bring_up_to_date(record, work)


def roll_back(person: Person, work: Lifecycle, *, to: int | None = None) -> PromotionRecord:
    """Make the version champion again that was before, or an earlier one (`to`).

    Raises :class:`Refused` when there is none, when it was never champion, is not what it was, or the policy does not
    allow it, and :class:`resources.errors.Overtaken` when somebody decides at the same moment.
    """
    registry, operations = work.registry, work.operations
    expected, ledger = operations.last_decision(), operations.promotions()
    now = champion_state(ledger)
    target = to if to is not None else now.previous
    if target is None:
        raise Refused(
            "There is no champion before this one to go back to.",
            remedy='`nightcart models` lists the versions; `nightcart promote VERSION --reason "…"` makes another one champion.',
        )
    if target == now.champion:
        raise Refused(f"Version {target} is champion.", remedy="name another one, or leave `--to` out.")
    was_champion = target in champions(ledger)
    present = {version.version for version in registry.versions()}
    if not was_champion and target not in present:
        registry.version(target)  # refuses what never was
    number = target if target in present else _registered_again(target, person, work)
    version = registry.version(number)
    load_verified(registry, version)
    candidate = Candidate.of(version, work.domain, was_champion=was_champion)
    answer = work.policy.ask(PACKAGE, question(ROLLBACK, person.day, candidate, work.domain))
    answered = answer.on_record(subject=card.subject(number), run_id="", now=person.now)
    if not answer.is_allowed:
        operations.record(answered)
        raise Refused(
            f"The policy does not allow to go back to version {target}: {'; '.join(each.says for each in answer.fired)}.",
            remedy=f'`nightcart promote {target} --reason "…"` judges it as a new one.',
        )
    deleted = [] if number == target else [f"version {target} was deleted; its files are version {number} now"]
    record = _decided(
        person,
        PromotionRecord.ROLLBACK,
        number,
        before=now.champion,
        reasons=[f"rolled back: {person.reason}", *deleted],
        **({SAME_AS: target} if deleted else {}),
    )
    operations.decide(record, answered, _gate_passed(record), expected_version=expected)
    _carry_out(record, work)
    return record


def differences(registry: ModelRegistry, operations: OperationsDatabase) -> list[Divergence]:
    """In what the registry is not what the ledger says."""
    versions = registry.versions()
    divergent = divergences(
        operations.promotions(), aliases=registry.aliases(), versions={each.version for each in versions}
    )
    return divergent + [Divergence(says=says) for _, _, says in _edited(versions, operations)]


def _edited(
    versions: Sequence[ModelVersion], operations: OperationsDatabase
) -> Iterator[tuple[ModelVersion, Mapping[str, str], str]]:
    """The versions whose entry somebody has edited, with the tags that they were registered with, and what is wrong."""
    on_record = {each.version: each for each in operations.records(Registration)}
    for version in versions:
        tags = on_record[version.version].tags if version.version in on_record else {}
        edited = sorted(name for name, value in tags.items() if version.tags.get(name) != value)
        if edited:
            yield (
                version,
                tags,
                f"version {version.version} has not the tags that it was registered with ({listed(edited, 3)})",
            )
        elif version.is_thrown_away:
            says = f"the run of version {version.version} was deleted, and the next `mlflow gc` removes its files"
            yield version, tags, says


def reconcile(person: Person, work: Lifecycle) -> Sequence[str]:
    """Make the registry what the ledger says; returns what was done, in sentences.

    A version that was deleted is registered again, under a new number, from its files, which MLflow keeps until they
    are collected; tags of ours are those of the registration again, and a deleted run is restored. Raises
    :class:`Refused` when the champion's files are gone too.
    """
    registry, operations = work.registry, work.operations
    done = []
    present = {version.version for version in registry.versions()}
    expected, now = operations.last_decision(), champion_state(operations.promotions())
    if now.champion is not None and now.champion not in present:
        refuse_lost(now.champion, work)
        again = _registered_again(now.champion, person, work)
        record = _decided(
            person,
            PromotionRecord.RESTORE,
            again,
            before=now.champion,
            reasons=[f"version {now.champion} was deleted from the registry; its files are version {again} now"],
            **{SAME_AS: now.champion},
        )
        operations.decide(record, _gate_passed(record), expected_version=expected)
        card.bring_up_to_date(record, work)
        done.append(f"version {now.champion}, the champion, was deleted: its files are version {again} now")
    for version, tags, says in _edited(registry.versions(), operations):
        registry.put_right(version, tags)
        done.append(f"{says}: put right")
    before = registry.aliases()
    sync_aliases(registry, operations)
    for alias, version in registry.aliases().items():
        if before.get(alias) != version:
            done.append(f"alias `{alias}` points to version {version} again")
    return done


def refuse_lost(champion: int, work: Lifecycle) -> None:
    """Raise :class:`Refused` where MLflow has forgotten the run that made the champion: its database is older than the ledger."""
    on_record = {each.version: each for each in work.operations.records(Registration)}
    if champion not in on_record or work.registry.has_run(on_record[champion].mlflow_run_id):
        return
    present = {version.version for version in work.registry.versions()}
    earlier = [each for each in champions(work.operations.promotions()) if each in present]
    serve = (
        f'`nightcart rollback --to {earlier[-1]} --reason "version {champion} is lost"` lets the champion before serve'
        if earlier
        else f'`nightcart retrain --reason "version {champion} is lost"` trains another'
    )
    raise Refused(
        f"MLflow's database is older than the ledger: it lacks {listed([f'version {each}' for each in sorted(on_record.keys() - present)], 5)}, "
        f"and version {champion} is champion.",
        remedy=f"end what runs, and bring back mlflow.db of the same moment as operations.db, or a newer one. Where there is none, {serve}; "
        "numbers that are lost are not given again.",
    )


def _registered_again(version: int, person: Person, work: Lifecycle) -> int:
    """The number under which a deleted version is in the registry again."""
    known = work.operations.records(Registration, version=version, last=1)
    if not known:
        raise Refused(
            f"Version {version} is gone, and nothing is on record of where its files are.",
            remedy='`nightcart rollback --to VERSION --reason "…"` makes an earlier champion serve.',
        )
    again = work.registry.register_again(source=known[0].source, run_id=known[0].mlflow_run_id, tags=known[0].tags)
    work.operations.record(registration(again, run_id="", now=person.now))
    load_verified(work.registry, again)
    return again.version


def _decided(
    person: Person, kind: str, version: int, *, before: int | None, reasons: Sequence[str], **numbers: object
) -> PromotionRecord:
    return PromotionRecord(
        business_date=person.day,
        challenger=version,
        champion_before=before,
        champion_after=version,
        is_promoted=version != before,
        reasons=list(reasons),
        numbers=numbers,
        kind=kind,
        by=person.name,
        decided_at=person.now,
        run_id="",
    )


def _gate_passed(record: PromotionRecord) -> Verdict:
    """What the champion's gate would say of the decision: the version has just been loaded, and scores as it did."""
    return Verdict(
        subject=CHAMPION_GATE.subject,
        partition=record.business_date,
        data_version=str(record.champion_after),
        check=CHAMPION_GATE.check,
        outcome=Verdict.PASSED,
        reason=f"{record.kind} by {record.by}",
        run_id="",
        decided_at=record.decided_at,
    )
