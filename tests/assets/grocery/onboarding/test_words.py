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
        ("Kod usługi", ("kod", "uslugi")),
        ("Satış No", ("satis", "no")),
        ("Kundennummer", ("kunden", "nummer")),
        ("custodian", ("custodian",)),
        ("Lineitem sku", ("sku",)),
        ("Order Lines/Product", ("product",)),
        ("line_item_id", ("id",)),
        ("TRAININGFLAG", ("training", "flag")),
        ("N° ticket", ("no", "ticket")),
        ("order_line", ("order", "line")),
        ("Код товара", ("kod", "tovara")),
        ("НомерЧека", ("nomer", "cheka")),
    ],
)
def test_names_are_taken_apart(name, expected):
    assert words.split_name(name) == expected


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("household", "household_key"),
        ("household", "Member_number"),
        ("product", "StockCode"),
        ("product", "upc"),
        ("time", "TRANSACTION_DT"),
        ("time_of_day", "SHOP_HOUR"),
        ("basket", "InvoiceNo"),
        ("basket", "Bonnummer"),
        ("household", "CPF"),
        ("household", "Müşteri No"),
        ("basket", "Nr paragonu"),
        ("product", "Kod towaru"),
        ("line_total", "VL_TOTAL"),
        ("quantity", "Menge"),
        ("line_total", "net_spend_amt"),
        ("price", "UnitPrice"),
        ("store", "Filiale"),
        *(
            ("household", "Номер карты"),
            ("household", "Код клиента"),
            ("product", "Артикул"),
            ("time", "Дата и время"),
            ("time_of_day", "Время"),
            ("basket", "№ чека"),
            ("quantity", "Кол-во"),
            ("line_total", "Сумма"),
            ("price", "Цена"),
            ("store", "Магазин"),
            ("name", "Наименование товара"),
        ),
        ("name", "Bezeichnung"),
        ("category", "PRODUCT_SUBCLASS"),
        *(
            ("household", "KUNNR"),
            ("product", "MATNR"),
            ("basket", "VBELN"),
            ("time", "FKDAT"),
            ("line_total", "NETWR"),
        ),
        ("household", "Sell-to Customer No."),
        ("product", "Lineitem sku"),
        ("line_total", "row_total"),
        ("line_total", "price_subtotal_incl"),
        ("product", "Art.-Nr."),
        ("household", "partner_id"),
        ("household", "KUNAG"),
        ("basket", "N° ticket"),
        ("quantity", "Qté"),
        ("quantity", "Uds"),
        ("quantity", "RETAILQUANTITY"),
        *(("time", "sold_on"), ("time", "verkauft_am"), ("time_of_day", "Std"), ("time_of_day", "Stunde")),
    ],
)
def test_roles_are_recognised(role, name):
    assert words.matching_columns(role, [name]) == [name]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("household", "CUST_LIFESTAGE"),
        ("household", "customer_name"),
        ("product", "PROD_CODE_10"),
        ("product", "stock"),
        ("product", "Art"),
        ("product", "line_item_id"),
        ("time", "SHOP_WEEK"),
        ("time", "birth_date"),
        ("time", "deleted_at"),
        ("time", "ingested_at"),
        ("basket", "BASKET_SIZE"),
        ("basket", "order_date"),
        ("line_total", "coupon_disc"),
        ("line_total", "UnitPrice"),
        ("store", "STORE_REGION"),
    ],
)
def test_what_sounds_alike_is_not(role, name):
    assert words.matching_columns(role, [name]) == []


def test_household_is_better_than_card_and_identifier_better_than_word():
    names = ["card", "customer", "customer_id", "household_id"]
    assert words.matching_columns("household", names) == ["household_id", "customer_id", "customer", "card"]


def test_name_of_a_category_is_better_than_its_identifier():
    assert words.matching_columns("category", ["category_id", "category"]) == ["category", "category_id"]
