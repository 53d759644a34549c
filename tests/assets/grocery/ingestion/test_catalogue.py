"""Catalogue and households: one row a key, under our names."""

from __future__ import annotations

from typing import Any

import ibis

from assets.grocery.ingestion import catalogue
from assets.grocery.tables import PRODUCTS, TABLES
from resources.config.retailer import HouseholdsConfig, ProductsConfig

LINES = [
    {"id": "P1", "label": "Milk", "size": "1 l", "need": "MILK", "part": "FRESH", "make": "Own"},
    {"id": "P2", "label": None, "size": "50 cl", "need": "BEER", "part": "DRINKS", "make": None},
    {"id": "P3", "label": None, "size": " ", "need": None, "part": None, "make": "Other"},
    {"id": "P1", "label": "Milk, again", "size": "", "need": "OTHER", "part": "OTHER", "make": ""},
    {"id": "", "label": "Nameless", "size": "", "need": "MILK", "part": "FRESH", "make": "Own"},
]


def lines(rows: list[dict[str, Any]], *, key: str = "string") -> ibis.Table:
    numbered = [
        {"defect": None, **row, "source_file": "a.csv", "source_row": number}
        for number, row in enumerate(rows, start=1)
    ]
    schema = dict.fromkeys(rows[0], "string") | {
        "source_file": "string",
        "source_row": "int64",
        "defect": "string",
        "id": key,
    }
    return ibis.memtable(list(reversed(numbered)), schema=schema)  # read in any order


def made(rows: list[dict[str, Any]], feed: ProductsConfig) -> dict[str, dict[str, Any]]:
    found = catalogue.products(lines(rows), feed)
    assert tuple(found.columns) == tuple(TABLES[PRODUCTS].columns)
    return {row["product_id"]: row for row in found.to_pyarrow().to_pylist()}


def feed(*, not_recommendable: dict[str, list[str]] | None = None, **columns: Any) -> ProductsConfig:
    return ProductsConfig.model_validate(
        {"path": "p.csv", "columns": {"product_id": "id", **columns}, "not_recommendable": not_recommendable or {}}
    )


FULL = {"name": ["label", "size"], "category": "need", "department": "part", "brand": "make"}


def test_product_is_its_first_line_under_our_names():
    assert made(LINES, feed(**FULL))["P1"] == {
        "product_id": "P1",
        "name": "Milk 1 l",
        "category": "MILK",
        "subcategory": None,
        "department": "FRESH",
        "brand": "Own",
        "is_recommendable": True,
    }
    assert set(made(LINES, feed(**FULL))) == {"P1", "P2", "P3"}


def test_line_that_does_not_fit_the_header_is_no_product():
    torn = {**dict.fromkeys(LINES[0]), "id": "P9;Butter;", "defect": "too few columns"}
    assert set(made([*LINES, torn], feed(**FULL))) == {"P1", "P2", "P3"}
    assert catalogue.broken(lines([*LINES, torn])) == 1


def test_product_without_a_name_is_called_by_what_there_is():
    names = {key: row["name"] for key, row in made(LINES, feed(**FULL)).items()}
    assert names == {"P1": "Milk 1 l", "P2": "50 cl", "P3": "P3"}


def test_catalogue_may_be_identifiers_alone():
    products = made(LINES, feed())
    assert [(row["name"], row["category"], row["is_recommendable"]) for row in products.values()] == [
        (key, None, True) for key in products
    ]


def test_values_of_any_column_rule_a_product_out():
    def recommendable(**values: list[str]) -> set[str]:
        products = made(LINES, feed(**FULL, not_recommendable=values))
        return {key for key, row in products.items() if row["is_recommendable"]}

    assert recommendable(category=["BEER"]) == {"P1", "P3"}  # a product of no category is not of this one
    assert recommendable(category=["BEER"], brand=["Own"]) == {"P3"}
    assert recommendable(product_id=["P3"]) == {"P1", "P2"}
    assert recommendable(department=["OTHER"]) == {"P1", "P2", "P3"}  # the second line of P1 is not looked at


def test_identifiers_of_any_type_are_text():
    found = catalogue.products(lines([{"id": 7}], key="int64"), feed())
    assert found.product_id.to_pyarrow().to_pylist() == ["7"]


def test_repeated_keys_are_counted():
    assert catalogue.repeated(lines(LINES), "id", feed()) == 1  # P1; the empty one is no key


def test_household_keeps_its_other_columns_as_attributes():
    given = [{"id": "H1", "age": "40"}, {"id": "H1", "age": "41"}, {"id": None, "age": "9"}, {"id": "H2", "age": None}]
    delivered = lines(given).mutate(
        source_file=ibis.literal("h.csv"), file_date=ibis.null("date"), defect=ibis.null("string")
    )
    found = catalogue.households(
        delivered, HouseholdsConfig.model_validate({"path": "h.csv", "columns": {"household_id": "id"}})
    )
    assert found.order_by("household_id").to_pyarrow().to_pylist() == [
        {"household_id": "H1", "age": "40"},
        {"household_id": "H2", "age": None},
    ]


def test_retailer_without_a_catalogue_has_what_it_sold(engine):
    found = catalogue.products_of(ibis.memtable({"product_id": ["P1", "P2", "P1"], "quantity": [1, 0, 2]}))
    assert found.order_by("product_id").to_pyarrow().to_pylist() == [
        {"product_id": key, "name": key, **dict.fromkeys(catalogue.OPTIONAL), "is_recommendable": True}
        for key in ("P1", "P2")
    ]


def test_retailer_without_a_household_file_has_none(engine):
    assert catalogue.no_households(engine).to_pyarrow().to_pylist() == []
