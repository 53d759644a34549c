"""Labelled weeks: over by the night's close, of households that shopped and of some that did not."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.grocery.features import definitions
from assets.grocery.training import examples as made
from assets.grocery.training.examples import (
    HISTORIES,
    LABEL_DAYS,
    as_of_dates,
    inputs_of,
    label_weeks,
    truth_with_slices,
)
from resources.config.retailer import RecommenderConfig
from resources.errors import Refused
from tests.support.histories import CLOSE, Line, examples, offers, products, transactions

FIRST = dt.date(2024, 1, 1)
WEEK = dt.timedelta(days=LABEL_DAYS)


@given(day=st.dates(FIRST, dt.date(2025, 12, 31)), weeks=st.integers(1, 60))
def test_label_week_is_over_by_the_nights_close_and_has_four_weeks_before_it(day, weeks):
    dates = as_of_dates(day, weeks=weeks, first_day=FIRST)
    assert len(dates) <= weeks
    assert all(date + WEEK <= day for date in dates)
    assert all((date - FIRST).days + 1 >= 28 for date in dates)
    assert dates == sorted(dates, reverse=True)
    assert all(newer - older == WEEK for newer, older in itertools.pairwise(dates))


def test_label_weeks_are_the_newest_and_do_not_overlap():
    weeks = label_weeks(dt.date(2024, 3, 31), train=2, holdout=1, first_day=FIRST)
    assert weeks.holdout == (dt.date(2024, 3, 24),)
    assert weeks.train == (dt.date(2024, 3, 17), dt.date(2024, 3, 10))
    assert weeks.all == (*weeks.holdout, *weeks.train)


def test_young_retailer_trains_on_what_there_is():
    # 28 days to 28 January, a week to learn from, a week to judge by
    weeks = label_weeks(dt.date(2024, 2, 11), train=8, holdout=1, first_day=FIRST)
    assert (weeks.train, weeks.holdout) == ((dt.date(2024, 1, 28),), (dt.date(2024, 2, 4),))


def test_too_little_history_is_refused_with_the_first_night_that_has_enough():
    with pytest.raises(Refused, match="begin the nights on 2024-02-11"):
        label_weeks(dt.date(2024, 2, 10), train=8, holdout=1, first_day=FIRST)
    label_weeks(dt.date(2024, 2, 11), train=8, holdout=1, first_day=FIRST)
    with pytest.raises(Refused, match="begin the nights on 2024-02-18"):
        label_weeks(dt.date(2024, 2, 17), train=8, holdout=2, first_day=FIRST)


MODEL = RecommenderConfig(candidates=10, new_candidates=10)


@functools.cache
def labelled(engine, lines: Sequence[Line], *, as_of: dt.date = CLOSE, **limits: int) -> list[dict[str, Any]]:
    """The rows of a label week; that of lines that several tests look at is made once."""
    model = MODEL.model_copy(update=limits)
    week = examples(transactions(engine, lines), products(), offers(), as_of=as_of, model=model)
    return week.order_by("household_id", "product_id").to_pyarrow().to_pylist()


class TestLabels:
    LINES: tuple[Line, ...] = (
        ("H1", "P1", 3, 1, 1.0),
        ("H1", "P2", 2, 1, 1.0),
        ("H1", "P3", 1, 1, 1.0),
        ("H1", "P3", -1, 0, 1.0),  # no purchase
        ("H1", "P1", -2, 1, 1.0),
        ("H1", "P4", -2, 1, 1.0),  # never before
        ("H1", "P2", -7, 1, 1.0),  # the seventh day
        ("H1", "P3", -8, 1, 1.0),  # too late
        ("H2", "P4", 5, 1, 1.0),
        ("H2", "P3", -6, 1, 1.0),
        ("H9", "P1", -1, 1, 1.0),  # not known yet
    )

    def of(self, engine, household: str, *names: str) -> dict[str, Any]:
        rows = {row["product_id"]: row for row in labelled(engine, self.LINES) if row["household_id"] == household}
        return {product: tuple(row[name] for name in names) for product, row in rows.items()}

    def test_label_is_what_was_bought_in_the_seven_days_after(self, engine):
        assert self.of(engine, "H1", "label", "label_next") == {
            "P1": (True, True),
            "P2": (True, False),  # in the week, but not in the next basket
            "P3": (False, False),
            "P4": (True, True),
        }
        assert set(self.of(engine, "H1", "truth_size", "next_size", "new_size").values()) == {(3, 2, 1)}

    def test_next_basket_is_the_households_own(self, engine):
        found = self.of(engine, "H2", "label", "label_next", "truth_size", "next_size", "new_size")
        assert found["P3"] == (True, True, 1, 1, 1)
        assert found["P1"] == found["P2"] == (False, False, 1, 1, 1)  # it sells, and H2 never bought it
        assert found["P4"] == (False, False, 1, 1, 1)

    def test_candidates_are_as_they_were_known_at_the_close(self, engine):
        assert self.of(engine, "H1", "days_since_last", "is_repeat") == {
            "P1": (3, True),
            "P2": (2, True),
            "P3": (1, True),
            "P4": (None, False),
        }

    def test_household_that_is_not_known_yet_is_left_out(self, engine):
        assert {row["household_id"] for row in labelled(engine, self.LINES)} == {"H1", "H2"}

    def test_household_that_shopped_stands_for_itself(self, engine):
        assert {row["stands_for"] for row in labelled(engine, self.LINES)} == {1}


class TestDrawing:
    """60 households that shop in the week after, and 200 that do not."""

    LINES: tuple[Line, ...] = (
        *((f"S{n}", "P1", age, 1, 1.0) for n in range(60) for age in (3, -3)),
        *((f"I{n}", "P2", 3, 1, 1.0) for n in range(200)),
    )

    def drawn(self, engine, *, most: int = 20_000, as_of: dt.date = CLOSE) -> dict[str, dict[str, Any]]:
        rows = labelled(engine, self.LINES, as_of=as_of, households_a_week=most)
        return {row["household_id"]: row for row in rows}

    def test_one_in_five_of_those_that_did_not_shop_stands_for_five(self, engine):
        rows = self.drawn(engine)
        idle = [row for who, row in rows.items() if who.startswith("I")]
        assert sum(who.startswith("S") for who in rows) == 60  # all that shopped
        assert 40 - 3 * 5.7 < len(idle) < 40 + 3 * 5.7  # 200 draws of one in five, three standard deviations
        assert {(row["truth_size"], row["label"], row["stands_for"]) for row in idle} == {(0, False, 5)}
        assert {(row["truth_size"], row["stands_for"]) for who, row in rows.items() if who.startswith("S")} == {(1, 1)}

    def test_no_more_than_asked_for_and_they_stand_for_the_others(self, engine):
        everybody, half = self.drawn(engine), self.drawn(engine, most=50)
        assert len(half) == 50
        assert set(half) < set(everybody)
        share = 50 / len(everybody)
        for who, row in half.items():
            assert row["stands_for"] == pytest.approx(everybody[who]["stands_for"] / share)
        # Both kinds are among them, about as they are among all: 60 households that shopped, three standard deviations.
        shopped = sum(who.startswith("S") for who in half)
        assert 60 * share - 3 * 4 < shopped < 60 * share + 3 * 4

    def test_lot_is_the_same_every_time_and_another_each_week(self, engine):
        def idle(as_of: dt.date) -> set[str]:
            labelled.cache_clear()  # it is drawn anew
            return {who for who in self.drawn(engine, as_of=as_of) if who.startswith("I")}

        one = idle(CLOSE)
        assert one == idle(CLOSE)
        assert one != idle(CLOSE + dt.timedelta(days=1))


def test_truth_is_told_apart_by_history_department_and_weekday(engine):
    # CLOSE is a Sunday; H5, H6, H40 and H41 are known by as many shopping days
    known: list[Line] = [(f"H{n}", "P1", age, 1, 1.0) for n in (5, 6, 40, 41) for age in range(n)]
    lines: list[Line] = [
        *known,
        ("H5", "P1", 0, 1, 1.0),  # a second line of a day is no day more
        ("H5", "P3", -1, 1, 1.0),  # Monday
        ("H5", "P3", -2, 1, 1.0),  # and again
        ("H5", "P4", -7, 1, 1.0),  # Sunday
        ("H5", "P2", -8, 1, 1.0),  # too late
        ("H5", "BAG", -1, 1, 1.0),  # not recommendable
        ("H6", "P1", -3, 1, 1.0),
        ("H40", "P1", -3, 1, 1.0),
        ("H41", "P1", -3, 1, 1.0),
        ("H9", "P1", -3, 1, 1.0),  # not known before
    ]
    found = truth_with_slices(transactions(engine, lines), products(), as_of=CLOSE).to_pyarrow().to_pylist()
    new, light, heavy = (name for name, _ in HISTORIES)
    assert {tuple(row.values()) for row in found} == {
        ("H5", "P3", "BAKERY", 0, new),
        ("H5", "P4", None, 6, new),
        ("H6", "P1", "FRESH", 2, light),
        ("H40", "P1", "FRESH", 2, light),
        ("H41", "P1", "FRESH", 2, heavy),
    }
    assert len(found) == 5


def test_inputs_change_with_all_that_a_week_is_made_from(monkeypatch):
    def inputs(*, model: RecommenderConfig = MODEL, households: int = 4_000, **digests: str) -> str:
        given = {"transactions": "a", "products": "b", "offers": "c"} | digests
        return inputs_of(**given, model=model, households=households)

    digests = [
        inputs(),
        inputs(transactions="A"),
        inputs(products="B"),
        inputs(offers="C"),
        inputs(transactions="b", products="a"),
        inputs(model=MODEL.model_copy(update={"candidates": 11})),
        inputs(model=MODEL.model_copy(update={"new_candidates": 11})),
        inputs(model=MODEL.model_copy(update={"households_a_week": 1_000})),
        inputs(households=20_000),
    ]
    assert len(set(digests)) == len(digests)
    assert inputs(model=MODEL.model_copy(update={"seed": 1, "label_weeks": 2, "explore_places": 3})) == digests[0]
    for module in (definitions, made):
        with monkeypatch.context() as patch:
            patch.setattr(module, "VERSION", "next")
            assert inputs() not in digests
