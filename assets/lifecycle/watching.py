"""One look a night of each drift check, and the signal that it leaves on record."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from assets.failures import raise_if_interrupted
from assets.lifecycle.champion import serving
from assets.lifecycle.domain import Lifecycle, Watch
from assets.lifecycle.drift import DriftReport
from assets.lifecycle.signals import NIGHTS_KEPT, signal
from assets.lifecycle.training import REFERENCE
from resources.days import ONE_DAY
from resources.records.lifecycle import Signal


def look(watch: Watch, days: Sequence[dt.date], work: Lifecycle, log: logging.Logger) -> list[Signal]:
    """Put the signals of a drift check on record, one a day, and return all that are looked back on, the newest last."""
    signals = work.operations.records(Signal, watch=watch.name, last=NIGHTS_KEPT)
    for day in days:
        now = dt.datetime.now(dt.UTC)
        decided = serving(work.operations, day if watch.is_of_nights_champion else day - ONE_DAY, now=now)
        version = decided.champion_after if decided else None
        try:
            report = _report(watch, day, version, work)
        except Exception as error:  # a day that cannot be looked at hides no other, and stops no night
            raise_if_interrupted(error)
            log.warning(f"The drift check {watch.name} could not look at {day}", exc_info=True)
            report = DriftReport(message=failure(error), has_failed=True)
        new = signal(
            report,
            watch=watch.name,
            day=day,
            earlier=signals,
            model_version=version,
            run_id=work.run_id,
            seen_at=now,
        )
        work.operations.record(new)
        signals.append(new)
    return signals


def _report(watch: Watch, day: dt.date, version: int | None, work: Lifecycle) -> DriftReport:
    if version is None:
        return DriftReport(message="There is no champion yet, so nothing to compare with.")
    reference = work.registry.document(work.registry.version(version), REFERENCE)
    if not reference:
        return DriftReport(
            message=f"Version {version} has no reference profile: the next version that is trained will have one."
        )
    return watch.look(work, day, reference)


def failure(error: Exception) -> str:
    """What a check says that could not look."""
    return f"It could not look: {type(error).__name__}: {error}"
