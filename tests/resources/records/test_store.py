"""Decisions are rows that are only ever added, and the champion of a day is read from them."""

from __future__ import annotations

import datetime as dt

from resources.records.lifecycle import PromotionRecord
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
    assert found.decided_at.replace(tzinfo=dt.UTC) == given.decided_at  # SQLite forgets the zone
    assert {**vars(found), "decided_at": None} == {**vars(given), "decided_at": None}


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
