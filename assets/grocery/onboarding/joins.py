"""Orders in one file and their lines in another: by which columns they are joined, so that no line is joined to several orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from assets.grocery.onboarding.proposed import JOIN, by_query
from assets.grocery.onboarding.words import KEYS, matching_columns, split_name
from resources.tables.engine import connect, quoted_name
from resources.text import listed

MOST_FURTHER = 2  # columns beside an order's number: its store and its day
AS_MANY = 0.99  # of the lines that have an order by fewer columns, those that must have one by more


def join_of(columns: Mapping[str, set[str]]) -> str:
    """The remedy for two files, by their columns: the query that joins orders and their lines by what names both, or :data:`JOIN`."""
    kinds = {
        role: [path for path, own in columns.items() if matching_columns(role, own)]
        for role in ("product", "household")
    }
    (lines, *_), (orders, *_) = (
        kinds["product"] or [""],
        [path for path in kinds["household"] if path not in kinds["product"]] or [""],
    )
    shared = sorted(columns[lines] & columns[orders]) if lines and orders else []
    named = matching_columns("basket", shared)
    keys = [
        name for name in shared if name in named or (len(words := split_name(name)) > 1 and not KEYS.isdisjoint(words))
    ]
    if not keys:
        return JOIN
    of_lines, of_orders = (f"read_csv($${path}$$, all_varchar = true)" for path in (lines, orders))
    by = keys
    if Path(lines).is_file() and Path(orders).is_file():
        by = _unique(of_orders, of_lines, keys, [name for name in shared if name not in keys])
    if not by:
        return (
            f"{Path(orders).name} has several orders of one {listed(keys)}, and nothing else that both have tells which one a line is of: "
            "have a number of the order's own, or its store and time, delivered in both."
        )
    both, using = (", ".join(map(quoted_name, names)) for names in (shared, by))
    query = f"SELECT l.*, o.* EXCLUDE ({both}) FROM {of_lines} AS l LEFT JOIN {of_orders} AS o USING ({using})"
    return f"If an order has the same {listed(by)} in both, {by_query(query)} joins them."


def _unique(orders: str, lines: str, keys: Sequence[str], more: Sequence[str]) -> list[str]:
    """`keys` and at most two of the columns `more` that tell `orders` apart and leave the `lines` theirs; none if nothing does.

    The keys alone for files that cannot be read so: the remedy is tried by a person then.
    """
    import duckdb

    engine, both = connect(), ", ".join(map(quoted_name, (*keys, *more)))
    try:
        for name, read in (("orders", orders), ("lines", lines)):  # once each, and no more than is asked of them
            engine.raw_sql(f"CREATE TEMP TABLE {name} AS SELECT {both} FROM {read}")
    except duckdb.Error:
        return list(keys)

    def count(query: str) -> int:
        return engine.raw_sql(f"SELECT count(*) FROM {query}").fetchone()[0]

    def with_order(names: str) -> int:
        return count(f"lines SEMI JOIN orders USING ({names})")

    all_orders, least = count("orders"), AS_MANY * with_order(", ".join(map(quoted_name, keys)))
    for n in range(MOST_FURTHER + 1):
        for others in combinations(more, n):
            names = ", ".join(map(quoted_name, (*keys, *others)))
            if count(f"(SELECT DISTINCT {names} FROM orders)") == all_orders and with_order(names) >= least:
                return [*keys, *others]
    return []
