"""Who is champion by the ledger, which is written first; the registry's aliases follow it.

The aliases `champion` and `previous` are what others see of it: a run that dies between the two leaves them behind
(:func:`follow` makes that good), and a person can move or delete what is there (:func:`divergences` tells).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from resources.models.registry import CHAMPION, PREVIOUS, ModelRegistry
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase

SAME_AS = "same_as"  # among a decision's numbers: the deleted version whose files the new champion has


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The champion by the ledger, and the version that a rollback goes back to."""

    champion: int | None = None
    previous: int | None = None

    @property
    def aliases(self) -> dict[str, int]:
        """Where the registry's aliases ought to point."""
        named = {CHAMPION: self.champion, PREVIOUS: self.previous}
        return {alias: version for alias, version in named.items() if version is not None}


def standing(ledger: Sequence[PromotionRecord]) -> Standing:
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
    return Standing(champion=line[-1] if line else None, previous=line[-2] if len(line) > 1 else None)


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Something in which the registry is not what the ledger says; `is_unfinished` where only a run died half-way."""

    says: str
    is_unfinished: bool = False


def divergences(
    ledger: Sequence[PromotionRecord], *, aliases: Mapping[str, int], versions: Collection[int]
) -> list[Divergence]:
    """Where the registry's `aliases` and `versions` differ from the ledger."""
    now, found = standing(ledger), []
    lost = {CHAMPION: "no lists can be made", PREVIOUS: "a rollback has to register it again from its files"}
    for alias, version in now.aliases.items():
        if version not in versions:
            found.append(Divergence(says=f"version {version}, the {alias} one, was deleted: {lost[alias]}"))
    ours = {alias: aliases[alias] for alias in (CHAMPION, PREVIOUS) if alias in aliases}
    wanted = {alias: version for alias, version in now.aliases.items() if version in versions}
    if ours != wanted:
        # The aliases are moved one after the other: `previous`, then `champion`.
        before = standing(ledger[:-1]).aliases
        half_way = {name: where.get(PREVIOUS) for name, where in (("before", before), ("after", wanted))}
        is_unfinished = ours.get(CHAMPION) == before.get(CHAMPION) and ours.get(PREVIOUS) in half_way.values()
        moved = [
            f"alias `{alias}` points to {_named(ours.get(alias))}, the ledger, which lists are made by, says "
            f"{_named(wanted.get(alias))}"
            for alias in (CHAMPION, PREVIOUS)
            if ours.get(alias) != wanted.get(alias)
        ]
        found += [Divergence(says=each, is_unfinished=is_unfinished) for each in moved]
    return found


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def follow(registry: ModelRegistry, operations: OperationsDatabase) -> None:
    """Let the registry's aliases say what the ledger says; `previous` first, so that it is never the champion itself."""
    wanted, there = standing(operations.promotions()).aliases, registry.aliases()
    for alias in (PREVIOUS, CHAMPION):
        if there.get(alias) != wanted.get(alias):
            registry.point(alias, wanted.get(alias))
