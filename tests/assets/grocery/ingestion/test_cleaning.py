"""Cleaning: every delivered line is either good or in the quarantine, with the first rule that it breaks."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import hypothesis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.grocery.ingestion.cleaning import (
    QUARANTINE_COLUMNS,
    TYPES,
    Cleaned,
    by_line,
    clean,
    has_lines,
    judge,
    no_lines,
    standardise,
    suspects,
)
from assets.grocery.ingestion.numbers import number_of
from assets.grocery.ingestion.rules import RULES
from resources.config.retailer import TransactionsConfig
from resources.feeds.second_headers import AGAIN
from resources.identifiers import EMPTY_VALUES, identifiers
from resources.identifiers import identifier as of_python

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
    days = {"first_day": FIRST, "last_day": LAST, "since": DAY, "until": DAY, "currency": "EUR"} | of
    zone = days.pop("timezone", "Europe/Berlin")
    types = days.pop("types", None)
    return clean(delivered(engine, lines, types=types), settings or feed(), timezone=zone, **days)


def each_alone(column: str, texts: Iterable[str], *, names: str = "") -> list[Line]:
    """A line for each text, in a basket of its own: many cases in one cleaning."""
    return [{"receipt": f"{names}{number}", column: text} for number, text in enumerate(texts)]


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
    "line_is_no_header": ([{"defect": AGAIN, "who": "who"}, {}], 1, AGAIN),
    "line_fits_the_header": ([SHORT], 1, "Expected Number of Columns: 7 Found: 2"),
    "occurred_at_is_a_time": ([{"at": "yesterday"}], 1, "occurred_at is 'yesterday'"),
    "occurred_at_is_within_the_history": ([{"at": "2024-02-29 10:00:00"}], 1, "occurred_at is '2024-02-29 10:00:00'"),
    "line_is_of_the_files_day": ([{"file_date": DAY}, OTHER_DAY], 2, "occurred_at is '2024-03-06 10:00:00'"),
    "household_id_is_given": ([{"who": None}], 1, "household_id is empty"),
    "product_id_is_given": ([{"what": "  "}], 1, "product_id is empty"),
    "basket_id_is_given": ([{"receipt": ""}], 1, "basket_id is empty"),
    "identifier_is_exact": ([{}, {"what": "4.01E+12"}], 2, "product_id is '4.01E+12'"),
    "value_is_allowed": ([{}, {"shop": "S"}], 2, "store_id is 'S'"),
    "quantity_is_a_number": ([{"items": "two"}], 1, "quantity is 'two'"),
    "quantity_is_in_range": ([{"items": "-1"}], 1, "quantity is '-1', not in 0 … 100,000"),
    "sales_value_is_a_number": ([{"paid": None}], 1, "sales_value is ''"),
    "sales_value_is_in_range": ([{"paid": "10000.01"}], 1, "sales_value is '10000.01', not in 0 … 10,000"),
    "value_is_in_the_currency": ([{}, {"paid": "$3.50", "what": "P2"}], 2, "currency is '$'"),
    "line_is_in_one_file": ([{"source_file": "a file before.csv"}, {}], 2, "basket_id is 'R1'"),
    "basket_is_once_in_a_file": ([{}, {"what": "P2"}, {}, {"what": "P2"}], 4, "basket_id is 'R1'"),
    "basket_has_one_household": ([{}, {"who": "H2", "what": "P2"}], 2, "basket_id is 'R1'"),
    "product_is_once_a_basket": ([{}, {"what": "P2"}, {"items": "1"}], 3, "product_id is 'P1'"),
}


def test_every_rule_is_tried_here():
    assert list(BREAKING) == [rule.name for rule in RULES]


@pytest.fixture(scope="module")
def judged(engine) -> tuple[dict[int, str | None], dict[int, dict[str, Any]]]:
    """The rule that each line broke, and what is in the quarantine, by their rows, of all cases in one cleaning.

    A case's lines are in baskets and files of their own, and its rows begin at a hundred of their own.
    """
    lines = [
        {"receipt": f"R1 of {rule}", "source_file": f"{rule}.csv", **line, "source_row": 100 * case + row}
        for case, (rule, (of_case, _, _)) in enumerate(BREAKING.items())
        for row, line in enumerate(of_case, start=1)
    ]
    result = cleaned(engine, lines, feed(contract={"allowed": {"store_id": ["N", "W"]}}))
    return rules(result), {row["source_row"]: row for row in result.quarantine.to_pyarrow().to_pylist()}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_line_that_breaks_a_rule_is_told_exactly_that_rule(judged, rule):
    broken, quarantine = judged
    (lines, row, reason), before = BREAKING[rule], 100 * list(BREAKING).index(rule)
    receipt = f"R1 of {rule}"
    told = quarantine[before + row]
    assert (told["rule"], told["source_file"]) == (rule, f"{rule}.csv")
    assert told["reason"] == reason.replace("R1'", f"{receipt}'")
    assert json.loads(told["line"]) == GOOD | {"receipt": receipt} | {
        name: value for name, value in lines[row - 1].items() if name in GOOD
    }
    # the other lines of the case are good, but for a basket of several households, of which none can be believed
    others = {number: None for number in range(1, len(lines) + 1) if number != row}
    if rule == "basket_has_one_household":
        others[1] = rule
    elif rule == "basket_is_once_in_a_file":
        others[3] = rule  # a basket is repeated as a whole
    of_case = {number - before: of for number, of in broken.items() if number // 100 == before // 100}
    assert of_case == dict(sorted((others | {row: rule}).items()))


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


class TestIdentifiers:
    TEXTS: Mapping[str, str | None] = {
        **{"17001.0": "17001", "17001.00": "17001", " 17001 ": "17001", "17001": "17001", "-5.0": "-5"},
        **{"17001.5": "17001.5", "1.10": "1.10", "A1.0": "A1.0", "1.2.0": "1.2.0", "007.0": "007"},
        **{"0000000001": "0000000001", "20250303100000000001": "20250303100000000001", "\u00a0K1\ufeff": "K1"},
        **dict.fromkeys(("NULL", "null", r"\N", "NaN", "None", "N/A", "#N/A", "NA", "-", '""', "", " ")),
        **{'="00123"': "00123", "'00123": "00123", '="17001.0"': "17001", "'A1": "'A1", '="A"x': '="A"x', '=""': None},
        **{"NANCY": "NANCY", "A-1": "A-1", "Ø": "Ø", "0": "0"},
        **{
            "１２３": "123",
            " １７００１.0": "17001",
            '="００１２"': "0012",
            "K１": "K1",
            "K１K": "K１K",
            "１月": "1月",
        },
    }

    def test_texts(self, engine):
        settings = feed(contract={"is_household_required": False})
        found = good(cleaned(engine, each_alone("who", self.TEXTS), settings), "household_id")
        assert dict(zip(self.TEXTS, found, strict=True)) == self.TEXTS
        for text, identifier in self.TEXTS.items():
            assert of_python(text, nothing=EMPTY_VALUES) == (identifier or ""), text

    def test_what_keeps_a_spreadsheet_from_reading_numbers_is_no_part_of_any_value(self, engine):
        lines = [{}, {name: f'="{value}"' for name, value in GOOD.items()}]
        columns = (*COLUMNS, "business_date")
        alone, wrapped = (good(cleaned(engine, [line]), *columns) for line in lines)
        assert wrapped == alone

    @given(st.one_of(st.integers().map(str), st.floats(allow_infinity=False), st.text(), st.decimals(allow_nan=False)))
    def test_the_engine_and_python_agree(self, engine, value):
        types = {float: pa.float64(), str: pa.string()}
        text = str(value) if isinstance(value, decimal.Decimal) else value
        hypothesis.assume("\0" not in str(text))
        hypothesis.assume(max(str(text), default="") < "\ud800" or max(str(text)) > "\udfff")
        table = engine.create_table(
            "values", pa.table({"value": pa.array([text], types[type(text)])}), overwrite=True, temp=True
        )
        (found,) = table.select(found=identifiers(table.value)).to_pyarrow()["found"].to_pylist()
        assert (found or "") == of_python(text)

    def test_a_real_product_may_have_a_word_for_nothing_as_its_name(self, engine):
        assert good(cleaned(engine, [{"what": "NA"}], feed(empty_values=["NULL"])), "product_id") == ["NA"]
        assert rules(cleaned(engine, [{"what": "NA"}])) == {1: "product_id_is_given"}

    def test_rounded_ones_and_lists_are_quarantined_unless_the_contract_lets_them_through(self, engine):
        texts = ("4.01E+12", "1.515915625441994e+18", "4,01E+12", "4.01E12", "['milk', 'tea']", "{1,2}", "('a',)")
        lines = [line for column in ("who", "receipt", "what") for line in each_alone(column, texts, names=column)]
        numbers = range(1, len(lines) + 1)
        assert rules(cleaned(engine, lines)) == dict.fromkeys(numbers, "identifier_is_exact")
        assert rules(cleaned(engine, lines, feed(contract={"are_identifiers_exact": False}))) == dict.fromkeys(numbers)

    def test_what_only_looks_like_it_is_an_identifier(self, engine):
        texts = ("12E4", "5e10", "[A12]", "(Bio, 500g)", "E+12", "1E")
        assert set(rules(cleaned(engine, each_alone("what", texts))).values()) == {None}

    def test_a_reason_does_not_quote_a_household(self, engine):
        (row,) = cleaned(engine, [{"who": "4.01E+12"}]).quarantine.to_pyarrow().to_pylist()
        assert row["reason"] == "household_id is rounded, or several"

    def test_an_allowed_value_may_be_written_with_a_point_in_settings_and_file(self, engine):
        settings = feed(contract={"allowed": {"store_id": ["1.0", "2"]}})
        assert rules(cleaned(engine, [{"shop": "1"}, {"shop": "2.0", "what": "P2"}], settings)) == {1: None, 2: None}

    def test_a_point_and_zero_from_a_day_on_make_no_new_households(self, engine):
        after = DAY + dt.timedelta(days=1)
        lines = [{"who": "1510"}, {"who": "1510.0", "at": f"{after} 10:00:00"}, {"who": "1510.0", "receipt": "R2"}]
        result = cleaned(engine, lines, until=after)
        assert set(good(result, "household_id")) == {"1510"}
        assert set(rules(result).values()) == {None}


class TestCurrencies:
    def test_amounts_in_the_retailers_currency_are_read(self, engine):
        lines = [{"paid": "3,50 €"}, {"paid": "EUR 2,50", "what": "P2"}, {"paid": "1,50", "what": "P3"}]
        assert good(cleaned(engine, lines, feed(decimal=",")), "sales_value") == [3.5, 2.5, 1.5]

    def test_a_sign_that_several_currencies_have_may_be_any_of_them(self, engine):
        assert rules(cleaned(engine, [{"paid": "$3.50"}], currency="CAD")) == {1: None}
        assert rules(cleaned(engine, [{"paid": "3.50 kr."}], currency="NOK")) == {1: None}

    def test_another_currency_in_a_column_of_its_own_is_never_added_up(self, engine):
        lines = [
            {"money": "EUR"},
            {"money": "czk", "what": "P2"},
            {"money": "", "what": "P3"},
            {"money": "€", "what": "4"},
        ]
        result = cleaned(engine, lines, feed(columns={"currency": "money"}))
        assert rules(result) == {1: None, 2: "value_is_in_the_currency", 3: None, 4: None}
        assert result.quarantine.reason.to_pyarrow().to_pylist() == ["currency is 'CZK'"]

    def test_a_file_that_comes_in_another_currency_from_a_day_on_has_no_good_line(self, engine):
        result = cleaned(engine, [{"paid": "£3.50", "what": str(number)} for number in range(5)])
        assert result.days_without_good_lines([DAY]) == {DAY: {"value_is_in_the_currency": 5}}


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


def test_baskets_that_a_lax_contract_suspects_hold_those_of_a_strict_one(engine):
    of_two = [{"receipt": "R2", "what": what, "who": who} for what, who in (("P1", "H1"), ("P2", "H2"), ("P2", "H2"))]
    lines = [{}, {"what": "P2", "items": "-1"}, {"what": "P2"}, *of_two, {"receipt": "R3"}]
    standard = standardise(delivered(engine, lines), feed(), timezone="UTC")
    lax = feed(contract={"quantity": [-10, 10], "is_product_once_a_basket": False})
    among = suspects(by_line(standard, lax))
    assert sorted(among.basket_id.to_pyarrow().to_pylist()) == ["R1", "R2"]
    for judged in (judge(standard, feed(), among=among), judge(standard, feed())):
        told = judged.order_by("source_row").rule.to_pyarrow().to_pylist()
        assert told == [None, "quantity_is_in_range", None, *["basket_has_one_household"] * 3, None]


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
    @pytest.mark.parametrize(
        ("decimal", "thousands", "read"),
        [
            (
                ".",
                None,
                {"1.5": 1.5, "1,234.50": 1234.5, "1,234,567": 1234567, "1'234.50": 1234.5, "1,23,456.00": 123456},
            ),
            (
                ".",
                None,
                {"1,50": None, "1,234": None, "0,500": None, "1.234,50": None, "12,34.5": None, "1.234": 1.234},
            ),
            (".", ",", {"1,234": 1234, "0,500": None, "1,50": None, "1,234.50": 1234.5}),
            (
                ",",
                None,
                {"3,50": 3.5, "1.234,50": 1234.5, "2.000,00": 2000, "1.234.567": 1234567, "1\u00a0234,50": 1234.5},
            ),
            (",", None, {"1.234": None, "1.50": 1.5, "0.500": 0.5, "1,234.50": None, "1.000.00": None, "1,234": 1.234}),
            (",", ".", {"1.234": 1234, "1.50": 1.5, "1.234,5": 1234.5}),
            (
                ".",
                None,
                {"$3.50": 3.5, "-$3.50": -3.5, "3.50-": -3.5, "(3.50)": -3.5, "−3.50": -3.5, "+3": 3, ".5": 0.5},
            ),
            (
                ".",
                None,
                {"CHF 1'234.50": 1234.5, "EUR3": 3, "3 USD": 3, "Fr.3.50": 3.5, "1e3": 1000, "5.": 5, " 7 ": 7},
            ),
            (
                ",",
                None,
                {"1.234,50 kr": 1234.5, "kr. 3,50": 3.5, "3,50\u202f€": 3.5, "€ (3,50)": -3.5, "R$ 1.234,56": 1234.56},
            ),
            (
                ".",
                None,
                {"50¢": None, "2 kg": None, "3-50": None, "--3": None, "1 2 3": None, "EUR 3 EUR": None, "12%": None},
            ),
            (".", None, {"nan": None, "inf": None, "-inf": None, "NULL": None, "": None, "two": None, "-": None}),
        ],
    )
    def test_what_is_without_doubt_is_read(self, engine, decimal, thousands, read):
        lines = delivered(engine, [{"paid": text} for text in read])
        numbers = number_of(lines, "paid", feed(decimal=decimal, thousands=thousands))
        found = lines.select("source_row", number=numbers).order_by("source_row").to_pyarrow()["number"].to_pylist()
        assert dict(zip(read, found, strict=True)) == read

    @given(st.floats(-1e9, 1e9), st.sampled_from([(".", ","), (",", ".")]), st.sampled_from(["", "€", "EUR", "kr"]))
    def test_an_amount_as_a_till_writes_it_is_read_as_it_was(self, engine, amount, marks, currency):
        point, thousands = marks
        text = f"{amount:,.2f}".translate({ord(","): thousands, ord("."): point}) + f" {currency}"
        lines = delivered(engine, [{"paid": text}])
        found = lines.select(number=number_of(lines, "paid", feed(decimal=point))).to_pyarrow()["number"].to_pylist()
        assert found == [round(amount, 2)]

    def test_a_decimal_comma_that_appears_is_quarantined_with_an_example(self, engine):
        lines = [{"paid": "3.50"}, {"paid": "3,50", "what": "P2"}, {"paid": "1,250", "what": "P3"}]
        result = cleaned(engine, lines)
        assert rules(result) == {1: None, 2: "sales_value_is_a_number", 3: "sales_value_is_a_number"}
        assert "sales_value is '3,50'" in result.quarantine.reason.to_pyarrow().to_pylist()

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
