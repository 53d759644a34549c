"""Gates: checks whose outcome is on record, and holds in every run that comes to read what they judged.

Dagster's blocking check stops what is downstream in the same run alone, and lets everything through when it warns,
crashes or is not selected. A gate is a blocking check whose verdict is stored for the table version that it judged
(`assets.quality.evaluation`); every reader asks first (:meth:`Gates.require`), and is refused where a verdict is missing,
is of another version, or says anything but `passed`. A person can override one verdict, see `nightcart override`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.days import ONE_DAY
from resources.errors import GateClosed
from resources.records.quality import Override, Verdict
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed

if TYPE_CHECKING:
    import dagster as dg

# Without rows there are no files: the version of a closed day's partition, or of a feed that a retailer does not have.
NO_ROWS = "no rows"
GATE = "gate"  # under which the metadata of a check's specification holds the gate

Partition = dt.date | None
# The version of each partition of what a gate judges; partitions that have none are absent.
Versions = Mapping[Partition, str]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A check that must have passed before `subject` is read. A subject is a table, or a name for versions of a model.

    `versions`, called with a run's days and its resources, returns the partitions that are judged, each with its version;
    by default those days of the table. `reads` are the other assets that it looks at. A verdict stays on record: without
    `quotes` it names no value, such as the identifier of a person who may be forgotten.
    """

    subject: str
    check: str
    description: str
    has_days: bool = True
    asset: str | None = None
    versions: Callable[..., Versions] | None = None
    reads: tuple[str, ...] = ()
    quotes: bool = True

    @property
    def asset_key(self) -> str:
        """The asset whose check this is."""
        return self.asset or self.subject

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The gate as Dagster knows it; :meth:`Gates.of` finds the gate in its metadata."""
        import dagster as dg  # here, so that whoever only asks whether a gate is open does not import it

        return dg.AssetCheckSpec(
            self.check,
            asset=self.asset_key,
            additional_deps=self.reads,
            blocking=True,
            description=self.description,
            metadata={GATE: self},
        )

    def present(self, days: Iterable[dt.date], **resources: Any) -> Versions:
        """The versions that the subject has now, of `days` if it has any: what this judges in a run of these days."""
        if self.versions:
            return self.versions(days, **resources)
        tables: TableStore = resources["tables"]
        return of_days(tables, self.subject, days) if self.has_days else whole(tables, self.subject)


def of_days(tables: TableStore, table: str, days: Iterable[dt.date]) -> dict[Partition, str]:
    """The version of each of `days` of a table."""
    fingerprints = tables.fingerprints(table)
    return {day: fingerprints.get(day, NO_ROWS) for day in days}


def history(tables: TableStore, table: str, *, until: dt.date) -> dict[Partition, str]:
    """The version of every day of a table from its first one up to `until`, those without rows among them."""
    fingerprints, first = tables.fingerprints(table), tables.first_day(table, until=until)
    days = (first + dt.timedelta(days=n) for n in range((until - first).days + 1))
    return {day: fingerprints.get(day, NO_ROWS) for day in days}


def whole(tables: TableStore, table: str) -> dict[Partition, str]:
    """The version of a table without days."""
    return {None: tables.fingerprint(table) if tables.exists(table) else NO_ROWS}


def good_days(
    operations: OperationsDatabase, subject: str, checks: Collection[str], *, before: dt.date
) -> list[dt.date]:
    """The days before `before` on which all `checks` of a subject passed when they last ran, the latest first."""
    verdicts = operations.verdicts(subject, until=before - ONE_DAY)
    passed = {key for key, verdict in verdicts.items() if verdict.outcome == Verdict.PASSED}
    days = {partition for partition, _ in verdicts if partition}
    return sorted((day for day in days if all((day, check) in passed for check in checks)), reverse=True)


def key_of(record: Verdict | Override) -> tuple[str, Partition, str, str]:
    """What an override and its verdict have in common."""
    return (record.subject, record.partition, record.check, record.data_version)


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A gate that is not open for one partition, and why: it failed, or has no verdict on the present version."""

    gate: Gate
    partition: Partition
    why: str
    has_failed: bool = False
    lacks_rows: bool = False

    def __str__(self) -> str:
        return f"{self.gate.subject}{f' of {self.partition}' if self.partition else ''}: {self.gate.check} {self.why}"


class Gates(dict[str, list[Gate]]):
    """Gates by subject: those of a code location, gathered from its check definitions, or a few of them."""

    def __init__(self, gates: Iterable[Gate] = ()) -> None:
        """Sort `gates` by what they judge."""
        super().__init__()
        for gate in gates:
            self.setdefault(gate.subject, []).append(gate)

    @classmethod
    def of(cls, checks: Iterable[dg.AssetChecksDefinition]) -> Gates:
        """The gates among check definitions."""
        return cls(spec.metadata[GATE] for each in checks for spec in each.check_specs if GATE in spec.metadata)

    def of_asset(self, asset: str) -> Gates:
        """The gates among the checks of one asset."""
        return Gates(gate for gates in self.values() for gate in gates if gate.asset_key == asset)

    def closed(
        self, operations: OperationsDatabase, needs: Mapping[str, Versions], *, now: dt.datetime
    ) -> list[Closed]:
        """The gates of `needs` (versions of partitions by subject) that are not open at `now`, what failed first."""
        overrides = {key_of(override) for override in operations.overrides(now=now)}
        closed = []
        for subject, versions in needs.items():
            days = [partition for partition in versions if partition]
            verdicts = operations.verdicts(subject, **({"since": min(days), "until": max(days)} if days else {}))
            for gate in self[subject]:
                for partition, version in versions.items():
                    verdict = verdicts.get((partition, gate.check))
                    if verdict is None or verdict.data_version != version:
                        lacks_rows = bool(partition) and version == NO_ROWS
                        looked = "was made for another version of it" if verdict else "has never looked at it"
                        why = "has nothing to look at: there are no rows" if lacks_rows else looked
                        closed.append(Closed(gate=gate, partition=partition, why=why, lacks_rows=lacks_rows))
                    elif verdict.outcome != Verdict.PASSED and key_of(verdict) not in overrides:
                        why, has_failed = f"{verdict.outcome} ({verdict.reason})", verdict.outcome == Verdict.FAILED
                        closed.append(Closed(gate=gate, partition=partition, why=why, has_failed=has_failed))
        # What failed before what was never checked: it is nearer to the cause.
        return sorted(closed, key=lambda each: not each.has_failed)

    def require(self, operations: OperationsDatabase, needs: Mapping[str, Versions], *, now: dt.datetime) -> None:
        """Raise :class:`GateClosed` unless every gate of `needs` is open: to be asked before anything is read."""
        if closed := self.closed(operations, needs, now=now):
            raise GateClosed(
                f"What this is made of may not be used: {listed(closed, 3)}.",
                remedy="; then ".join(_remedies(closed)[:3]) + ".",
            )


def _remedies(closed: Sequence[Closed]) -> list[str]:
    """The commands that open the gates: one for each failed verdict, one for all days of an asset to be made or checked."""
    remedies = []
    for each in (each for each in closed if each.has_failed):
        name = " ".join(map(str, filter(None, (each.gate.subject, each.gate.check, each.partition))))
        remedies.append(
            f'mend it and make it again, or let it through for a while: `nightcart override {name} --reason "…"`'
        )
    # What has no rows cannot be looked at: it was never made, or is gone, and is made (again).
    for lacking, wanted in ((True, "backfill"), (False, "check")):
        days: dict[str, list[dt.date]] = {}
        for each in (each for each in closed if not each.has_failed and each.lacks_rows == lacking):
            of_asset = days.setdefault(each.gate.asset_key, [])
            of_asset += [each.partition] if each.partition else []
        for asset, of_asset in days.items():
            between = f" --from {min(of_asset)} --to {max(of_asset)}" if of_asset else ""
            which = f"{between} --assets {asset} --force" if lacking else f" {asset}{between}"
            remedies.append(f"`nightcart {wanted}{which}`")
    return remedies
