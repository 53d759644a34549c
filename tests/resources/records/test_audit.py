"""Whatever goes on record is sealed in a chain; a byte, an entry, a record or an order that was changed is found and named."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from resources.errors import Overtaken
from resources.records import audit, database
from resources.records.lifecycle import PromotionRecord, RetrainingRequest
from resources.records.quality import Override
from resources.records.store import OperationsDatabase
from tests.resources.records.conftest import in_child

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.date(2024, 3, 1)


def request(reason: str) -> RetrainingRequest:
    return RetrainingRequest(reason=reason, by="ann", made_at=NOON)


def promotion(version: int, *, before: int | None = None) -> PromotionRecord:
    return PromotionRecord(
        business_date=DAY,
        challenger=version,
        champion_before=before,
        champion_after=version,
        is_promoted=True,
        reasons=["beats everybody"],
        numbers={"quality": {"challenger": {"recall": [0.1 + 0.2, 1 / 3, 1e-17]}}},
        decided_at=NOON,
        run_id="run",
    )


@pytest.fixture
def recorded(operations: OperationsDatabase) -> OperationsDatabase:
    operations.record(request("first"), promotion(1))
    operations.record(
        Override(
            subject="transactions",
            partition=DAY,
            data_version="v",
            check="rows",
            reason="known",
            by="bob",
            expires_at=NOON,
            decided_at=NOON,
        )
    )
    operations.record(request("second"), request("third"))
    return operations


def altered(operations: OperationsDatabase, *statements: str) -> list[str]:
    """What is found after somebody worked on the database with SQL."""
    with database.connected(operations.url).begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    return [str(flaw) for flaw in operations.flaws()]


def test_what_was_recorded_is_whole(recorded):
    assert recorded.flaws() == []
    assert [entry.id for entry in recorded.trail()] == [1, 2, 3, 4, 5]
    assert [entry.kind for entry in recorded.trail()] == ["wishes", "promotions", "overrides", "wishes", "wishes"]


def test_nothing_recorded_is_whole(operations):
    operations.record()
    assert operations.flaws() == []
    assert operations.trail() == []


def test_heartbeat_is_no_record(operations):
    operations.beat("watch", now=NOON)
    assert operations.trail() == []
    assert operations.flaws() == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE wishes SET reason = 'firsT' WHERE id = 1", "entry 1: wishes 1 was changed: reason was 'first' and is 'firsT'"),
        ("DELETE FROM overrides", "entry 3: overrides 1 is gone from its table"),
        (
            "INSERT INTO wishes (reason, by, made_at) VALUES ('forged', 'eve', '2024-03-01 12:00:00')",
            "entry 6: wishes 4 has no entry: it was put there by hand, or its entry was removed",
        ),
        ("UPDATE promotions SET numbers = '{}'", "entry 2: promotions 1 was changed: numbers was"),
        ("UPDATE audit SET payload = replace(payload, 'ann', 'eve') WHERE id = 4", "entry 4: its digest is not that of what it says (wishes 2)"),
        ("DELETE FROM audit WHERE id = 2", "entry 2: entry 2 is missing before it is followed by entry 3"),
        ("DELETE FROM audit WHERE id IN (2, 3)", "entry 2: entries 2 to 3 are missing before it is followed by entry 4"),
        ("DELETE FROM audit WHERE id = 5", "entry 5: wishes 3 has no entry: it was put there by hand, or its entry was removed"),
        ("UPDATE audit SET previous = '0' WHERE id = 4", "entry 4: it does not follow the entry before it"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_found_where_it_is(recorded, statement, says):
    found = altered(recorded, statement)
    assert found[0].startswith(says)


def test_entries_in_another_order_are_found(recorded):
    found = altered(
        recorded,
        "UPDATE audit SET id = 99 WHERE id = 3",
        "UPDATE audit SET id = 3 WHERE id = 4",
        "UPDATE audit SET id = 4 WHERE id = 99",
    )
    assert found[0].startswith("entry 3: it does not follow the entry before it")


def test_entry_forged_with_a_digest_of_its_own_breaks_the_next_link(recorded):
    real = recorded.trail()[1]
    forged = audit.sealed(
        id=2, kind=real.kind, record_id=1, payload=real.payload.replace("everybody", "nobody"), previous=real.previous
    )
    found = altered(recorded, f"UPDATE audit SET payload = '{forged.payload}', digest = '{forged.digest}' WHERE id = 2")
    assert found[0].startswith("entry 3: it does not follow the entry before it")


def test_nothing_is_recorded_when_a_part_of_it_cannot_be(recorded):
    with pytest.raises(Exception, match=r"(?i)not.null"):
        recorded.record(request("fourth"), RetrainingRequest(reason=None, by="eve", made_at=NOON))  # pyright: ignore[reportArgumentType]
    assert len(recorded.trail()) == 5
    assert recorded.flaws() == []


def _write(url: str, name: str) -> None:
    operations = in_child(url)
    for n in range(20):
        operations.record(request(f"{name} {n}"), request(f"{name} {n} again"))


def test_processes_that_write_at_the_same_time_make_one_chain(operations):
    operations.record(request("first"))
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_write, [operations.url] * 2, ["ann", "bob"]))
    assert len(operations.trail()) == 81
    assert operations.flaws() == []


def test_trail_is_whole_while_it_is_written(operations):
    operations.record(request("first"))
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [operations.record(request(str(n)), promotion(n)) for n in range(30)])
        looks = 0
        while not writing.done() or not looks:
            assert operations.flaws() == []
            looks += 1
        writing.result()
    assert len(operations.trail()) == 61


def test_decision_is_taken_when_nobody_was_faster(operations):
    operations.decide(promotion(1), request("with it"), expected_version=operations.last_decision())
    operations.decide(promotion(2, before=1), expected_version=operations.last_decision())
    assert [record.challenger for record in operations.promotions()] == [1, 2]
    assert [entry.kind for entry in operations.trail()] == ["promotions", "wishes", "promotions"]


def test_second_of_two_decisions_with_the_same_expected_version_is_refused(operations):
    operations.record(promotion(1))
    seen = operations.last_decision()
    operations.decide(promotion(2, before=1), expected_version=seen)
    with pytest.raises(Overtaken, match="the champion is version 2 now, and nothing was changed here"):
        operations.decide(promotion(3, before=1), request("with it"), expected_version=seen)
    assert [record.challenger for record in operations.promotions()] == [1, 2]
    assert operations.records(RetrainingRequest) == []


def _promote(url: str, versions: range) -> list[bool]:
    operations, won = in_child(url), []
    for version in versions:
        seen, before = operations.last_decision(), operations.champion_as_of(DAY)
        try:
            operations.decide(promotion(version, before=before), expected_version=seen)
            won.append(True)
        except Overtaken:
            won.append(False)
    return won


def test_two_promoters_in_a_loop_leave_a_ledger_in_which_each_decision_knew_the_one_before(operations):
    with ProcessPoolExecutor(2) as pool:
        first, second = pool.map(_promote, [operations.url] * 2, [range(100, 130), range(200, 230)])
    decided = operations.promotions()
    assert len(decided) == sum(first) + sum(second)
    assert [record.champion_before for record in decided] == [None, *(record.champion_after for record in decided[:-1])]
    assert operations.flaws() == []
