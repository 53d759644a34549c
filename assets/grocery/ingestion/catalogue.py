"""The catalogue and the households as snapshots: our names and types, one row a key, and what is recommendable."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from assets.grocery.tables import HOUSEHOLDS, PRODUCTS, TABLES
from resources.feeds.files import own_columns
from resources.identifiers import identifier, identifiers
from resources.tables.engine import as_text, temporary_name

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

    from resources.config.feeds import FeedConfig
    from resources.config.retailer import HouseholdsConfig, ProductsConfig

VERSION = "2"  # of the rows that are made here; the assets carry it
FEWEST_PRODUCTS = 10  # that may be recommended, for a list to be a choice
OPTIONAL = ("category", "subcategory", "department", "brand")


def products(lines: ibis.Table, feed: ProductsConfig) -> ibis.Table:
    """One row a product: the first of each `product_id`; a product without a name is called by its identifier.

    `is_recommendable` is the catalogue's one rule of what may be recommended: no value of the product stands in
    `not_recommendable` of the configuration, whatever its capitals.
    """
    import ibis

    columns, lines, nothing = feed.columns, _whole(lines), feed.empty_values
    optional = {name: getattr(columns, name) for name in OPTIONAL}
    named = lines.select(
        "source_file",
        "source_row",
        product_id=identifiers(lines[columns.product_id], nothing=nothing),
        **{name: _text(lines, nothing, column) if column else ibis.null("string") for name, column in optional.items()},
        given_name=_text(lines, nothing, *columns.name) if columns.name else ibis.null("string"),
    ).filter(ibis._.product_id.notnull())
    ruled_out = [
        _looks(named[column]).isin([_look(column, value) for value in values]).fill_null(False)
        for column, values in feed.not_recommendable.items()
    ]
    named = named.mutate(
        name=named.given_name.fill_null(named.product_id), is_recommendable=~ibis.or_(ibis.literal(False), *ruled_out)
    )
    return _first_of(named, "product_id").select(*TABLES[PRODUCTS].columns)


def unmatched(products: ibis.Table, feed: ProductsConfig) -> list[str]:
    """The values of `not_recommendable` that no product has, each as `column = value`: what they ruled out may be called otherwise.

    Products come and go: of identifiers only those of which there is none at all.
    """
    missing: list[str] = []
    for column, values in feed.not_recommendable.items():
        there = set(products.select(value=_looks(products[column])).distinct().to_pyarrow()["value"].to_pylist())
        without = [value for value in values if _look(column, value) not in there]
        if column != "product_id" or len(without) == len(values):
            missing += [f"{column} = {value}" for value in without]
    return missing


def known_share(lines: ibis.Table, products: ibis.Table) -> float | None:
    """The share of `lines` whose product the catalogue has; None without lines."""
    sold = lines.group_by("product_id").agg(lines=lines.count())
    known = sold.semi_join(products, "product_id")
    total, of_known = (int(table.lines.sum().fill_null(0).execute()) for table in (sold, known))
    return of_known / total if total else None


def _looks(value: ir.StringValue) -> ir.StringValue:
    """A column as its values are compared with those of `not_recommendable`."""
    return value.strip().lower()


def _look(column: str, value: str) -> str:
    return (identifier(value) if column == "product_id" else value).strip().lower()


def households(lines: ibis.Table, feed: HouseholdsConfig) -> ibis.Table:
    """One row a household: the first of each `household_id`, with the file's other columns as text attributes."""
    key, lines = feed.columns.household_id, _whole(lines)
    attributes = [name for name in own_columns(lines) if name != key]
    known = lines.select(
        "source_file",
        "source_row",
        household_id=identifiers(lines[key], nothing=feed.empty_values),
        **{name: lines[name].cast("string") for name in attributes},
    )
    return _first_of(known.filter(known.household_id.notnull()), "household_id").select("household_id", *attributes)


def repeated(lines: ibis.Table, column: str, feed: FeedConfig) -> int:
    """How many lines name a key that an earlier line has."""
    key = identifiers(_whole(lines)[column], nothing=feed.empty_values)
    return int((key.count() - key.nunique()).execute())


def broken(lines: ibis.Table) -> int:
    """How many lines of a text file do not fit its header: what stands where is not known."""
    return int(lines.defect.count().execute())


def _whole(lines: ibis.Table) -> ibis.Table:
    return lines.filter(lines.defect.isnull())


def _first_of(lines: ibis.Table, key: str) -> ibis.Table:
    import ibis

    first = ibis.row_number().over(ibis.window(group_by=key, order_by=["source_file", "source_row"]))
    return lines.mutate(place=first).filter(ibis._.place == 0)


def _text(lines: ibis.Table, nothing: Collection[str], *columns: str) -> ir.StringValue:
    """The columns' texts, without the words for nothing, joined by a blank; null when there are none."""
    import ibis

    words = sorted({word.lower() for word in nothing})
    texts = [as_text(lines[name]).strip() for name in columns]
    given = [text.lower().isin(words).ifelse("", text).fill_null("") for text in texts]
    return ibis.literal(" ").join(given).strip().nullif("")


def products_of(transactions: ibis.Table) -> ibis.Table:
    """A catalogue of what was ever sold, for a retailer without one: everything is recommendable."""
    import ibis

    return (
        transactions.select("product_id")
        .distinct()
        .select(
            "product_id",
            name="product_id",
            **{name: ibis.null("string") for name in OPTIONAL},
            is_recommendable=ibis.literal(True),
        )
    )


def no_households(engine: Backend) -> ibis.Table:
    """The households of a retailer that has no file of them."""
    return engine.create_table(temporary_name("households"), schema=TABLES[HOUSEHOLDS].types, temp=True)
