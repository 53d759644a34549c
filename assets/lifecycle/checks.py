"""What must hold of a version, and of the decision on it, before it may score anybody: the gates of the lifecycle; and costs."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from assets.failures import RETRIES, explained
from assets.lifecycle.champion import CHAMPION_GATE
from assets.lifecycle.versions import load_verified
from assets.partitions import days_of
from assets.quality.costs import compared
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate
from resources.config.lifecycle import LifecycleSettings
from resources.errors import Refused
from resources.models.registry import CHAMPION, ModelRegistry
from resources.records.costs import StepCost
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

CHALLENGER = "challenger"


def _challengers(days: Iterable[dt.date], *, registry: ModelRegistry, **_: Any) -> dict[dt.date | None, str]:
    return {day: str(registry.challenger_of(day.isoformat()).version) for day in days}


CHALLENGER_GATE = Gate(
    subject=CHALLENGER,
    check="version_scores_as_it_did",
    description="The version's files can be loaded, their digest is the one on record, and they score the frozen sample "
    "that was registered with them as they did then.",
    versions=_challengers,
)


@gate_checks([CHALLENGER_GATE])
def challenger_is_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    registry: dg.ResourceParam[ModelRegistry],
) -> Iterator[GateResult]:
    """Load the version of each day and let it score its sample; what cannot says why."""
    broken: dict[dt.date | None, str] = {}
    loaded = {}
    for day in days_of(context):
        version = registry.challenger_of(day.isoformat())
        try:
            loaded[day.isoformat()] = f"version {version.version}, {load_verified(registry, version).family()}"
        except Refused as error:
            broken[day] = error.message
    yield GateResult(gate=CHALLENGER_GATE, broken=broken, metadata={"loaded": loaded, "versions_loaded": len(loaded)})


@gate_checks([CHAMPION_GATE])
def champion_is_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    registry: dg.ResourceParam[ModelRegistry],
) -> Iterator[GateResult]:
    """Compare the registry's alias with the ledger's last word."""
    newest, alias = operations.promotions()[-1], registry.aliased(CHAMPION)
    differs = f"the alias points to version {alias}, the ledger says {newest.champion_after}"
    yield GateResult(
        gate=CHAMPION_GATE,
        broken={} if alias == newest.champion_after else {newest.business_date: differs},
        metadata={"decided": str(newest.champion_after), "alias": str(alias)},
    )


@dg.asset_check(
    asset="retraining_decision",
    description="The night cost about what the nights before did, step by step: see `nightcart costs`. Stops nothing.",
    retry_policy=RETRIES,
)
@explained
def cost_is_usual(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[LifecycleSettings],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.AssetCheckResult:
    """Compare what the run has cost so far with the nights before, each step with its own median."""
    day, tariff = days_of(context)[-1], settings.costs
    nights = operations.nights_with_costs(tariff.spike_nights, before=day)
    before = operations.costs(since=nights[0], until=nights[-1], job=StepCost.NIGHTLY) if nights else []
    night = compared(operations.costs(run_id=context.run.run_id), before, tariff)
    return dg.AssetCheckResult(
        passed=not night.is_spike,
        severity=dg.AssetCheckSeverity.WARN,
        description=night.says,
        metadata={
            "cost": night.cost,
            "usual": night.usual,
            "ratio_to_usual": night.ratio,
            "nights_before": night.nights,
        },
    )
