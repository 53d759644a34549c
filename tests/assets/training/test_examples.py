"""Labelled weeks: over by the night's close, and made again only when what they are made from has changed."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.features import definitions
from assets.training.examples import LABEL_DAYS, as_of_dates, examples, inputs_of, label_weeks
from resources.errors import Refused
from resources.settings import Model
from tests.tiny import CLOSE, Line, products, transactions

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


def test_label_is_what_was_bought_in_the_seven_days_after(engine):
    lines: list[Line] = [
        ("H1", "P1", 3, 1, 1.0),
        ("H1", "P2", 2, 1, 1.0),
        ("H1", "P3", 1, 1, 1.0),
        ("H1", "P1", -7, 1, 1.0),  # the seventh day
        ("H1", "P2", -8, 1, 1.0),  # too late
        ("H1", "P3", -1, 0, 1.0),  # no purchase
    ]
    model = Model(candidates=10, popular_candidates=10)
    week = examples(transactions(engine, lines), products(), as_of=CLOSE, model=model)
    rows = {row["product_id"]: row for row in week.to_pyarrow().to_pylist()}
    assert {product: row["label"] for product, row in rows.items()} == {"P1": True, "P2": False, "P3": False}
    assert {row["truth_size"] for row in rows.values()} == {1}
    assert rows["P1"]["days_since_last"] == 3  # as it was known at the close


def test_inputs_change_with_all_that_a_week_is_made_from(monkeypatch):
    model = Model()
    digests = [
        inputs_of(transactions="a", products="b", model=model),
        inputs_of(transactions="A", products="b", model=model),
        inputs_of(transactions="a", products="B", model=model),
        inputs_of(transactions="a", products="b", model=Model(candidates=81)),
        inputs_of(transactions="a", products="b", model=Model(popular_candidates=21)),
    ]
    assert len(set(digests)) == len(digests)
    assert inputs_of(transactions="a", products="b", model=Model(seed=1, label_weeks=2)) == digests[0]
    monkeypatch.setattr(definitions, "VERSION", "next")
    assert inputs_of(transactions="a", products="b", model=model) not in digests
