"""Decisions are rows that are only ever added, and the champion of a day is read from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from resources.records import database
from resources.records.alerts import Heartbeat
from resources.records.lifecycle import Attempt, PromotionRecord
from resources.records.quality import Override, Verdict
from resources.records.store import OperationsDatabase

MARCH = [dt.date(2024, 3, day) for day in range(1, 10)]


def decision(day: dt.date, challenger: int, *, before: int | None, after: int | None) -> PromotionRecord:
    return PromotionRecord(
        business_date=day,
        challenger=challenger,
        champion_before=before,
        champion_after=after,
        is_promoted=challenger == after,
        reasons=["because"],
        numbers={"quality": {"challenger": {"recall": [0.2, 0.1, 0.3]}}},
        decided_at=dt.datetime(2024, 4, 1, 2, 30, tzinfo=dt.UTC),
        run_id="run",
    )


def test_decision_comes_back_as_it_was_recorded(operations):
    given = decision(MARCH[0], 1, before=None, after=1)
    operations.record(given)
    (found,) = OperationsDatabase(url=operations.url).promotions()  # another process
    assert found == given
    assert found.decided_at.utcoffset() == dt.timedelta(0)


def test_record_is_a_value(operations):
    one = decision(MARCH[0], 1, before=None, after=1)
    with pytest.raises(FrozenInstanceError):
        one.challenger = 2  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(one, challenger=2) != one
    operations.record(one, one)
    assert operations.numbered(PromotionRecord) == [(1, one), (2, one)]


def test_password_of_a_server_is_not_shown():
    assert "secret" not in repr(OperationsDatabase(url="postgresql+psycopg://ann:secret@host/shop"))


def test_records_are_chosen_by_their_fields_and_from_the_end(operations):
    for challenger, after in ((1, 1), (2, None), (3, 1), (4, None)):
        operations.record(decision(MARCH[0], challenger, before=None, after=after))
    assert [each.challenger for each in operations.records(PromotionRecord, champion_after=None)] == [2, 4]
    assert [each.challenger for each in operations.records(PromotionRecord, last=2)] == [3, 4]
    assert [number for number, _ in operations.numbered(PromotionRecord, champion_after=1, last=1)] == [3]
    assert [each.challenger for each in operations.records(PromotionRecord, business_date=MARCH[1])] == []


ATTEMPT = Attempt(decision_id=1, number=1, run_key="1/1", asked_at=dt.datetime(2024, 3, 1, tzinfo=dt.UTC))


def test_of_those_who_claim_the_same_at_once_one_has_it(operations):
    operations.record(decision(MARCH[0], 1, before=None, after=1))
    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(operations.claim, [replace(ATTEMPT, reason=str(n)) for n in range(4)]))
    assert sorted(claimed) == [False, False, False, True]
    assert operations.claim(replace(ATTEMPT, outcome=Attempt.FAILED))
    assert [each.reason for each in operations.records(Attempt)] == [str(claimed.index(True)), ""]
    assert operations.flaws() == []


def test_claim_that_fails_for_another_reason_says_so(operations):
    with pytest.raises(IntegrityError):
        operations.claim(replace(ATTEMPT, number=None))  # pyright: ignore[reportArgumentType]


def verdict(check: str, partition: dt.date | None, outcome: str = Verdict.PASSED) -> Verdict:
    now = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
    return Verdict(
        subject="sales", partition=partition, data_version="v", check=check, outcome=outcome, run_id="r", decided_at=now
    )


def test_newest_verdict_of_each_check_on_each_day_counts(operations):
    first, second, of_no_day = (
        verdict("rows", MARCH[0], Verdict.FAILED),
        verdict("rows", MARCH[0]),
        verdict("keys", None),
    )
    other = verdict("keys", MARCH[2])
    operations.record(first, other, of_no_day, second, replace(first, subject="shops"))
    days = {(MARCH[0], "rows"): second, (MARCH[2], "keys"): other}
    assert operations.verdicts("sales", since=MARCH[0], until=MARCH[2]) == days
    assert operations.verdicts("sales", since=MARCH[1]) == {(MARCH[2], "keys"): other}
    assert operations.verdicts("sales", until=MARCH[1]) == {(MARCH[0], "rows"): second}
    assert operations.verdicts("sales") == {(None, "keys"): of_no_day}


def test_override_lapses(operations):
    until = dt.datetime(2024, 4, 2, tzinfo=dt.UTC)
    override = Override(
        subject="sales", partition=None, data_version="v", check="rows", reason="r", by="ann", expires_at=until,
        decided_at=until,
    )  # fmt: skip
    operations.record(override)
    assert operations.overrides(now=until - dt.timedelta(microseconds=1)) == [override]
    assert operations.overrides(now=until) == []


def test_latest_heartbeat_of_each_is_kept(operations):
    noon = dt.datetime(2024, 4, 1, 12, tzinfo=dt.UTC)
    for name, hours in (("watch", 0), ("nightly", 1), ("watch", 2)):
        operations.beat(name, now=noon + dt.timedelta(hours=hours))
    beats = {beat.name: beat.beat_at.hour for beat in operations.records(Heartbeat)}
    assert beats == {"watch": 14, "nightly": 13}


def test_decisions_are_by_day_and_then_in_the_order_they_were_taken(operations):
    for day, challenger in ((MARCH[5], 3), (MARCH[2], 1), (MARCH[5], 2), (MARCH[2], 1)):
        operations.record(decision(day, challenger, before=None, after=None))
    found = [(record.business_date, record.challenger) for record in operations.promotions()]
    assert found == [(MARCH[2], 1), (MARCH[2], 1), (MARCH[5], 3), (MARCH[5], 2)]
    assert len(operations.promotions(until=MARCH[4])) == 2


def test_champion_of_a_day_is_the_latest_decided_by_then(operations):
    assert operations.champion_as_of(MARCH[8]) is None
    operations.record(decision(MARCH[1], 1, before=None, after=1))
    operations.record(decision(MARCH[3], 2, before=1, after=1))  # not promoted
    operations.record(decision(MARCH[5], 3, before=1, after=3))
    champions = [operations.champion_as_of(day) for day in MARCH[:7]]
    #                    1     2  3  4  5  6  7 March
    assert champions == [None, 1, 1, 1, 1, 3, 3]


def test_day_that_is_decided_again_has_its_last_decision(operations):
    operations.record(decision(MARCH[1], 1, before=None, after=1))
    operations.record(decision(MARCH[1], 2, before=None, after=2))
    assert operations.champion_as_of(MARCH[1]) == 2


def test_night_without_any_champion_stays_without(operations):
    operations.record(decision(MARCH[1], 1, before=None, after=None))
    assert operations.champion_as_of(MARCH[1]) is None


def test_a_database_that_nobody_uses_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(database.atexit, "register", at_exit.append)
    file = tmp_path / "operations.db"
    store = OperationsDatabase(url=f"sqlite:///{file}")
    store.record(decision(MARCH[0], 1, before=None, after=1))
    assert file.with_name("operations.db-wal").stat().st_size
    for close in at_exit:
        close()
    assert [each.name for each in tmp_path.iterdir()] == ["operations.db"]
    store.records(PromotionRecord)  # what the end of a process still puts on record
    store.close()
    assert [each.name for each in tmp_path.iterdir()] == ["operations.db"]
