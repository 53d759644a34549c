"""How a decision to retrain stands, read from hand-made ledgers."""

from __future__ import annotations

import datetime as dt

from assets.lifecycle import retraining_ledger as ledger
from assets.lifecycle.champion import CHAMPION_GATE
from assets.lifecycle.retraining_ledger import Ledger, exhausted
from resources.config.lifecycle import RetrainingConfig
from resources.records.lifecycle import Attempt, PromotionRecord, RetrainingDecision
from resources.records.quality import Verdict

RULE = RetrainingConfig(attempts=2)
DAY = dt.date(2024, 3, 8)
NOON = dt.datetime(2024, 3, 9, 12, tzinfo=dt.UTC)


def decision(day: dt.date = DAY, *, is_retraining: bool = True, newest_promotion: int = 1) -> RetrainingDecision:
    return RetrainingDecision(
        business_date=day,
        is_retraining=is_retraining,
        reasons=["because"],
        numbers={"newest_promotion": newest_promotion} if is_retraining else {},
        run_id="run",
        decided_at=NOON,
    )


def attempt(number: int, outcome: str = Attempt.ASKED, *, of: int = 1) -> Attempt:
    ended = None if outcome == Attempt.ASKED else NOON
    return Attempt(
        decision_id=of, number=number, run_key=f"{of}:{number}", outcome=outcome, asked_at=NOON, ended_at=ended
    )


def promotion(day: dt.date, version: int = 2) -> PromotionRecord:
    return PromotionRecord(
        business_date=day,
        challenger=version,
        champion_before=1,
        champion_after=version,
        is_promoted=True,
        reasons=["better"],
        decided_at=NOON,
        run_id="run",
    )


def passed(record: PromotionRecord, outcome: str = Verdict.PASSED) -> Verdict:
    return Verdict(
        subject=CHAMPION_GATE.subject,
        partition=record.business_date,
        data_version=str(record.champion_after),
        check=CHAMPION_GATE.check,
        outcome=outcome,
        run_id="run",
        decided_at=NOON,
    )


def state(*attempts: Attempt, promotions=(), decisions=None) -> str | None:
    found = Ledger(decisions=decisions or [(1, decision())], attempts=attempts, promotions=promotions)
    return found.entries(rule=RULE)[0].state


def test_a_decision_against_it_has_no_state() -> None:
    assert state(decisions=[(1, decision(is_retraining=False))]) is None


def test_from_waiting_to_the_last_attempt() -> None:
    asked, failed = attempt(1), attempt(1, Attempt.FAILED)
    assert state() == ledger.WAITING
    assert state(asked) == ledger.UNDER_WAY
    assert state(asked, failed) == ledger.FAILED
    assert state(asked, failed, attempt(2)) == ledger.UNDER_WAY
    assert state(asked, failed, attempt(2), attempt(2, Attempt.VANISHED)) == ledger.USED_UP
    assert state(asked, failed, attempt(2), attempt(2, Attempt.SUCCEEDED)) == ledger.CARRIED_OUT
    assert state(asked, attempt(1, Attempt.CANCELLED)) == ledger.CANCELLED


def test_a_training_of_that_day_by_another_run_carries_it_out_and_of_a_later_day_makes_it_needless() -> None:
    failed = attempt(1, Attempt.FAILED)
    assert state(failed, promotions=[(2, promotion(DAY))]) == ledger.CARRIED_OUT
    assert state(failed, promotions=[(2, promotion(DAY + dt.timedelta(days=1)))]) == ledger.SUPERSEDED
    assert state(failed, promotions=[(1, promotion(DAY))]) == ledger.FAILED  # it was known when this was decided
    assert state(failed, promotions=[(2, promotion(DAY - dt.timedelta(days=1)))]) == ledger.FAILED


def test_a_newer_decision_takes_the_place_of_an_unfinished_one() -> None:
    for newer in (decision(DAY + dt.timedelta(days=3)), decision(), decision(is_retraining=False)):
        assert state(attempt(1), decisions=[(1, decision()), (2, newer)]) == ledger.SUPERSEDED
    against_a_later = decision(DAY + dt.timedelta(days=3), is_retraining=False)
    assert state(attempt(1), decisions=[(1, decision()), (2, against_a_later)]) == ledger.UNDER_WAY
    found = Ledger(decisions=[(1, decision()), (2, decision(DAY - dt.timedelta(days=3)))])
    current = found.current(rule=RULE)
    assert current
    assert current.number == 1  # by day, not by when it was decided


def test_only_a_promotion_that_passed_its_gate_is_a_training(operations) -> None:
    died = promotion(DAY)
    operations.record(promotion(DAY - dt.timedelta(days=9), version=1), decision(newest_promotion=1), died)
    read = lambda: ledger.read(operations, now=NOON).entries(rule=RULE)[0].state  # noqa: E731
    assert read() == ledger.WAITING
    operations.record(passed(died, Verdict.FAILED))
    assert read() == ledger.WAITING
    operations.record(passed(died))
    assert read() == ledger.CARRIED_OUT


def test_used_up_attempts_can_be_read_until_something_new_is_decided(operations) -> None:
    operations.record(decision(), attempt(1), attempt(1, Attempt.FAILED), attempt(2))
    assert exhausted(operations, rule=RULE, now=NOON) is None
    operations.record(attempt(2, Attempt.FAILED))
    found = exhausted(operations, rule=RULE, now=NOON)
    assert found
    assert [each.summary() for each in found.attempts] == ["1: failed", "2: failed"]
    operations.record(decision())  # a person's wish
    assert exhausted(operations, rule=RULE, now=NOON) is None


def test_of_two_that_ask_at_the_same_time_one_is_the_first(operations) -> None:
    assert operations.claim(attempt(1))
    assert not operations.claim(attempt(1))
    assert operations.claim(attempt(1, Attempt.FAILED))
    assert operations.records(Attempt) == [attempt(1), attempt(1, Attempt.FAILED)]
