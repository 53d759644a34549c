"""Lines that were delivered more than once are taken once; a product that was scanned twice is two lines."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.errors import FeedRefused
from tests.assets.grocery.ingestion.test_cleaning import DAY, cleaned, feed, rules

TWICE = {"is_product_once_a_basket": False}
OTHER_FILE, AGAIN = "line_is_in_one_file", "basket_is_once_in_a_file"


def day(baskets: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """The lines of receipts, in the order of the file."""
    return [
        {"receipt": receipt, "who": f"H{receipt}", "what": product} for receipt, of in baskets.items() for product in of
    ]


def in_file(name: str, lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"source_row": row, **line, "source_file": name} for row, line in enumerate(lines, start=1)]


def broken(engine, lines, **contract: Any) -> dict[str, int]:
    result = cleaned(engine, lines, feed(contract=TWICE | contract))
    result.refuse_unaccounted()
    return {rule: n for (_, rule), n in result.broken.items()}


def test_a_day_that_comes_in_two_files_is_taken_once(engine):
    lines = day({"1": "ABC", "2": "D", "3": "AA"})
    assert broken(engine, in_file("a.csv", lines) + in_file("b.csv", lines)) == {OTHER_FILE: 6}


def test_exports_that_overlap_are_taken_once_where_they_do(engine):
    lines = day({"1": "AB", "2": "CD", "3": "EF"})
    assert broken(engine, in_file("a.csv", lines[:4]) + in_file("b.csv", lines[2:])) == {OTHER_FILE: 2}


def test_files_of_two_stores_keep_what_looks_alike(engine):
    lines = day({"1": "AB"})
    others = [{**line, "shop": "S"} for line in lines]
    assert broken(engine, in_file("n.csv", lines) + in_file("s.csv", others)) == {}


def test_what_is_nobodys_and_of_no_basket_may_be_anybodys(engine):
    line = {"who": None, "receipt": None}
    both = in_file("a.csv", [line]) + in_file("b.csv", [line])
    assert broken(engine, both, is_household_required=False) == {}


@pytest.mark.parametrize("basket", ["AA", "AAB", "ABA", "AABBB", "ABB"])
def test_a_product_that_was_scanned_twice_is_two_lines(engine, basket):
    assert broken(engine, day({"1": basket, "2": "XY"})) == {}


def test_a_block_that_stands_in_a_file_again_is_taken_once(engine):
    lines = day({"1": "ABC", "2": "DD", "3": "EF"})
    # the two scans of D are told from the block only by what stands around them: they are kept
    assert broken(engine, in_file("a.csv", [*lines, *lines[:3], *lines[5:]])) == {AGAIN: 5}


def test_a_join_that_doubled_every_line_is_taken_once(engine):
    lines = day({str(number): "ABC"[: number % 3 + 1] for number in range(1, 10)})
    assert broken(engine, in_file("a.csv", [line for line in lines for _ in (0, 1)])) == {AGAIN: len(lines)}


def test_without_receipts_a_household_may_buy_the_same_twice_a_day(engine):
    lines = [{"at": str(DAY), "what": what} for what in "ABAB"]
    settings = feed(without=["basket_id"], contract=TWICE)
    assert set(rules(cleaned(engine, lines, settings)).values()) == {None}


def test_a_doubled_delivery_is_told_as_one_where_a_product_may_come_once(engine):
    lines = in_file("a.csv", day({"1": "AB", "2": "CD"}) * 2)
    assert broken(engine, lines, is_product_once_a_basket=True) == {AGAIN: 4}


def test_another_day_is_another_delivery(engine):
    later = [{**line, "at": f"{DAY + dt.timedelta(days=1)} 10:00:00"} for line in day({"1": "AB"})]
    both = in_file("a.csv", day({"1": "AB"})) + in_file("b.csv", later)
    result = cleaned(engine, both, feed(contract=TWICE), until=DAY + dt.timedelta(days=1))
    assert not result.broken


CASES = st.tuples(
    st.dictionaries(st.sampled_from("123456"), st.text("ABC", min_size=1, max_size=4), min_size=1),
    st.integers(0, 20),
    st.integers(0, 20),
)


@settings(max_examples=4)
@given(st.lists(CASES, min_size=5, max_size=5))
def test_overlapping_files_leave_what_one_file_would(engine, cases):
    first, second = [], []
    for number, (baskets, begin, end) in enumerate(cases):  # no two have a receipt in common: one cleaning for all
        lines = day({f"{number}-{receipt}": of for receipt, of in baskets.items()})
        first += lines
        second += lines[begin:end]
    whole = cleaned(engine, in_file("a.csv", first), feed(contract=TWICE))
    kept = sorted(whole.transactions.select("basket_id", "product_id").to_pyarrow().to_pylist(), key=str)
    assert len(kept) == len(first)
    twice = cleaned(engine, in_file("a.csv", first) + in_file("b.csv", second), feed(contract=TWICE))
    twice.refuse_unaccounted()
    found = twice.transactions.select("basket_id", "product_id").to_pyarrow().to_pylist()
    assert sorted(found, key=str) == kept


class TestLinesThatDoNotCount:
    LINES = (
        *(
            {"kind": "SALE"},
            {"kind": "RETURN", "what": "P2"},
            {"kind": None, "what": "P3"},
            {"kind": " SALE ", "what": "P4"},
        ),
        {"kind": "VIEW", "at": "never"},
    )

    def test_where_and_unless_leave_out_and_count(self, engine):
        result = cleaned(engine, self.LINES, feed(where={"kind": ["SALE"]}))
        assert rules(result) == {1: None, 4: None}
        assert (result.lines, result.left_out, result.delivered) == ({DAY: 2}, {DAY: 2, None: 1}, {DAY: 4, None: 1})
        result.refuse_unaccounted()
        result = cleaned(engine, self.LINES, feed(unless={"kind": ["RETURN", "VIEW"]}))
        assert rules(result) == {1: None, 3: None, 4: None}

    def test_what_a_column_of_true_and_false_can_never_say_is_refused(self, engine):
        lines, types = [{"kind": True}, {"kind": False, "what": "P2"}], {"kind": pa.bool_()}
        assert rules(cleaned(engine, lines, feed(unless={"kind": ["TRUE"]}), types=types)) == {2: None}
        with pytest.raises(FeedRefused, match="kind is a column of true and false: no line of it says 1, as"):
            cleaned(engine, lines, feed(unless={"kind": ["1"]}), types=types)

    def test_a_broken_line_is_quarantined_whatever_it_may_have_been(self, engine):
        result = cleaned(engine, [{"defect": "too few", "kind": None}], feed(where={"kind": ["SALE"]}))
        assert rules(result) == {1: "line_fits_the_header"}
        assert cleaned(engine, [{"defect": "too few", "kind": "kind"}], feed(where={"kind": ["SALE"]})).kinds == {}

    def test_left_out_lines_spoil_no_basket(self, engine):
        lines = [{"kind": "SALE"}, {"kind": "VIEW", "who": "H2"}, {"kind": "VIEW"}]
        assert rules(cleaned(engine, lines, feed(where={"kind": ["SALE"]}))) == {1: None}

    def test_lines_that_vanish_are_a_refusal(self, engine):
        result = cleaned(engine, [{}, {"what": "P2"}])
        result.refuse_unaccounted()
        with pytest.raises(FeedRefused, match="3 lines were delivered"):
            replace(result, delivered={DAY: 3}).refuse_unaccounted()


def test_every_line_is_accounted_for_whatever_it_says(engine):
    values = {"who": ["H1", "NULL", "4.01E+12"], "paid": ["1", "$2", "x"], "at": ["2024-03-05 10:00:00", "?"]}
    lines = [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())] * 2
    cleaned(engine, lines).refuse_unaccounted()
