"""Lists whose inputs were replaced since they were made are not published, by whatever run."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from assets.grocery.scoring.inputs import require_newest_inputs
from assets.grocery.staleness import LISTS
from assets.grocery.tables import FEATURES, HOUSEHOLDS, PRODUCTS, RECOMMENDATIONS
from assets.quality.staleness import record_made
from resources.errors import Superseded
from resources.records.feeds import Delivery
from resources.records.lifecycle import Scoring
from resources.records.store import OperationsDatabase
from resources.tables.history import purge_history
from resources.tables.store import TableStore

DAY, BEFORE, AFTER = (dt.date(2024, 5, 7) + dt.timedelta(days=days) for days in (0, -3, 1))
NOW = dt.datetime(2024, 5, 8, 2, tzinfo=dt.UTC)
DATED = (*FEATURES, RECOMMENDATIONS)


def of_day(day: dt.date, value: int) -> pa.Table:
    return pa.table({"business_date": pa.array([day], pa.date32()), "value": pa.array([value], pa.int64())})


def whole(*values: str) -> pa.Table:
    return pa.table({"id": pa.array(values)})


def deliver(operations: OperationsDatabase, day: dt.date, content: str) -> None:
    of = {"files": {}, "columns": {}, "rows": 1, "broken": {}, "run_id": "r", "taken_in_at": NOW}
    operations.record(Delivery(business_date=day, content=content, **of))


@pytest.fixture
def lists(tables: TableStore, operations: OperationsDatabase) -> None:
    """The lists of a day, with what was put on record of them."""
    for day in (BEFORE, DAY):
        deliver(operations, day, "as it came")
    for name in DATED:
        tables.replace_days(name, of_day(DAY, 1), days=[DAY])
    for name in (PRODUCTS, HOUSEHOLDS):
        tables.replace(name, whole("A", "B"))
    read = {name: tables.version(name) for name in (*DATED, PRODUCTS, HOUSEHOLDS)}
    operations.record(Scoring(business_date=DAY, model_version=1, tables=read, run_id="r", scored_at=NOW))
    record_made(operations, LISTS, {DAY: 2}, run_id="r", now=NOW)


pytestmark = pytest.mark.usefixtures("lists")


def test_lists_of_what_is_there_are_the_newest(tables: TableStore, operations: OperationsDatabase) -> None:
    require_newest_inputs(DAY, tables, operations)
    for name in FEATURES:
        tables.replace_days(name, of_day(AFTER, 2), days=[AFTER])  # another night's
    for name in (PRODUCTS, HOUSEHOLDS):
        tables.replace(name, whole("B", "A"))  # the same, taken in by another run
    deliver(operations, BEFORE, "as it came")
    deliver(operations, AFTER, "later")
    require_newest_inputs(DAY, tables, operations)


@pytest.mark.parametrize("name", [FEATURES[0], FEATURES[-1]])
def test_features_that_were_made_again(tables: TableStore, operations: OperationsDatabase, name: str) -> None:
    tables.replace_days(name, of_day(DAY, 2), days=[DAY])
    said = rf"{name}, which the lists of {DAY} are made of, is no longer .*version {tables.version(name)}, at 20"
    with pytest.raises(Superseded, match=said):
        require_newest_inputs(DAY, tables, operations)


@pytest.mark.parametrize("name", [PRODUCTS, HOUSEHOLDS])
def test_a_catalogue_or_households_that_are_others(
    tables: TableStore, operations: OperationsDatabase, name: str
) -> None:
    tables.replace(name, whole("A"))
    with pytest.raises(Superseded, match=name):
        require_newest_inputs(DAY, tables, operations)


@pytest.mark.parametrize("day", [BEFORE, DAY])
def test_baskets_that_were_corrected_although_nothing_was_made_of_them_yet(
    tables: TableStore, operations: OperationsDatabase, day: dt.date
) -> None:
    deliver(operations, day, "corrected")
    with pytest.raises(Superseded, match=f"transactions of {day}.*nightcart nightly --date"):
        require_newest_inputs(DAY, tables, operations)


def test_versions_that_an_erasure_has_cut_off_are_not_held_against_the_lists(
    tables: TableStore, operations: OperationsDatabase
) -> None:
    for name in DATED:
        tables.rewrite(name, of_day(DAY, 3), days=[DAY], note={"erasure": "x"})
        purge_history(tables, name)
    require_newest_inputs(DAY, tables, operations)
