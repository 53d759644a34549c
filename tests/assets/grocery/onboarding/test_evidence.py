"""What the values of a feed give away, on inputs small enough to know the answer."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import shlex
import shutil
import subprocess

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.grocery.ingestion import money
from assets.grocery.onboarding import doubtful_ids, evidence, files, masterdata, services, transactions
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.understood import understood as what_is_understood
from resources.config.feeds import FeedConfig
from resources.config.retailer import TransactionsConfig
from resources.errors import Refused
from tests.assets.grocery.onboarding.test_transactions import baskets

CONTRACT = "transactions.contract."


@pytest.fixture
def read(engine, feeds, tmp_path):
    """The lines of files with the given contents, and what is known of the files."""

    def write_and_read(*contents: str):
        for number, content in enumerate(contents):
            (tmp_path / f"sales_{number}.csv").write_text(content, encoding="utf-8")
        return files.read(files.find(str(tmp_path / "sales_*.csv")), engine=engine, reader=feeds)[:2]

    return write_and_read


@pytest.fixture
def notes_on(read):
    """The notes on what the columns of files say, as one text: before any line is judged."""

    def note(*contents: str, **given):
        known = {"timezone": "UTC", "today": dt.date(2024, 7, 1), "given_format": None, "told": {}}
        found = what_is_understood(*read(*contents), given=given, **known)
        return "\n".join(f"{note.kind}: {note}" for note in found.notes)

    return note


@pytest.fixture
def understood(read):
    """The proposed values by setting and the notes as one text, of files with the given contents."""

    def understand(*contents: str, **given):
        made = transactions.propose(*read(*contents), timezone="UTC", today=dt.date(2024, 7, 1), given=given)
        of_all = made.delivered
        assert of_all.lines == sum(content.count("\n") - 1 for content in contents)
        assert of_all.lines == of_all.taken + sum(of_all.set_aside.values()) + of_all.left_out
        return {each.setting: each.value for each in made.proposed}, "\n".join(f"{n.kind}: {n}" for n in made.notes)

    return understand


def with_column(name: str, *values: str) -> str:
    header, *lines = baskets(days=30).splitlines()
    more = [f"{line},{values[place % len(values)]}" for place, line in enumerate(lines)]
    return "\n".join([f"{header},{name}", *more]) + "\n"


def test_lines_that_are_no_purchases_are_left_out_where_the_words_are_clear(understood):
    found, notes = understood(with_column("type", "SALE", "SALE", "RETURN"))
    assert found["transactions.where"] == {"type": ["SALE"]}
    assert "left out: type says what a line is (SALE 80, RETURN 40): 40 lines" in notes


def test_lines_that_say_nothing_of_their_kind_are_not_left_out(understood):
    found, notes = understood(with_column("status", "paid", "", "refunded"))
    assert found["transactions.unless"] == {"status": ["refunded"]}
    assert "left out: status says what a line is (paid 40, refunded 40): 40 lines" in notes


def test_households_that_are_hardly_one_are_told(notes_on):
    lines = with_column("member", *(f"K{n}" for n in range(21)), "GUEST", "000000", "", "", "", "")
    notes = notes_on(lines, household_id=["member"], basket_id=[])
    assert "member has values that are hardly somebody: 000000 (4 lines), GUEST (4 lines)" in notes
    assert "of lines name no member: they are nobody's" in notes


@pytest.mark.parametrize(("name", "measure"), [("unit", "g"), ("ME", "KG"), ("Ед. изм.", "кг")])
def test_quantities_of_several_units_are_told(notes_on, name, measure):
    notes = notes_on(with_column(name, "pcs", measure))
    assert f"{name} says what items counts (" in notes
    notes = notes_on(with_column("unit", "pcs", "box"))
    assert "unit says" not in notes


def test_lines_of_unknown_kinds_are_asked_for(understood):
    found, notes = understood(with_column("type", "SALE", "X"))
    assert "transactions.where" not in found
    assert "Are they?" in notes


@pytest.mark.parametrize(
    ("amounts", "decimal"),
    [
        (["1.234,50 kr", "12,00 kr."], ","),
        (["3,50\u00a0€", "-1 234,50 €"], ","),
        (["CHF 1'234.50", "CHF 2.00"], "."),
        (["$1,234.50", "(3.50)"], "."),
        (["3.50-", "12"], "."),
    ],
)
def test_decimal_of_amounts_with_a_currency(amounts, decimal):
    lines = ibis.memtable({"amount": amounts})
    assert evidence.written_as(lines, FeedConfig(path=["a.csv"]))[0].decimal == decimal


def test_a_column_of_yes_and_no_leaves_out_the_yes(understood):
    found, notes = understood(with_column("is_return", "0", "0", "1"))
    assert found["transactions.unless"] == {"is_return": ["1"]}
    assert "left out: is_return says what a line is (0 80, 1 40): 40 lines with 1 are left out" in notes


def test_codes_are_asked_for_where_the_name_speaks_of_the_line(notes_on):
    notes = notes_on(with_column("line_type", "S", "S", "R"))
    assert "line_type says what a line is (S 80, R 40): all are taken for purchases. Are they?" in notes
    notes = notes_on(with_column("payment_type", "S", "S", "R"))
    assert "payment_type" not in notes


def test_leading_zeros_that_come_and_go_are_told(notes_on):
    plain = baskets(days=30).replace("c1,", "17,").replace("c2,", "18,")
    header, *lines = plain.splitlines()
    half = len(lines) // 2
    padded = [line.replace(",17,", ",0017,").replace("17,", "0017,", 1) for line in lines[half:]]
    notes = notes_on("\n".join([header, *lines[:half]]) + "\n", "\n".join([header, *padded]) + "\n")
    assert "guessed: 1 of customer stand with leading zeros and without (0017, 17): each counts as two." in notes


def test_several_currencies_are_not_added_up(understood):
    found, notes = understood(with_column("currency", "EUR", "EUR", "CZK"))
    assert (found["currency"], found["transactions.columns.currency"]) == ("EUR", "currency")
    assert found["transactions.where"] == {"currency": ["EUR"]}
    assert "several currencies (EUR 80, CZK 40)" in notes


def test_a_total_below_widens_nothing(understood):
    found, _ = understood(baskets(days=30) + ",,,,57,12345.00\n")
    assert found[CONTRACT + "sales_value"] == [0, 1000]
    assert found[CONTRACT + "is_household_required"] is True


def test_exports_that_overlap_switch_nothing_off(understood):
    lines = baskets(days=30).splitlines(keepends=True)
    found, notes = understood("".join(lines[:80]), "".join([lines[0], *lines[60:]]))
    assert found[CONTRACT + "is_product_once_a_basket"] is True
    assert found[CONTRACT + "max_quarantined_share"] == 0.01
    assert "merged: 20 lines were delivered more than once, and are taken once" in notes


def test_words_for_nothing_are_measured(notes_on):
    lines = baskets(days=30).replace("c1,", "NULL,").replace("c2,r2-1-", "c2,").splitlines()
    lines = [line.replace("c2", f"c{place % 5}") for place, line in enumerate(lines)]
    notes = notes_on("\n".join(lines) + "\n", household_id=["customer"])
    assert "50.0% of lines have no customer (written NULL)" in notes


def test_rounded_identifiers_are_told(notes_on):
    notes = notes_on(baskets(days=30).replace(",p1,", ",4.01E+12,"))
    assert "merged: article looks rounded (4.01E+12)" in notes


def test_lists_in_a_cell_are_refused(notes_on):
    with pytest.raises(Refused, match="article holds lists"):
        notes_on(baskets(days=30).replace(",p1,", ",milk;tea,").replace(",p2,", ",jam;tea,").replace(",p3,", ",a|b,"))


def test_receipts_of_20_digits_are_baskets(understood):
    found, _ = understood(baskets(days=30).replace("r1-", "2025030310000000001").replace("r2-", "2025030310000000002"))
    assert found["transactions.columns.basket_id"] == "receipt"


def test_one_household_is_named_with_its_value(notes_on):
    with pytest.raises(Refused, match="customer has one value, c1"):
        notes_on(baskets(days=30).replace("c2,", "c1,"))


def test_leading_zeros_are_told(engine, feeds, tmp_path):
    (tmp_path / "articles.csv").write_text("article_id,prod_name\n1,milk\n2,tea\n")
    lines, source = files.read(files.find(str(tmp_path / "articles.csv")), engine=engine, reader=feeds)[:2]
    ids = ibis.memtable({"product_id": ["0000001", "0000002"]})
    with pytest.raises(Refused, match="article_id has 2 of the 2 products sold when leading zeros are left out"):
        masterdata.products(lines, source.files, ids=ids, given={})


def test_catalogue_has_to_know_as_much_as_it_does_now(engine, feeds, tmp_path):
    (tmp_path / "articles.csv").write_text("article_id,prod_name\n1,milk\n2,tea\n")
    lines, source = files.read(files.find(str(tmp_path / "articles.csv")), engine=engine, reader=feeds)[:2]
    ids = ibis.memtable({"product_id": ["1", "2", "3"], "lines": [60, 20, 20]})
    proposed = {each.setting: each.value for each in masterdata.products(lines, source.files, ids=ids, given={})}
    assert proposed["products.least_known_share"] == 0.72  # nine tenths of the eighty lines of a hundred


def test_a_log_of_changes_is_told(understood):
    found, notes = understood(with_column("__op", "c", "c", "u", "d"))
    assert "left out: __op says what became of a row (c " in notes
    assert "transactions.where" not in found


@pytest.mark.parametrize(("cents", "is_told"), [(100, True), (10, False)])
def test_amounts_in_another_unit_from_a_day_on_are_told(cents, is_told):
    daily = [(day, 2.5 * (1 if day < 4 else cents)) for day in range(1, 7) for _ in range(evidence.LINES_TO_TELL)]
    lines = ibis.memtable(
        {
            "business_date": [dt.date(2024, 3, day) for day, _ in daily],
            "sales_value": [value for _, value in daily],
            "quantity": 1.0,
            "store_id": "S1",
            "source_file": [f"sales_{day}.csv" for day, _ in daily],
        }
    )
    told = [note.says for note in evidence.jumps(lines)]
    assert told == is_told * [
        "sales_value is of another size from 2024-03-04 on: half of the lines cost up to 250.00, and 2.50 on 2024-03-03."
    ]


def test_quantities_that_are_no_more_whole_are_told():
    daily = [(day, 2.0 if day < 4 else 2.5) for day in range(1, 7) for _ in range(evidence.LINES_TO_TELL)]
    lines = {"business_date": [dt.date(2024, 3, day) for day, _ in daily], "sales_value": 2.5, "store_id": "S1"}
    (note,) = evidence.jumps(ibis.memtable({**lines, "quantity": [n for _, n in daily], "source_file": "sales.csv"}))
    assert note.says.startswith("quantity is a whole number in 100% of lines on 2024-03-03, and in 0% on 2024-03-04:")


@pytest.mark.parametrize("by", ["store_id", "source_file"])
def test_amounts_in_another_unit_of_a_store_or_a_file_are_told(by):
    values = {"S1": 2.5, "S2": 250.0}
    each = [name for name in values for _ in range(evidence.LINES_TO_TELL)]
    alike = {"business_date": dt.date(2024, 3, 1), "quantity": 1.0, "store_id": "all", "source_file": "all"}
    lines = ibis.memtable({**alike, by: each, "sales_value": [values[name] for name in each]})
    (note,) = evidence.jumps(lines)
    assert note.says == (
        f"sales_value is of another size by {by}: half of the lines cost up to 250.00 in S2, and 2.50 in S1."
    )
    dear_usual_cheap = [(name, value) for name, value in (("a", 25.0), ("b", 2.5), ("c", 0.5)) for _ in range(10)]
    names, paid = zip(*dear_usual_cheap, strict=True)
    assert evidence.jumps(ibis.memtable({**alike, by: list(names), "sales_value": list(paid)})) == []


@pytest.mark.parametrize(
    ("name", "is_service"),
    [
        *[("Pfand 0,25", True), ("Delivery fee", True), ("Gift vouchers", True), ("Remise 10 %", True)],
        *[("Flour, bag of 5 kg", False), ("Post box", False), ("Vatican stamps", False), ("Tip-Top Kaffee, gemahlen", False)],
    ],
)  # fmt: skip
def test_services_are_known_by_their_products_names(name, is_service):
    lines = ibis.memtable({"product_id": ["4711", "4712"], "occurred_at": [dt.datetime(2024, 3, 1)] * 2})
    names = ibis.memtable({"product_id": ["4711", "4712"], "name": [name, "Tea"]})
    notes = services.note_on(lines, names)
    assert ["4711" in note.remedy for note in notes] == is_service * [True]


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("Storno", ("FALSCH", "WAHR"), {"Storno": ["WAHR"]}),
        ("Retour", ("FAUX", "VRAI"), {"Retour": ["VRAI"]}),
        ("training", ("0", "-1"), {"training": ["-1"]}),
    ],
)
def test_yes_and_no_of_other_languages(understood, name, values, left_out):
    assert understood(with_column(name, *values))[0]["transactions.unless"] == left_out


@pytest.mark.parametrize(
    ("name", "purchase", "other"),
    [("Belegart", "Rechnung", "Gutschrift"), ("Document Type", "Invoice", "Credit Memo")],
)
def test_credit_notes_are_no_purchases(understood, name, purchase, other):
    assert understood(with_column(name, purchase, other))[0]["transactions.where"] == {name: [purchase]}


BESIDE = [
    ("sign", ("+", "+", "-"), "sign says what a line is (+ 80, - 40): all are taken for purchases"),
    ("SHKZG", ("S", "S", "H"), "SHKZG says what a line is (S 80, H 40): all are taken for purchases"),
    ("deleted_at", ("", "2024-03-05 10:00:00"), "deleted_at is given in 60 lines (2024-03-05 10:00:00)"),
    ("qty_refunded", ("0", "0", "1"), "qty_refunded is given in 40 lines (1): they are taken for purchases"),
    ("qty_voided", ("0", "0.00", "-"), ""),
    ("return_reason", ("", "", "broken"), "return_reason is given in 40 lines (broken)"),
    ("active", ("1", "1", "0"), "active says no in 40 lines: they are taken for purchases"),
    (
        "Time Zone",
        ("Pacific Time", "Eastern Time"),
        "says in which zone times are, and is not used: they are read as times of UTC",
    ),
    ("Soll/Haben-Kennz.", ("H", "H", "S"), "says what a line is (H 80, S 40): all are taken for purchases"),
    ("parent_item_id", ("", "", "7"), "parent_item_id is given in 40 lines: they are parts of another line"),
    ("version", ("1", "2"), "version says that lines came in versions"),
    ("factor", ("1", "1", "-1"), "factor says what a line is (1 80, -1 40): all are taken for purchases"),
    ("direction", ("OUT", "OUT", "IN"), "direction says what a line is (OUT 80, IN 40): all are taken"),
    ("completed", ("true", "true", "false"), "completed says no in 40 lines: they are taken for purchases"),
    ("reason", ("", "", "damaged"), "reason is given in 40 lines (damaged): they are taken for purchases"),
]


def test_columns_that_say_that_lines_are_not_what_they_seem(notes_on):
    header, *lines = baskets(days=30).splitlines()
    rows = [",".join([line, *(of[place % len(of)] for _, of, _ in BESIDE)]) for place, line in enumerate(lines)]
    notes = notes_on("\n".join([",".join([header, *(name for name, _, _ in BESIDE)]), *rows]) + "\n")
    assert [name for name, _, says in BESIDE if says not in notes] == []
    assert "qty_voided" not in notes
    left_out = "is_component says what a line is (0 80, 1 40): 40 lines with 1 are left out"
    assert left_out in notes_on(with_column("is_component", "0", "0", "1"))


def test_columns_that_name_other_baskets_or_products_are_told(notes_on):
    header, *lines = (
        baskets(days=30).replace(",p", ",art").replace(",r1-", ",bon1-").replace(",r2-", ",bon2-").splitlines()
    )
    of = [line.split(",") for line in lines]
    rows = [
        f"{line},{of[place - 9][1] if place % 10 == 9 else ''},{of[place - 3][2] if place % 10 == 5 else ''},{place % 10 or ''}"
        for place, line in enumerate(lines)
    ]
    notes = notes_on("\n".join([f"{header},original,bundle,coupon_no", *rows]) + "\n")
    assert "original names the receipt of others in 12 lines (bon" in notes
    assert "bundle names the article of others in 12 lines (art" in notes
    assert "coupon_no names" not in notes


@pytest.mark.parametrize(
    ("name", "values", "is_told"),
    [("card", ("K1", "K2", "K3", "K4", "K5"), True), ("card", ("K1", "K2"), False)],
)
def test_another_column_of_who_bought_is_told_unless_it_is_a_part(notes_on, name, values, is_told):
    header, *lines = baskets(days=30).splitlines()
    cards = [f"{values[place % len(values)]}{'' if is_told else line[:2]}" for place, line in enumerate(lines)]
    rows = [f"{line},{card}" for line, card in zip(lines, cards, strict=True)]
    notes = notes_on("\n".join([f"{header},{name}", *rows]) + "\n")
    assert is_told == ("customer (2 different) is taken for who bought; card (5 different) is called so, too" in notes)
    assert is_told == ("is called so, too" in notes)


def test_a_column_that_tells_more_products_apart_is_told(notes_on):
    header, *lines = baskets(days=30).splitlines()
    rows = [
        f"{line},{line.split(',')[2]}-{'SL'[place // 24 % 2]},{place % 4},{place}" for place, line in enumerate(lines)
    ]
    notes = notes_on("\n".join([f"{header},variant_sku,item_no,sold_item_id", *rows]) + "\n", product_id=["article"])
    assert "article (12 different) is taken for what was bought; variant_sku (" in notes
    assert "item_no (" not in notes
    assert "sold_item_id (" not in notes  # the line's own


@pytest.mark.parametrize("is_told", [True, False])
def test_lines_that_stand_once_for_each_payment_are_told(notes_on, is_told):
    header, *lines = baskets(days=30).splitlines()
    split = [line for line in lines if line.split(",")[1].endswith("0")]  # six receipts
    more = split if is_told else split[::2]  # or an article that was scanned twice
    notes = notes_on(
        "\n".join([f"{header},tender", *(f"{line},CARD" for line in lines), *(f"{line},CASH" for line in more)]) + "\n"
    )
    assert is_told == ("left out: The lines of 6 baskets stand once for each tender of the basket" in notes)
    assert is_told == ("stand once for" in notes)


def test_discounts_and_what_was_delivered_in_the_end_are_told(notes_on):
    header, *lines = baskets(days=30).replace("paid", "amount").splitlines()
    rows = [
        f"{line},{0.5 * (place % 3 == 0)},{9 if place % 10 == 0 else line.split(',')[4]}"
        for place, line in enumerate(lines)
    ]
    notes = notes_on("\n".join([f"{header},discount_amount,items_delivered", *rows]) + "\n")
    assert "discount_amount is given in 40 lines, and amount is taken for what was paid in the end" in notes
    assert "items_delivered says another quantity than items in 12 lines, and items is read" in notes


@pytest.mark.parametrize("by_store", [True, False])
def test_products_that_have_another_name_in_each_store_are_told(notes_on, by_store):
    header, *lines = baskets(days=30).splitlines()
    rows = [f"{line},s{line[1]},{line.split(',')[2]}{' of ' + line[:2] if by_store else ''}" for line in lines]
    notes = notes_on("\n".join([f"{header},store,article_name", *rows]) + "\n")
    assert by_store == ("merged: 12 of article have another article_name in each store (p9)" in notes)


def test_events_that_come_again_are_told(notes_on):
    header, *lines = with_column("event_id", *(f"e{n}" for n in range(120))).splitlines()
    again = [f"{line},{place}" for place, line in enumerate([*lines, *lines[::4]])]
    notes = notes_on("\n".join([f"{header},offset", *again]) + "\n")
    assert "30 lines have a event_id that stood before" in notes
    assert "stood before" not in notes_on("\n".join([header, *lines]) + "\n")


def test_what_only_first_lines_of_orders_say_is_told_with_the_query_that_fills_it_in(notes_on, engine, feeds):
    header, *lines = (
        baskets(days=30).replace("customer,receipt,article,bought", "customer,ref,sku,created").splitlines()
    )
    for number, line in enumerate(lines):
        who, ref, sku, created, quantity, paid = line.split(",")
        lines[number] = f",,{sku},,{quantity}," if number % 2 else f"{who},{ref},{sku},{created},{quantity},{paid}"
    lines[0] = lines[0].removeprefix("c1")  # a guest's order
    notes = notes_on("\n".join([header, *lines, ""]))
    assert "left out: 50.0% of lines have neither customer nor created: the first line of an order has them" in notes
    found = filled_by(notes, engine, feeds)
    assert (found.delivered.lines, found.delivered.taken, found.delivered.set_aside) == (120, 120, {})
    assert found.lines.customer.isnull().sum().to_pyarrow().as_py() == 2
    assert found.feed.columns.sales_value is None  # an order's, on its first line


def test_what_became_of_an_order_is_told_where_its_first_line_alone_says_it(engine, tmp_path):
    file = tmp_path / "sales.csv"
    columns = {"household_id": "who", "product_id": "what", "occurred_at": "at"}
    settings = {"path": str(file), "unless": {"state": ["refunded"]}, "columns": columns}
    feed = TransactionsConfig.model_validate(settings)

    def notes(*lines: str) -> list[Note]:
        file.write_text("\n".join(["who,what,at,state", *lines, ""]))
        read = engine.read_csv(str(file), all_varchar=True)
        return doubtful_ids.doubts(
            read.mutate(source_file=ibis.literal("a"), source_row=ibis.row_number()), feed, is_told=False
        )

    (note,) = notes("h1,p1,2024-03-05,paid", "h1,p2,2024-03-05,", "h2,p1,2024-03-06,refunded", "h2,p2,2024-03-06,")
    assert note.says.startswith("50.0% of lines say no state: the first line of an order has it alone")
    query = shlex.split(note.remedy.split("`")[1])[-1]
    said = sorted((row[0], row[1], row[3]) for row in engine.raw_sql(query).fetchall())
    assert said == [("h1", "p1", "paid"), ("h1", "p2", "paid"), ("h2", "p1", "refunded"), ("h2", "p2", "refunded")]
    assert notes("h1,p1,2024-03-05,paid", "h2,p2,2024-03-05,", "h2,p1,2024-03-06,refunded", "h2,p2,2024-03-07,") == []


def test_a_customer_who_stands_above_the_lines_is_told_with_the_query_that_fills_it_in(engine, tmp_path):
    file = tmp_path / "sales.csv"
    columns = {"household_id": "who", "product_id": "what", "occurred_at": "at"}
    feed = TransactionsConfig.model_validate({"path": str(file), "columns": columns})
    file.write_text("who,what,at\nAnn,,\n,p1,2024-03-05\n,p2,2024-03-06\nTotal Ann,,\nBob,,\n,p1,2024-03-05\n")
    lines = engine.read_csv(str(file), all_varchar=True)
    lines = lines.mutate(source_file=ibis.literal("a"), source_row=ibis.row_number())
    (note,) = (each for each in doubtful_ids.doubts(lines, feed, is_told=False) if each.kind == "left out")
    assert note.says.startswith("who is given in 3 lines without what alone, as a heading above")
    query = shlex.split(note.remedy.split("`")[1])[-1]
    said = sorted(row[:2] for row in engine.raw_sql(query).fetchall())
    assert said == [("Ann", "p1"), ("Ann", "p2"), ("Bob", "p1")]


def filled_by(remedy: str, engine, feeds) -> transactions.TransactionsProposal:
    """What is made of the feed of the query that a remedy names."""
    *_, query = shlex.split(remedy.split("`")[1])
    lines, source = files.read(files.find_rows("duckdb://", query, between=()), engine=engine, reader=feeds)
    return transactions.propose(lines, source, timezone="UTC", today=dt.date(2024, 7, 1), given={})


def test_products_side_by_side_are_refused_with_the_query_that_makes_lines_of_them(understood, engine, feeds):
    lines = [f"c{n % 7},2024-03-{1 + n % 30:02},p{n % 5},{'p9' if n % 2 else ''}" for n in range(60)]
    with pytest.raises(Refused, match="item1, item2 hold a product each") as refused:
        understood("\n".join(["customer,date,item1,item2", *lines, ""]))
    made = filled_by(refused.value.remedy, engine, feeds)
    assert (made.delivered.taken, made.feed.columns.product_id) == (90, "product")
    found, _ = understood("\n".join(["customer,date,item1,item2", *lines, ""]), product_id=["item1"])
    assert found["transactions.columns.product_id"] == "item1"


@pytest.mark.parametrize("name", ["a.jsonl", "b.parquet"])
def test_products_side_by_side_are_made_lines_of_in_files_of_other_formats_too(engine, feeds, tmp_path, name):
    rows = [{"customer": f"c{n % 7}", "date": "2024-03-01", "item1": f"p{n % 5}", "item2": "p9"} for n in range(60)]
    if name.endswith("l"):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    lines, source = files.read(files.find(str(tmp_path / name)), engine=engine, reader=feeds)
    with pytest.raises(Refused, match="item1, item2 hold a product each") as refused:
        transactions.propose(lines, source, timezone="UTC", today=dt.date(2024, 7, 1), given={})
    assert filled_by(refused.value.remedy, engine, feeds).delivered.taken == 120


def test_days_side_by_side_are_refused_with_the_query_that_makes_lines_of_them(engine, feeds, tmp_path):
    days = [f"2024-03-{day:02}" for day in range(1, 31)]
    lines = [f"c{n % 7},p{n % 5}," + ",".join("02"[(n + day) % 2] for day in range(30)) for n in range(10)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(["customer", "product", *days]), *lines, ""]))
    with pytest.raises(Refused, match=r"has no header.*If every day is a column of its own") as refused:
        files.find(str(tmp_path / "a.csv"))
    made = filled_by(refused.value.remedy.partition("If every")[2], engine, feeds)
    assert (made.delivered.taken, made.feed.columns.quantity) == (150, "quantity")


def test_capitals_that_come_and_go_are_told(notes_on):
    lines = baskets(days=30).replace("\nc1,r1-1", "\nC1,r1-1")
    says = "1 of customer are told apart by capitals, blanks or marks alone (C1, c1): each counts as two"
    assert says in notes_on(lines)


def test_three_decimals_of_every_number_are_no_thousands(understood):
    header, *lines = baskets(days=30).splitlines()
    cells = [line.split(",") for line in lines]
    text = [";".join([*line[:4], f"{line[4]}.000", line[5].replace(".", ",")]) for line in cells]
    found, _ = understood("\n".join([header.replace(",", ";"), *text]) + "\n")
    assert found["transactions.decimal"] == ","
    assert "transactions.thousands" not in found
    assert found["transactions.columns.quantity"] is None


@pytest.mark.parametrize(
    ("name", "currency"),
    [("paid (GBP)", "GBP"), ("paid_eur", "EUR"), ("Total €", "EUR"), ("paid_all", None), ("paid $", None)],
)
def test_currency_in_the_name_of_the_amounts(name, currency):
    assert money.in_name(name) == currency


def test_currency_of_the_columns_name_is_the_retailers(understood):
    found, _ = understood(baskets(days=30, header="customer,receipt,article,bought,items,paid (GBP)"))
    assert found["currency"] == "GBP"


def test_masked_cards_and_blanks_within_are_told(notes_on):
    masked = baskets(days=30).replace("\nc", "\n************123")
    assert "merged: 2 of customer are masked (************1231): different ones" in notes_on(masked)
    other = baskets(days=30).replace(",p1,", ",p 1,", 3).replace(",p2,", ",{p2},", 3)
    assert "2 of article are told apart by capitals, blanks or marks alone (p 1, p1)" in notes_on(other)


@pytest.mark.parametrize(
    ("early", "late", "says"),
    [
        ("10{:02}", "C10{:02}", "stand with letters before them and without (1000, C1000): each counts as two"),
        (
            "4006381{:02}",
            "4006381{:02}7",
            "stand with one digit more behind them, as a check digit is, and without (4006",
        ),
        ("4006381{:02}", "4006381{:02}3{:02}", ""),
        (
            "ab{:02}cd",
            "ab-{:02}-cd",
            "are told apart by capitals, blanks or marks alone (ab-00-cd, ab00cd): each counts as two",
        ),
        ("Käse {:02}", "Ka\u0308se {:02}", "are told apart by capitals, blanks or marks alone"),
        ("tea {:02}", "tea\u00a0{:02}", "are told apart by capitals, blanks or marks alone"),
        ("tea-{:02}", "tea–{:02}", "are told apart by capitals, blanks or marks alone"),
        ("A {:02}", "A-{:02}", "are told apart by capitals, blanks or marks alone"),
        ("A{:02}", "B{:02}", ""),
    ],
)
def test_products_that_are_written_otherwise_in_a_later_file_are_told(notes_on, early, late, says):
    def written(way: str, month: int) -> str:
        lines = baskets(days=15, first=dt.date(2024, month, 1))
        return re.sub(r",p(\d+),", lambda found: f",{way.format(int(found[1]), 7)},", lines)

    notes = notes_on(written(early, 3), written(late, 4))
    assert says in notes if says else "of article" not in notes


def test_barcodes_of_a_scale_are_told(notes_on):
    def sold(month: int, code: str) -> str:
        lines = baskets(days=15, first=dt.date(2024, month, 1))
        return re.sub(r",p(\d+),", lambda found: f",{code.format(int(found[1]))},", lines)

    assert "24 of article read like barcodes of a scale" in notes_on(sold(3, "2{:05}001237"), sold(4, "2{:05}004567"))
    assert "of a scale" not in notes_on(
        sold(3, "20000000{:02}117"), sold(4, "20000000{:02}227")
    )  # a shop's own numbers


@pytest.mark.parametrize(
    ("name", "says"), [("is_sale", "is_sale says no in 40 lines"), ("rtn", "rtn says what a line")]
)
def test_a_column_of_yes_and_no_that_speaks_of_sales_is_told(notes_on, name, says):
    values = ("1", "1", "0") if name == "is_sale" else ("0", "0", "1")
    assert f"left out: {says}" in notes_on(with_column(name, *values))


def test_a_store_of_tests_is_told(notes_on):
    notes = notes_on(with_column("till", "North", "Test 1", "Attesting"), store_id=["till"])
    assert "left out: till names what is hardly a store (Test 1 40): its lines are taken for purchases" in notes
    assert 'unless = { till = ["Test 1"] }' in notes


def test_a_household_that_is_called_otherwise_later_is_told(notes_on):
    early = baskets(days=15)
    later = baskets(days=15, first=dt.date(2024, 3, 16), header="customer_id,receipt,article,bought,items,paid")
    notes = notes_on(early, later)
    assert "left out: customer is given in 60 lines in which customer_id is not: they are taken for nobody's" in notes


def test_files_that_a_night_will_refuse_are_told(understood):
    early = baskets(days=15)
    later = baskets(days=15, first=dt.date(2024, 3, 16), header="customer,receipt,article,bought,qty,paid")
    _, notes = understood(early, later)
    assert "set aside: 1 file of 2, such as" in notes
    assert "lack the column" in notes
    assert "lack the column" not in understood(early, baskets(days=15, first=dt.date(2024, 3, 16)))[1]


AFTER = {"card": "K1", "sku": "A1"}


@pytest.mark.parametrize(
    ("line", "says", "made"),
    [
        ({"before": {"card": "K0", "sku": "A0"}, "after": AFTER, "ts": 1}, "after holds .* as an object", AFTER),
        ({"after": AFTER, "source": {"db": "shop", "ts": 2}, "op": "c"}, "after holds .* as an object", AFTER),
        ({"topic": "t", "value": json.dumps(AFTER)}, "value holds .* as an object", AFTER),
        ({"OldImage": AFTER, "NewImage": {"card": {"S": "K1"}, "sku": {"S": "A1"}}}, "NewImage holds", None),
        ({"customer": {"id": "K1"}, "sku": "A1"}, "customer holds", {"customer_id": "K1", "sku": "A1"}),
        ({"card": "K1", "product": {"sku": "A1"}}, "product holds", {"card": "K1", "product_sku": "A1"}),
        (
            {"card": "K1", "items": [{"sku": "A1", "n": {"$numberInt": "2"}}], "at": {"$date": "2024-01-31"}},
            "items holds a list",
            {"card": "K1", "at": "2024-01-31", "item_sku": "A1", "item_n": "2"},
        ),
        (
            {"Item": {"card": {"S": "K1"}, "gone": {"NULL": True}, "items": {"L": [{"M": {"sku": {"S": "A1"}}}]}}},
            "items holds a list",
            {"card": "K1", "gone": None, "item_sku": "A1"},
        ),
    ],
    ids=["change", "Debezium", "Kafka", "stream", "a customer", "a product", "MongoDB", "DynamoDB"],
)
@pytest.mark.parametrize("name", ["a b.json", "a.json.gz", "*.json.gz"])
def test_what_is_nested_is_refused_with_what_makes_lines_of_it(engine, feeds, tmp_path, line, says, made, name):
    text, path = (json.dumps(line) + "\n").encode() * 2, tmp_path / name.replace("*", "a")
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    lines, source = files.read(files.find(str(tmp_path / name)), engine=engine, reader=feeds)
    with pytest.raises(Refused, match=says) as error:
        transactions.propose(lines, source, timezone="UTC", today=dt.date(2024, 7, 1), given={})
    _, command, _ = error.value.remedy.split("`")
    if shutil.which("jq"):
        subprocess.run(command, shell=True, check=True)
        rows = [json.loads(each) for each in (path.parent / f"{path.name}.jsonl").read_text().splitlines()]
        assert made is None or rows == [made, made]


def test_sales_below_zero_are_refused_with_what_turns_their_signs(engine, tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(
        'who,what,at,n,paid\nh1,p1,2024-03-05,-3,"1,50-"\nh2,p1,2024-03-05,-1,"0,50-"\nh2,p1,2024-03-05,1,"0,50"\n'
    )
    columns = {"household_id": "who", "product_id": "what", "occurred_at": "at", "quantity": "n", "sales_value": "paid"}
    feed = TransactionsConfig.model_validate({"path": str(file), "decimal": ",", "columns": columns})
    lines = engine.read_csv(str(file), all_varchar=True)
    with pytest.raises(Refused, match=r"n is below 0 in 66.7% of lines, paid is below 0 in 66.7% of lines") as refused:
        evidence.refuse_turned(lines, feed)
    query = shlex.split(refused.value.remedy.split("`")[1])[-1]
    assert [row[3:] for row in engine.raw_sql(query).fetchall()] == [("3", "1,50"), ("1", "0,50"), ("-1", "-0,50")]
    evidence.refuse_turned(lines.filter(lines.n == "1"), feed)
