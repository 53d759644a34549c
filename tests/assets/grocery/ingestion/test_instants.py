"""When a line was bought, and on which business day."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.grocery.ingestion import instants
from assets.grocery.ingestion.cleaning import clean, has_lines
from resources.config.retailer import TransactionsConfig

DAY = dt.date(2024, 3, 5)
GOOD = {"who": "h1", "what": "p1"}


def feed(**more) -> TransactionsConfig:
    columns = {"household_id": "who", "product_id": "what", "occurred_at": "at", **more.pop("columns", {})}
    return TransactionsConfig.model_validate({"path": "sales.csv", "columns": columns, **more})


@pytest.fixture
def cleaned(engine):
    """The good lines and the rules that the others broke, of times as a feed has them."""
    import pyarrow as pa

    def make(at, settings, *, day=DAY, file_date=None, type_=None, timezone="Europe/Berlin"):
        n = len(at)
        table = pa.table(
            {
                "who": pa.array(["h1"] * n),
                "what": pa.array([f"p{place}" for place in range(n)]),
                "shop": pa.array(["N"] * n),
                "at": pa.array(at, type_ or pa.string()),
                "source_file": pa.array(["sales.csv"] * n),
                "source_row": pa.array(range(1, n + 1), pa.int64()),
                "file_date": pa.array([file_date] * n, pa.date32()),
                "defect": pa.array([None] * n, pa.string()),
            }
        )
        lines = engine.create_table("of_times", table, overwrite=True, temp=True)
        first, last = dt.date(2024, 3, 1), dt.date(2024, 3, 31)
        made = clean(lines, settings, timezone=timezone, first_day=first, last_day=last, since=day, until=day)
        assert has_lines(lines, settings, day, timezone=timezone) == bool(made.lines.get(day))
        good = made.transactions.order_by("source_row").to_pyarrow().to_pylist()
        assert len(good) + sum(made.broken.values()) == sum(made.lines.values())
        return good, {rule: n for (_, rule), n in made.broken.items()}

    return make


@pytest.mark.parametrize(
    ("number", "format_"),
    [
        ("1709633160", "epoch_s"),
        ("1709633160000", "epoch_ms"),
        ("1709633160000000", "epoch_us"),
        ("1709633160000000000", "epoch_ns"),
    ],
)
@pytest.mark.parametrize("is_parquet", [False, True])
def test_number_since_1970_is_an_instant(cleaned, number, format_, is_parquet):
    import pyarrow as pa

    at, type_ = ([int(number)], pa.int64()) if is_parquet else ([number], None)
    (line,), broken = cleaned(at, feed(timestamp_format=format_), type_=type_)
    assert line["occurred_at"] == dt.datetime(2024, 3, 5, 10, 6)
    assert not broken


def test_days_of_excel_are_wall_clock_times(cleaned):
    (line,), _ = cleaned(["45356.5"], feed(timestamp_format="excel_days"))
    assert line["occurred_at"] == dt.datetime(2024, 3, 5, 11)  # noon in Berlin


@pytest.mark.parametrize(
    ("clock", "format_", "at"),
    [
        ("905", "%H%M", "09:05:00"),
        ("1645", "%H%M", "16:45:00"),
        ("0", "%H%M", "00:00:00"),
        ("530", "%H%M%S", "00:05:30"),
    ],
)
def test_time_of_day_as_a_number(engine, clock, format_, at):
    import ibis

    time = instants.read(ibis.literal(f"2024-03-05 {clock}"), f"%Y-%m-%d {format_}")
    assert str(engine.to_pyarrow(time)) == f"2024-03-05 {at}"
    assert engine.to_pyarrow(instants.read(ibis.literal("2024-03-05 12345678"), f"%Y-%m-%d {format_}")).as_py() is None


@pytest.mark.parametrize(
    ("at", "format_"),
    [
        ("290309-12-22 (BC)", None),
        ("infinity", None),
        ("0001-01-01", None),
        ("99999999999999999999", "epoch_ms"),
        ("nan", "epoch_s"),
        ("-1e300", "excel_days"),
    ],
)
def test_time_of_no_calendar_is_quarantined(cleaned, at, format_):
    good, broken = cleaned([at], feed(timestamp_format=format_))
    assert not good
    assert broken == {"occurred_at_is_a_time": 1}


def test_clocks_of_1970_and_2099_are_quarantined_by_the_history(cleaned):
    good, broken = cleaned(["1970-01-01 00:00:05", "2099-01-01", "2024-03-05 10:00"], feed())
    assert len(good) == 1
    assert broken == {"occurred_at_is_within_the_history": 2}


def test_sales_after_midnight_are_of_the_evening(cleaned):
    at = ["2024-03-05 03:59:59", "2024-03-05 04:00:00", "2024-03-06 00:20:00", "2024-03-06 04:00:00"]
    late = feed(business_day_ends="04:00:00")
    assert [line["product_id"] for line in cleaned(at, late)[0]] == ["p1", "p2"]
    assert [line["product_id"] for line in cleaned(at, feed())[0]] == ["p0", "p1"]
    for timezone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        assert [line["product_id"] for line in cleaned(at, late, timezone=timezone)[0]] == ["p1", "p2"]


def test_file_of_a_day_has_the_night_after_it(cleaned):
    at = ["2024-03-05 23:50:00", "2024-03-06 00:20:00", "2024-03-06 10:00:00"]
    good, broken = cleaned(at, feed(business_day_ends="04:00:00"), file_date=DAY)
    assert [line["product_id"] for line in good] == ["p0", "p1"]
    assert {line["business_date"] for line in good} == {DAY}
    assert broken == {"line_is_of_the_files_day": 1}


def test_day_of_the_file_is_the_time(cleaned):
    settings = feed(path="{date}.csv", columns={"occurred_at": "file_date"})
    good, broken = cleaned(["x", "y"], settings, file_date=DAY)
    assert {line["business_date"] for line in good} == {DAY}
    assert len({line["basket_id"] for line in good}) == 1
    assert not broken


def test_a_day_in_a_store_is_one_basket(cleaned):
    at = ["2024-03-05 10:00:00", "2024-03-05 10:00:04", "2024-03-05 18:00:00"]
    by_day = feed(baskets_are="day", columns={"store_id": "shop"})
    assert {line["basket_id"] for line in cleaned(at, by_day)[0]} == {"h1@2024-03-05@N"}
    assert len({line["basket_id"] for line in cleaned(at, feed())[0]}) == 3


@pytest.mark.parametrize(
    ("at", "format_", "in_utc"),
    [
        ("05.03.2024 18:03 CET", "%d.%m.%Y %H:%M %Z", "17:03"),
        ("05.03.2024 18:03 MESZ", "%d.%m.%Y %H:%M %Z", "16:03"),
        ("05.03.2024 03:03 EST", "%d.%m.%Y %H:%M %Z", "08:03"),
        ("05.03.2024 18:03 Asia/Kolkata", "%d.%m.%Y %H:%M %Z", "12:33"),
        ("05.03.2024 18:03 BST", "%d.%m.%Y %H:%M %Z", None),  # to the engine, Bangladesh's
        ("5. März 2024 18:03", "%d. %B %Y %H:%M", "17:03"),
        ("05-mrz-2024 18:03", "%d-%b-%Y %H:%M", "17:03"),
        ("5 mars. 2024 18:03", "%d %b %Y %H:%M", "17:03"),
        ("5 Mar. 2024 18:03", "%d %b. %Y %H:%M", "17:03"),
        ("5 Brumaire 2024 18:03", "%d %B %Y %H:%M", None),
    ],
)
def test_names_of_zones_and_months(cleaned, at, format_, in_utc):
    good, broken = cleaned([at], feed(timestamp_format=format_))
    assert [f"{row['occurred_at']:%H:%M}" for row in good] == ([in_utc] if in_utc else [])
    assert broken == ({} if in_utc else {"occurred_at_is_a_time": 1})


@pytest.mark.parametrize(
    ("at", "timezone", "in_utc"),
    [
        ("05.03.2024 18:03 BST", "Europe/London", "17:03"),
        ("05.03.2024 18:03 GMT", "Europe/London", "18:03"),
        ("05.03.2024 06:03 CST", "America/Chicago", "12:03"),
        ("05.03.2024 18:03 CST", "Asia/Shanghai", "10:03"),
        ("05.03.2024 18:03 IST", "Asia/Kolkata", "12:33"),
        ("05.03.2024 18:03 IST", "Europe/Dublin", "17:03"),
        ("05.03.2024 18:03 CST", "Asia/Kolkata", None),
    ],
)
def test_names_of_several_zones_are_those_of_the_retailers(engine, at, timezone, in_utc):
    import ibis

    text = engine.create_table("at", ibis.memtable({"at": [at]}).to_pyarrow(), overwrite=True, temp=True).at
    time = instants.read(text, "%d.%m.%Y %H:%M %Z", timezone=timezone).to_pyarrow().to_pylist()[0]
    assert (time and f"{time:%H:%M}") == in_utc


def test_time_with_a_month_and_a_zone_is_written_out_once():
    import ibis

    at = instants.read(ibis.table({"at": "string"}, name="lines")["at"], "%d-%b-%Y %H:%M %Z")
    assert len(ibis.to_sql(at)) < 80_000  # it stands wherever a day is worked out
