"""From a drift check's report to the signal that goes on record: the worst statistic, and since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assets.lifecycle.drift import DriftReport, DriftStatistic
from resources.records.lifecycle import Signal

STATISTICS_KEPT = 20  # of a night: the furthest from what is usual
NIGHTS_KEPT = 60  # that are looked back on
SIGNALS_READ = 500  # of the newest: a few drift checks over the nights that are judged, looked at again many times
BAD = (Signal.WARN, Signal.ERROR)


def newest(signals: Sequence[Signal]) -> list[Signal]:
    """One signal a night, the one that was recorded last, by night."""
    by_day = {signal.business_date: signal for signal in signals}
    return [by_day[day] for day in sorted(by_day)]


def signal(
    report: DriftReport,
    *,
    watch: str,
    day: dt.date,
    earlier: Sequence[Signal],
    model_version: int | None,
    run_id: str,
    seen_at: dt.datetime,
) -> Signal:
    """What goes on record of `report`; `earlier` are the check's signals, in the order in which they were recorded."""
    statistics = sorted(report.statistics, key=lambda statistic: -statistic.ratio_to_limit)
    message, details = report.message, {"has_failed": True} if report.has_failed else {}
    if worst := report.worst:
        moved = list(dict.fromkeys(statistic.column for statistic in statistics if statistic.level in BAD))
        nights = [day]
        for night in reversed(newest([one for one in earlier if one.business_date < day])):
            if report.level not in BAD or worst.column not in night.details.get("moved", ()):
                break
            nights.append(night.business_date)
        message = worst.message
        if report.level in BAD:
            message += f"; since {nights[-1]}" + (f", {len(nights)} nights" if len(nights) > 1 else "")
            others = [column for column in moved if column != worst.column]
            message += f"; also {', '.join(others[:5])}" * bool(others)
        details = {
            "moved": moved,
            "since": nights[-1].isoformat() if report.level in BAD else None,
            "findings": [_brief(statistic) for statistic in statistics[:STATISTICS_KEPT]],
            "was": dict(worst.was),
            "now": dict(worst.now),
        }
    return Signal(
        business_date=day,
        watch=watch,
        level=report.level,
        value=None if report.worst is None else report.worst.value,
        says=message,
        details=details,
        model_version=model_version,
        run_id=run_id,
        seen_at=seen_at,
    )


def _brief(statistic: DriftStatistic) -> dict[str, Any]:
    """A statistic as it is kept; the names are those of earlier signals."""
    kept = asdict(statistic)
    for name in ("was", "now", "error_at"):
        del kept[name]
    return {"far": kept.pop("ratio_to_limit"), "says": kept.pop("message"), **kept, "level": statistic.level}
