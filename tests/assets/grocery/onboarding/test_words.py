"""Names of columns, taken apart and recognised."""

from __future__ import annotations

import pytest

from assets.grocery.onboarding import words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CustomerID", ("customer", "id")),
        ("custid", ("cust", "id")),
        ("CUST_CODE", ("cust", "code")),
        ("itemDescription", ("item", "description")),
        ("PROD_CODE_10", ("prod", "code", "10")),
        ("Stück", ("stuck",)),
        ("Kundennummer", ("kunden", "nummer")),
        ("custodian", ("custodian",)),
    ],
)
def test_names_are_taken_apart(name, expected):
    assert words.split_name(name) == expected


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (words.HOUSEHOLD, "household_key"),
        (words.HOUSEHOLD, "Member_number"),
        (words.PRODUCT, "StockCode"),
        (words.PRODUCT, "upc"),
        (words.TIME, "TRANSACTION_DT"),
        (words.TIME_OF_DAY, "SHOP_HOUR"),
        (words.BASKET, "InvoiceNo"),
        (words.BASKET, "Bonnummer"),
        (words.QUANTITY, "Menge"),
        (words.LINE_TOTAL, "net_spend_amt"),
        (words.PRICE, "UnitPrice"),
        (words.STORE, "Filiale"),
        (words.NAME, "Bezeichnung"),
        (words.CATEGORY, "PRODUCT_SUBCLASS"),
    ],
)
def test_roles_are_recognised(role, name):
    assert words.matching_columns(role, [name]) == [name]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (words.HOUSEHOLD, "CUST_LIFESTAGE"),
        (words.HOUSEHOLD, "customer_name"),
        (words.PRODUCT, "PROD_CODE_10"),
        (words.PRODUCT, "stock"),
        (words.TIME, "SHOP_WEEK"),
        (words.TIME, "birth_date"),
        (words.BASKET, "BASKET_SIZE"),
        (words.BASKET, "order_date"),
        (words.LINE_TOTAL, "coupon_disc"),
        (words.LINE_TOTAL, "UnitPrice"),
        (words.STORE, "STORE_REGION"),
    ],
)
def test_what_sounds_alike_is_not(role, name):
    assert words.matching_columns(role, [name]) == []


def test_household_is_better_than_card_and_identifier_better_than_word():
    names = ["card", "customer", "customer_id", "household_id"]
    assert words.matching_columns(words.HOUSEHOLD, names) == ["household_id", "customer_id", "customer", "card"]


def test_name_of_a_category_is_better_than_its_identifier():
    assert words.matching_columns(words.CATEGORY, ["category_id", "category"]) == ["category", "category_id"]
