"""Decay: what lists turned out to be worth against what their version promised when it was promoted."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assets.monitoring.drift import ERROR_AT, Finding, Seen

WINDOW = dt.timedelta(days=7)  # the horizon that a promise is about
WINDOWS_SHOWN = 8
# The part of a promise that a week may fall short of it: the promise is of one week, the holdout, and weeks differ.
LEAST_DECAY = 0.1


@dataclass(frozen=True, kw_only=True)
class Window:
    """A week of `realised_performance` in one metric: the lists of the night `business_date` less seven days."""

    business_date: dt.date
    metric: str
    value: float
    low: float
    high: float
    households: int
    model_version: int


def decay(
    windows: Sequence[Window],
    *,
    day: dt.date,
    promised: Callable[[int], Mapping[str, Sequence[float]]],
    min_households: int,
) -> Seen:
    """How the week up to `day` compares with what the version of its lists `promised`, by metric: value, low and high.

    A shortfall counts where it is larger than :data:`LEAST_DECAY` and than both intervals allow. It is an error when it
    is twice as large, or when the week before fell short as well.
    """
    by_metric: dict[str, dict[dt.date, Window]] = {}
    for window in windows:
        by_metric.setdefault(window.metric, {})[window.business_date] = window
    findings, why = [], f"No lists of {day - WINDOW} have been compared with the week after them."
    for metric, of_days in by_metric.items():
        window = of_days.get(day)
        if window is None:
            continue
        promise = promised(window.model_version).get(metric)
        if promise is None:
            why = f"Version {window.model_version} has no promise on record."
            continue
        if window.households < min_households:
            why = f"{window.households} households bought in the week, {min_households} are needed to judge lists."
            continue
        far = _far(window, promise)
        before = of_days.get(day - WINDOW)
        promise_before = promised(before.model_version).get(metric) if before else None
        lasts = before is not None and promise_before is not None and _far(before, promise_before) >= 1
        shown = [of_days[at] for back in reversed(range(WINDOWS_SHOWN)) if (at := day - back * WINDOW) in of_days]
        findings.append(
            Finding(
                column=metric,
                statistic="realised over promised",
                value=window.value / promise[0],
                usual=1.0,
                limit=1 - _limit(window, promise),
                far=far,
                error_at=1.0 if lasts else ERROR_AT,
                says=f"{metric} of the week to {day}: {window.value:.4f} [{window.low:.4f}, {window.high:.4f}] of "
                f"{window.households:,} households, promised {promise[0]:.4f} [{promise[1]:.4f}, {promise[2]:.4f}]",
                was={
                    f"{one.business_date:%m-%d}": promised(one.model_version).get(metric, promise)[0] for one in shown
                },
                now={f"{one.business_date:%m-%d}": one.value for one in shown},
            )
        )
    return Seen(findings=findings, says=why)


def _limit(window: Window, promise: Sequence[float]) -> float:
    """The part of the promise that the week may fall short of it."""
    value, low, high = promise
    noise = math.hypot((window.high - window.low) / 2, (high - low) / 2)
    return max(LEAST_DECAY, noise / value)


def _far(window: Window, promise: Sequence[float]) -> float:
    return (1 - window.value / promise[0]) / _limit(window, promise)
