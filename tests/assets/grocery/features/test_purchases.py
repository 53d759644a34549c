"""What was bought in the days after a close: the truth that everything is measured by."""

from __future__ import annotations

import datetime as dt

import ibis

from assets.grocery.features.purchases import baskets_after, purchases, shopping_days

CLOSE = dt.date(2024, 3, 31)
BOUGHT = [  # days after the close
    ("H1", "P1", 0),
    ("H1", "P2", 1),
    ("H1", "P2", 2),
    ("H1", "P3", 7),
    ("H2", "P1", 8),
    ("H2", "P2", 1),
]


def lines() -> ibis.Table:
    rows = [
        {
            "business_date": CLOSE + dt.timedelta(days=after),
            "household_id": who,
            "product_id": what,
            "category": None,
            "subcategory": None,
            "quantity": 1.0,
            "sales_value": 2.0,
        }
        for who, what, after in BOUGHT
    ]
    texts = dict.fromkeys(("household_id", "product_id", "category", "subcategory"), "string")
    return ibis.memtable(
        rows, schema={"business_date": "date", **texts, "quantity": "float64", "sales_value": "float64"}
    )


def bought(days: int) -> list[tuple[str, str]]:
    rows = baskets_after(lines(), as_of=CLOSE, days=days).to_pyarrow().to_pylist()
    return sorted((row["household_id"], row["product_id"]) for row in rows)


def test_baskets_after_a_close_begin_the_next_day_and_end_with_the_last():
    assert bought(7) == [("H1", "P2"), ("H1", "P3"), ("H2", "P2")]
    assert bought(1) == [("H1", "P2"), ("H2", "P2")]


def test_next_basket_is_all_of_the_first_shopping_day_after_a_close():
    rows = baskets_after(lines(), as_of=CLOSE, days=8).to_pyarrow().to_pylist()
    assert {(row["household_id"], row["product_id"]): row["is_next"] for row in rows} == {
        ("H1", "P2"): True,  # and again a day later
        ("H1", "P3"): False,
        ("H2", "P2"): True,
        ("H2", "P1"): False,
    }
    # Six days later these were the only ones: every household has a first day of its own, however late.
    later = baskets_after(lines(), as_of=CLOSE + dt.timedelta(days=6), days=7).to_pyarrow().to_pylist()
    assert {(row["household_id"], row["product_id"]): row["is_next"] for row in later} == {
        ("H1", "P3"): True,
        ("H2", "P1"): True,
    }


def test_shopping_days_count_back_from_the_close():
    later = CLOSE + dt.timedelta(days=7)
    days = shopping_days(lines(), as_of=later).order_by("household_id", "age").to_pyarrow().to_pylist()
    assert [(day["household_id"], day["product_id"], day["age"], day["trips_ago"]) for day in days] == [
        ("H1", "P3", 0, 0),
        ("H1", "P2", 5, 1),
        ("H1", "P2", 6, 2),
        ("H1", "P1", 7, 3),
        ("H2", "P2", 6, 0),
    ]


def test_purchase_has_the_catalogues_categories_of_today():
    products = ibis.memtable(
        {
            "product_id": ["P1", "P2"],
            "category": ["MILK", "BREAD"],
            "subcategory": ["WHOLE MILK", "RYE"],
            "is_recommendable": [True, False],
        }
    )
    found = purchases(lines().drop("category", "subcategory"), products).to_pyarrow().to_pylist()
    assert {(row["product_id"], row["category"], row["subcategory"]) for row in found} == {("P1", "MILK", "WHOLE MILK")}
