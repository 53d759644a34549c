"""Decay: what scores turned out to be worth against what their version promised when it was promoted."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from assets.lifecycle.drift import DriftReport, DriftStatistic

PERIODS_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Period:
    """A period (such as a week) after scores were made, up to `business_date`, in one metric, with its interval."""

    business_date: dt.date
    metric: str
    value: float
    low: float
    high: float
    subjects: int
    model_version: int


Promised = Callable[[int], Mapping[str, Sequence[float]]]


def decay(
    periods: Sequence[Period],
    *,
    day: dt.date,
    length: dt.timedelta,
    promised: Promised,
    least_shortfall: Mapping[int, Mapping[str, float]],
    min_subjects: int,
) -> DriftReport:
    """How the periods up to `day` compare with what their versions `promised`: value, low and high by metric.

    A shortfall counts where it is larger than `least_shortfall` (the part of the promise, by how many periods are
    looked at together and by metric) and than both intervals allow. Periods of fewer than `min_subjects` do not count.
    """
    judged = {
        (period.metric, period.business_date): (period, promised(period.model_version)[period.metric])
        for period in periods
        if period.subjects >= min_subjects and period.metric in promised(period.model_version)
    }

    def of(metric: str, count: int) -> list[tuple[Period, Sequence[float]]]:
        return [judged[at] for back in reversed(range(count)) if (at := (metric, day - back * length)) in judged]

    return DriftReport(
        statistics=[
            _compared(metric, of(metric, count), of(metric, PERIODS_SHOWN), least=least)
            for count, of_metrics in least_shortfall.items()
            for metric, least in of_metrics.items()
            if len(of(metric, count)) == count
        ]
    )


def _compared(
    metric: str,
    periods: Sequence[tuple[Period, Sequence[float]]],
    shown: Sequence[tuple[Period, Sequence[float]]],
    *,
    least: float,
) -> DriftStatistic:
    value, promise = (
        fmean(of) for of in ([period.value for period, _ in periods], [promise[0] for _, promise in periods])
    )
    # Periods are of different data, but mostly of one promise: its interval does not shrink with their number.
    of_periods = math.hypot(*((period.high - period.low) / 2 for period, _ in periods)) / len(periods)
    of_promise = fmean((high - low) / 2 for _, (_, low, high) in periods)
    limit = max(least, math.hypot(of_periods, of_promise) / promise)
    newest = periods[-1][0]
    name = "the week" if len(periods) == 1 else f"the {len(periods)} weeks"
    return DriftStatistic(
        column=metric,
        statistic=f"of {name}",
        value=value / promise,
        usual=1.0,
        limit=1 - limit,
        ratio_to_limit=(1 - value / promise) / limit,
        message=f"{metric} of {name} to {newest.business_date}: {value:.4f} [{value - of_periods:.4f}, {value + of_periods:.4f}], "
        f"promised {promise:.4f} [{promise - of_promise:.4f}, {promise + of_promise:.4f}]; {1 - limit:.0%} of it is the limit",
        was={f"{period.business_date:%m-%d}": promise[0] for period, promise in shown},
        now={f"{period.business_date:%m-%d}": period.value for period, _ in shown},
    )
