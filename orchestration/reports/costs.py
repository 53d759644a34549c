"""What nights, trainings and recommendations cost, by night and by part."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestration.reports.report import Report
from resources.config.costs import CostsConfig
from resources.errors import Refused
from resources.metering import Used
from resources.records.costs import StepCost
from resources.records.publication import Publication
from resources.records.store import OperationsDatabase

TRAINING = ("training_examples", "challenger", "champion")  # what begins the names of a training's steps


@dataclass(frozen=True, kw_only=True)
class Part(Used):
    """A night, or a part of one, with its price and its share of the whole."""

    name: str
    cost: float
    share: float = 1.0

    @classmethod
    def of(cls, name: str, costs: Iterable[Used], tariff: CostsConfig, whole: float | None = None) -> Part:
        """The sum of `costs`; `whole` is the price that its share is of."""
        used = functools.reduce(operator.add, costs, Used())
        price = tariff.price(used)
        return cls(name=name, cost=price, share=1.0 if whole is None else price / (whole or 1), **vars(used))


@dataclass(frozen=True, kw_only=True)
class Costs(Report):
    """The last nights, the parts of the newest, and what a training and a thousand recommendations cost.

    The parts are all there is: what no step used is :data:`StepCost.AROUND`. Prices are in `currency`.
    """

    currency: str
    nights: Sequence[Part]
    parts: Sequence[Part]
    training: Part | None
    thousand_recommendations: float | None


def costs(operations: OperationsDatabase, tariff: CostsConfig, *, nights: int = 1) -> Costs:
    """The report of the last `nights`; raises :class:`Refused` before the first one."""
    if not (days := operations.nights_with_costs(nights)):
        raise Refused(
            "What a night costs is not known yet.",
            remedy="`nightcart nightly --date YYYY-MM-DD` makes one, and counts.",
        )
    known = operations.costs(since=days[0], until=days[-1], job=StepCost.NIGHTLY)
    by_day = {day: [cost for cost in known if cost.business_date == day] for day in days}
    newest, last = by_day[days[-1]], days[-1]
    whole = Part.of(str(last), newest, tariff)
    steps = dict.fromkeys(cost.step for cost in newest)
    parts = [Part.of(step, (each for each in newest if each.step == step), tariff, whole.cost) for step in steps]
    return Costs(
        currency=tariff.currency,
        nights=[Part.of(str(day), of_day, tariff) for day, of_day in by_day.items()],
        parts=sorted(parts, key=lambda part: -part.cost),
        training=_last_training(operations, tariff),
        thousand_recommendations=_a_thousand(operations, tariff, newest, last),
    )


def _last_training(operations: OperationsDatabase, tariff: CostsConfig) -> Part | None:
    """The newest run with a training: all of it, or of a night the steps that train."""
    if not (trained := operations.records(StepCost, last=1, step="challenger")):
        return None
    of_run = operations.costs(run_id=trained[0].run_id)
    own = (cost for cost in of_run if cost.job != StepCost.NIGHTLY or cost.step.startswith(TRAINING))
    return Part.of(str(trained[0].business_date), own, tariff)


def _a_thousand(
    operations: OperationsDatabase, tariff: CostsConfig, night: Iterable[StepCost], day: dt.date
) -> float | None:
    """The night without its training, by the rows that it published."""
    published = [each for each in operations.records(Publication, made_on=day) if not each.is_carried_over]
    if not published or not published[-1].rows:
        return None
    without = (cost for cost in night if not cost.step.startswith(TRAINING))
    return Part.of("", without, tariff).cost / published[-1].rows * 1000


def in_a_line(report: Costs) -> str:
    """The newest night's costs, for who has one line."""
    night, currency = report.nights[-1], report.currency
    said = f"the night of {night.name} {_price(night.cost, currency)} ({night.cpu_seconds:,.0f} CPU seconds"
    said += f", {night.peak_mib / 2**10:.1f} GiB at most, {night.written_mib:,.0f} MiB written)"
    if report.thousand_recommendations is not None:
        said += f", a thousand recommendations {_price(report.thousand_recommendations, currency)}"
    if report.training:
        said += f", the training of {report.training.name} {_price(report.training.cost, currency)}"
    return said


def _price(value: float, currency: str) -> str:
    decimals = 2 if value >= 1 else 5
    return f"{value:,.{decimals}f} {currency}"
