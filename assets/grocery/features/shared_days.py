"""Everybody's shopping days, made once for every close up to a day, in slices of households that fit into memory.

In them, and in all that is worked out of them, households, products and categories are numbers, in the order of their
names: numbers are grouped and joined in a third of the time and of the memory. :meth:`SharedDays.named` gives the names back.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.features.purchases import days_before, is_purchase, recommendable
from resources.config.deployment import load_deployment
from resources.tables import engine
from resources.tables.engine import exact_sum
from resources.tables.slices import sliced, slices_for

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

BYTES_A_LINE = 400  # that the engine holds to group the lines of a slice, and to sum up the forty numbers of each pair


@dataclass(frozen=True, kw_only=True)
class SharedDays:
    """The shopping days up to a day, in `slices` and `together`: one row for each household, product and day of purchase.

    Columns of a slice: `household_id` and `product_id` (numbers), `business_date`, `quantity`, `sales_value` (sums of the
    day), `trip` (which of the household's shopping days it is, from 1) and `day_size` (different products that the
    household bought that day).

    `names` has the names of the numbers of `household_id`, `product_id`, `category` and `subcategory`, each a table of
    `number` and `name`; `households` the `first_day` of each number (of any line, purchase or not); `products` the
    `category` and `subcategory` of each `product_id`, all numbers.
    """

    slices: Sequence[ibis.Table]
    together: ibis.Table
    names: dict[str, ibis.Table]
    households: ibis.Table
    products: ibis.Table
    first_day: dt.date

    def numbered(self, table: ibis.Table, column: str = "product_id") -> ibis.Table:
        """`table` with the numbers of a column's names; rows of names without a number are left out."""
        return _numbered(table, column, self.names[column])

    def named(self, table: ibis.Table) -> ibis.Table:
        """`table` with the names of its numbers, in the same columns."""
        columns = table.columns
        for column in columns:
            if column in self.names:
                names = self.names[column].select(number_of="number", name_of="name")
                table = table.left_join(names, table[column] == names.number_of)
                table = table.mutate(**{column: table.name_of}).drop("number_of", "name_of")
        return table.select(columns)


@contextlib.contextmanager
def shared_days(
    transactions: ibis.Table, products: ibis.Table, *, until: dt.date, slices: int = 1
) -> Iterator[SharedDays]:
    """The shopping days of the lines up to `until`'s close. Several slices lie where the engine spills meanwhile."""
    import ibis

    transactions = transactions.filter(transactions.business_date <= until)
    catalogue = recommendable(products).semi_join(transactions.select("product_id").distinct(), "product_id").cache()
    names = {
        "product_id": _numbers(catalogue.product_id),
        "category": _numbers(catalogue.category),
        "subcategory": _numbers(catalogue.subcategory),
    }
    numbers = _numbered(catalogue, "product_id", names["product_id"])
    for column in ("category", "subcategory"):
        numbers = _numbered(numbers, column, names[column], how="left")
    shoppers = transactions.filter(transactions.household_id.notnull())
    shoppers = shoppers.group_by(name=shoppers.household_id).agg(first_day=shoppers.business_date.min())
    shoppers = shoppers.mutate(number=ibis.row_number().over(ibis.window(order_by="name")).cast("int32")).cache()
    names["household_id"] = shoppers.select("number", "name")
    first_day = shoppers.agg(first=shoppers.first_day.min()).to_pyarrow()["first"][0].as_py()
    lines = transactions.filter(is_purchase(transactions))
    lines = lines.select("business_date", "household_id", "product_id", "quantity", "sales_value")
    lines = _numbered(lines, "product_id", names["product_id"])

    def shared(made: Sequence[ibis.Table], together: ibis.Table) -> SharedDays:
        return SharedDays(
            slices=made,
            together=together,
            names=names,
            households=shoppers.select("first_day", household_id="number"),
            products=numbers.cache(),
            first_day=first_day or until,
        )

    def made(lines: ibis.Table) -> ibis.Table:
        return _shopping_days(_numbered(lines, "household_id", names["household_id"]))

    if slices == 1:
        whole = made(lines).cache()
        yield shared([whole], whole)
        return
    backend = ibis.get_backend(transactions)
    with tempfile.TemporaryDirectory(dir=engine.scratch(backend), prefix="days-") as folder:  # pyright: ignore[reportArgumentType]
        files = [Path(folder, f"{number}.parquet") for number in range(slices)]
        with sliced({"lines": lines}, of=slices) as each:
            for file, part in zip(files, each, strict=True):
                made(part["lines"]).to_parquet(file)
        yield shared([backend.read_parquet(file) for file in files], backend.read_parquet(files))


def up_to(days: ibis.Table, as_of: dt.date) -> ibis.Table:
    """Shopping days up to `as_of`'s close, with `age` (days before it) in place of `business_date`."""
    known = days.filter(days.business_date <= as_of)
    return known.mutate(age=days_before(as_of, known.business_date)).drop("business_date")


def slices_of_lines(rows: int) -> int:
    """How many slices the shopping days of so many lines are made in, as the granted memory asks for; Spark makes its own."""
    return 1 if load_deployment().engine == "spark" else slices_for(rows, bytes_a_row=BYTES_A_LINE)


def _shopping_days(lines: ibis.Table) -> ibis.Table:
    import ibis

    days = lines.group_by("household_id", "product_id", "business_date").agg(
        quantity=exact_sum(lines.quantity), sales_value=exact_sum(lines.sales_value)
    )
    trips = days.group_by("household_id", "business_date").agg(day_size=days.count().cast("int32"))
    in_order = ibis.window(group_by="household_id", order_by="business_date")
    trips = trips.mutate(trip=(ibis.row_number().over(in_order) + 1).cast("int32"))
    return days.join(trips, ["household_id", "business_date"])


def _numbers(names: ir.StringColumn) -> ibis.Table:
    """A number for each of the names, in their order: `number`, `name`."""
    import ibis

    given = names.name("name").as_table()
    given = given.filter(given.name.notnull()).distinct()
    return given.mutate(number=ibis.row_number().over(ibis.window(order_by="name")).cast("int32")).cache()


def _numbered(table: ibis.Table, column: str, names: ibis.Table, *, how: str = "inner") -> ibis.Table:
    columns = table.columns
    numbers = names.select(number_of="number", name_of="name")
    joined = table.join(numbers, table[column] == numbers.name_of, how=how)
    return joined.drop(column).rename({column: "number_of"}).select(columns)
