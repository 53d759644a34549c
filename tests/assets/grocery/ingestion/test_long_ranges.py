"""A range that does not fit into memory: cleaned, written and profiled by groups of days, with the same outcome."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from assets.grocery.ingestion import checks
from assets.grocery.tables import QUARANTINE, TRANSACTIONS
from resources.records.feeds import Delivery
from resources.tables import slices
from tests.support.shop import FIRST_DAY

DAYS = [FIRST_DAY + dt.timedelta(days=n) for n in range(8)]
LAST = DAYS[-1]


def test_range_is_the_same_by_groups_of_days(shop, settings, monkeypatch):
    shop.write(FIRST_DAY, lambda text: text + "a line that does not fit\n")
    assert shop.take_in(FIRST_DAY, LAST).success
    whole = {table: shop.rows(table) for table in (TRANSACTIONS, QUARANTINE)}
    contents = {each.business_date: each.content for each in shop.operations.records(Delivery)}
    profile, version = checks.profiled(DAYS, settings, shop.tables), shop.tables.version(TRANSACTIONS)
    lines = len(whole[TRANSACTIONS]) / len(DAYS)  # a day
    monkeypatch.setattr(slices, "PART_OF_MEMORY", 600 * lines / slices.granted())
    assert shop.take_in(FIRST_DAY, LAST).success
    assert shop.tables.version(TRANSACTIONS) > version + 1  # in several commits
    assert {table: shop.rows(table) for table in (TRANSACTIONS, QUARANTINE)} == whole
    assert {each.business_date: each.content for each in shop.operations.records(Delivery)} == contents
    pd.testing.assert_frame_equal(checks.profiled(DAYS, settings, shop.tables), profile)
