"""Repeated keys are told in however many pieces they are counted."""

import datetime as dt

import ibis
import pytest

from assets.grocery.features.checks import _repeated


@pytest.mark.parametrize("pieces", [1, 3])
def test_keys_that_stand_there_twice_are_counted_by_day(engine, pieces):
    days = [dt.date(2024, 3, 30)] * 5 + [dt.date(2024, 3, 31)] * 4
    rows = {"business_date": days, "household_id": list("AABBC" + "ABCC"), "product_id": list("111221112")}
    table = engine.create_table(f"keys_{pieces}", ibis.memtable(rows), temp=True)
    assert _repeated(table, ["household_id"], pieces=pieces) == {days[0]: 2, days[-1]: 1}
    assert _repeated(table, ["household_id", "product_id"], pieces=pieces) == {days[0]: 1}
