"""Gates: checks whose outcome is on record, and holds in every run that comes to read what they judged.

Dagster's blocking check stops what is downstream in the same run alone, and lets everything through when it warns,
crashes or is not selected. A gate is a blocking check whose verdict is stored for the very version of the data that it
saw (:func:`gate_checks`); whoever reads a table asks first (:func:`require`), and is refused where a verdict is missing,
is of another version, or says anything but `passed`. A person can override one verdict, see `nightcart override`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.partitions import days_of
from resources.errors import GateClosed
from resources.records.quality import Override, Verdict
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed

# Without rows there are no files: the version of a closed day's partition, or of a feed that a retailer does not have.
NO_ROWS = "no rows"

Partition = dt.date | None
# The version of each partition of what a gate judges; partitions that have none are absent.
Versions = Mapping[Partition, str]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A check that must have passed before `subject` is read. A subject is a table, or a name for versions of a model."""

    subject: str
    check: str
    description: str
    has_days: bool = True
    asset: str | None = None

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The gate as Dagster knows it."""
        return dg.AssetCheckSpec(
            self.check, asset=self.asset or self.subject, blocking=True, description=self.description
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a gate found: why it does not hold, for each partition where it does not, and what to show in the UI."""

    gate: Gate
    broken: Mapping[Partition, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


# Every gate of the project by its subject: what `require` asks for. Filled where the gates are defined.
GATES: dict[str, list[Gate]] = {}
# How the present versions of a subject are found out, where it is no table with the run's days. Filled likewise.
VERSIONS: dict[str, Callable[..., Versions]] = {}


def gate_checks(
    gates: Sequence[Gate], *, versions: Callable[..., Versions] | None = None
) -> Callable[[Callable[..., Iterable[Found]]], dg.AssetChecksDefinition]:
    """Make a step of gates from a function that looks at the run's partitions and tells what it :class:`Found`.

    The function takes `context`, `tables` and `operations`, beside what other resources it needs. `versions`, called
    with the run's days and the same resources, tells what partitions are judged, in which versions; by default those
    days of the gates' table. A gate that the function says nothing of, and all of them when it crashes, are on record as that.
    """
    for gate in gates:
        GATES.setdefault(gate.subject, []).append(gate)
        if versions:
            VERSIONS[gate.subject] = versions

    def decorate(look: Callable[..., Iterable[Found]]) -> dg.AssetChecksDefinition:
        @dg.multi_asset_check(name=look.__name__, description=look.__doc__, specs=[gate.spec for gate in gates])
        @functools.wraps(look)
        def run(context: dg.AssetCheckExecutionContext, **resources: Any) -> Iterator[dg.AssetCheckResult]:
            operations: OperationsDatabase = resources["operations"]
            now, run_id = dt.datetime.now(dt.UTC), context.run.run_id
            # Before anything is read: what is written meanwhile is another version, and has no verdict.
            days = days_of(context) if any(gate.has_days for gate in gates) else []
            judged = {gate: dict(present(gate.subject, days, **resources)) for gate in gates}

            def verdicts(gate: Gate, outcome: Callable[[Partition], str], why: Mapping[Partition, str]):
                return [
                    Verdict(
                        subject=gate.subject,
                        partition=partition,
                        data_version=version,
                        check=gate.check,
                        outcome=outcome(partition),
                        reason=why.get(partition, ""),
                        run_id=run_id,
                        decided_at=now,
                    )
                    for partition, version in judged[gate].items()
                ]

            def crashed(gate: Gate, why: str) -> list[Verdict]:
                return verdicts(gate, lambda _: Verdict.CRASHED, dict.fromkeys(judged[gate], why))

            try:
                found = {each.gate: each for each in look(context, **resources)}
            except Exception as error:  # whatever it was, the gate stays shut, on record; the run still fails by it
                why = f"{type(error).__name__}: {error}"
                operations.record(*(verdict for gate in gates for verdict in crashed(gate, why)))
                raise
            on_record, results = [], []
            overrides = {key_of(override) for override in operations.overrides(now=now)}
            for gate in gates:
                if (seen := found.get(gate)) is None:
                    on_record += crashed(gate, "it gave no result")
                    results.append(_result(gate, "It gave no result.", {}, is_overridden=False))
                    continue
                new = verdicts(
                    gate, lambda partition, seen=seen: Verdict.FAILED if partition in seen.broken else Verdict.PASSED,
                    seen.broken,
                )  # fmt: skip
                on_record += new
                failed = [verdict for verdict in new if verdict.outcome != Verdict.PASSED]
                results.append(
                    _result(
                        gate,
                        "; ".join(f"{_named(v.partition)}{v.reason}" for v in failed[:5]),
                        seen.metadata,
                        is_overridden=all(key_of(verdict) in overrides for verdict in failed),
                    )
                )
            operations.record(*on_record)
            yield from results

        return run

    return decorate


def _named(partition: Partition) -> str:
    return f"{partition}: " if partition else ""


def _result(gate: Gate, why: str, metadata: Mapping[str, Any], *, is_overridden: bool) -> dg.AssetCheckResult:
    # What a person has let through goes on in Dagster too; a warning opens no gate of ours.
    severity = dg.AssetCheckSeverity.WARN if why and is_overridden else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        check_name=gate.check,
        asset_key=gate.asset or gate.subject,
        passed=not why,
        severity=severity,
        description=why or None,
        metadata=metadata,
    )


def of_days(tables: TableStore, table: str, days: Iterable[dt.date]) -> dict[Partition, str]:
    """The version of each of `days` of a table."""
    found = tables.fingerprints(table)
    return {day: found.get(day, NO_ROWS) for day in days}


def history(tables: TableStore, table: str, *, until: dt.date) -> dict[Partition, str]:
    """The version of every day of a table from its first one up to `until`, those without rows among them."""
    found = tables.fingerprints(table)
    first = min((day for day in found if day and day <= until), default=until)
    days = (first + dt.timedelta(days=n) for n in range((until - first).days + 1))
    return {day: found.get(day, NO_ROWS) for day in days}


def present(subject: str, days: Iterable[dt.date], **resources: Any) -> Versions:
    """The versions that a subject has now, of `days` if it has any: what its gates judge in a run of these days."""
    if subject in VERSIONS:
        return VERSIONS[subject](days, **resources)
    tables: TableStore = resources["tables"]
    return of_days(tables, subject, days) if GATES[subject][0].has_days else whole(tables, subject)


def whole(tables: TableStore, table: str) -> dict[Partition, str]:
    """The version of a table without days."""
    return {None: tables.fingerprint(table) if tables.exists(table) else NO_ROWS}


def good_days(operations: OperationsDatabase, subject: str, *, before: dt.date) -> list[dt.date]:
    """The days before `before` whose gates all passed when they were last asked, the latest first."""
    verdicts = operations.verdicts(subject, until=before - dt.timedelta(days=1))
    passed = {key for key, verdict in verdicts.items() if verdict.outcome == Verdict.PASSED}
    days = {partition for partition, _ in verdicts if partition}
    return sorted((day for day in days if all((day, g.check) in passed for g in GATES[subject])), reverse=True)


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


def closed(operations: OperationsDatabase, needs: Mapping[str, Versions], *, now: dt.datetime) -> list[Closed]:
    """The gates of `needs` (versions of partitions by subject) that are not open at `now`, what failed first."""
    overrides = {key_of(override) for override in operations.overrides(now=now)}
    found = []
    for subject, versions in needs.items():
        days = [partition for partition in versions if partition]
        verdicts = operations.verdicts(subject, **({"since": min(days), "until": max(days)} if days else {}))
        for gate in GATES[subject]:
            for partition, version in versions.items():
                verdict = verdicts.get((partition, gate.check))
                if verdict is None or verdict.data_version != version:
                    lacks_rows = bool(partition) and version == NO_ROWS
                    looked = "was made for another version of it" if verdict else "has never looked at it"
                    why = "has nothing to look at: there are no rows" if lacks_rows else looked
                    found.append(Closed(gate=gate, partition=partition, why=why, lacks_rows=lacks_rows))
                elif verdict.outcome != Verdict.PASSED and key_of(verdict) not in overrides:
                    found.append(
                        Closed(
                            gate=gate,
                            partition=partition,
                            why=f"{verdict.outcome} ({verdict.reason})",
                            has_failed=verdict.outcome == Verdict.FAILED,
                        )
                    )
    # What failed before what was never checked: it is nearer to the cause.
    return sorted(found, key=lambda each: not each.has_failed)


def require(operations: OperationsDatabase, needs: Mapping[str, Versions], *, now: dt.datetime) -> None:
    """Raise :class:`GateClosed` unless every gate of `needs` is open: to be asked before anything is read."""
    if found := closed(operations, needs, now=now):
        raise GateClosed(
            f"What this is made of may not be used: {listed(found, 3)}.",
            remedy="; then ".join(_remedies(found)[:3]) + ".",
        )


def _remedies(found: Sequence[Closed]) -> list[str]:
    """The commands that open the gates: one for each failed verdict, one for all days of an asset to be made or checked."""
    remedies = []
    for each in (each for each in found if each.has_failed):
        name = " ".join(map(str, filter(None, (each.gate.subject, each.gate.check, each.partition))))
        remedies.append(
            f'mend it and make it again, or let it through for a while: `nightcart override {name} --reason "…"`'
        )
    # What has no rows cannot be looked at: it was never made, or is gone, and is made (again).
    for lacking, wanted in ((True, "backfill"), (False, "check")):
        days: dict[str, list[dt.date]] = {}
        for each in (each for each in found if not each.has_failed and each.lacks_rows == lacking):
            of_asset = days.setdefault(each.gate.asset or each.gate.subject, [])
            of_asset += [each.partition] if each.partition else []
        for asset, those in days.items():
            between = f" --from {min(those)} --to {max(those)}" if those else ""
            which = f"{between} --assets {asset} --force" if lacking else f" {asset}{between}"
            remedies.append(f"`nightcart {wanted}{which}`")
    return remedies
