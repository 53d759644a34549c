"""Shopping days that are shared: by closes, and cut into slices of households. Neither changes a bit of what is made of them."""

from __future__ import annotations

import datetime as dt

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.grocery.features import definitions
from assets.grocery.features.definitions import build, build_of, build_slices
from assets.grocery.features.shared_days import SharedDays, shared_days
from tests.assets.grocery.features.test_definitions import HISTORY, KEYS, LINES, frames
from tests.support.histories import CLOSE, offers, products, transactions

PLANNED = [("P1", 12, 8, 14, 0.5), ("P3", 0, -6, 1, 1.0)]
NAMES = ["H1", "H2", "H3", "H4", "H5", "H6"]
WIDE = [(household, *line[1:]) for household in NAMES for line in HISTORY[: 3 + NAMES.index(household) % 3]]


def of_slices(days: SharedDays, as_of: dt.date) -> dict[str, pd.DataFrame]:
    parts = [frames(part) for part in build_slices(days, offers(PLANNED), as_of=as_of)]
    product = parts[0]["product_features"]
    for part in parts[1:]:
        pd.testing.assert_frame_equal(part["product_features"], product)
    return {
        name: pd.concat([part[name] for part in parts]).sort_values(keys, ignore_index=True)
        if name != "product_features"
        else product
        for name, keys in KEYS.items()
    }


def test_slices_give_the_same_to_the_bit(engine):
    lines = transactions(engine, WIDE)
    whole = frames(build(lines, products(), offers(PLANNED), as_of=CLOSE))
    with shared_days(lines, products(), until=CLOSE, slices=3) as days:
        assert len(days.slices) == 3
        for name, frame in of_slices(days, CLOSE).items():
            pd.testing.assert_frame_equal(frame, whole[name], check_exact=True)


def test_some_households_of_several_slices_are_the_same_to_the_bit(engine):
    lines, only = transactions(engine, WIDE), ibis.memtable({"household_id": ["H2", "H5"]})
    with shared_days(lines, products(), until=CLOSE) as days:
        whole = frames(build_of(days, offers(PLANNED), as_of=CLOSE, only=only, parts=1)[0])
    with shared_days(lines, products(), until=CLOSE, slices=3) as days:
        for count in (1, 2):
            parts = [frames(part) for part in build_of(days, offers(PLANNED), as_of=CLOSE, only=only, parts=count)]
            assert [len(part["household_features"]) for part in parts] == [2 // count] * count
            for name, frame in whole.items():
                made = parts[0][name] if name == "product_features" else pd.concat([part[name] for part in parts])
                pd.testing.assert_frame_equal(made.reset_index(drop=True), frame, check_exact=True)


def test_households_that_are_more_than_the_granted_memory_holds_are_made_in_parts(
    engine, monkeypatch: pytest.MonkeyPatch
):
    lines, only = transactions(engine, WIDE), ibis.memtable({"household_id": NAMES})
    with shared_days(lines, products(), until=CLOSE) as days:
        assert len(build_of(days, offers(PLANNED), as_of=CLOSE, only=only)) == 1
        monkeypatch.setattr(definitions, "BYTES_A_DAY", 10**9)
        parts = build_of(days, offers(PLANNED), as_of=CLOSE, only=only)
        assert len(parts) > 2
        made = [each for part in parts for each in part.household.to_pyarrow()["household_id"].to_pylist()]
        assert made == sorted(made) == NAMES


@hypothesis_settings(max_examples=2)
@given(LINES, st.integers(1, 40))
def test_days_of_a_later_close_give_an_earlier_one_to_the_bit(engine, lines, back):
    as_of = CLOSE - dt.timedelta(days=back)
    alone = build(transactions(engine, lines), products(), offers(PLANNED), as_of=as_of)
    with shared_days(transactions(engine, lines), products(), until=CLOSE) as days:
        shared = build_slices(days, offers(PLANNED), as_of=as_of)[0]
        expected = frames(alone)
        for name, frame in frames(shared).items():
            pd.testing.assert_frame_equal(frame, expected[name], check_exact=True)
