"""Histories small enough to be worked out by hand: a few lines, told by their age at a close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
from ibis.backends.duckdb import Backend

from assets.grocery.features.shared_days import shared_days
from assets.grocery.training.examples import in_parts
from resources.config.retailer import RecommenderConfig

CLOSE = dt.date(2024, 3, 31)
PRODUCTS = [
    {"product_id": "P1", "category": "MILK", "subcategory": "WHOLE MILK", "department": "FRESH"},
    {"product_id": "P2", "category": "MILK", "subcategory": "OAT MILK", "department": "FRESH"},
    {"product_id": "P3", "category": "BREAD", "subcategory": "RYE", "department": "BAKERY"},
    {"product_id": "P4"},
    {"product_id": "BAG", "category": "BAGS", "subcategory": "BAGS", "department": "TILL", "is_recommendable": False},
]

# household, product, days before the close (below zero: after it), quantity, paid
Line = tuple[str | None, str, int, float, float | None]
# product, days before the close of its first day, of its last day and of the day it is known from, part of the stores
Offer = tuple[str, int, int, int, float]


def products(rows: Sequence[Mapping[str, Any]] = PRODUCTS) -> ibis.Table:
    """The catalogue; what a row does not name is null, and a product is recommendable."""
    types = {"product_id": "string", "category": "string", "subcategory": "string", "department": "string"}
    whole = [dict.fromkeys(types) | {"is_recommendable": True} | dict(row) for row in rows]
    return ibis.memtable(whole, schema=types | {"is_recommendable": "boolean"})


def offers(planned: Sequence[Offer] = ()) -> ibis.Table:
    """The planned offers, by default none."""
    types = {"product_id": "string", "starts_on": "date", "ends_on": "date", "known_from": "date", "reach": "float32"}
    rows = [
        dict(zip(types, (what, *(CLOSE - dt.timedelta(days=age) for age in ages), reach), strict=True))
        for what, *ages, reach in planned
    ]
    return ibis.memtable(rows, schema=types)


def transactions(engine: Backend, lines: Sequence[Line]) -> ibis.Table:
    """The cleaned lines."""
    import pyarrow as pa

    types = {
        "business_date": pa.date32(),
        "household_id": pa.string(),
        "product_id": pa.string(),
        "quantity": pa.float64(),
        "sales_value": pa.float64(),
    }
    rows = [
        dict(zip(types, (CLOSE - dt.timedelta(days=age), who, what, quantity, paid), strict=True))
        for who, what, age, quantity, paid in lines
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema(types))
    return engine.create_table(f"lines_{next(_numbers)}", table, temp=True)


_numbers = iter(range(1_000_000))


def examples(
    lines: ibis.Table, catalogue: ibis.Table, planned: ibis.Table, *, as_of: dt.date, model: RecommenderConfig
) -> ibis.Table:
    """A label week in one part."""
    with shared_days(lines, catalogue, until=as_of) as days:
        (week,) = in_parts(lines, catalogue, planned, as_of=as_of, model=model, days=days, parts=1)
        return week
