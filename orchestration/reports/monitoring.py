"""Whether nights are like what their champion was made of, and whether the model was to be trained anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from assets.lifecycle import retraining_ledger as ledger
from assets.lifecycle.signals import newest
from orchestration.reports.report import Report
from resources.config.lifecycle import RetrainingConfig
from resources.errors import Refused
from resources.records.lifecycle import Signal
from resources.records.store import OperationsDatabase


@dataclass(frozen=True, kw_only=True)
class Drift(Report):
    """The signals of the latest nights, by drift check and business day; a night that was looked at again has its last."""

    nights: Sequence[dt.date]
    signals: Mapping[str, Mapping[dt.date, Signal]]

    def as_dict(self) -> dict[str, object]:
        """One list of signals, by check, then by day."""
        signals = [asdict(signal) for of_days in self.signals.values() for signal in of_days.values()]
        return {"nights": self.nights, "signals": signals}


def drift(operations: OperationsDatabase, days: int) -> Drift:
    """What the drift checks said of the last `days` nights; raises :class:`Refused` before the first one."""
    by_check: dict[str, list[Signal]] = {}
    for signal in operations.records(Signal):
        by_check.setdefault(signal.watch, []).append(signal)
    nights = sorted({signal.business_date for signals in by_check.values() for signal in signals})[-days:]
    if not nights:
        raise Refused(
            "No watch has looked at a night yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`."
        )
    return Drift(
        nights=nights,
        signals={
            check: {each.business_date: each for each in newest(signals) if each.business_date in nights}
            for check, signals in by_check.items()
        },
    )


@dataclass(frozen=True, kw_only=True)
class Decisions(Report):
    """The decisions of the latest nights whether to train anew, by business day, each with what became of it."""

    decisions: Sequence[ledger.Entry]


def decisions(operations: OperationsDatabase, days: int, *, rule: RetrainingConfig, now: dt.datetime) -> Decisions:
    """What was decided in the last `days` nights; raises :class:`Refused` before the first decision."""
    entries = ledger.read(operations, now=now).entries(rule=rule)
    if not entries:
        raise Refused(
            "No night has decided yet whether to retrain.", remedy="`nightcart nightly --date YYYY-MM-DD` does."
        )
    nights = sorted({entry.decision.business_date for entry in entries})[-days:]
    return Decisions(decisions=[entry for entry in entries if entry.decision.business_date in nights])
