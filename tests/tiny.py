"""Histories small enough to be worked out by hand: a few lines, told by their age at a close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import ibis
from ibis.backends.duckdb import Backend

CLOSE = dt.date(2024, 3, 31)
PRODUCTS = [
    {"product_id": "P1", "category": "MILK", "is_recommendable": True},
    {"product_id": "P2", "category": "MILK", "is_recommendable": True},
    {"product_id": "P3", "category": "BREAD", "is_recommendable": True},
    {"product_id": "P4", "category": None, "is_recommendable": True},
    {"product_id": "BAG", "category": "BAGS", "is_recommendable": False},
]

# household, product, days before the close (below zero: after it), quantity, paid
Line = tuple[str | None, str, int, float, float | None]


def products() -> ibis.Table:
    """The catalogue."""
    return ibis.memtable(PRODUCTS, schema={"product_id": "string", "category": "string", "is_recommendable": "boolean"})


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
