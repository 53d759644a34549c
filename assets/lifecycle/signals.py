"""From what a watch saw to the signal that goes on record: the worst finding, and since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assets.grocery.monitoring.drift import Seen
from resources.records.lifecycle import Signal

FINDINGS_KEPT = 20  # of a night: the furthest from what is usual
NIGHTS_KEPT = 60  # that are looked back on
BAD = (Signal.WARN, Signal.ERROR)


def newest(signals: Sequence[Signal]) -> list[Signal]:
    """One signal a night, the one that was recorded last, by night."""
    by_day = {signal.business_date: signal for signal in signals}
    return [by_day[day] for day in sorted(by_day)]


def signal(
    seen: Seen,
    *,
    watch: str,
    day: dt.date,
    earlier: Sequence[Signal],
    model_version: int | None,
    run_id: str,
    seen_at: dt.datetime,
) -> Signal:
    """What goes on record of `seen`; `earlier` are the watch's signals, in the order in which they were recorded."""
    findings = sorted(seen.findings, key=lambda finding: -finding.far)
    says, details = seen.says, {"has_failed": True} if seen.has_failed else {}
    if worst := seen.worst:
        moved = list(dict.fromkeys(finding.column for finding in findings if finding.level in BAD))
        nights = [day]
        for night in reversed(newest([one for one in earlier if one.business_date < day])):
            if seen.level not in BAD or worst.column not in night.details.get("moved", ()):
                break
            nights.append(night.business_date)
        says = worst.says
        if seen.level in BAD:
            says += f"; since {nights[-1]}" + (f", {len(nights)} nights" if len(nights) > 1 else "")
            others = [column for column in moved if column != worst.column]
            says += f"; also {', '.join(others[:5])}" * bool(others)
        details = {
            "moved": moved,
            "since": nights[-1].isoformat() if seen.level in BAD else None,
            "findings": [_brief(finding) for finding in findings[:FINDINGS_KEPT]],
            "was": dict(worst.was),
            "now": dict(worst.now),
        }
    return Signal(
        business_date=day,
        watch=watch,
        level=seen.level,
        value=None if seen.worst is None else seen.worst.value,
        says=says,
        details=details,
        model_version=model_version,
        run_id=run_id,
        seen_at=seen_at,
    )


def _brief(finding: Any) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(finding).items() if name not in ("was", "now", "error_at")}
    return kept | {"level": finding.level}
