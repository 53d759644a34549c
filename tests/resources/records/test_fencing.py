"""Of several runs that write the same, the one that began last may."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from resources.errors import Superseded
from resources.records.fencing import FencingToken
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase

MARCH = [dt.date(2024, 3, day) for day in range(1, 10)]
NOON = dt.datetime(2024, 3, 9, 12, tzinfo=dt.UTC)


def fenced(operations: OperationsDatabase, run_id: str, *days: dt.date, subject: str = "lists") -> OperationsDatabase:
    between = {"since": days[0], "until": days[-1]} if days else {}
    return operations.fenced(FencingToken(subject=subject, run_id=run_id, taken_at=NOON, **between))


def verdict(run_id: str) -> Verdict:
    return Verdict(
        subject="lists",
        partition=None,
        data_version="v",
        check="c",
        outcome=Verdict.PASSED,
        run_id=run_id,
        decided_at=NOON,
    )


def test_nothing_goes_on_record_of_a_run_once_a_later_one_is_at_work_on_the_same(
    operations: OperationsDatabase,
) -> None:
    asleep = fenced(operations, "first run", MARCH[0])
    asleep.record(verdict("first run"))
    later = fenced(operations, "second run", MARCH[0])
    said = (
        r"lists of 2024-03-01: run second r, which began after this one, run first ru, .* since 2024-03-09 12:00:00 UTC"
    )
    with pytest.raises(Superseded, match=said):
        asleep.record(verdict("first run"))
    with pytest.raises(Superseded):
        asleep.require_newest()
    later.record(verdict("second run"))
    assert [each.run_id for each in operations.records(Verdict)] == ["first run", "second run"]


def test_a_run_that_was_overtaken_does_not_overtake_with_its_next_step(operations: OperationsDatabase) -> None:
    fenced(operations, "first run", MARCH[0], subject="features")
    later = fenced(operations, "second run", MARCH[0])
    with pytest.raises(Superseded, match="run second r"):
        fenced(operations, "first run", MARCH[0])
    later.require_newest()


def test_of_one_run_the_later_attempt_counts(operations: OperationsDatabase) -> None:
    given_up, again = fenced(operations, "run", MARCH[0]), fenced(operations, "run", MARCH[0])
    again.require_newest()
    with pytest.raises(Superseded):
        given_up.require_newest()


@pytest.mark.parametrize(
    ("days", "is_overtaken"),
    [
        (MARCH[:1], False),
        (MARCH[3:4], False),
        (MARCH[1:3], True),
        (MARCH[:2], True),
        (MARCH[2:8], True),
        (MARCH[:8], True),
        ([], True),
    ],
    ids=["before", "after", "the same", "its first", "its last", "more", "a run without days"],
)
def test_days_count_and_subjects(operations: OperationsDatabase, days: list[dt.date], is_overtaken: bool) -> None:
    mine, other = fenced(operations, "mine", *MARCH[1:3]), fenced(operations, "mine", *MARCH[1:3], subject="baskets")
    fenced(operations, "later", *days)
    other.require_newest()
    if is_overtaken:
        with pytest.raises(Superseded):
            mine.require_newest()
    else:
        mine.require_newest()


def test_of_those_who_come_at_once_one_is_the_last(operations: OperationsDatabase) -> None:
    def attempt(name: str) -> str | None:
        try:
            mine = fenced(operations, name, MARCH[0])
        except Superseded:
            return None
        try:
            mine.require_newest()
        except Superseded:
            return None
        return name

    operations.records(Verdict)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, "abcd"))
    tokens = operations.records(FencingToken)
    assert [each.token for each in tokens] == [1, 2, 3, 4]
    assert operations.flaws() == []


def test_records_of_nobody_in_particular_are_not_fenced(operations: OperationsDatabase) -> None:
    fenced(operations, "a run")
    operations.record(verdict(""))
    operations.require_newest()
