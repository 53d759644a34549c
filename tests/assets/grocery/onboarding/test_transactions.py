"""The settings of a feed of basket lines, and of a catalogue within it, on inputs small enough to know the answer."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess

import pytest

from assets.grocery.onboarding import answers, contract, files, many, masterdata, transactions
from resources.errors import Refused

TODAY = dt.date(2024, 7, 1)


@pytest.fixture
def understood(engine, feeds, tmp_path):
    """What is made of files with the given contents, by name: proposed settings by path, and notes."""

    def understand(
        contents: dict[str, str],
        *,
        timezone: str = "UTC",
        today: dt.date = TODAY,
        told: answers.Told | None = None,
        **given,
    ):
        for name, content in contents.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        where = tmp_path / next(iter(contents)) if len(contents) == 1 else tmp_path
        lines, source = files.read(files.find(str(where)), engine=engine, reader=feeds)
        proposal = transactions.propose(lines, source, timezone=timezone, today=today, given=given, told=told or {})
        return {each.setting: each for each in proposal.proposed}, proposal.notes

    return understand


def baskets(
    *, days: int, first: dt.date = dt.date(2024, 3, 1), header: str = "customer,receipt,article,bought,items,paid"
):
    """Two households that each buy two products every day; prices grow with the quantity."""
    lines = [header]
    for number in range(days):
        for household in (1, 2):
            for product in (number % 6, number % 6 + 6):
                quantity = (number // 6 + product) % 3 + 1
                lines.append(
                    f"c{household},r{household}-{number},p{product},{first + dt.timedelta(days=number)} 10:00:00,"
                    f"{quantity},{quantity * (product + 1)}.50"
                )
    return "\n".join(lines) + "\n"


def test_plain_feed(understood):
    found, notes = understood({"sales.csv": baskets(days=50)})
    prefix = "transactions.columns."
    assert {name.removeprefix(prefix): f.value for name, f in found.items() if name.startswith(prefix)} == {
        "household_id": "customer",
        "basket_id": "receipt",
        "product_id": "article",
        "occurred_at": "bought",
        "quantity": "items",
        "sales_value": "paid",
        "store_id": None,
    }
    assert found["first_business_day"].value == dt.date(2024, 3, 1)
    assert found["last_business_day"].value == dt.date(2024, 4, 19)
    assert found["transactions.contract.quantity"].value == [0, 100]
    assert notes == ()


def test_files_that_end_within_their_last_line_are_no_cut_off_ones(understood):
    setting = "transactions.contract.ends_with_newline"
    assert setting not in understood({"sales.csv": baskets(days=50)})[0]
    assert understood({"sales.csv": baskets(days=50).rstrip("\n")})[0][setting].value is False


def test_live_feed_has_no_last_day_and_no_mistakes(understood):
    found, notes = understood({"sales.csv": baskets(days=50)}, today=dt.date(2024, 4, 19))
    assert found["last_business_day"].value is None
    assert found["transactions.contract.max_quarantined_share"].value == contract.LEAST_QUARANTINE
    (note,) = notes  # the last day is today
    assert (note.kind, note.says.split(" are")[0]) == ("left out", "4 lines of days after 2024-04-18")


def test_price_of_one_item_is_not_what_was_paid(understood):
    header, *lines = baskets(days=30).replace("paid", "price").splitlines()
    cells = [line.split(",") for line in lines]
    flat = [",".join([*cell[:5], f"{int(cell[2][1:]) + 1}.50"]) for cell in cells]
    found, _ = understood({"sales.csv": "\n".join([header, *flat])})
    assert found["transactions.columns.sales_value"].value is None
    assert "price of one item" in found["transactions.columns.sales_value"].why


def test_columns_that_may_be_it_and_why_they_are_not_are_told(understood):
    found, _ = understood({"sales.csv": baskets(days=15).replace("items,paid", "items,paid_cents")})
    assert found["transactions.columns.sales_value"].why == "paid_cents may be it: --column sales_value=paid_cents"
    lines = re.sub(r";(\d);(\d+)\.50", r";\1.000;\2,50", baskets(days=15).replace(",", ";"))
    assert understood({"sales.csv": lines})[0]["transactions.columns.quantity"].why == "items (3.000) holds no numbers"


def test_price_that_grows_with_the_quantity_was_paid(understood):
    found, _ = understood({"sales.csv": baskets(days=30).replace("paid", "sales_price")})
    assert found["transactions.columns.sales_value"].value == "sales_price"


def test_of_two_totals_the_other_is_told(understood):
    header, *lines = baskets(days=30).splitlines()
    more = [f"{line},{float(line.split(',')[5]) * 0.8:.2f}" for line in lines]
    found, _ = understood({"a.csv": "\n".join([header.replace("paid", "gross_amount") + ",net_amount", *more]) + "\n"})
    value = found["transactions.columns.sales_value"]
    assert value.is_guess
    assert "net_amount may be what was paid" in value.why


def test_total_of_the_basket_is_not_the_lines(understood):
    lines = [line.rpartition(",")[0] + f",{len(line.split(',')[1])}.5" for line in baskets(days=30).splitlines()[1:]]
    found, _ = understood({"sales.csv": "\n".join(["customer,receipt,article,bought,items,total", *lines])})
    assert found["transactions.columns.sales_value"].value is None
    assert "its total" in found["transactions.columns.sales_value"].why


def test_amount_is_money_when_there_is_no_other(understood):
    found, _ = understood({"sales.csv": baskets(days=30, header="customer,receipt,article,bought,items,amount")})
    assert found["transactions.columns.quantity"].value == "items"
    assert found["transactions.columns.sales_value"].value == "amount"


def test_number_of_the_line_is_no_basket(understood):
    header, *lines = baskets(days=30, header="customer,transaction_id,article,bought,items,paid").splitlines()
    numbered = [
        ",".join([cell[0], f"t{place}", *cell[2:]]) for place, line in enumerate(lines) if (cell := line.split(","))
    ]
    found, _ = understood({"sales.csv": "\n".join([header, *numbered])})
    assert found["transactions.columns.basket_id"].value is None
    assert "nearly every line has its own" in found["transactions.columns.basket_id"].why


def test_till_number_that_households_share_is_no_basket(understood):
    text = "\n".join(line.replace("r1-", "r").replace("r2-", "r") for line in baskets(days=30).splitlines())
    found, _ = understood({"sales.csv": text})
    assert found["transactions.columns.basket_id"].value is None
    assert "100% of lines share it" in found["transactions.columns.basket_id"].why


def test_returns_are_kept_when_they_are_a_habit(understood):
    returned = "c1,r9-1,p1,2024-03-20 12:00:00,-12,-30.00\n"
    found, _ = understood({"sales.csv": baskets(days=50) + returned})
    assert found["transactions.contract.quantity"].value == [-20, 100]
    assert "no purchases" in found["transactions.contract.quantity"].why
    _, notes = understood({"sales.csv": baskets(days=50) + returned.replace("-12", "0").replace("-30", "30")})
    assert "quantity spans 0 to 3; the 0.5% of 0 count as no purchases." in [note.says for note in notes]


def test_contract_allows_what_the_worst_day_has(understood):
    # 2 of the 6 lines of 20 March have no product.
    broken = "c1,r9-1,,2024-03-20 12:00:00,1,3.00\n" * 2
    found, notes = understood({"sales.csv": baskets(days=50) + broken})
    assert found["transactions.contract.max_quarantined_share"].value == pytest.approx(1.25 * 2 / 6, abs=0.01)
    assert any(re.search(r"product_id_is_given 2, first in .*sales.csv, row 201", note.says) for note in notes)


def test_lines_of_nothing_but_delimiters_say_nothing_of_the_others(understood):
    text = baskets(days=50).replace("\n", "\n,,,,,\n")
    found, notes = understood({"sales.csv": text})
    assert found["transactions.columns.sales_value"].value == "paid"
    assert not any("the first line of an order" in note.says for note in notes)


def test_repeated_products_are_a_habit(understood):
    header, *lines = baskets(days=30).splitlines()
    scanned_twice = [each for place, line in enumerate(lines) for each in [line] * (1 + (place % 12 == 0))]
    found, notes = understood({"sales.csv": "\n".join([header, *scanned_twice])})
    assert found["transactions.contract.is_product_once_a_basket"].value is False
    assert any("7.7% of lines repeat a product of their basket: each counts" in note.says for note in notes)


def test_baskets_that_stand_in_the_file_again_are_no_habit(understood):
    header, *lines = baskets(days=30).splitlines()
    found, notes = understood({"sales.csv": "\n".join([header, *lines, *lines[:10]]) + "\n"})
    assert found["transactions.contract.is_product_once_a_basket"].value is True
    assert any("10 lines were delivered more than once" in note.says for note in notes)


def test_files_of_other_days_than_their_lines_are_one_feed(understood):
    header, *lines = baskets(days=3).splitlines()
    of_day = [lines[start : start + 4] for start in (0, 4, 8)]
    names = [f"s_2024-03-{day:02}.csv" for day in (2, 3, 4)]  # a day late
    contents = {name: "\n".join([header, *some]) + "\n" for name, some in zip(names, of_day, strict=True)}
    found, notes = understood(contents)
    assert found["transactions.path"].value.endswith("/*.csv")
    assert any("are not the days of their lines" in note.says for note in notes)


def test_file_names_tell_the_day_from_the_month(understood):
    lines = "c1,r1,a,01/02/2024,1,2.0\nc1,r1,b,01/02/2024,1,2.0\nc2,r2,a,01/02/2024,1,2.0\nc2,r2,b,01/02/2024,1,2.0\n"
    found, _ = understood({"s_2024-02-01.csv": "customer,receipt,article,bought,items,paid\n" + lines})
    assert found["transactions.timestamp_format"].value == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("a,receipt,article,bought,items,paid", "No column says who bought"),
        ("customer,receipt,b,bought,items,paid", "No column says what was bought"),
    ],
)
def test_what_is_needed_and_not_found_is_refused_with_what_there_is(understood, header, reason):
    with pytest.raises(Refused, match=rf"{reason}.*paid \(.*--column"):
        understood({"sales.csv": baskets(days=10, header=header)})


def test_told_columns_win(understood):
    found, _ = understood(
        {"sales.csv": baskets(days=30, header="a,receipt,b,bought,items,paid")},
        household_id=["a"],
        product_id=["b"],
        basket_id=[],
    )
    assert found["transactions.columns.household_id"].value == "a"
    assert found["transactions.columns.basket_id"].value is None


def test_told_column_that_is_not_there_is_refused(understood):
    with pytest.raises(Refused, match="There is no column NOPE"):
        understood({"sales.csv": baskets(days=10)}, occurred_at=["NOPE"])


@pytest.fixture
def described(engine, feeds, tmp_path):
    """The catalogue of transactions whose lines have two more columns; and the notes."""

    def find(extra: str, of_line, *, name: str = "sales.csv", days: int = 30):
        header, *lines = baskets(days=days).splitlines()
        more = [f"{line},{of_line(place, line.split(',')[2])}" for place, line in enumerate(lines)]
        (tmp_path / name).write_text("\n".join([f"{header},{extra}", *more]) + "\n", encoding="utf-8")
        lines, source = files.read(files.find(str(tmp_path / name)), engine=engine, reader=feeds)
        proposal = transactions.propose(lines, source, timezone="UTC", today=TODAY, given={})
        proposed, notes = masterdata.products_in(lines, proposal.feed, proposal.other_columns, given={})
        return {each.setting: each.value for each in proposed}, notes

    return find


def test_names_and_categories(described, tmp_path):
    found, _ = described("description,category", lambda place, product: f"Tea {product},drinks")
    assert found["products.path"] == f"{tmp_path}/sales.csv"
    assert found["products.columns.product_id"] == "article"
    assert found["products.columns.name"] == "description"
    assert found["products.columns.category"] == "category"


def test_what_differs_from_line_to_line_is_not_the_products(described):
    found, _ = described("channel_type,delivery_class", lambda place, product: f"{place // 2 % 2},{place // 2 % 2}")
    assert found == {}


def test_a_file_a_day_cannot_be_the_catalogue(described):
    found, notes = described(
        "description,category", lambda place, product: f"Tea {product},drinks", name="s_2024-03-01.csv", days=1
    )
    assert found == {}
    (note,) = notes
    assert (note.kind, note.remedy) == ("switched off", "put all products into one file: --products FILE.")


def test_times_of_lines_make_a_day_one_basket(understood):
    lines = ["card,article,bought,paid"]
    for day in range(1, 29):
        for card in (1, 2):
            lines += [f"c{card},p{place},2024-03-{day:02} 10:0{card}:{place:02},1.50" for place in range(4)]
    found, notes = understood({"sales.csv": "\n".join(lines) + "\n"})
    assert found["transactions.baskets_are"].value == "day"
    (note,) = [note for note in notes if note.kind == "merged"]
    assert note.says.startswith("100% of baskets of one instant have one line")


def test_baskets_of_one_instant_stay_so(understood):
    found, _ = understood({"sales.csv": baskets(days=50).replace(",receipt,", ",till,")})
    assert "transactions.baskets_are" not in found


def of_days(times: dict[str, list[str]]) -> dict[str, str]:
    """A file a day, with a line at each of its times."""
    header = "card,receipt,article,bought,paid"
    return {
        f"till_{day}.csv": "\n".join(
            [header, *(f"c{place % 3},{day}{place // 2},p{place},{at},1.5" for place, at in enumerate(lines))]
        )
        for day, lines in times.items()
    }


def test_end_of_a_business_day_is_found(understood):
    days = {f"2024030{day}": [f"2024-03-0{day} {hour:02}:30:00" for hour in range(8, 24)] for day in range(1, 8)}
    days["20240302"].append("2024-03-03 00:20:00")
    found, notes = understood(of_days(days), timezone="Europe/Berlin")
    assert found["transactions.business_day_ends"].value == dt.time(4)
    assert found["transactions.path"].value.endswith("till_{date:%Y%m%d}.csv")
    assert "1 line until 00:20 stands in the file of the day before" in notes[0].says
    assert not [note for note in notes if note.kind == "set aside"]


def test_files_that_begin_at_midnight_end_there(understood):
    days = {f"2024030{day}": [f"2024-03-0{day} {hour:02}:30:00" for hour in range(24)] for day in range(1, 8)}
    days["20240302"].append("2024-03-03 00:20:00")
    found, _ = understood(of_days(days), timezone="Europe/Berlin")
    assert "transactions.business_day_ends" not in found


def test_day_of_the_path_is_when_no_column_says(understood):
    contents = {f"till_2024030{day}.csv": "card,article\nc1,p1\nc2,p2\nc1,p2\n" for day in range(1, 8)}
    found, notes = understood(contents)
    assert found["transactions.columns.occurred_at"].value == "file_date"
    assert found["transactions.columns.occurred_at"].why == "the date is that of the file's path"
    assert found["first_business_day"].value == dt.date(2024, 3, 1)
    assert not [note for note in notes if note.kind == "set aside"]


def test_postage_among_codes_is_said(understood):
    posted = "c1,r99,POST,2024-03-01 10:00:00,1,4.50\nc1,r99,BANK CHARGES,2024-03-01 10:00:00,1,9.00\n"
    _, notes = understood({"sales.csv": baskets(days=50) + posted})
    (note,) = notes
    assert "BANK CHARGES (1 lines), POST (1 lines)" in note.says
    assert note.remedy.endswith("product_id = ['BANK CHARGES', 'POST'].")


def test_words_among_words_are_products(understood):
    names = baskets(days=50)
    for place in range(12):
        names = names.replace(
            f",p{place},", f",{['rye bread', 'tea', 'jam', 'rice', 'oil', 'salt'][place % 6]} {'ab'[place // 6]},"
        )
    _, notes = understood({"sales.csv": names})
    assert notes == ()


def test_what_a_person_told_is_measured_with(understood):
    told = {"transactions.business_day_ends": "02:00:00", "transactions.baskets_are": "instant"}
    days = {f"2024030{day}": [f"2024-03-0{day} {hour:02}:30:00" for hour in range(8, 24)] for day in range(1, 8)}
    found, notes = understood(of_days(days), timezone="Europe/Berlin", told=told)
    assert found["transactions.business_day_ends"].value == dt.time(2)
    assert not [note for note in notes if note.kind in ("set aside", "merged")]


@pytest.mark.parametrize("looked_at", [many.MOST_LINES, 100])
def test_more_lines_than_memory_holds_are_understood_as_few_are(understood, monkeypatch, looked_at):
    broken = baskets(days=50) + "c1,r1-49,p1,2024-04-19 10:00:00,many,1\nc2,r2-49,p1,yesterday,1,1\n"
    few, notes = understood({"sales.csv": broken})
    monkeypatch.setattr(many, "slices_for", lambda *_, **__: 7)
    monkeypatch.setattr(many, "MOST_LINES", looked_at)
    monkeypatch.setattr(many, "STRETCH", 2)
    found, notes_on_many = understood({"sales.csv": broken})
    measured = {name for name in few if name.endswith("_day") or ".contract." in name}
    assert {name: found[name] for name in measured} == {name: few[name] for name in measured}
    assert {name: each.value for name, each in found.items()} == {name: each.value for name, each in few.items()}
    assert any("one stretch in 3" in note.says for note in notes_on_many) == (looked_at == 100)
    assert {note.says for note in notes if note.kind == "set aside"} <= {note.says for note in notes_on_many}


def test_orders_with_their_items_are_refused_with_the_command_that_flattens_them(understood, tmp_path):
    orders = [
        {
            "order": f"r{day}",
            "customer": f"c{day % 7}",
            "created": f"2024-03-{day:02}",
            "items": [{"sku": f"p{n}", "qty": n} for n in (1, 2)],
        }
        for day in range(1, 31)
    ]
    with pytest.raises(Refused, match=r"items holds a list .*one line a product is needed") as refused:
        understood({"orders.json": json.dumps(orders)})
    command = refused.value.remedy.split("`")[1]
    assert command.startswith(f"cat {tmp_path}/orders.json | jq -c ")
    assert command.endswith(f" > {tmp_path}/orders.json.jsonl")
    if shutil.which("jq"):
        subprocess.run(command, shell=True, check=True)
    else:  # what the command makes of them
        lines = [
            {name: order[name] for name in ("order", "customer", "created")}
            | {f"item_{name}": value for name, value in item.items()}
            for order in orders
            for item in order["items"]
        ]
        (tmp_path / "orders.json.jsonl").write_text("\n".join(map(json.dumps, lines)))
    flat = (tmp_path / "orders.json.jsonl").read_text()
    (tmp_path / "orders.json").unlink()
    found, _ = understood({"orders.json.jsonl": flat})
    assert found["transactions.columns.product_id"].value == "item_sku"
    assert found["transactions.columns.quantity"].value == "item_qty"


@pytest.mark.parametrize(
    ("lines_below", "says"),
    [
        ("", "has no lines"),
        ("1,K1,R1,A1,2024-01-01\n", r"has 1 line without a value under its header.*row\.names = FALSE"),
    ],
)
def test_a_header_without_lines_is_refused_in_words(engine, feeds, tmp_path, lines_below, says):
    (tmp_path / "sales.csv").write_text("customer,receipt,article,bought_at\n" + lines_below)
    found = files.find(str(tmp_path / "sales.csv"))
    lines, source = files.read(found, engine=engine, reader=feeds)
    with pytest.raises(Refused, match=says):
        transactions.propose(lines, source, timezone="UTC", today=dt.date(2024, 7, 1), given={})


@pytest.mark.parametrize(
    ("hours", "clock", "is_told"),
    [(range(8, 20), "%I", True), (range(8, 20), "%H", False), (range(6, 13), "%H", False)],
)
def test_a_clock_of_twelve_hours_is_told(understood, hours, clock, is_told):
    times = [dt.datetime(2024, 3, day, hour, 30) for day in range(1, 8) for hour in hours]
    lines = [f"c{n % 3},r{n},p{n % 7},{at.strftime(f'%Y-%m-%d {clock}:%M')}" for n, at in enumerate(times)]
    _, notes = understood({"sales.csv": "\n".join(["card,receipt,article,bought", *lines]) + "\n"})
    assert is_told == any("the clock of bought may have twelve hours" in note.says for note in notes)


@pytest.mark.parametrize(("days_later", "is_told"), [(1, True), (0, False)])
def test_a_column_that_says_another_day_is_told(understood, days_later, is_told):
    header, *lines = baskets(days=10).replace("bought", "created_at").splitlines()
    days = [dt.date.fromisoformat(line.split(",")[3][:10]) - dt.timedelta(days_later) for line in lines]
    rows = [f"{line},{day}" for line, day in zip(lines, days, strict=True)]
    _, notes = understood({"sales.csv": "\n".join([f"{header},sale_date", *rows]) + "\n"})
    says = "A line is taken to be bought on the day of created_at; sale_date says another day in 100.0% of lines."
    assert is_told == any(note.says == says for note in notes)
