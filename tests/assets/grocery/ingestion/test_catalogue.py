"""Catalogue and households: one row a key, under our names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import dagster as dg
import ibis
import pytest
from pydantic import ValidationError

from assets.grocery.ingestion import catalogue
from assets.grocery.tables import PRODUCTS, TABLES, TRANSACTIONS
from resources.config.retailer import HouseholdsConfig, ProductsConfig
from resources.records.quality import Verdict

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
    assert recommendable(category=["beer "]) == {"P1", "P3"}
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


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"category": ["Beer", "TOBACCO"], "department": ["FRESH"]}, ["category = TOBACCO"]),
        ({"product_id": ["P3", "P8"]}, []),  # products come and go
        ({"product_id": ["P8", "P9"]}, ["product_id = P8", "product_id = P9"]),
        ({}, []),
    ],
)
def test_value_that_rules_nothing_out_is_named(values: dict[str, list[str]], missing: list[str]):
    of = feed(**FULL, not_recommendable=values)
    assert catalogue.unmatched(catalogue.products(lines(LINES), of), of) == missing


def test_value_of_a_column_that_there_is_not_is_refused():
    with pytest.raises(ValidationError, match="not_recommendable names department, which columns does not map"):
        feed(not_recommendable={"department": ["TOBACCO"]})


# The gates


@pytest.fixture
def failed(settings, tables, operations) -> Callable[..., set[str]]:
    """The gates of the catalogue that are shut, with as many of twenty products sold `known` as a test says."""
    from assets.grocery.ingestion import checks

    day = dt.date(2024, 1, 31)

    def look(*, known: int = 20, sold_on: dt.date = day, department: str = "SERVICES", **changes: Any) -> set[str]:
        rows = [
            dict.fromkeys(TABLES[PRODUCTS].columns)
            | {"product_id": f"P{n}", "name": "Milk", "department": department if n == 0 else "FRESH"}
            | {"is_recommendable": n > 0}
            for n in range(known)
        ]
        tables.replace(PRODUCTS, ibis.memtable(rows, schema=dict(TABLES[PRODUCTS].types)))
        sold = [{"business_date": sold_on, "product_id": f"P{n}"} for n in range(20)]
        sold += [{"business_date": day, "product_id": "P1"}]
        types = {"business_date": "date", "product_id": "string"}
        lines = ibis.memtable(sold, schema=types).to_pyarrow()
        tables.replace_days(TRANSACTIONS, lines, days=sorted({sold_on, day}))
        of = settings.products.model_copy(update=changes)
        looked = dg.Definitions(
            assets=[dg.AssetSpec(PRODUCTS), dg.AssetSpec(TRANSACTIONS)],
            asset_checks=[checks.products_are_fit_to_use],
            jobs=[dg.define_asset_job("look", selection=dg.AssetSelection.all_asset_checks())],
            resources={
                "tables": tables,
                "operations": operations,
                "settings": settings.model_copy(update={"products": of}),
            },
        )
        result = looked.resolve_job_def("look").execute_in_process(raise_on_error=False)
        return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}

    return look


def test_catalogue_that_is_whole_opens_its_gates(failed):
    assert failed() == set()


def test_catalogue_that_was_cut_is_shut(failed):
    assert failed(known=12) == {"products_sold_are_known"}
    assert failed(known=12, least_known_share=0.5) == set()


def test_what_was_sold_long_ago_need_not_be_in_the_catalogue(failed):
    assert failed(known=12, sold_on=dt.date(2024, 1, 3)) == set()
    assert failed(known=12, sold_on=dt.date(2024, 1, 4)) == {"products_sold_are_known"}


def test_department_that_is_spelt_otherwise_shuts_the_catalogue(failed, operations):
    assert failed(department="Services ") == set()
    assert failed(department="SERVICE") == {"every_exclusion_matches"}
    (verdict,) = [each for each in operations.verdicts(PRODUCTS).values() if each.outcome == Verdict.FAILED]
    assert "department = SERVICES" in verdict.reason
