"""What a table's rules expect, and what is said where they do not hold: sentences, whatever library judged."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from assets.quality.evaluation import gate_result
from assets.quality.gates import Gate
from assets.quality.rules import between, expected, unique_and_given, unmet
from resources.validation import Expectation, Outcome

KEY_GIVEN, NAME_GIVEN, KEY_UNIQUE = unique_and_given("product_id", "name")
OTHER = Expectation(type="expect_column_values_to_match_regex", kwargs={"column": "name"})
TABLE = Gate(subject="products", check="fit", description="Fit.", has_days=False)
DAILY = Gate(subject="lines", check="fit", description="Fit.")


@pytest.mark.parametrize(
    ("expectation", "sentence"),
    [
        (between("recommendable", 10, None), "recommendable is at least 10"),
        (between("share", None, 0.02), "share is at most 0.02"),
        (between("volume", 0.5, 1200), "volume is from 0.5 to 1,200"),
        (between("known_too_late", 0, 0), "known too late is 0"),
        (KEY_GIVEN, "product id is given in every row"),
        (KEY_UNIQUE, "every product id stands in one row"),
        (OTHER, "name: column values to match regex"),
    ],
)
def test_expectation_is_a_sentence(expectation, sentence):
    assert expected(expectation) == sentence


@pytest.mark.parametrize(
    ("expectation", "values", "rows", "sentence"),
    [
        (between("recommendable", 10, None), [5], 1, "recommendable is 5, and must be at least 10"),
        (between("known_too_late", 0, 0), [1234], 1, "known too late is 1,234, and must be 0"),
        (between("share", 0, 1), [2, 3], 2, "it does not hold in 2 rows that share is from 0 to 1 (2, 3)"),
        (NAME_GIVEN, [None, None], 2, "name is missing in 2 rows"),
        (KEY_UNIQUE, ["17", "17"], 2, "2 rows have a product id that stands in several (17)"),
        (OTHER, [], 0, "it does not hold that name: column values to match regex"),
    ],
)
def test_what_is_there_instead_is_a_sentence(expectation, values, rows, sentence):
    assert unmet(expectation, values, rows=rows) == sentence


def test_gate_says_it_of_the_whole_table():
    outcomes = [
        Outcome(expectation=between("recommendable", 10, None), is_met=False, offenders=[0], observed=[5]),
        Outcome(expectation=KEY_GIVEN, is_met=True),
    ]
    result = gate_result(TABLE, outcomes)
    assert result.broken == {None: "recommendable is 5, and must be at least 10"}
    assert result.metadata["expected"] == ["recommendable is at least 10", "product id is given in every row"]


def test_gate_says_it_of_each_day():
    days = [dt.date(2024, 5, 6), dt.date(2024, 5, 7)]
    outcome = Outcome(expectation=between("missing_keys", 0, 0), is_met=False, offenders=days, observed=[1, 2])
    assert gate_result(DAILY, [outcome]).broken == {
        days[0]: "missing keys is 1, and must be 0",
        days[1]: "missing keys is 2, and must be 0",
    }


def test_whom_it_is_about_is_not_named_where_it_must_not_stay_on_record():
    outcome = Outcome(expectation=KEY_UNIQUE, is_met=False, offenders=[3, 9], observed=["H-0001", "H-0001"])
    result = gate_result(replace(TABLE, quotes=False), [outcome])
    assert result.broken == {None: "2 rows have a product id that stands in several"}
    assert "H-0001" not in repr(result)
