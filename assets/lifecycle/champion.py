"""Who is champion by the ledger, which is written first, and by its gate; the registry's aliases follow.

The aliases `champion` and `previous` are what others see of it: a run that dies between the two leaves them behind
(:func:`sync_aliases` makes that good), and a person can move or delete what is there (:func:`divergences` tells).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.quality.gates import Gate, Gates, Versions
from resources.models.registry import CHAMPION, PREVIOUS, ModelRegistry
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    from assets.lifecycle.model import Model


def _decided(days: Iterable[dt.date], *, operations: OperationsDatabase, **_: Any) -> Versions:
    records = filter(None, (operations.promotion_as_of(day) for day in days))
    return {record.business_date: str(record.champion_after) for record in records}


CHAMPION_GATE = Gate(
    subject=CHAMPION,
    check="alias_is_what_was_decided",
    description="The registry's alias `champion` is the version that the ledger of promotions names.",
    versions=_decided,
)
PROBABILITIES = "scores_are_probabilities"  # among a decision's numbers: whether the policy takes them for such
SAME_AS = "same_as"  # among a decision's numbers: the deleted version whose files the new champion has


@dataclass(frozen=True, kw_only=True)
class ChampionState:
    """The champion by the ledger, and the version that a rollback goes back to."""

    champion: int | None = None
    previous: int | None = None

    @property
    def aliases(self) -> dict[str, int]:
        """Where the registry's aliases ought to point."""
        named = {CHAMPION: self.champion, PREVIOUS: self.previous}
        return {alias: version for alias, version in named.items() if version is not None}


def champion_state(ledger: Sequence[PromotionRecord]) -> ChampionState:
    """What the decisions, in order, add up to: a promotion is put on the ones before, a rollback takes off what it undoes."""
    line: list[int] = []
    for record in ledger:
        if record.champion_after is None or (line and line[-1] == record.champion_after):
            continue
        if (same := record.numbers.get(SAME_AS)) in line:
            line[line.index(same)] = record.champion_after
        if record.kind in (PromotionRecord.ROLLBACK, PromotionRecord.RESTORE) and record.champion_after in line:
            del line[line.index(record.champion_after) + 1 :]
            continue
        line = [version for version in line if version != record.champion_after] + [record.champion_after]
    return ChampionState(champion=line[-1] if line else None, previous=line[-2] if len(line) > 1 else None)


def champions(ledger: Sequence[PromotionRecord]) -> list[int]:
    """Who was ever champion, in the order of the decisions."""
    return [record.champion_after for record in ledger if record.champion_after is not None]


def are_probabilities(ledger: Sequence[PromotionRecord], version: int, model: Model) -> bool:
    """Whether the scores of a version may be read as probabilities: by the newest decision on it, or on the deleted one whose files it has, else as its family says."""
    same = {record.numbers.get(SAME_AS) for record in ledger if record.champion_after == version}
    judged = [
        record.numbers[PROBABILITIES]
        for record in ledger
        if record.challenger in {version, *same} and PROBABILITIES in record.numbers
    ]
    return judged[-1] if judged else model.scores_are_probabilities


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Something in which the registry is not what the ledger says; `is_unfinished` where only a run died half-way."""

    says: str
    is_unfinished: bool = False


def divergences(
    ledger: Sequence[PromotionRecord], *, aliases: Mapping[str, int], versions: Collection[int]
) -> list[Divergence]:
    """Where the registry's `aliases` and `versions` differ from the ledger."""
    now, divergent = champion_state(ledger), []
    lost = {CHAMPION: "nothing can be scored", PREVIOUS: "a rollback has to register it again from its files"}
    for alias, version in now.aliases.items():
        if version not in versions:
            divergent.append(Divergence(says=f"version {version}, the {alias} one, was deleted: {lost[alias]}"))
    ours = {alias: aliases[alias] for alias in (CHAMPION, PREVIOUS) if alias in aliases}
    wanted = {alias: version for alias, version in now.aliases.items() if version in versions}
    if ours != wanted:
        # The aliases are moved one after the other: `previous`, then `champion`.
        before = champion_state(ledger[:-1]).aliases
        half_way = {name: where.get(PREVIOUS) for name, where in (("before", before), ("after", wanted))}
        is_unfinished = ours.get(CHAMPION) == before.get(CHAMPION) and ours.get(PREVIOUS) in half_way.values()
        moved = [
            f"alias `{alias}` points to {_named(ours.get(alias))}, the ledger, which scores are made by, says "
            f"{_named(wanted.get(alias))}"
            for alias in (CHAMPION, PREVIOUS)
            if ours.get(alias) != wanted.get(alias)
        ]
        divergent += [Divergence(says=each, is_unfinished=is_unfinished) for each in moved]
    return divergent


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def sync_aliases(registry: ModelRegistry, operations: OperationsDatabase) -> None:
    """Let the registry's aliases say what the ledger says; `previous` first, so that it is never the champion itself."""
    wanted, there = champion_state(operations.promotions()).aliases, registry.aliases()
    if PREVIOUS in wanted and wanted[PREVIOUS] not in {version.version for version in registry.versions()}:
        del wanted[PREVIOUS]  # who goes back from a version that is lost is not kept from it
    for alias in (PREVIOUS, CHAMPION):
        if there.get(alias) != wanted.get(alias):
            registry.point(alias, wanted.get(alias))


def effective_promotions(
    operations: OperationsDatabase, *, now: dt.datetime, until: dt.date | None = None
) -> list[tuple[int, PromotionRecord]]:
    """The last decision of every business day up to `until` whose gate is open, by day, with its number.

    A training that died between its decision and the check of it has named a champion that may not be used: the one
    before serves on, and the training is not over.
    """
    numbered = operations.numbered(PromotionRecord)
    by_day = {
        record.business_date: (number, record)
        for number, record in sorted(numbered, key=lambda each: (each[1].business_date, each[0]))
        if until is None or record.business_date <= until
    }
    versions: Versions = {day: str(record.champion_after) for day, (_, record) in by_day.items()}
    if not versions:
        return []
    closed = {
        gate.partition for gate in Gates([CHAMPION_GATE]).closed(operations, {CHAMPION_GATE.subject: versions}, now=now)
    }
    return [numbered for day, numbered in by_day.items() if day not in closed]


def serving(operations: OperationsDatabase, day: dt.date, *, now: dt.datetime) -> PromotionRecord | None:
    """The decision that named the champion which scores for `day`, as far as it is known `now`."""
    effective = effective_promotions(operations, until=day, now=now)
    return effective[-1][1] if effective else None
