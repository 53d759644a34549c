"""A day's profile on a few lines, worked out by hand; and of a retailer that has next to nothing."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from typing import Any

import pyarrow as pa

from assets.grocery.profiles.days import DayProfile, profiles
from tests.support import histories

DAY = dt.date(2024, 3, 27)  # a Wednesday; its week begins on the 25th
_numbers = itertools.count()


def lines(engine, rows: list[dict[str, Any]]):
    """Cleaned lines of :data:`DAY` at noon UTC, one basket of H1 with P1 for 2.00, unless a row says otherwise."""
    usual = {
        "business_date": DAY,
        "household_id": "H1",
        "basket_id": "B1",
        "product_id": "P1",
        "store_id": "S1",
        "occurred_at": dt.datetime(2024, 3, 27, 12),
        "quantity": 1.0,
        "sales_value": 2.0,
    }
    types = {
        "business_date": pa.date32(),
        "occurred_at": pa.timestamp("us"),
        "quantity": pa.float64(),
        "sales_value": pa.float64(),
    }
    schema = pa.schema({name: types.get(name, pa.string()) for name in usual})
    table = pa.Table.from_pylist([usual | row for row in rows], schema=schema)
    return engine.create_table(f"profiled_{next(_numbers)}", table, temp=True)


def profile(engine, rows: list[dict[str, Any]], *, past: list[dict[str, Any]] | None = None) -> DayProfile:
    before = [{"business_date": DAY - dt.timedelta(days=7), **row} for row in past or []]
    found = profiles(lines(engine, [*rows, *before]), histories.products(), days=[DAY], timezone="Europe/Berlin")
    (one,) = found
    return one


def test_a_day_is_counted_by_lines_baskets_and_households(engine):
    found = profile(
        engine,
        [
            {},
            {"product_id": "P3"},
            {"basket_id": "B2", "store_id": "S2", "occurred_at": dt.datetime(2024, 3, 27, 6)},
            {"basket_id": "B3", "household_id": "H2", "product_id": "P9"},
        ],
    )
    assert found.counts == {"lines": 4, "baskets": 3, "households": 2}
    assert found.values["department"] == {"FRESH": 2, "BAKERY": 1, "(none)": 1}  # P9 is not in the catalogue
    assert found.values["store"] == {"S1": 2, "S2": 1}  # by basket
    assert found.values["hour"] == {"13": 2, "7": 1}  # Berlin is an hour ahead until the 31st
    assert found.values["basket_size"] == {"0": 2, "1": 1}  # two of one line, one of two


def test_prices_and_identifiers_are_known_by_the_whole_weeks_before(engine):
    bought = [{"sales_value": 4.0, "quantity": 2.0}, {"product_id": "P2", "sales_value": 1.0}]
    now = [{"sales_value": 2.6}, {"product_id": "P2", "sales_value": 1.0}, {"household_id": "H9", "basket_id": "B9"}]
    found = profile(engine, now, past=bought)
    # P1 cost 2.00: once 1.3 times as much (class 10 is 1.22 to 1.42), once the same; P2 the same (class 6 is .98 to 1.02)
    assert found.values["price"] == {"10": 1, "6": 2}
    assert found.values["household"] == {"known": 1, "new": 1}
    assert found.values["product"] == {"known": 3}


def test_what_was_bought_in_the_week_itself_or_long_ago_is_no_past(engine):
    for days in (1, 2, 9 * 7):
        found = profile(engine, [{}], past=[{"business_date": DAY - dt.timedelta(days=days)}])
        assert (found.values["household"], found.values["price"]) == ({"new": 1}, {"(none)": 1}), days


def test_another_past_can_be_given(engine):
    past = lines(engine, [{"business_date": DAY - dt.timedelta(days=7)}])
    day = lines(engine, [{"household_id": "H2"}])
    (found,) = profiles(day, histories.products(), days=[DAY], timezone="UTC", before=past)
    assert (found.values["product"], found.values["household"]) == ({"known": 1}, {"new": 1})


def test_a_retailer_without_stores_prices_catalogue_or_times_has_one_value_of_them(engine):
    bare = {"store_id": None, "sales_value": None, "occurred_at": dt.datetime(2024, 3, 26, 23)}  # midnight in Berlin
    products = histories.products([{"product_id": "P1"}])
    (found,) = profiles(lines(engine, [bare] * 3), products, days=[DAY], timezone="Europe/Berlin")
    assert {name: set(found.values[name]) for name in ("store", "price", "department", "category", "hour")} == {
        "store": {"(none)"},
        "price": {"(none)"},
        "department": {"(none)"},
        "category": {"(none)"},
        "hour": {"0"},
    }


def test_anonymous_lines_without_a_basket_are_counted_as_lines_alone(engine):
    found = profile(engine, [{}, {"household_id": None, "basket_id": None}])
    assert found.counts == {"lines": 2, "baskets": 1, "households": 1}
    assert found.values["store"] == {"S1": 1}


def test_many_days_in_one_pass_are_the_days_one_by_one_and_a_day_without_lines_has_none(engine):
    days = [DAY - dt.timedelta(days=n) for n in (0, 1, 2, 8)]
    rows = [{"business_date": day, "basket_id": f"B{n}"} for n, day in enumerate(days) if n != 1]
    table = lines(engine, rows)
    together = profiles(table, histories.products(), days=days, timezone="UTC")
    assert [of.business_date for of in together] == [days[3], days[2], days[0]]
    alone = [profiles(table, histories.products(), days=[of.business_date], timezone="UTC")[0] for of in together]
    assert together == alone


def test_a_profile_comes_back_from_json(engine):
    found = profile(engine, [{}])
    assert DayProfile.of_json(json.loads(json.dumps(found.as_json()))) == found
