"""Cleaning: every delivered line is either good or in the quarantine, with the first rule that it breaks."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.grocery.ingestion.cleaning import (
    QUARANTINE_COLUMNS,
    TYPES,
    Cleaned,
    clean,
    has_lines,
    no_lines,
    standardise,
)
from assets.grocery.ingestion.rules import RULES
from resources.config.retailer import TransactionsConfig

FIRST, DAY, LAST = dt.date(2024, 3, 1), dt.date(2024, 3, 5), dt.date(2024, 3, 31)
COLUMNS = {
    "household_id": "who",
    "basket_id": "receipt",
    "product_id": "what",
    "occurred_at": "at",
    "quantity": "items",
    "sales_value": "paid",
    "store_id": "shop",
}
GOOD = {
    "who": "H1",
    "receipt": "R1",
    "what": "P1",
    "at": "2024-03-05 10:00:00",
    "items": "2",
    "paid": "3.50",
    "shop": "N",
}

Line = Mapping[str, Any]


def feed(*, without: Sequence[str] = (), contract: Mapping[str, Any] | None = None, **more: Any) -> TransactionsConfig:
    columns: dict[str, Any] = {name: column for name, column in COLUMNS.items() if name not in without}
    columns |= more.pop("columns", {})
    return TransactionsConfig.model_validate(
        {"path": "sales.csv", "columns": columns, "contract": contract or {}, **more}
    )


def delivered(engine, lines: Sequence[Line], *, types: Mapping[str, pa.DataType] | None = None):
    """Lines as the feed reader gives them: text (or `types`), with their origin. Each is GOOD but for what it says."""
    names = dict.fromkeys(itertools.chain(GOOD, *lines))
    rows = [
        {**dict.fromkeys(names), "source_file": "sales.csv", "source_row": number, **GOOD, **line}
        for number, line in enumerate(lines, start=1)
    ]
    ours = {"source_row": pa.int64(), "file_date": pa.date32(), "source_file": pa.string(), "defect": pa.string()}
    types_of_all = {name: pa.string() for name in names} | ours | dict(types or {})
    table = pa.Table.from_pylist(rows, schema=pa.schema(types_of_all))
    return engine.create_table("delivered", table, overwrite=True, temp=True)


def cleaned(engine, lines: Sequence[Line], settings: TransactionsConfig | None = None, **of: Any) -> Cleaned:
    days = {"first_day": FIRST, "last_day": LAST, "since": DAY, "until": DAY} | of
    zone = days.pop("timezone", "Europe/Berlin")
    types = days.pop("types", None)
    return clean(delivered(engine, lines, types=types), settings or feed(), timezone=zone, **days)


def rules(result: Cleaned) -> dict[int, str | None]:
    """The rule that each line broke, by its row; None for a good line."""
    good = dict.fromkeys(result.transactions.source_row.to_pyarrow().to_pylist())
    bad = result.quarantine.select("source_row", "rule").to_pyarrow().to_pylist()
    return dict(sorted((good | {row["source_row"]: row["rule"] for row in bad}).items()))


def good(result: Cleaned, *columns: str) -> list[Any]:
    """The good lines' values, in the order of the source."""
    rows = result.transactions.order_by("source_file", "source_row").select(*columns).to_pyarrow().to_pylist()
    return [tuple(row.values()) if len(columns) > 1 else row[columns[0]] for row in rows]


SHORT = {"defect": "Expected Number of Columns: 7 Found: 2", "who": "H1,R1"} | dict.fromkeys(
    ["receipt", "what", "at", "items", "paid", "shop"]
)
OTHER_DAY = {"file_date": DAY, "at": "2024-03-06 10:00:00"}
# rule: the lines, the row of the one that breaks it, and the reason that it is told
BREAKING: dict[str, tuple[list[Line], int, str]] = {
    "line_fits_the_header": ([SHORT], 1, "Expected Number of Columns: 7 Found: 2"),
    "occurred_at_is_a_time": ([{"at": "yesterday"}], 1, "occurred_at is 'yesterday'"),
    "occurred_at_is_within_the_history": ([{"at": "2024-02-29 10:00:00"}], 1, "occurred_at is '2024-02-29 10:00:00'"),
    "line_is_of_the_files_day": ([{"file_date": DAY}, OTHER_DAY], 2, "occurred_at is '2024-03-06 10:00:00'"),
    "household_id_is_given": ([{"who": None}], 1, "household_id is empty"),
    "product_id_is_given": ([{"what": "  "}], 1, "product_id is empty"),
    "basket_id_is_given": ([{"receipt": ""}], 1, "basket_id is empty"),
    "value_is_allowed": ([{}, {"shop": "S"}], 2, "store_id is 'S'"),
    "quantity_is_a_number": ([{"items": "two"}], 1, "quantity is 'two'"),
    "quantity_is_in_range": ([{"items": "-1"}], 1, "quantity is '-1', not in 0 … 100,000"),
    "sales_value_is_a_number": ([{"paid": None}], 1, "sales_value is ''"),
    "sales_value_is_in_range": ([{"paid": "10000.01"}], 1, "sales_value is '10000.01', not in 0 … 10,000"),
    "basket_has_one_household": ([{}, {"who": "H2", "what": "P2"}], 2, "basket_id is 'R1'"),
    "product_is_once_a_basket": ([{}, {"what": "P2"}, {"items": "1"}], 3, "product_id is 'P1'"),
}


def test_every_rule_is_tried_here():
    assert list(BREAKING) == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_line_that_breaks_a_rule_is_told_exactly_that_rule(engine, rule):
    lines, row, reason = BREAKING[rule]
    contract = {"allowed": {"store_id": ["N", "W"]}} if rule == "value_is_allowed" else {}
    result = cleaned(engine, lines, feed(contract=contract))
    (told,) = [each for each in result.quarantine.to_pyarrow().to_pylist() if each["source_row"] == row]
    assert (told["rule"], told["reason"], told["source_file"]) == (rule, reason, "sales.csv")
    assert json.loads(told["line"]) == dict(GOOD) | {
        name: value for name, value in lines[row - 1].items() if name in GOOD
    }
    # the other lines of the case are good, but for a basket of several households, of which none can be believed
    others = {number: None for number in range(1, len(lines) + 1) if number != row}
    if rule == "basket_has_one_household":
        others[1] = rule
    assert rules(result) == dict(sorted((others | {row: rule}).items()))


def test_good_lines_have_our_names_and_types(engine):
    result = cleaned(engine, [{"who": " H1 ", "shop": None}])
    assert {name: str(type_) for name, type_ in result.transactions.schema().items()} == dict(TYPES)
    assert result.transactions.to_pyarrow().to_pylist() == [
        {
            "business_date": DAY,
            "household_id": "H1",
            "basket_id": "R1",
            "product_id": "P1",
            "store_id": None,
            "occurred_at": dt.datetime(2024, 3, 5, 9),  # UTC
            "quantity": 2.0,
            "sales_value": 3.5,
            "source_file": "sales.csv",
            "source_row": 1,
        }
    ]
    assert tuple(result.quarantine.columns) == QUARANTINE_COLUMNS
    assert (result.lines, result.broken) == ({DAY: 1}, {})


def test_a_value_that_is_missing_is_not_allowed_and_all_lists_must_hold(engine):
    settings = feed(contract={"allowed": {"store_id": ["N"], "product_id": ["P1", "P2"]}})
    result = cleaned(engine, [{}, {"shop": None, "what": "P2"}, {"what": "P3"}], settings)
    assert rules(result) == {1: None, 2: "value_is_allowed", 3: "value_is_allowed"}
    reasons = result.quarantine.order_by("source_row").reason.to_pyarrow().to_pylist()
    assert reasons == ["store_id is ''", "product_id is 'P3'"]


def test_a_number_that_a_program_wrote_with_a_point_is_the_same_identifier(engine):
    lines = [{"who": 1510.0}, {"who": 2.5, "receipt": "R2"}, {"who": None, "receipt": "R3"}]
    settings = feed(contract={"is_household_required": False})
    result = cleaned(engine, lines, settings, types={"who": pa.float64()})
    assert good(result, "household_id") == ["1510", "2.5", None]


def test_what_a_file_of_many_days_has_of_a_landed_day_does_not_count(engine):
    lines = [{}, {"file_date": DAY, "what": "P2"}, {"at": "2024-03-06 10:00:00", "receipt": "R2"}]
    result = cleaned(engine, lines, landed=[DAY], until=DAY + dt.timedelta(days=1))
    assert good(result, "source_row") == [2, 3]
    assert result.lines == {DAY: 1, DAY + dt.timedelta(days=1): 1}


def test_line_is_told_the_first_rule_only(engine):
    result = cleaned(engine, [{"who": None, "what": None, "items": "many", "paid": "-5"}])
    assert rules(result) == {1: "household_id_is_given"}


def test_line_without_a_day_is_counted_for_none(engine):
    result = cleaned(engine, [{}, {"at": None}, {"at": "2031-01-01 10:00:00"}, {"items": "x", "what": "P2"}])
    assert result.lines == {DAY: 2, None: 2}
    assert result.broken == {
        (None, "occurred_at_is_a_time"): 1,
        (None, "occurred_at_is_within_the_history"): 1,
        (DAY, "quantity_is_a_number"): 1,
    }


def test_bad_line_does_not_spoil_its_basket(engine):
    # H2's line is out for its quantity, so that the basket is of one household after all; and so is the first P1
    result = cleaned(engine, [{"who": "H2", "items": "x"}, {"what": "P1"}])
    assert rules(result) == {1: "quantity_is_a_number", 2: None}


def test_receipt_number_may_come_again_on_another_day(engine):
    lines = [{}, {"who": "H2", "at": "2024-03-06 10:00:00"}]
    assert rules(cleaned(engine, lines, until=dt.date(2024, 3, 6))) == {1: None, 2: None}


def test_first_of_repeated_lines_is_kept_whatever_order_they_are_read_in(engine):
    lines = [
        {"source_row": 9, "items": "9"},
        {"source_row": 2, "items": "2"},
        {"source_row": 5, "items": "5"},
        {"source_row": 7, "items": "1", "source_file": "a file before.csv"},
    ]
    result = cleaned(engine, lines)
    assert good(result, "source_file", "source_row") == [("a file before.csv", 7)]
    assert result.broken == {(DAY, "product_is_once_a_basket"): 3}


def test_contract_may_allow_a_product_twice_in_a_basket(engine):
    assert good(cleaned(engine, [{}, {}], feed(contract={"is_product_once_a_basket": False})), "source_row") == [1, 2]


def test_contract_may_allow_anonymous_baskets(engine):
    lines = [
        {"who": None},
        {"who": None, "receipt": None},
        {"who": None, "receipt": None},  # nobody's, of no basket: no duplicate of the line before
        {"who": "H1", "receipt": None},  # whoever is known has a basket
    ]
    anonymous = feed(contract={"is_household_required": False})
    assert rules(cleaned(engine, lines, anonymous)) == {1: None, 2: None, 3: None, 4: "basket_id_is_given"}
    assert set(rules(cleaned(engine, lines[:3])).values()) == {"household_id_is_given"}


def test_header_in_the_middle_of_a_file_is_a_bad_line(engine):
    assert rules(cleaned(engine, [{}, {name: name for name in GOOD}])) == {1: None, 2: "occurred_at_is_a_time"}


class TestAmounts:
    def test_decimal_comma(self, engine):
        lines = [{"paid": "3,50", "items": "0,5"}, {"paid": "1.234,50", "what": "P2"}]
        result = cleaned(engine, lines, feed(decimal=","))
        assert good(result, "sales_value", "quantity") == [(3.5, 0.5)]
        assert rules(result)[2] == "sales_value_is_a_number"  # a separator of thousands is refused, not guessed

    @pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
    def test_numbers_that_are_none_are_out_of_range(self, engine, text):
        assert rules(cleaned(engine, [{"items": text}])) == {1: "quantity_is_in_range"}

    def test_both_ends_of_a_range_are_in_it(self, engine):
        lines = [{"items": items, "what": items} for items in ("0", "5", "5.01")]
        found = rules(cleaned(engine, lines, feed(contract={"quantity": (0, 5)})))
        assert found == {1: None, 2: None, 3: "quantity_is_in_range"}

    def test_numbers_of_a_typed_file(self, engine):
        types = {"items": pa.int32(), "paid": pa.decimal128(8, 2), "who": pa.int64()}
        result = cleaned(engine, [{"items": 3, "paid": decimal.Decimal("1.25"), "who": 7}], types=types)
        assert good(result, "household_id", "quantity", "sales_value") == [("7", 3.0, 1.25)]


class TestColumnsThatAFeedMayLack:
    def test_without_quantity_a_line_is_one_item(self, engine):
        assert good(cleaned(engine, [{}], feed(without=["quantity"])), "quantity") == [1.0]

    def test_without_value_there_is_no_price(self, engine):
        result = cleaned(engine, [{"paid": "x"}], feed(without=["sales_value", "store_id"]))
        assert good(result, "sales_value") == [None]

    def test_without_basket_the_purchases_of_an_instant_are_one(self, engine):
        lines = [{"what": "P1"}, {"what": "P2"}, {"at": "2024-03-05 10:00:01"}, {"who": "H2"}, {"what": "P2"}]
        result = cleaned(engine, lines, feed(without=["basket_id"]))
        baskets = good(result, "basket_id")
        assert baskets[0] == baskets[1] == "H1@2024-03-05 09:00:00"
        assert len(set(baskets)) == 3
        assert rules(result)[5] == "product_is_once_a_basket"

    def test_without_basket_and_time_the_purchases_of_a_day_are_one(self, engine):
        lines = [{"at": "2024-03-05"}, {"at": "2024-03-05", "what": "P2"}]
        assert len(set(good(cleaned(engine, lines, feed(without=["basket_id"])), "basket_id"))) == 1


UTC = dt.datetime.fromisoformat


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "settings", "utc", "day"),
        [
            ("2024-07-01 00:30:00", {}, "2024-06-30 22:30", "2024-07-01"),
            ("2024-07-01T10:00:00.123", {}, "2024-07-01 08:00:00.123", "2024-07-01"),
            ("2024-01-15 10:00", {}, "2024-01-15 09:00", "2024-01-15"),  # no summer time
            ("2024-07-01", {}, "2024-06-30 22:00", "2024-07-01"),  # a date is its midnight
            ("2024-07-01 23:30:00", {"timestamps_in": "UTC"}, "2024-07-01 23:30", "2024-07-02"),
            ("2024-07-01 23:30:00", {"timestamps_in": "America/New_York"}, "2024-07-02 03:30", "2024-07-02"),
            # an offset is stronger than the declared zone
            ("2024-07-01T23:30:00Z", {}, "2024-07-01 23:30", "2024-07-02"),
            ("2024-07-01T23:30:00+05:00", {}, "2024-07-01 18:30", "2024-07-01"),
            ("2024-07-01 23:30:00-0200", {}, "2024-07-02 01:30", "2024-07-02"),
            ("2024-07-01 23:30:00.5+02", {"timestamps_in": "UTC"}, "2024-07-01 21:30:00.500", "2024-07-01"),
            ("2024-07-01 23:30:00 UTC", {}, "2024-07-01 23:30", "2024-07-02"),
            ("01.07.2024 10:00", {"timestamp_format": "%d.%m.%Y %H:%M"}, "2024-07-01 08:00", "2024-07-01"),
            ("01.07.2024 23:30 -0200", {"timestamp_format": "%d.%m.%Y %H:%M %z"}, "2024-07-02 01:30", "2024-07-02"),
            ("2024-07-01 10:00", {"timestamp_format": "%d.%m.%Y %H:%M"}, None, None),  # not of the declared format
            ("01.07.2024 10:00", {}, None, None),
            ("2024-02-30 10:00", {}, None, None),
            ("", {}, None, None),
        ],
    )
    def test_texts(self, engine, text, settings, utc, day):
        standard = standardise(delivered(engine, [{"at": text}]), feed(**settings), timezone="Europe/Berlin")
        (row,) = standard.select("occurred_at", "business_date").to_pyarrow().to_pylist()
        assert row["occurred_at"] == (UTC(utc) if utc else None)
        assert row["business_date"] == (dt.date.fromisoformat(day) if day else None)

    def test_two_columns_are_joined(self, engine):
        lines = delivered(engine, [{"day": "20240701", "hour": "0930"}, {"day": "20240701", "hour": None}])
        two = feed(columns={"occurred_at": ["day", "hour"]}, timestamp_format="%Y%m%d %H%M")
        found = standardise(lines, two, timezone="Europe/Berlin").occurred_at.to_pyarrow().to_pylist()
        assert found == [UTC("2024-07-01 07:30"), None]

    @pytest.mark.parametrize(
        ("type_", "value", "utc"),
        [
            (pa.timestamp("us", tz="America/New_York"), dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC), "2024-07-01 12:00"),
            (pa.timestamp("ns"), dt.datetime(2024, 7, 1, 12), "2024-07-01 10:00"),
            (pa.date32(), dt.date(2024, 7, 1), "2024-06-30 22:00"),
        ],
        ids=["instant", "wall clock", "date"],
    )
    def test_typed_columns(self, engine, type_, value, utc):
        lines = delivered(engine, [{"at": value}], types={"at": type_})
        (found,) = standardise(lines, feed(), timezone="Europe/Berlin").occurred_at.to_pyarrow().to_pylist()
        assert found == UTC(utc)

    @pytest.mark.parametrize(
        ("zone", "day", "hours"),
        [
            ("Europe/Berlin", dt.date(2024, 3, 31), 23),
            ("Europe/Berlin", dt.date(2024, 10, 27), 25),
            ("America/New_York", dt.date(2017, 3, 12), 23),
            ("Pacific/Kiritimati", dt.date(2024, 3, 5), 24),  # 14 hours before UTC
            ("Pacific/Pago_Pago", dt.date(2024, 3, 5), 24),  # 11 hours behind
        ],
    )
    def test_every_hour_of_a_local_day_is_that_days_and_no_other(self, engine, zone, day, hours):
        noon = dt.datetime.combine(day, dt.time(12))
        instants = [noon + dt.timedelta(hours=back) for back in range(-40, 40)]
        lines = [{"at": f"{at:%Y-%m-%d %H:%M:%S}", "receipt": f"R{n}"} for n, at in enumerate(instants)]
        around = {"first_day": day - dt.timedelta(days=9), "last_day": day + dt.timedelta(days=9)}
        result = cleaned(engine, lines, feed(timestamps_in="UTC"), timezone=zone, since=day, until=day, **around)
        assert result.lines == {day: hours}
        assert set(good(result, "business_date")) == {day}

    def test_wall_clock_of_the_night_the_clocks_change_stays_on_its_day(self, engine):
        day = dt.date(2024, 3, 31)  # Berlin leaves out 02:00 … 02:59
        lines = [{"at": f"2024-03-31 {hour:02}:30:00", "receipt": f"R{hour}"} for hour in range(24)]
        assert cleaned(engine, lines, since=day, until=day).lines == {day: 24}


class TestDays:
    LINES = (
        {},
        {"at": "2024-03-04 23:59:59"},
        {"at": "2024-03-06 00:00:00"},
        {"at": "2024-03-05 23:59:59", "receipt": "R2"},
        {"at": "2024-03-05 00:00:00", "receipt": "R3"},
        {"at": "x"},
        {"at": "2024-02-29 23:59:59"},
    )

    def test_only_the_days_asked_for_are_taken_beside_lines_of_no_day(self, engine):
        assert cleaned(engine, self.LINES).lines == {DAY: 3, None: 2}

    def test_range_equals_its_days_one_by_one(self, engine):
        days = [DAY + dt.timedelta(days=n) for n in (-1, 0, 1)]
        at_once = cleaned(engine, self.LINES, since=days[0], until=days[-1])
        all_at_once = at_once.transactions.order_by("source_row").to_pyarrow()
        each = [cleaned(engine, self.LINES, since=day, until=day) for day in days]
        one_by_one = pa.concat_tables([one.transactions.to_pyarrow() for one in each]).sort_by("source_row")
        assert all_at_once.equals(one_by_one)
        assert len(all_at_once) == 5
        assert {day: n for one in each for day, n in one.lines.items()} == at_once.lines

    def test_both_ends_of_the_history_are_in_it(self, engine):
        lines = [{"at": "2024-03-01 00:00:00"}, {"at": "2024-03-31 23:59:59"}]
        assert cleaned(engine, lines, since=FIRST, until=LAST).lines == {FIRST: 1, LAST: 1}

    def test_file_of_a_day_gives_its_day_to_what_is_in_it(self, engine):
        lines = [{"file_date": DAY, "at": "x"}, OTHER_DAY, {"file_date": DAY, "at": "2019-01-01 10:00:00"}]
        result = cleaned(engine, lines)
        assert result.broken == {(DAY, "occurred_at_is_a_time"): 1, (DAY, "line_is_of_the_files_day"): 2}

    def test_days_without_good_lines_are_told_apart(self, engine):
        other = DAY + dt.timedelta(days=1)
        result = cleaned(engine, [{"at": "2024-03-06 09:00:00", "items": "x"}, {}], until=other)
        silent = other + dt.timedelta(days=1)
        assert result.days_without_good_lines([DAY, other, silent]) == {other: {"quantity_is_a_number": 1}, silent: {}}

    def test_having_lines_is_asked_of_the_local_day(self, engine):
        lines = delivered(engine, [{"at": "2024-03-05 23:30:00"}])
        wanted = [
            has_lines(lines, feed(timestamps_in=zone), day, timezone="Europe/Berlin")
            for zone in ("local", "UTC")
            for day in (DAY, DAY + dt.timedelta(days=1))
        ]
        assert wanted == [True, False, False, True]


def test_closed_day_is_a_table_without_lines(engine):
    lines = no_lines(engine)
    assert {name: str(type_) for name, type_ in lines.schema().items()} == dict(TYPES)
    assert lines.count().execute() == 0


MESSY = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["H1", "H1", "H2", "", None]),
        "receipt": st.sampled_from(["R1", "R2", "R3", None]),
        "what": st.sampled_from(["P1", "P2", "P3", " "]),
        "at": st.sampled_from(["2024-03-05 10:00", "2024-03-06", "2024-03-31T23:30:00Z", "2023-01-01", "noon", None]),
        "items": st.sampled_from(["1", "0", "-1", "1e9", "nan", "x", None]),
        "paid": st.sampled_from(["1", "2.5", "-0.01", "", "1,5"]),
        "shop": st.sampled_from(["N", None]),
        "defect": st.sampled_from([None, None, None, "Expected Number of Columns"]),
        "file_date": st.sampled_from([None, None, DAY]),
    }
)


@hypothesis_settings(max_examples=15)
@given(
    lines=st.lists(MESSY, min_size=1, max_size=12),
    contract=st.fixed_dictionaries({"is_household_required": st.booleans(), "is_product_once_a_basket": st.booleans()}),
)
def test_every_line_is_good_or_quarantined_and_none_is_both(engine, lines, contract):
    result = cleaned(engine, lines, feed(contract=contract), since=FIRST, until=LAST)
    kept = result.transactions.source_row.to_pyarrow().to_pylist()
    held_back = result.quarantine.source_row.to_pyarrow().to_pylist()
    assert sorted(kept + held_back) == list(range(1, len(lines) + 1))
    assert sum(result.lines.values()) == len(lines)
    assert sum(result.broken.values()) == len(held_back)
    assert result.quarantine.filter(result.quarantine.reason.isnull()).count().execute() == 0
