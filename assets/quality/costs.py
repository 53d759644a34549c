"""What steps cost: measured where a step is begun, told to the UI with the asset, and kept for the reports."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.partitions import first_and_last
from resources.config.costs import CostsConfig
from resources.metering import Used, metered, unaccounted
from resources.records.costs import StepCost
from resources.records.store import OperationsDatabase

FEWEST_NIGHTS = 3  # before a night, that say what is usual
_last_run: tuple[OperationsDatabase, dg.DagsterRun] | None = None  # of this process, when its end is not yet on record


@contextlib.contextmanager
def costed(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, resources: Mapping[str, Any]
) -> Iterator[None]:
    """Put on record what a step used, also when it fails, and tell it with each asset that the step makes."""
    operations: OperationsDatabase = resources["operations"]
    found: list[Used] = []
    try:
        with metered() as found:
            yield
        if isinstance(context, dg.AssetExecutionContext):
            days = len(context.partition_keys) if context.assets_def.partitions_def else 1
            told = _metadata(found[-1], resources.get("settings"), days)
            for key in context.selected_asset_keys:
                context.add_asset_metadata(told, asset_key=key)
    finally:
        around, used = found
        _note(operations, context.run, {StepCost.AROUND: around, context.op_def.name: used}, context.log)


def settle(operations: OperationsDatabase, run: dg.DagsterRun, log: dg.DagsterLogManager) -> None:
    """Put on record what the process of a run used after its last step."""
    global _last_run
    _last_run = operations, run
    _note(operations, run, {StepCost.AROUND: unaccounted()}, log)


def settle_the_end() -> None:
    """Put on record what the process used since its last run, such as showing what became of it: of that run, once."""
    global _last_run
    if _last_run:
        operations, run = _last_run
        _last_run = None
        _note(operations, run, {StepCost.AROUND: unaccounted()}, logging.getLogger(__name__))
        operations.close()


def _note(
    operations: OperationsDatabase,
    run: dg.DagsterRun,
    used: Mapping[str, Used],
    log: dg.DagsterLogManager | logging.Logger,
) -> None:
    days, now = first_and_last(run.tags), dt.datetime.now(dt.UTC)
    try:
        operations.spent(
            *(
                StepCost(
                    run_id=run.run_id,
                    job=run.job_name,
                    step=step,
                    business_date=days[1] if days else None,
                    ended_at=now,
                    **vars(each),
                )
                for step, each in used.items()
            )
        )
    except Exception as error:  # what a step cost is not worth the step
        log.warning(f"What {', '.join(used)} cost is on no record: {type(error).__name__}: {error}")


def _metadata(used: Used, settings: Any, days: int) -> dict[str, float]:
    """Numbers for the UI, of each day of a run of several."""
    told = {
        "cost/cpu_seconds": used.cpu_seconds / days,
        "cost/peak_memory_mib": used.peak_mib,
        "cost/read_mib": used.read_mib / days,
        "cost/written_mib": used.written_mib / days,
    }
    if tariff := getattr(settings, "costs", None):
        told[f"cost/{tariff.currency.lower()}"] = tariff.price(used) / days
    return {name: round(value, 6) for name, value in told.items()}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A night's cost so far beside what the same steps cost in the nights before: median, ratio, and what grew most."""

    nights: int
    cost: float
    usual: float
    is_spike: bool
    says: str

    @property
    def ratio(self) -> float:
        """How many times the usual; 1 where nothing is usual yet."""
        return self.cost / self.usual if self.usual else 1.0


def compared(night: Iterable[StepCost], before: Iterable[StepCost], tariff: CostsConfig) -> Compared:
    """Compare a night with the nights `before`, each step that both have with the median of its own."""
    now = _by_step(night, tariff)
    nights: dict[dt.date | None, list[StepCost]] = defaultdict(list)
    for cost in before:
        nights[cost.business_date].append(cost)
    earlier = [_by_step(of_night, tariff) for of_night in nights.values()]
    usual = {
        step: tuple(map(statistics.median, zip(*known, strict=True)))
        for step in now
        if (known := [each[step] for each in earlier if step in each])
    }
    cost, median = sum(now[step][0] for step in usual), sum(price for price, _ in usual.values())
    if len(nights) < FEWEST_NIGHTS:
        says = f"{len(nights)} nights before this one are too few to say what is usual: {FEWEST_NIGHTS} are."
        return Compared(nights=len(nights), cost=cost, usual=median, is_spike=False, says=says)
    more = {step: now[step][1] - seconds for step, (_, seconds) in usual.items()}
    is_spike = cost > tariff.spike * median and sum(more.values()) >= tariff.spike_cpu_seconds
    most = max(more, key=lambda step: more[step], default=StepCost.AROUND)
    says = f"The night cost {cost:.4f} {tariff.currency}, {cost / (median or 1):.1f} times the median of {len(nights)} nights"
    if is_spike:
        says += (
            f": {most} took {now[most][1]:.0f} CPU seconds, usually {usual[most][1]:.0f}. `nightcart costs` shows the nights; "
            f"`costs.spike` is the limit ({tariff.spike:g})"
        )
    return Compared(nights=len(nights), cost=cost, usual=median, is_spike=is_spike, says=f"{says}.")


def _by_step(costs: Iterable[StepCost], tariff: CostsConfig) -> dict[str, tuple[float, float]]:
    """Price and CPU seconds of each step."""
    by_step: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for cost in costs:
        price, seconds = by_step[cost.step]
        by_step[cost.step] = (price + tariff.price(cost), seconds + cost.cpu_seconds)
    return dict(by_step)
