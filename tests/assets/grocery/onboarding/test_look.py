"""What `nightcart init` makes of columns, dates, files and days, on inputs small enough to know the answer."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from assets.grocery.onboarding import files, look, times, words
from resources.errors import Refused
from resources.feeds.reader import OUR_COLUMNS

TODAY = dt.date(2024, 7, 1)


@pytest.fixture
def table(engine):
    """A table of text columns, as FeedReader gives them."""

    def make(**columns: list[str | None]):
        import ibis
        import pyarrow as pa

        rows = len(next(iter(columns.values())))
        text = {name: pa.array(values, pa.string()) for name, values in columns.items()}
        lines = engine.create_table(
            ibis.util.gen_name("look"), pa.table({**text, "source_row": list(range(1, rows + 1))}), temp=True
        )
        return lines.mutate(source_file=ibis.literal("a.csv"), file_date=ibis.null("date"), defect=ibis.null("string"))

    return make


@pytest.fixture
def understood(engine, feeds, tmp_path):
    """What is made of files with the given contents, by name: findings by setting, and notes."""

    def understand(contents: dict[str, str], *, timezone: str = "UTC", today: dt.date = TODAY, **told):
        for name, content in contents.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        where = tmp_path / next(iter(contents)) if len(contents) == 1 else tmp_path
        lines, found = files.read(files.find(str(where)), engine=engine, reader=feeds)
        seen = look.transactions(lines, found, timezone=timezone, today=today, told=told)
        return {finding.setting: finding for finding in seen.findings}, seen.notes

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


class TestWords:
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
    def test_names_are_taken_apart(self, name, expected):
        assert words.words(name) == expected

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
    def test_roles_are_recognised(self, role, name):
        assert words.called(role, [name]) == [name]

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
    def test_what_sounds_alike_is_not(self, role, name):
        assert words.called(role, [name]) == []

    def test_household_is_better_than_card_and_identifier_better_than_word(self):
        names = ["card", "customer", "customer_id", "household_id"]
        assert words.called(words.HOUSEHOLD, names) == ["household_id", "customer_id", "customer", "card"]

    def test_name_of_a_category_is_better_than_its_identifier(self):
        assert words.called(words.CATEGORY, ["category_id", "category"]) == ["category", "category_id"]


class TestTimes:
    def found(self, lines, *names, told=(), told_format=None, today=TODAY):
        own = [name for name in lines.columns if name not in OUR_COLUMNS]
        return times.find(lines, names or own, told=told, told_format=told_format, today=today)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (["2024-01-31", "2024-02-01"], None),
            (["2024-01-31T10:00:00", "2024-02-01T11:30:00"], None),
            (["20240131", "20240201"], "%Y%m%d"),
            (["31.01.2024", "01.02.2024"], "%d.%m.%Y"),
            (["12/1/2010 8:26", "12/13/2010 14:05"], "%m/%d/%Y %H:%M"),
            (["21-07-2015", "05-01-2015"], "%d-%m-%Y"),
            (["31/1/24", "1/2/24"], "%d/%m/%y"),
            (["31JAN2024", "01FEB2024"], "%d%b%Y"),
            (["1/31/2024 8:26 PM", "2/1/2024 11:00 AM"], "%m/%d/%Y %I:%M %p"),
            (["20240131102600", "20240201102600"], "%Y%m%d%H%M%S"),
        ],
    )
    def test_formats(self, table, values, expected):
        found, _ = self.found(table(date=values))
        assert (found.columns, found.format, found.zone) == (("date",), expected, "local")
        assert not found.is_guess

    @pytest.mark.parametrize(
        ("value", "format_"),
        [
            ("2024-01-31T10:00:00+01:00", None),
            ("2024-01-31 10:00:00 UTC", None),
            ("2024-01-31 10:00:00 +0100", "%Y-%m-%d %H:%M:%S %z"),
        ],
    )
    def test_offset_makes_it_an_instant(self, table, value, format_):
        found, _ = self.found(table(bought_at=[value]))
        assert (found.zone, found.format, found.has_time_of_day) == ("UTC", format_, True)

    def test_date_and_hour_in_two_columns(self, table):
        found, _ = self.found(
            table(SHOP_DATE=["20060413", "20060414"], SHOP_HOUR=["8", "19"], SHOP_WEEK=["200607"] * 2)
        )
        assert (found.columns, found.format) == (("SHOP_DATE", "SHOP_HOUR"), "%Y%m%d %H")

    def test_hour_without_its_zero_is_not_used(self, table):
        found, notes = self.found(table(date=["2024-01-31", "2024-02-01"], time=["915", "1631"]))
        assert found.columns == ("date",)
        assert notes == ["time (915) is not used: beside date it is no time of day."]

    def test_late_value_decides_between_day_and_month(self, table):
        # The first 12 days of many months could be either; a single 25th, the last of 5,000 values, could not.
        early = [f"{1 + n % 12}/{1 + n // 12 % 12}/{1985 + n // 144}" for n in range(5_000)]
        found, _ = self.found(table(date=[*early, "7/25/2023"]))
        assert (found.format, found.is_guess) == ("%m/%d/%Y", False)

    def test_days_that_lie_together_are_a_guess(self, table):
        # 1 to 10 March, day first; month first it would be the third of ten months.
        found, _ = self.found(table(date=[f"{day:02}/03/2024" for day in range(1, 11)]), today=dt.date(2025, 1, 1))
        assert (found.format, found.is_guess) == ("%d/%m/%Y", True)

    def test_day_or_month_that_nothing_tells_is_refused(self, table):
        with pytest.raises(Refused, match=r"may have the day or the month first.*--timestamp-format '%d/%m/%Y'"):
            self.found(table(date=["01/02/2024"]))

    def test_told_format_settles_it(self, table):
        found, _ = self.found(table(date=["01/02/2024"]), told_format="%m/%d/%Y")
        assert (found.format, found.is_guess) == ("%m/%d/%Y", False)

    def test_told_format_that_does_not_fit_is_refused(self, table):
        with pytest.raises(Refused, match="cannot be read as a time by"):
            self.found(table(date=["2024-01-31"]), told=["date"], told_format="%d/%m/%Y")

    def test_number_of_a_day_is_no_date(self, table):
        with pytest.raises(Refused, match=r"DAY \(51\) cannot be read as a date"):
            self.found(table(DAY=["51", "711"]))

    def test_column_is_found_by_its_values_when_no_name_says_so(self, table):
        found, _ = self.found(table(a=["x", "y"], moment=["2024-01-31 10:00", "2024-01-31 11:00"]))
        assert found.columns == ("moment",)

    def test_time_is_better_than_date_and_birthday_is_neither(self, table):
        lines = table(birth_date=["1980-01-01"], order_date=["2024-01-31"], order_time=["2024-01-31 10:00:00"])
        assert self.found(lines)[0].columns == ("order_time",)


class TestFiles:
    def paths(self, folder: Path, *names: str) -> str:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("a;b\n1,5;2\n3,5;4\n", encoding="utf-8")
        return str(folder)

    @pytest.mark.parametrize(
        ("names", "pattern"),
        [
            (["s_20240131.csv", "s_20240201.csv"], "s_{date:%Y%m%d}.csv"),
            (["2024-01-31.csv"], "{date}.csv"),
            (["s_2024_01_31.csv"], "s_{date:%Y_%m_%d}.csv"),
            (["north_2024-01-31.csv", "south_2024-01-31.csv"], "*_{date}.csv"),
            (["s_20240131235901.csv", "s_20240201235907.csv"], "s_{date:%Y%m%d}*.csv"),
            (["2024/01/s_20240131.csv", "2024/02/s_20240201.csv"], "{date:%Y}/{date:%m}/s_{date:%Y%m%d}.csv"),
            (["date=2024-01-31/part-0.csv", "date=2024-02-01/part-1.csv"], "date={date}/part-*.csv"),
        ],
    )
    def test_a_file_a_day(self, tmp_path, names, pattern):
        found = files.find(self.paths(tmp_path, *names))
        assert found.files.path == [f"{tmp_path}/{pattern}"]
        assert len(found.days) == len({name[-14:] for name in names} if "north" not in names[0] else {1})

    @pytest.mark.parametrize("name", ["s_20241399.csv", "s_2024.csv", "order_120240131.csv"])
    def test_numbers_that_are_no_dates(self, tmp_path, name):
        assert files.find(self.paths(tmp_path, name)).days == ()

    def test_pattern_of_a_person_is_understood(self, tmp_path):
        self.paths(tmp_path, "s_20240131.csv", "other.csv")
        assert files.find(f"{tmp_path}/s_{{date:%Y%m%d}}.csv").days == (dt.date(2024, 1, 31),)

    def test_delimiter_and_decimal_comma(self, tmp_path):
        found = files.find(self.paths(tmp_path, "a.csv")).files
        assert (found.delimiter, found.decimal, found.encoding) == (";", ",", "utf-8")

    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    def test_delimiters(self, tmp_path, mark):
        (tmp_path / "a.txt").write_text(f'a{mark}b\n"x, y; z"{mark}1.5\n', encoding="utf-8")
        assert files.find(str(tmp_path / "a.txt")).files.delimiter == mark

    def test_name_with_brackets_is_the_file_itself(self, tmp_path):
        self.paths(tmp_path, "sales[1].csv")
        path = files.find(str(tmp_path / "sales[1].csv")).files.path
        assert path == [f"{tmp_path}/sales[[]1].csv"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "is empty"),
            (b"PK\x03\x04", "Excel workbook"),
            (b'{"a": 1}', "is JSON"),
            (b"\x7fELF\0\0", "is binary"),
            (b"a\n1\n", "has no two columns"),
            (b"c1,p1,2024-01-31,2\nc2,p1,2024-01-31,1\n", "has no header"),
        ],
    )
    def test_what_is_no_feed_is_refused(self, tmp_path, content, reason):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(Refused, match=reason):
            files.find(str(tmp_path / "a.csv"))

    def test_folder_of_different_kinds_is_refused(self, tmp_path):
        (tmp_path / "sales.csv").write_text("customer,article,date\n1,2,3\n", encoding="utf-8")
        (tmp_path / "articles.csv").write_text("article,name\n1,2\n", encoding="utf-8")
        with pytest.raises(Refused, match="of different kinds"):
            files.find(str(tmp_path))

    def test_column_without_a_name_is_no_obstacle(self, tmp_path, engine, feeds):
        (tmp_path / "a.csv").write_text(",a,b\n0,x,1\n1,y,2\n", encoding="utf-8")
        lines, _ = files.read(files.find(str(tmp_path / "a.csv")), engine=engine, reader=feeds)
        assert [name for name in lines.columns if name not in OUR_COLUMNS] == ["column1", "a", "b"]

    def test_character_that_comes_late_changes_the_encoding(self, tmp_path, engine, feeds):
        body = b"name;price\n" + b"tea;1,00\n" * 200_000 + "Café 5 €;2,00\n".encode("cp1252")
        (tmp_path / "a.csv").write_bytes(body)
        found = files.find(str(tmp_path / "a.csv"))
        assert found.files.encoding == "utf-8"  # so far as its first megabyte says
        lines, found = files.read(found, engine=engine, reader=feeds)
        assert found.files.encoding == "cp1252"
        assert lines.filter(lines.name == "Café 5 €").count().execute() == 1


class TestHistory:
    def days(self, first: dt.date, n: int, *, without: tuple[dt.date, ...] = (), weekdays: range = range(7)):
        every = (first + dt.timedelta(days=day) for day in range(n))
        return {day: 100 for day in every if day not in without and day.weekday() in weekdays}

    def test_finished_data_set_with_a_closed_day(self):
        christmas = dt.date(2017, 12, 25)
        past = look.history(self.days(dt.date(2017, 1, 1), 365, without=(christmas,)), today=TODAY)
        assert (past.first, past.last, past.is_finished) == (dt.date(2017, 1, 1), dt.date(2017, 12, 31), True)
        assert past.closed == (christmas,)

    def test_day_closed_in_every_year_is_closed_in_all(self):
        holidays = (dt.date(2022, 12, 25), dt.date(2023, 12, 25), dt.date(2023, 5, 1))
        past = look.history(self.days(dt.date(2022, 1, 1), 730, without=holidays), today=TODAY)
        # 1 May 2022 was open.
        assert past.closed == ("12-25", dt.date(2023, 5, 1))

    def test_sundays(self):
        past = look.history(self.days(dt.date(2024, 6, 1), 30, weekdays=range(6)), today=TODAY)
        assert past.closed == tuple(dt.date(2024, 6, day) for day in (2, 9, 16, 23))
        assert past.closed_weekdays == ("Sunday",)
        assert not past.is_finished

    def test_strays_today_and_the_future_are_not_the_history(self):
        lines = self.days(dt.date(2024, 5, 1), 61) | {dt.date(1970, 1, 1): 3, TODAY: 40, dt.date(2042, 1, 1): 2}
        past = look.history(lines, today=TODAY)
        assert (past.first, past.last, past.strays) == (dt.date(2024, 5, 1), dt.date(2024, 6, 30), 5)

    def test_no_day_is_refused(self):
        with pytest.raises(Refused, match="No line has a day before today"):
            look.history({}, today=TODAY)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (0.3, 0.5), (1, 1), (3, 5), (924, 1_000), (98_602, 100_000)])
def test_ranges_are_rounded_outward(value, expected):
    assert look.outward(value) == pytest.approx(expected)


class TestTransactions:
    def test_plain_feed(self, understood):
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

    def test_live_feed_has_no_last_day_and_no_mistakes(self, understood):
        found, notes = understood({"sales.csv": baskets(days=50)}, today=dt.date(2024, 4, 19))
        assert found["last_business_day"].value is None
        assert found["transactions.contract.max_quarantined_share"].value == look.LEAST_QUARANTINE
        assert notes == ()

    def test_price_of_one_item_is_not_what_was_paid(self, understood):
        header, *lines = baskets(days=30).replace("paid", "price").splitlines()
        cells = [line.split(",") for line in lines]
        flat = [",".join([*cell[:5], f"{int(cell[2][1:]) + 1}.50"]) for cell in cells]
        found, _ = understood({"sales.csv": "\n".join([header, *flat])})
        assert found["transactions.columns.sales_value"].value is None
        assert "price of one item" in found["transactions.columns.sales_value"].why

    def test_price_that_grows_with_the_quantity_was_paid(self, understood):
        found, _ = understood({"sales.csv": baskets(days=30).replace("paid", "sales_price")})
        assert found["transactions.columns.sales_value"].value == "sales_price"

    def test_total_of_the_basket_is_not_the_lines(self, understood):
        lines = [
            line.rpartition(",")[0] + f",{len(line.split(',')[1])}.5" for line in baskets(days=30).splitlines()[1:]
        ]
        found, _ = understood({"sales.csv": "\n".join(["customer,receipt,article,bought,items,total", *lines])})
        assert found["transactions.columns.sales_value"].value is None
        assert "its total" in found["transactions.columns.sales_value"].why

    def test_amount_is_money_when_there_is_no_other(self, understood):
        found, _ = understood({"sales.csv": baskets(days=30, header="customer,receipt,article,bought,items,amount")})
        assert found["transactions.columns.quantity"].value == "items"
        assert found["transactions.columns.sales_value"].value == "amount"

    def test_number_of_the_line_is_no_basket(self, understood):
        header, *lines = baskets(days=30, header="customer,transaction_id,article,bought,items,paid").splitlines()
        numbered = [
            ",".join([cell[0], f"t{place}", *cell[2:]]) for place, line in enumerate(lines) if (cell := line.split(","))
        ]
        found, _ = understood({"sales.csv": "\n".join([header, *numbered])})
        assert found["transactions.columns.basket_id"].value is None
        assert "nearly every line has its own" in found["transactions.columns.basket_id"].why

    def test_till_number_that_households_share_is_no_basket(self, understood):
        text = "\n".join(line.replace("r1-", "r").replace("r2-", "r") for line in baskets(days=30).splitlines())
        found, _ = understood({"sales.csv": text})
        assert found["transactions.columns.basket_id"].value is None
        assert "100% of lines share it" in found["transactions.columns.basket_id"].why

    def test_returns_are_kept_when_they_are_a_habit(self, understood):
        returned = "c1,r9-1,p1,2024-03-20 12:00:00,-12,-30.00\n"
        found, _ = understood({"sales.csv": baskets(days=50) + returned})
        assert found["transactions.contract.quantity"].value == [-20, 100]
        assert "no purchases" in found["transactions.contract.quantity"].why

    def test_contract_allows_what_the_worst_day_has(self, understood):
        # 2 of the 6 lines of 20 March have no product.
        broken = "c1,r9-1,,2024-03-20 12:00:00,1,3.00\n" * 2
        found, notes = understood({"sales.csv": baskets(days=50) + broken})
        assert found["transactions.contract.max_quarantined_share"].value == pytest.approx(1.25 * 2 / 6, abs=0.01)
        assert any("product_id_is_given 2" in note for note in notes)

    def test_repeated_products_are_a_habit(self, understood):
        header, *lines = baskets(days=30).splitlines()
        found, _ = understood({"sales.csv": "\n".join([header, *lines, *lines[:10]])})
        assert found["transactions.contract.is_product_once_a_basket"].value is False

    def test_files_of_other_days_than_their_lines_are_one_feed(self, understood):
        header, *lines = baskets(days=3).splitlines()
        of_day = [lines[start : start + 4] for start in (0, 4, 8)]
        names = [f"s_2024-03-{day:02}.csv" for day in (2, 3, 4)]  # a day late
        contents = {name: "\n".join([header, *some]) + "\n" for name, some in zip(names, of_day, strict=True)}
        found, notes = understood(contents)
        assert found["transactions.path"].value.endswith("/*.csv")
        assert any("are not the days of their lines" in note for note in notes)

    def test_file_names_tell_the_day_from_the_month(self, understood):
        lines = (
            "c1,r1,a,01/02/2024,1,2.0\nc1,r1,b,01/02/2024,1,2.0\nc2,r2,a,01/02/2024,1,2.0\nc2,r2,b,01/02/2024,1,2.0\n"
        )
        found, _ = understood({"s_2024-02-01.csv": "customer,receipt,article,bought,items,paid\n" + lines})
        assert found["transactions.timestamp_format"].value == "%d/%m/%Y"

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            ("a,receipt,article,bought,items,paid", "No column says who bought"),
            ("customer,receipt,b,bought,items,paid", "No column says what was bought"),
        ],
    )
    def test_what_is_needed_and_not_found_is_refused_with_what_there_is(self, understood, header, reason):
        with pytest.raises(Refused, match=rf"{reason}.*paid \(.*--column"):
            understood({"sales.csv": baskets(days=10, header=header)})

    def test_told_columns_win(self, understood):
        found, _ = understood(
            {"sales.csv": baskets(days=30, header="a,receipt,b,bought,items,paid")},
            household_id=["a"],
            product_id=["b"],
            basket_id=[],
        )
        assert found["transactions.columns.household_id"].value == "a"
        assert found["transactions.columns.basket_id"].value is None

    def test_told_column_that_is_not_there_is_refused(self, understood):
        with pytest.raises(Refused, match="There is no column NOPE"):
            understood({"sales.csv": baskets(days=10)}, occurred_at=["NOPE"])


class TestProductsInTheTransactions:
    @pytest.fixture
    def described(self, engine, feeds, tmp_path):
        """The catalogue of transactions whose lines have two more columns; and the notes."""

        def find(extra: str, of_line, *, name: str = "sales.csv", days: int = 30):
            header, *lines = baskets(days=days).splitlines()
            more = [f"{line},{of_line(place, line.split(',')[2])}" for place, line in enumerate(lines)]
            (tmp_path / name).write_text("\n".join([f"{header},{extra}", *more]) + "\n", encoding="utf-8")
            lines, found = files.read(files.find(str(tmp_path / name)), engine=engine, reader=feeds)
            seen = look.transactions(lines, found, timezone="UTC", today=TODAY, told={})
            findings, notes = look.products_in(lines, seen.feed, told={})
            return {finding.setting: finding.value for finding in findings}, notes

        return find

    def test_names_and_categories(self, described, tmp_path):
        found, _ = described("description,category", lambda place, product: f"Tea {product},drinks")
        assert found["products.path"] == f"{tmp_path}/sales.csv"
        assert found["products.columns.product_id"] == "article"
        assert found["products.columns.name"] == "description"
        assert found["products.columns.category"] == "category"

    def test_what_differs_from_line_to_line_is_not_the_products(self, described):
        found, _ = described("channel_type,delivery_class", lambda place, product: f"{place // 2 % 2},{place // 2 % 2}")
        assert found == {}

    def test_a_file_a_day_cannot_be_the_catalogue(self, described):
        found, notes = described(
            "description,category", lambda place, product: f"Tea {product},drinks", name="s_2024-03-01.csv", days=1
        )
        assert found == {}
        assert notes == [
            "description and category could make a catalogue: put all products into one file, --products FILE."
        ]
