"""What a person decides on the champion: back to the one before, or to make the registry agree with the ledger again.

Everything is under the same rules as a night's decision: a version is loaded and scores its frozen sample first, the
decision is compare-and-set, it stands in the ledger with who and why, and the aliases follow the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from assets.training.checks import CHAMPION_GATE
from assets.training.standing import Divergence, divergences, follow, standing
from assets.training.versions import registration, sound
from resources.errors import Refused
from resources.model_registry import ModelRegistry
from resources.operations import OperationsDatabase
from resources.records import PromotionRecord, Registration, Verdict


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who decides, why, and when; `day` is the night whose lists are the first that may follow it."""

    name: str
    reason: str
    day: dt.date
    now: dt.datetime


def roll_back(
    registry: ModelRegistry, operations: OperationsDatabase, person: Person, *, to: int | None = None
) -> PromotionRecord:
    """Make the version champion again that was before, or an earlier one (`to`).

    Raises :class:`Refused` when there is none, when it was never champion, or when it is not what it was, and
    :class:`resources.errors.Overtaken` when somebody decides at the same moment.
    """
    onto, ledger = operations.last_decision(), operations.promotions()
    now = standing(ledger)
    target = to if to is not None else now.previous
    if target is None:
        raise Refused(
            "There is no champion before this one to go back to.",
            remedy="`nightcart models` lists the versions; `nightcart promote VERSION` makes another one champion.",
        )
    if target == now.champion:
        raise Refused(f"Version {target} is champion.", remedy="name another one, or leave `--to` out.")
    if target not in {record.champion_after for record in ledger}:
        raise Refused(
            f"Version {target} was never champion: a rollback goes back to what has served.",
            remedy=f"`nightcart promote {target}` judges it.",
        )
    sound(registry, registry.version(target))
    record = _decided(
        person, PromotionRecord.ROLLBACK, target, before=now.champion, reasons=(f"rolled back: {person.reason}",)
    )
    operations.decide(record, _let_out(record), onto=onto)
    follow(registry, operations)
    return record


def differences(registry: ModelRegistry, operations: OperationsDatabase) -> list[Divergence]:
    """In what the registry is not what the ledger says."""
    versions = {version.version for version in registry.versions()}
    return divergences(operations.promotions(), aliases=registry.aliases(), versions=versions)


def reconcile(registry: ModelRegistry, operations: OperationsDatabase, person: Person) -> Sequence[str]:
    """Make the registry what the ledger says; returns what was done, in sentences.

    A version that was deleted is registered again, under a new number, from its files, which MLflow keeps until they
    are collected. Raises :class:`Refused` when the champion's are gone too.
    """
    done = []
    present = {version.version for version in registry.versions()}
    onto, now = operations.last_decision(), standing(operations.promotions())
    if now.champion is not None and now.champion not in present:
        again = _registered_again(registry, operations, now.champion, person)
        record = _decided(
            person,
            PromotionRecord.RESTORE,
            again,
            before=now.champion,
            reasons=(f"version {now.champion} was deleted from the registry; its files are version {again} now",),
        )
        operations.decide(record, _let_out(record), onto=onto)
        done.append(f"version {now.champion}, the champion, was deleted: its files are version {again} now")
    before = registry.aliases()
    follow(registry, operations)
    for alias, version in registry.aliases().items():
        if before.get(alias) != version:
            done.append(f"alias `{alias}` points to version {version} again")
    return done


def _registered_again(registry: ModelRegistry, operations: OperationsDatabase, version: int, person: Person) -> int:
    """The number under which a deleted version is in the registry again."""
    known = operations.records(Registration, version=version, last=1)
    if not known:
        raise Refused(
            f"Version {version} is gone, and nothing is on record of where its files are.",
            remedy="`nightcart rollback --to VERSION` makes an earlier champion serve.",
        )
    found = registry.register_again(source=known[0].source, run_id=known[0].mlflow_run_id, tags=known[0].tags)
    operations.record(registration(found, run_id="", now=person.now))
    sound(registry, found)
    return found.version


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


def _let_out(record: PromotionRecord) -> Verdict:
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
