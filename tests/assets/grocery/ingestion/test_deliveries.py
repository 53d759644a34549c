"""What changed since the last good day, in one sentence."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from assets.grocery.ingestion.deliveries import (
    columns_changed,
    compared,
    lacking,
    late_files,
    new_columns,
    refuse_cut_off,
    refuse_other_types,
    set_aside,
)
from assets.grocery.ingestion.rules import DAY_RULES, expectations, fault
from resources.config.loader import load_settings
from resources.config.retailer import TransactionsConfig
from resources.errors import FeedRefused
from resources.feeds.files import ColumnsMissing, FeedFile
from resources.records.feeds import Delivery
from resources.tables import object_store

DAY = dt.date(2024, 1, 9)
BEFORE = {"customer": "integer", "article": "text", "paid": "number"}


def delivery(day: dt.date = DAY - dt.timedelta(days=1), **values) -> Delivery:
    given = {"files": {}, "columns": BEFORE, "rows": 120, "broken": {}, "content": "x", "run_id": "r"}
    return Delivery(business_date=day, taken_in_at=dt.datetime(2024, 1, 9, tzinfo=dt.UTC), **(given | values))


def file(**columns: str) -> FeedFile:
    return FeedFile(path="/in/a.parquet", copy=Path("a"), digest="d", day=DAY, columns=columns)


def feed(**contract) -> TransactionsConfig:
    columns = {"household_id": "customer", "product_id": "article", "occurred_at": "at", "sales_value": "paid"}
    return TransactionsConfig.model_validate({"path": "a.parquet", "columns": columns, "contract": contract})


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (BEFORE, []),
        ({"customer": "integer", "sku": "text", "paid": "number"}, ["article is called sku"]),  # in its place
        ({"paid": "number", "customer": "integer", "articles": "text"}, ["article is called articles"]),  # by its name
        ({"customer": "integer", "paid": "number"}, ["article is gone"]),
        ({"customer": "integer", "x": "number", "paid": "number"}, ["article is gone", "x is new"]),  # of another type
        (BEFORE | {"channel": "text"}, ["channel is new"]),
        (BEFORE | {"customer": "text"}, ["customer is text and was integer"]),
    ],
)
def test_columns_that_changed(now, says):
    assert columns_changed(now, BEFORE) == says


def test_columns_that_no_delivery_had_are_told_once_and_those_that_come_and_go_never():
    days = [DAY + dt.timedelta(days=n) for n in range(5)]
    with_status = BEFORE | {"status": "text"}
    came = [
        delivery(days[0], columns={"customer": "integer", "article": "text"}),
        delivery(days[1], columns=with_status),
        delivery(days[2], columns={}, rows=0),
        delivery(days[3], columns=with_status),
    ]
    (told,) = new_columns(came, [delivery()])
    assert told.startswith("No delivery before had the columns status (of 2024-01-10). They are not read")
    sometimes = [delivery(), delivery(columns=with_status), delivery()]  # as objects of JSON without a value
    assert new_columns(came, sometimes) == []
    assert new_columns(came, []) == []


def test_a_lacking_column_is_told_with_what_it_is_called_now_and_in_how_many_rows():
    error = ColumnsMissing(
        "a.parquet lacks the column article; it has customer, sku, paid.",
        remedy="r.",
        file=file(customer="integer", sku="text", paid="number"),
        rows=60,
    )
    assert lacking(error, delivery()).message == (
        "a.parquet lacks the column article: since 2024-01-08, the last good day, article is called sku, in all 60 rows."
    )
    assert lacking(error, None) is error


class TestTypes:
    def test_an_identifier_of_another_type_than_on_the_last_good_day_is_refused(self):
        changed = file(customer="text", article="text", paid="number")
        with pytest.raises(FeedRefused, match="customer is text and was integer, in all its rows"):
            refuse_other_types([changed], feed(), delivery())
        refuse_other_types([changed], feed(), None)  # nothing to compare with
        refuse_other_types([changed], feed(columns={"customer": "text"}), delivery())  # the contract says so

    def test_whole_numbers_with_a_point_and_amounts_of_any_type_are_read_alike(self):
        refuse_other_types([file(customer="number", article="text", paid="text")], feed(), delivery())

    def test_the_contract_is_asked_also_for_columns_that_nothing_is_made_of(self):
        with pytest.raises(FeedRefused, match=r"than the contract: channel is integer and was text"):
            refuse_other_types([file(**BEFORE, channel="integer")], feed(columns={"channel": "text"}), delivery())

    def test_a_time_that_got_an_offset_is_refused(self):
        good = delivery(columns=BEFORE | {"at": "time"})
        with pytest.raises(FeedRefused, match="at is instant and was time"):
            refuse_other_types([file(**BEFORE, at="instant")], feed(), good)


class TestEnds:
    TEXT = "customer,article,at,paid\n1,2,2024-01-09,3\n1,4,2024-01-09,5"

    @pytest.fixture
    def cut(self, tmp_path):
        (tmp_path / "a.csv").write_text(self.TEXT)
        return replace(file(), path="/in/a.csv", copy=tmp_path / "a.csv", is_ended=False)

    def test_a_text_without_an_end_is_refused_where_the_last_good_day_had_one(self, cut):
        with pytest.raises(
            FeedRefused, match=r"a\.csv is truncated: its last line, row 2, has no end, as the files of 2024-01-08"
        ):
            refuse_cut_off([cut], feed(), delivery(is_ended=True))
        refuse_cut_off([cut], feed(), delivery())
        refuse_cut_off([cut], feed(), None)
        refuse_cut_off([file(), replace(cut, is_ended=True)], feed(), delivery(is_ended=True))

    def test_the_contract_may_say_it(self, cut):
        with pytest.raises(FeedRefused, match="has no end, as the contract says"):
            refuse_cut_off([cut], feed(ends_with_newline=True), None)
        refuse_cut_off([cut], feed(ends_with_newline=False), delivery(is_ended=True))


def test_the_commonest_rule_is_told_with_its_first_row(engine):
    rows = [
        {
            "business_date": DAY,
            "rule": rule,
            "reason": f"r{row}",
            "source_file": "a.csv",
            "source_row": row,
            "line": "{}",
        }
        for row, rule in ((3, "b"), (1, "a"), (4, "b"), (2, "b"))
    ]
    found = set_aside(engine.create_table("aside", pa.Table.from_pylist(rows), overwrite=True, temp=True))
    assert found[DAY].by_rule == {"b": 3, "a": 1}
    assert str(found[DAY]) == "most (3) by b, such as a.csv, row 2: r2"


class TestCompared:
    def test_rows_and_rows_set_aside(self):
        now = delivery(DAY, rows=60, broken={"a": 20})
        assert compared(now, delivery()) == (
            "since 2024-01-08, the last good day, 60 rows came instead of 120, 20 were set aside instead of 0"
        )

    def test_stores_never_seen_before(self):
        said = compared(delivery(DAY), delivery(), unseen_stores={"S9": 40, "S8": 2})
        assert "42 rows are of stores never seen before (S8, S9)" in said

    def test_without_a_good_day(self):
        assert compared(delivery(DAY), None) == "there is no good day before it to compare with"


NUMBERS = {
    "lines": 80.0, "quarantined": 20.0, "quarantined_share": 0.2, "missing_keys": 3.0, "usual_lines": 400.0,
    "volume_against_weekday": 0.2, "outside_quantity": 2.0, "lowest_quantity": -4.0, "highest_quantity": 9.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("missing_keys", "3 keys are missing in 80 rows"),
        ("lowest_quantity", "2 rows have a quantity outside 0 … 100,000: -4 … 9"),
        ("quarantined_share", "20 of 100 rows broke a rule (20.0%, 2.0% may), which are not on record"),
        ("volume_against_weekday", "80 rows came where 400 are usual on this weekday (0.20 times as many; 0.4 … 2.5"),
    ],
)
def test_a_fault_says_how_many_rows(column, says):
    assert fault(column, NUMBERS, feed(), aside=None).startswith(says)


def test_every_expectation_has_its_words():
    columns = {"quantity": "q", **feed().columns.model_dump(exclude_none=True)}
    whole = TransactionsConfig.model_validate(
        {"path": "a", "columns": columns, "contract": {"allowed": {"product_id": ["P"]}}}
    )
    asked = {each.kwargs["column"] for group in expectations(whole).values() for each in group}
    assert asked == {column for rule in DAY_RULES for column in rule.faults}


def test_files_of_a_store_that_come_after_the_night_of_their_day_are_told(bucket, feeds, operations):
    settings = load_settings()
    own = settings.transactions.model_copy(update={"path": [f"{bucket}/sales/{{date}}*.csv"]})
    settings = settings.model_copy(update={"transactions": own})
    days = [DAY - dt.timedelta(days=back) for back in (3, 2, 1)]
    objects = [f"{bucket}/sales/{day}.csv" for day in days]
    feeds.raw.mkdir()
    filesystem, _ = object_store.filesystem(bucket)

    def put(path: str, text: str) -> None:
        with filesystem.open(path, "wb") as content:
            content.write(text.encode())

    for day, path in zip(days, objects, strict=True):
        put(path, f"customer\n{day}\n")
        files = {path: feeds.digest(path, day, own)}
        taken_in_at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)  # of a store that says whole seconds
        operations.record(replace(delivery(day, files=files), taken_in_at=taken_in_at))
    assert late_files(feeds, settings, operations, day=DAY) == []  # younger, and the same
    put(objects[0], "customer\nanother\n")
    put(second := objects[2].replace(".csv", "_2.csv"), "customer\nmore\n")
    (says,) = late_files(feeds, settings, operations, day=DAY)
    assert says.startswith(f"Files came after the night of their day, and are not taken in: {objects[0]}, {second}.")
    assert f"--from {days[0]} --to {days[2]} --assets group:ingestion --force" in says
