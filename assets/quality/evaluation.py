"""How a step of gates runs: what it judges, what it found, the verdicts that go on record, and what the UI shows."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.failures import RETRIES, explained, raise_if_interrupted
from assets.partitions import days_of
from assets.quality.costs import costed
from assets.quality.fence import begin
from assets.quality.gates import Gate, Partition, key_of
from assets.quality.rules import expected, unmet
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase
from resources.validation import Outcome

NO_RESULT = "it gave no result"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What a gate found: the reason for each partition where it does not hold, and what to show in the UI.

    `metadata` holds numbers under names that stay, which the UI plots over time.
    """

    gate: Gate
    broken: Mapping[Partition, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def gate_result(gate: Gate, outcomes: Sequence[Outcome], **numbers: float) -> GateResult:
    """What was expected, and for each day, or of the whole table, in a sentence what is there where it was not met."""
    broken: dict[dt.date | None, list[str]] = {}
    for outcome in (outcome for outcome in outcomes if not outcome.is_met):
        values: dict[dt.date | None, list[Any]] = {}
        for where, value in zip(outcome.offenders, outcome.observed, strict=True):
            values.setdefault(where if gate.has_days else None, []).append(value)
        for partition, of_partition in (values or {None: []}).items():
            said = unmet(outcome.expectation, of_partition if gate.quotes else [], rows=len(of_partition))
            broken.setdefault(partition, []).append(said)
    return GateResult(
        gate=gate,
        broken={partition: "; ".join(said[:5]) for partition, said in broken.items()},
        metadata={
            "offenders": sum(len(outcome.offenders) for outcome in outcomes),
            **numbers,
            "expected": [expected(outcome.expectation) for outcome in outcomes],
        },
    )


Judge = Callable[..., Iterable[GateResult]]


def gate_checks(gates: Sequence[Gate]) -> Callable[[Judge], dg.AssetChecksDefinition]:
    """Make a step of gates from a function that judges the run's partitions and yields a :class:`GateResult` a gate.

    The function takes `context`, `tables` and `operations`, and what other resources it needs. A gate without a result,
    and all of them when it crashes, are on record as that.
    """

    def decorate(judge: Judge) -> dg.AssetChecksDefinition:
        @explained
        def evaluated(
            context: dg.AssetCheckExecutionContext, resources: Mapping[str, Any]
        ) -> list[dg.AssetCheckResult]:
            # A look alone, as `nightcart check` takes, overtakes nobody.
            is_look = not context.job_def.asset_layer.selected_asset_keys
            with costed(context, resources):
                step = resources if is_look else begin(context, resources)
                return GateEvaluation(gates, context, step).run(lambda: judge(context, **step))

        @dg.multi_asset_check(
            name=judge.__name__,
            description=judge.__doc__,
            specs=[gate.spec for gate in gates],
            retry_policy=RETRIES,
        )
        @functools.wraps(judge)
        def run(context: dg.AssetCheckExecutionContext, **resources: Any) -> Iterator[dg.AssetCheckResult]:
            yield from evaluated(context, resources)

        return run

    return decorate


class GateEvaluation:
    """One evaluation of a step of gates."""

    def __init__(
        self, gates: Sequence[Gate], context: dg.AssetCheckExecutionContext, resources: Mapping[str, Any]
    ) -> None:
        """Note the versions that are judged, before anything is read: what is written meanwhile has no verdict."""
        self.operations: OperationsDatabase = resources["operations"]
        self.run_id, self.now = context.run.run_id, dt.datetime.now(dt.UTC)
        days = days_of(context) if any(gate.has_days for gate in gates) else []
        self.judged = {gate: gate.present(days, **resources) for gate in gates}
        self.overrides = {key_of(override): override for override in self.operations.overrides(now=self.now)}

    def run(self, judge: Callable[[], Iterable[GateResult]]) -> list[dg.AssetCheckResult]:
        """Judge, put every gate's verdicts on record, and return what Dagster is told."""
        try:
            results = {result.gate: result for result in judge()}
        except Exception as error:  # whatever it was, the gate stays shut, on record; the run still fails by it
            raise_if_interrupted(error)
            crash = f"{type(error).__name__}: {error}"
            self.operations.record(*(verdict for gate in self.judged for verdict in self._crashed(gate, crash)))
            raise
        verdicts = {
            gate: self._verdicts(result) if (result := results.get(gate)) else self._crashed(gate, NO_RESULT)
            for gate in self.judged
        }
        self.operations.record(*(verdict for of_gate in verdicts.values() for verdict in of_gate))
        return [self._told(gate, verdicts[gate], results.get(gate)) for gate in self.judged]

    def _crashed(self, gate: Gate, why: str) -> list[Verdict]:
        return [self._verdict(gate, partition, Verdict.CRASHED, why) for partition in self.judged[gate]]

    def _verdicts(self, result: GateResult) -> list[Verdict]:
        broken = result.broken
        return [
            self._verdict(result.gate, each, Verdict.FAILED if each in broken else Verdict.PASSED, broken.get(each, ""))
            for each in self.judged[result.gate]
        ]

    def _verdict(self, gate: Gate, partition: Partition, outcome: str, reason: str) -> Verdict:
        return Verdict(
            subject=gate.subject,
            partition=partition,
            data_version=self.judged[gate][partition],
            check=gate.check,
            outcome=outcome,
            reason=reason,
            run_id=self.run_id,
            decided_at=self.now,
        )

    def _told(self, gate: Gate, verdicts: Sequence[Verdict], result: GateResult | None) -> dg.AssetCheckResult:
        failed = [verdict for verdict in verdicts if verdict.outcome != Verdict.PASSED]
        why = [f"{f'{each.partition}: ' if each.partition else ''}{each.reason}" for each in failed[:5]]
        overrides = [self.overrides[key_of(verdict)] for verdict in failed if key_of(verdict) in self.overrides]
        # What a person has let through goes on in Dagster too; a warning opens no gate of ours.
        is_overridden = result is not None and bool(failed) and len(overrides) == len(failed)
        by = {f"{each.by}, until {each.expires_at:%Y-%m-%d %H:%M} UTC: {each.reason}": None for each in overrides}
        return dg.AssetCheckResult(
            check_name=gate.check,
            asset_key=gate.asset_key,
            passed=result is not None and not failed,
            severity=dg.AssetCheckSeverity.WARN if is_overridden else dg.AssetCheckSeverity.ERROR,
            description=("; ".join(why) if result else "It gave no result.") or None,
            metadata={
                "partitions_judged": len(verdicts),
                "partitions_failed": len(failed),
                **(result.metadata if result else {}),
                **({"overridden_by": list(by)} if by else {}),
            },
        )
