"""Columns in classes, by hand: deciles, ties, nulls, and what a column is known from."""

from __future__ import annotations

import ibis
import pandas as pd

from assets.grocery.features.tables import FEATURES_OF
from assets.grocery.profiles import numbers

EMPTY = {"household_id": "string", "spend_month": "float32"}


def households(spend: list[float | None]) -> ibis.Table:
    rows = [{"household_id": f"H{n}", "spend_month": value} for n, value in enumerate(spend)]
    return ibis.memtable(rows, schema=EMPTY)


def test_classes_are_the_deciles_that_there_were_and_nulls_are_one_of_their_own():
    was = {"household_features": households([float(n) for n in range(1, 101)] + [None] * 5)}
    cuts = numbers.feature_cuts(was)
    assert len(cuts["household_features.spend_month"]) == 9
    counts = numbers.feature_counts(was, cuts)
    assert counts.of["household_features.spend_month"] == [10] * 10 + [5]
    assert counts.units == {"household_features.spend_month": 105}
    now = numbers.feature_counts({"household_features": households([-7.0, 1e9, None])}, cuts)
    assert now.of["household_features.spend_month"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_a_feature_with_few_values_has_fewer_classes_and_one_of_nulls_has_one():
    tables = {"household_features": households([0.0] * 95 + [4.0] * 5)}
    cuts = numbers.feature_cuts(tables)
    assert cuts == {"household_features.spend_month": [0.0]}
    assert numbers.feature_counts(tables, cuts).of["household_features.spend_month"] == [95, 5, 0]
    nothing = {"household_features": households([None, None])}
    assert numbers.feature_cuts(nothing) == {"household_features.spend_month": []}
    assert numbers.feature_counts(nothing, numbers.feature_cuts(nothing)).of["household_features.spend_month"] == [0, 2]


def test_a_feature_that_the_reference_does_not_know_is_left_out():
    assert numbers.feature_counts({"household_features": households([1.0])}, {}).of == {}


def test_what_is_of_a_category_is_known_from_categories():
    rows = [
        {
            "product_id": f"P{n}",
            "category": f"C{n % 3}",
            "subcategory": None,
            "buyers_month": 1.0,
            "category_pace_14": 1.0,
        }
        for n in range(12)
    ]
    schema = {"product_id": "string", "category": "string", "subcategory": "string"}
    tables = {
        "product_features": ibis.memtable(
            rows, schema=schema | {"buyers_month": "float32", "category_pace_14": "float32"}
        )
    }
    units = numbers.feature_counts(tables, numbers.feature_cuts(tables)).units
    assert units == {"product_features.buyers_month": 12, "product_features.category_pace_14": 3}


def test_large_retailers_are_looked_at_by_some_of_their_households(monkeypatch):
    monkeypatch.setattr(numbers, "HOUSEHOLDS_LOOKED_AT", 100)
    many = {
        "household_features": households([1.0] * 1_000),
        "product_features": ibis.memtable({"product_id": ["P1", "P2"]}),
    }
    some = numbers.drawn(many)
    assert 60 <= some["household_features"].count().execute() <= 140
    assert some["product_features"].count().execute() == 2
    again = numbers.drawn(many)
    assert set(again["household_features"].household_id.execute()) == set(
        some["household_features"].household_id.execute()
    )


def test_lists_are_counted_by_score_and_reason():
    lists = pd.DataFrame(
        {
            "household_id": ["H1", "H1", "H2", "H2"],
            "score": [0.4, 0.3, 0.2, 0.1],
            "reason": ["due", "again", "due", "strange"],
        }
    )
    counts = numbers.list_counts(lists, {"score": [0.2, 0.3]})
    assert counts.of == {"score": [2, 1, 1, 0], "reason": [2, 0, 1, 0, 1]}  # a score on a cut is below it
    assert counts.units == {"score": 2, "reason": 2}
    assert len(numbers.list_cuts(lists)["score"]) == 9


def test_what_grows_with_every_night_is_not_compared():
    rows = [{"household_id": f"H{n}", "trips": float(n), "trips_month": float(n)} for n in range(12)]
    cuts = numbers.feature_cuts({"household_features": ibis.memtable(rows)})
    assert set(cuts) == {"household_features.trips_month"}
    known = {f"{table}.{column}" for table, of in FEATURES_OF.items() for column in of}
    assert known >= numbers.GROWING
