"""What somebody did to the operations database with `sqlite3` is told before a night relies on it, and comes back from the audit trail."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from resources.errors import Damaged
from resources.records.store import OperationsDatabase
from tests.resources.records.every_kind import EVERY_KIND


@pytest.fixture
def full(operations: OperationsDatabase) -> OperationsDatabase:
    operations.record(*EVERY_KIND)
    operations.require_recorded()
    return operations


def by_hand(operations: OperationsDatabase, statement: str) -> None:
    with sa.create_engine(operations.url).begin() as connection:
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE promotions SET champion_after = 7", "promotions 1 was changed: champion_after was"),
        ("DELETE FROM promotions", "promotions 1 is gone from its table"),
        ("DELETE FROM erasures", "erasures 1 is gone from its table"),
        ("DELETE FROM registrations", "registrations 1 is gone"),
        ("DELETE FROM verdicts", "verdicts are gone from their table"),
        ("DELETE FROM deliveries", "deliveries are gone from their table"),
    ],
)
def test_rows_that_a_hand_changed_stop_a_night_and_are_put_back(full: OperationsDatabase, statement, says) -> None:
    by_hand(full, statement)
    with pytest.raises(Damaged, match=rf"{says}.*`nightcart reconcile`"):
        full.require_recorded()
    assert full.put_back()
    full.require_recorded()
    assert full.flaws() == []
    assert full.put_back() == []


def test_a_row_of_every_kind_is_put_back_as_it_was(full: OperationsDatabase) -> None:
    kinds = {type(each) for each in EVERY_KIND}
    before = {kind: full.records(kind) for kind in kinds}
    for kind in kinds:
        by_hand(full, f"DELETE FROM {kind.TABLE}")
    full.put_back()
    assert {kind: full.records(kind) for kind in kinds} == before
    assert full.flaws() == []


def test_a_decision_that_nobody_took_stops_a_night_and_stays_for_a_person_to_remove(full: OperationsDatabase) -> None:
    columns = "business_date, challenger, champion_before, champion_after, is_promoted, reasons, numbers, kind, 'by', decided_at, run_id"
    by_hand(full, f"INSERT INTO promotions SELECT 99, {columns} FROM promotions LIMIT 1".replace("'by'", '"by"'))
    with pytest.raises(Damaged, match="promotions 99 has no entry"):
        full.require_recorded()
    assert full.put_back() == []


def test_nothing_is_put_back_from_a_chain_that_is_broken(full: OperationsDatabase) -> None:
    by_hand(full, "UPDATE audit SET payload = replace(payload, 'night', 'day') WHERE kind = 'promotions'")
    assert full.put_back() == []
    with pytest.raises(Damaged):
        full.require_recorded()
