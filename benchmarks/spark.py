"""Features, a label week and candidates of one close by DuckDB and by Spark: seconds of each, and whether the tables are equal.

`python benchmarks/spark.py TABLES --date DAY` reads the tables of a state (`…/tables`), and writes into a temporary folder. The
environment says which Spark (`NIGHTCART_SPARK_…`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa

from assets.grocery.candidates.candidates import candidates
from assets.grocery.features import definitions
from assets.grocery.tables import AS_OF, EXAMPLES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.examples import LABEL_DAYS
from assets.grocery.training.label_weeks import in_order
from resources.config.loader import load_settings
from resources.tables.store import TableStore
from tests.support.histories import examples

CANDIDATES = "candidates"
KEYS = ("household_id", "product_id", "category", "subcategory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--date", type=dt.date.fromisoformat, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightcart-spark-") as folder:
        for engine in ("duckdb", "spark"):
            os.environ["NIGHTCART_ENGINE"] = engine
            begun = time.perf_counter()
            sources = TableStore(root=str(arguments.tables)).at_scale
            kept = TableStore(root=f"{folder}/{engine}").at_scale
            assert sources.engine
            print(f"{engine:8} begin {time.perf_counter() - begun:6.1f} s", flush=True)
            begun = time.perf_counter()  # what the tables share is made before the first of them
            for name, table, day in made(sources, kept, arguments.date):
                commit = kept.replace_days(name, table, days=[day], by=day_column(name))
                print(f"{engine:8} {name:26} {commit.rows:>12,} rows {time.perf_counter() - begun:6.1f} s", flush=True)
                begun = time.perf_counter()
        stores = [TableStore(root=f"{folder}/{engine}") for engine in ("duckdb", "spark")]
        for name in (*definitions.STORED_AS.values(), CANDIDATES, EXAMPLES):
            one, other = (ordered(store.read(name).to_pyarrow()) for store in stores)
            print(f"{name:26} {difference(one, other)}")


def day_column(name: str) -> str:
    return AS_OF if name == EXAMPLES else "business_date"


def made(sources: TableStore, kept: TableStore, day: dt.date) -> Iterator[tuple[str, ibis.Table, dt.date]]:
    """The tables of a close, each with its name and day; those that are stored are read back for what is made of them."""
    model = load_settings().model
    lines, products, offers = (
        sources.read(TRANSACTIONS, until=day),
        sources.read(PRODUCTS),
        sources.read(OFFERS),
    )
    built = definitions.build(lines, products, offers, as_of=day)
    for name, table in built.by_name().items():
        yield name, table.mutate(business_date=ibis.literal(day)), day
    stored = definitions.FeatureTables.of(lambda name: kept.read(name).drop("business_date"))
    found = candidates(stored, own=model.candidates, new=model.new_candidates)
    yield CANDIDATES, found.mutate(business_date=ibis.literal(day)), day
    week = day - dt.timedelta(days=LABEL_DAYS)
    labelled = in_order(examples(lines, products, offers, as_of=week, model=model))
    yield EXAMPLES, labelled.mutate(**{AS_OF: ibis.literal(week)}), week


def ordered(rows: pa.Table) -> pa.Table:
    return rows.sort_by([(key, "ascending") for key in KEYS if key in rows.column_names])


def difference(one: pa.Table, other: pa.Table) -> str:
    """What differs, column by column: the largest relative difference of floats, and in how many rows."""
    if (one.schema, one.num_rows) != (other.schema, other.num_rows):
        return f"{one.num_rows:,} and {other.num_rows:,} rows" + " of another schema" * (one.schema != other.schema)
    said = []
    for name in one.column_names:
        these, those = one[name].combine_chunks(), other[name].combine_chunks()
        if these.equals(those):
            continue
        if not pa.types.is_floating(these.type) or not these.is_null().equals(those.is_null()):
            said.append(f"{name} is another")
            continue
        left, right = (each.to_numpy(zero_copy_only=False).astype(float) for each in (these, those))
        apart = ~((left == right) | (np.isnan(left) & np.isnan(right)))
        if apart.any():
            worst = np.max(np.abs(left - right)[apart] / np.maximum(np.abs(left[apart]), 1e-300))
            said.append(f"{name} by up to {worst:.1e} in {apart.sum():,} rows")
    return "; ".join(said) or "the same"


if __name__ == "__main__":
    main()
