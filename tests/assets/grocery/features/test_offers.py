"""Offers around a close: each day's largest reach, and nothing that was announced later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.grocery.features.offers import offered
from assets.grocery.ingestion.offers import TYPES, no_offers
from tests.support.histories import CLOSE

# product, first and last day after the close, the day after the close at which it was known, reach
Offer = tuple[str, int, int, int, float]


def table(offers: Sequence[Offer]) -> ibis.Table:
    rows = [
        dict(zip(TYPES, (what, *(CLOSE + dt.timedelta(days=day) for day in days), reach), strict=True))
        for what, *days, reach in offers
    ]
    return ibis.memtable(rows, schema=dict(TYPES))


def around(offers: Sequence[Offer], *, as_of: dt.date = CLOSE) -> dict[str, tuple[float, float]]:
    """`offered_next` and `offered_last` by product."""
    rows = offered(table(offers), as_of=as_of).to_pyarrow().to_pylist()
    found = {row["product_id"]: (row["offered_next"], row["offered_last"]) for row in rows}
    assert len(found) == len(rows)
    return found


def about(*values: float):
    return pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "last", "offered_next", "offered_last"),
    [
        (1, 7, 1, 0),  # next week
        (-6, 0, 0, 1),  # this week, its last day included
        (-2, 4, 4 / 7, 3 / 7),  # a week that is under way
        (0, 0, 0, 1 / 7),
        (7, 13, 1 / 7, 0),
        (-30, 30, 1, 1),
    ],
)
def test_offer_counts_on_its_days_within_seven_of_the_close(first, last, offered_next, offered_last):
    assert around([("P1", first, last, -40, 1.0)]) == {"P1": about(offered_next, offered_last)}


@pytest.mark.parametrize(("first", "last"), [(8, 14), (-13, -7)])
def test_product_without_an_offer_nearby_is_absent(first, last):
    assert around([("P1", first, last, -40, 1.0)]) == {}


def test_largest_reach_of_each_day_is_averaged():
    offers: list[Offer] = [
        ("P1", 1, 7, 0, 0.25),
        ("P1", 1, 2, 0, 0.75),  # on two days the larger one
        ("P1", 2, 3, 0, 0.5),  # on the second of its days alone
        ("P2", -6, 0, -7, 0.7),
    ]
    # P1: .75, .75, .5, and .25 on four days
    assert around(offers) == {"P1": about(3 / 7, 0), "P2": about(0, 0.7)}


def test_offer_is_known_from_the_close_of_its_day():
    assert around([("P1", 1, 7, 0, 1.0)]) == {"P1": about(1, 0)}
    assert around([("P1", 1, 7, 1, 1.0)]) == {}
    assert around([("P1", 1, 7, 1, 1.0)], as_of=CLOSE + dt.timedelta(days=1)) == {"P1": about(6 / 7, 1 / 7)}


def test_retailer_without_offers_has_none(engine):
    found = offered(no_offers(engine), as_of=CLOSE)
    assert found.to_pyarrow().to_pylist() == []
    assert found.columns == ("product_id", "offered_next", "offered_last")


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    first = draw(st.integers(-20, 20))
    last = first + draw(st.integers(0, 10))
    known = first - draw(st.integers(0, 10))
    return draw(st.sampled_from(["P1", "P2"])), first, last, known, draw(st.sampled_from([0.25, 0.5, 1.0]))


@given(st.lists(offers(), max_size=12))
def test_what_is_announced_after_the_close_changes_nothing(planned):
    known = [offer for offer in planned if offer[3] <= 0]
    assert around(planned) == around(known)


@given(st.lists(offers(), min_size=1, max_size=12))
def test_every_product_is_as_told_day_by_day(planned):
    def reach(product: str, day: int) -> float:
        return max((o[4] for o in planned if o[0] == product and o[3] <= 0 and o[1] <= day <= o[2]), default=0.0)

    expected = {
        product: about(
            sum(reach(product, day) for day in range(1, 8)) / 7, sum(reach(product, -d) for d in range(7)) / 7
        )
        for product in ("P1", "P2")
        if any(reach(product, day) for day in range(-6, 8))
    }
    assert around(planned) == expected
