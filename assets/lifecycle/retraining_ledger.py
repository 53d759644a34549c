"""The ledger of retraining: what was decided, which runs were asked for, and what became of them.

All state is in the operations database; nothing is remembered anywhere else, so that whoever comes to look (the sensor,
the command line, a page of the UI) sees the same, after any restart.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assets.lifecycle.champion import effective_promotions
from assets.lifecycle.domain import Domain
from assets.lifecycle.retraining import Known, choose
from assets.lifecycle.signals import SIGNALS_READ
from resources.config.lifecycle import RetrainingConfig
from resources.records.lifecycle import Attempt, PromotionRecord, RetrainingDecision, RetrainingRequest, Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

WAITING = "waiting"
UNDER_WAY = "under way"
FAILED = "failed, tried again"
CARRIED_OUT = "carried out"
SUPERSEDED = "superseded"
CANCELLED = "cancelled by a person"
USED_UP = "attempts used up"
UNFINISHED = (WAITING, UNDER_WAY, FAILED)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A decision with its attempts, each as its last record has it; `state` is None where nothing was to be done."""

    number: int
    decision: RetrainingDecision
    attempts: Sequence[Attempt]
    state: str | None


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The records that say how things stand: decisions and effective promotions with their numbers, all in their order."""

    decisions: Sequence[tuple[int, RetrainingDecision]] = ()
    attempts: Sequence[Attempt] = ()
    promotions: Sequence[tuple[int, PromotionRecord]] = ()

    def entries(self, *, rule: RetrainingConfig) -> list[Entry]:
        """All decisions by business day, then in the order in which they were taken."""
        ordered = sorted(self.decisions, key=lambda numbered: (numbered[1].business_date, numbered[0]))
        return [
            Entry(
                number=number,
                decision=decision,
                attempts=(attempts := self.attempts_of(number)),
                state=self._state(decision, attempts, ordered[place + 1 :], rule=rule),
            )
            for place, (number, decision) in enumerate(ordered)
        ]

    def current(self, *, rule: RetrainingConfig) -> Entry | None:
        """The newest decision to train, if there is one that counts: the one that may be worked on."""
        wanted = [entry for entry in self.entries(rule=rule) if entry.state not in (None, SUPERSEDED)]
        return wanted[-1] if wanted else None

    def attempts_of(self, number: int) -> list[Attempt]:
        """The last record of every attempt of a decision, by its number."""
        newest = {attempt.number: attempt for attempt in self.attempts if attempt.decision_id == number}
        return [newest[each] for each in sorted(newest)]

    def open_attempts(self) -> list[Attempt]:
        """The attempts that were asked for and whose end nobody has seen."""
        newest = {attempt.run_key: attempt for attempt in self.attempts}
        return [attempt for attempt in newest.values() if attempt.outcome == Attempt.ASKED]

    def _state(
        self,
        decision: RetrainingDecision,
        attempts: Sequence[Attempt],
        later: Sequence[tuple[int, RetrainingDecision]],
        *,
        rule: RetrainingConfig,
    ) -> str | None:
        if not decision.is_retraining:
            return None
        # A training for the day, or for a later one, that was decided upon since, by whatever run.
        known = decision.numbers.get("newest_promotion", 0)
        trained = {
            record.business_date
            for number, record in self.promotions
            if record.business_date > decision.business_date
            or (record.business_date == decision.business_date and number > known)
        }
        if decision.business_date in trained or any(each.outcome == Attempt.SUCCEEDED for each in attempts):
            return CARRIED_OUT
        if trained or any(each.is_retraining or each.business_date == decision.business_date for _, each in later):
            return SUPERSEDED
        if not attempts:
            return WAITING
        last = attempts[-1]
        if last.outcome == Attempt.ASKED:
            return UNDER_WAY
        if last.outcome == Attempt.CANCELLED:
            return CANCELLED
        return USED_UP if len(attempts) >= rule.attempts else FAILED


def read(operations: OperationsDatabase, *, now: dt.datetime) -> Ledger:
    """The ledger as it is on record."""
    return Ledger(
        decisions=operations.numbered(RetrainingDecision),
        attempts=operations.records(Attempt),
        promotions=effective_promotions(operations, now=now),
    )


def exhausted(operations: OperationsDatabase, *, rule: RetrainingConfig, now: dt.datetime) -> Entry | None:
    """The decision whose attempts are used up without a training, if that is how things stand: a person is needed."""
    current = read(operations, now=now).current(rule=rule)
    return current if current and current.state == USED_UP else None


def decide(
    day: dt.date,
    domain: Domain,
    *,
    rule: RetrainingConfig,
    tables: TableStore,
    operations: OperationsDatabase,
    run_id: str,
    say: Callable[[str], object],
) -> None:
    """Put the decision of `day` on record, unless it is there."""
    now = dt.datetime.now(dt.UTC)
    trained = [record for _, record in effective_promotions(operations, until=day, now=now)]
    champion = trained[-1].champion_after if trained else None
    its_nights = list(itertools.takewhile(lambda record: record.champion_after == champion, reversed(trained)))
    known = Known(
        signals=operations.records(Signal, last=SIGNALS_READ),
        decisions=operations.records(RetrainingDecision),
        requests=operations.numbered(RetrainingRequest),
        trained_on=trained[-1].business_date if trained else None,
        serving=champion,
        serving_since=its_nights[-1].business_date if its_nights else None,
        newest_promotion=operations.last_decision(),
        days_with_data=domain.days_with_data(tables),
        new_data=domain.new_data,
    )
    choice = choose(day, known, rule=rule, watches=domain.watches)
    decided = [decision for decision in known.decisions if decision.business_date == day]
    if choice is None or (decided and choice.is_that_of(decided[-1])):
        say(f"What was decided for {day} stays as it is.")
        return
    say(f"{'Retraining' if choice.is_retraining else 'No retraining'}: {'; '.join(choice.reasons)}")
    operations.record(
        RetrainingDecision(
            business_date=day,
            is_retraining=choice.is_retraining,
            reasons=choice.reasons,
            numbers=choice.numbers,
            run_id=run_id,
            decided_at=now,
        )
    )
