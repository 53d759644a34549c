"""Times in a feed: columns, formats, zones."""

from __future__ import annotations

import datetime as dt

import ibis
import pyarrow as pa
import pytest

from assets.grocery.onboarding import time_formats, times
from resources.errors import Refused
from resources.feeds.files import OUR_COLUMNS

TODAY = dt.date(2024, 7, 1)


@pytest.fixture
def table(engine):
    """A table of text columns, as FeedReader gives them."""

    def make(**columns: list[str | None]):
        rows = len(next(iter(columns.values())))
        text = {name: pa.array(values, pa.string()) for name, values in columns.items()}
        lines = engine.create_table(
            ibis.util.gen_name("look"), pa.table({**text, "source_row": list(range(1, rows + 1))}), temp=True
        )
        return lines.mutate(source_file=ibis.literal("a.csv"), file_date=ibis.null("date"), defect=ibis.null("string"))

    return make


def read(lines, *names, given=(), given_format=None, today=TODAY, timezone="UTC"):
    own = [name for name in lines.columns if name not in OUR_COLUMNS]
    search = times.TimeSearch(lines=lines, given_format=given_format, today=today, timezone=timezone)
    return search.find(names or own, given=given)


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
        (["23/09/01", "23/10/31", "23/12/02"], "%y/%m/%d"),
        (["01092023", "30092023"], "%d%m%Y"),
        (["2024-01-31 09:12:49,123", "2024-02-01 10:00:00,5"], "%Y-%m-%d %H:%M:%S,%f"),
        (["31-JAN-24 08.26.00.000000000 PM", "01-FEB-24 11.00.01.000000000 AM"], "%d-%b-%y %I.%M.%S.%n %p"),
        (["26-NOV-23 02.03.22.123456 PM", "01-FEB-24 11.00.01.000001 AM"], "%d-%b-%y %I.%M.%S.%f %p"),
        (["31.01.2024 10:00:00.1234567", "01.02.2024 11:00:00.7654321"], "%d.%m.%Y %H:%M:%S.%n"),
        (["2024-01-31-10.00.00.123456", "2024-02-01-11.00.00.123456"], "%Y-%m-%d-%H.%M.%S.%f"),
        (["Jan 31 2024 10:00:00:123AM", "Feb  1 2024 11:00:00:123PM"], "%b %d %Y %I:%M:%S:%f%p"),
        (["20240131102600123", "20240201102600123"], "%Y%m%d%H%M%S%f"),
        (["2024-W05-3", "2024-W05-4"], "%G-W%V-%u"),
        (["20240131102600", "20240201102600"], "%Y%m%d%H%M%S"),
    ],
)
def test_formats(table, values, expected):
    time, _ = read(table(date=values))
    assert (time.columns, time.format, time.zone) == (("date",), expected, "local")
    assert not time.is_guess


@pytest.mark.parametrize(
    ("value", "format_"),
    [
        ("2024-01-31T10:00:00+01:00", None),
        ("2024-01-31 10:00:00 UTC", None),
        ("2024-01-31 10:00:00 +0100", "%Y-%m-%d %H:%M:%S %z"),
        ("2024-01-31 10:00:00.000 -0800", "%Y-%m-%d %H:%M:%S.%f %z"),
        ("2024-01-31 10:00:00.123 Z", "%Y-%m-%d %H:%M:%S.%f Z"),
        ("2024-01-31 10:00:00.1234567 +01:00", "%Y-%m-%d %H:%M:%S.%n %z"),
        ("2024-01-31T10:00:00.123456789Z", None),
        ("31-JAN-24 10.00.00.123456 AM +01:00", "%d-%b-%y %I.%M.%S.%f %p %z"),
        ("31/Jan/2024:10:00:00 +0100", "%d/%b/%Y:%H:%M:%S %z"),
        ("20240131T100000Z", "%Y%m%dT%H%M%SZ"),
    ],
)
def test_offset_makes_it_an_instant(table, value, format_):
    time, _ = read(table(bought_at=[value]))
    assert (time.zone, time.format, time.has_time_of_day) == ("UTC", format_, True)


def test_date_and_hour_in_two_columns(table):
    time, _ = read(table(SHOP_DATE=["20060413", "20060414"], SHOP_HOUR=["8", "19"], SHOP_WEEK=["200607"] * 2))
    assert (time.columns, time.format) == (("SHOP_DATE", "SHOP_HOUR"), "%Y%m%d %H")


def test_a_minute_that_cannot_be_read_is_told(table):
    time, notes = read(table(date=["2024-01-31", "2024-02-01"], hour=["8", "19"], minute=["8 h 15", "19 h 2"]))
    assert time.columns == ("date", "hour")
    assert [note.says for note in notes] == ["minute (8 h 15) is not used: beside date, hour it is no minute."]


def test_what_is_no_time_of_day_is_not_used(table):
    time, notes = read(table(date=["2024-01-31", "2024-02-01"], time=["975", "1691"]))
    assert time.columns == ("date",)
    assert [note.says for note in notes] == ["time (975) is not used: beside date it is no time of day."]


def test_late_value_decides_between_day_and_month(table):
    # The first 12 days of many months could be either; a single 25th, the last of 5,000 values, could not.
    early = [f"{1 + n % 12}/{1 + n // 12 % 12}/{1985 + n // 144}" for n in range(5_000)]
    time, _ = read(table(date=[*early, "7/25/2023"]))
    assert (time.format, time.is_guess) == ("%m/%d/%Y", False)


def test_days_that_lie_together_are_a_guess(table):
    # 1 to 10 March, day first; month first it would be the third of ten months.
    time, _ = read(table(date=[f"{day:02}/03/2024" for day in range(1, 11)]), today=dt.date(2025, 1, 1))
    assert (time.format, time.is_guess) == ("%d/%m/%Y", True)


def test_day_or_month_that_nothing_tells_is_refused(table):
    with pytest.raises(Refused, match=r"may have the day or the month first.*--timestamp-format '%d/%m/%Y'"):
        read(table(date=["01/02/2024"]))


def test_given_format_settles_it(table):
    time, _ = read(table(date=["01/02/2024"]), given_format="%m/%d/%Y")
    assert (time.format, time.is_guess) == ("%m/%d/%Y", False)


def test_given_format_that_does_not_fit_is_refused(table):
    with pytest.raises(Refused, match="cannot be read as a time by"):
        read(table(date=["2024-01-31"]), given=["date"], given_format="%d/%m/%Y")


def test_nanoseconds_are_read_to_the_microsecond(table):
    from assets.grocery.ingestion import instants

    lines = table(at=["31-JAN-24 02.03.22.123456789 PM"])
    time, _ = read(lines)
    at = instants.read(lines.at, time.format).name("at").to_pyarrow()[0].as_py()
    assert at == dt.datetime(2024, 1, 31, 14, 3, 22, 123456)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            ["2024-01-31 10:00", "31.01.2024 10:00"],
            r"date has 2024-01-31 10:00, .* and 31\.01\.2024 10:00, which is read otherwise",
        ),
        (["2024-07-31 10:00 CDT", "2024-01-31 10:00 CST"], "CST may be several zones"),
    ],
)
def test_times_written_in_several_ways_are_refused_with_both(table, values, says):
    with pytest.raises(Refused, match=says):
        read(table(date=values), today=dt.date(2025, 1, 1))


def test_number_of_a_day_is_no_date(table):
    with pytest.raises(Refused, match=r"DAY \(51\) cannot be read as a date"):
        read(table(DAY=["51", "711"]))


def test_column_is_found_by_its_values_when_no_name_says_so(table):
    time, _ = read(table(a=["x", "y"], moment=["2024-01-31 10:00", "2024-01-31 11:00"]))
    assert time.columns == ("moment",)


def test_the_time_of_the_sale_is_better_than_that_of_its_row(table):
    lines = table(created_at=["2024-02-01 10:00:00"], sold_at=["2024-01-31 10:00:00"])
    assert read(lines)[0].columns == ("sold_at",)
    assert [each.columns for each in read(lines)[0].others] == [("created_at",)]


def test_a_time_of_day_that_is_written_as_one_of_1970_is_no_time_of_purchase(engine):
    at = {"sale_date": dt.datetime(2024, 1, 31), "sale_time": dt.datetime(1970, 1, 1, 17)}
    lines = engine.create_table("of_1970", pa.table({name: [value] for name, value in at.items()}), temp=True)
    time, (note,) = read(lines.mutate(file_date=ibis.null("date")))
    assert time.columns == ("sale_date",)
    assert note.says.startswith("sale_time (1970-01-01 17:00:00) is not used")


def test_time_is_better_than_date_and_birthday_is_neither(table):
    lines = table(birth_date=["1980-01-01"], order_date=["2024-01-31"], order_time=["2024-01-31 10:00:00"])
    assert read(lines)[0].columns == ("order_time",)


@pytest.mark.parametrize(
    "format_",
    [
        *("%Y-%m-%d", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d", "%Y%m%d", "%Y%m%d%H%M", "%Y%m%d %H", "%Y-%m-%d %H%M%S"),
        *("%d.%m.%Y, %H:%M", "%m/%d/%y %I:%M%p", "%d-%m-%Y %I:%M:%S %p", "%d/%m/%y %H.%M", "%d.%m.%Y %H:%M:%S.%f"),
        *("%d-%b-%Y", "%d %b %Y %H:%M", "%d%b%y", "%d%b%Y:%H:%M:%S", "%b %d, %Y", "%B %d, %Y", "%d %B %Y %H:%M"),
    ],
)
def test_format_is_among_those_derived_from_its_values(format_):
    for at in (dt.datetime(2024, 2, 3, 4, 5, 6), dt.datetime(2023, 11, 28, 21, 45)):
        assert format_ in time_formats.formats_of(at.strftime(format_))


def test_numbers_and_names_are_written_in_no_format():
    assert not [
        value
        for value in ("51", "p10", "1.50", "25-29", "4006381333931x", "Tea 5")
        if [*time_formats.formats_of(value)]
    ]


def test_time_of_day_as_a_number_is_read(table):
    for clock, format_ in ((["905", "1645", "5"], "%Y%m%d %H%M"), (["90500", "164530", "530"], "%Y%m%d %H%M%S")):
        time, notes = read(table(date=["20240131", "20240131", "20240201"], time=clock))
        assert (time.columns, time.format, notes) == (("date", "time"), format_, [])


@pytest.mark.parametrize(
    ("number", "format_", "has_time"),
    [
        ("1709633160", "epoch_s", True),
        ("1709633160.25", "epoch_s", True),
        ("1709633160000", "epoch_ms", True),
        ("1709633160000000", "epoch_us", True),
        ("1709633160000000000", "epoch_ns", True),
        ("1709596800", "epoch_s", False),
        ("45356.5", "excel_days", True),
        ("45356", "excel_days", False),
    ],
)
def test_numbers_of_time_are_told_by_their_size(table, number, format_, has_time):
    time, _ = read(table(bought_at=[number]))
    assert (time.format, time.has_time_of_day) == (format_, has_time)
    assert time.zone == ("UTC" if format_.startswith("epoch") else "local")


def test_whole_numbers_of_parquet_are_times_too(engine):

    lines = ibis.memtable({"event_ts": [1709633160000, 1709633220000], "card": [1709633160, 1709633161]})
    lines = lines.mutate(source_row=1, file_date=ibis.null("date"))
    time, _ = read(engine.create_table("numbers", lines.to_pyarrow(), overwrite=True, temp=True), "event_ts", "card")
    assert (time.columns, time.format) == (("event_ts",), "epoch_ms")


def test_number_that_nobody_calls_a_time_is_none(table):
    with pytest.raises(Refused, match=r"No column says when.*epoch_s"):
        read(table(card=["1709633160", "1709633161"], product=["1709633160000"] * 2))


def test_barcode_is_no_time(table):
    with pytest.raises(Refused, match="cannot be read as a date"):
        read(table(datum=["4006381333931"]))


def test_dates_in_both_orders_are_told_with_an_example(table):
    time, (note,) = read(table(date=["25/03/2024"] * 30 + [f"{day}/03/2024" for day in range(13, 30)] + ["03/26/2024"]))
    assert (time.format, time.is_guess) == ("%d/%m/%Y", True)
    assert note.kind == "guessed"
    assert "1 lines have the month first (03/26/2024) and are set aside" in note.says


def test_years_of_no_calendar_are_no_times(table):
    with pytest.raises(Refused, match="cannot be read as a date"):
        read(table(date=["290309-12-22 (BC)", "infinity"]))


def test_the_day_of_the_files_path_is_the_last_resort(table):

    lines = table(customer=["a"], article=["b"], uhrzeit=["10:15"]).mutate(file_date=ibis.date("2024-03-05"))
    time, _ = read(lines)
    assert time.columns == ("file_date", "uhrzeit")
    assert time.has_time_of_day
    time, _ = read(lines.drop("uhrzeit"))
    assert (time.columns, time.has_time_of_day, time.why) == (
        ("file_date",),
        False,
        "the date is that of the file's path",
    )
    in_folders = read(lines.mutate(day=ibis.literal("5"), month=ibis.literal("3")))[0]
    assert (in_folders.columns, in_folders.is_guess) == (("file_date", "uhrzeit"), False)
    unread = read(lines.mutate(datum=ibis.literal("soon")))[0]
    assert unread.is_guess
    assert unread.why.endswith("; datum (soon) cannot be read as a date")
    seconds, milliseconds = (lines.mutate(datum=ibis.literal(each)) for each in ("1709626500", "1709626500000"))
    why = read(seconds.union(milliseconds))[0].why
    assert "; datum has 1709626500, which a purchase may have, and 1709626500000, which is read otherwise" in why
    assert read(lines.mutate(bought=ibis.literal("2024-03-05")))[0].columns[0] == "bought"


@pytest.mark.parametrize(
    ("values", "format_", "zone"),
    [
        (["Mon 29 Jan 2024 08:05:08", "Thu 01 Feb 2024 10:00:00"], "%a %d %b %Y %H:%M:%S", "local"),
        (["Monday, 29 January 2024", "Thursday, 01 February 2024"], "%A, %d %B %Y", "local"),
        (["Mon, 29 Jan 2024 08:05:08 GMT", "Thu, 01 Feb 2024 10:00:00 GMT"], "%a, %d %b %Y %H:%M:%S GMT", "UTC"),
        (["31/01/2024 08:05 a.m.", "01/02/2024 11:00 p. m."], "%d/%m/%Y %I:%M %p", "local"),
        (["2024031", "2024032"], "%Y%j", "local"),
        (["26. Nov 2023", "03. Dez. 2023", "01. Mai 2024"], "%d. %b %Y", "local"),
        (["26. November 2023 18:03", "3. März 2024 09:10"], "%d. %B %Y %H:%M", "local"),
        (["26 novembre 2023", "3 août 2023", "1 janv. 2024"], "%d %b %Y", "local"),
        (["03-Mai-2023 18:03:00", "01-Okt-2023 18:03:00"], "%d-%b-%Y %H:%M:%S", "local"),
        (["2023-11-26 18:03:00 Europe/Berlin", "2024-05-26 18:03:00 America/New_York"], "%Y-%m-%d %H:%M:%S %Z", "UTC"),
        (["Sun Nov 26 18:03:00 CET 2023", "Sun May 26 18:03:00 CEST 2024"], "%a %b %d %H:%M:%S %Z %Y", "UTC"),
        (["2024-01-31T18:03:00+01:00[Europe/Berlin]"], "%Y-%m-%dT%H:%M:%S%z[Europe/Berlin]", "UTC"),
    ],
)
def test_weekdays_points_and_days_of_the_year(table, values, format_, zone):
    time, _ = read(table(date=values))
    assert (time.format, time.zone, time.share) == (format_, zone, 1)


def test_a_weekday_before_numbers_does_not_hide_that_their_order_is_open(table):
    with pytest.raises(Refused):
        read(table(date=["Thu 01/02/2024", "Fri 02/02/2024"]))


def test_seven_digits_that_nobody_calls_a_date_are_none(table):
    with pytest.raises(Refused):
        read(table(article=["2024031", "2024032"]))


def test_abbreviations_of_zones_are_told_with_their_offsets(table):
    _, (note,) = read(table(sold_at=[f"26.11.2023 18:03 {zone}" for zone in ("MESZ", "CET", "EST")]))
    assert note.says == "sold_at names its zone: it reads CET as UTC+01:00, EST as UTC-05:00, MESZ as UTC+02:00."


@pytest.mark.parametrize(
    ("value", "timezone", "read_as"),
    [
        ("2024-05-26 18:03:00 BST", "Europe/London", "BST as UTC+01:00"),
        ("2024-05-26 18:03:00 CST", "America/Chicago", "CST as UTC-06:00"),
        ("2024-05-26 18:03 CST", "Asia/Shanghai", "CST as UTC+08:00"),
        ("26-NOV-2023 06:03:00 PM IST", "Asia/Kolkata", "IST as Asia/Kolkata"),
        ("26/11/2023 6:03 PM PST", "Europe/London", "PST as UTC-08:00"),
        ("26.11.2023 18:03:00 AEST", "UTC", "AEST as UTC+10:00"),
        ("2024-05-26T18:03:00 PDT", "UTC", "PDT as UTC-07:00"),
    ],
)
def test_abbreviation_of_several_zones_is_the_retailers_own(table, value, timezone, read_as):
    time, (note,) = read(table(sold_at=[value]), timezone=timezone)
    assert (time.zone, note.says) == ("UTC", f"sold_at names its zone: it reads {read_as}.")


@pytest.mark.parametrize("value", ["2024-05-26 18:03:00 BST", "26.05.2024 6:03 PM IST", "2024-05-26 18:03:00 WIB"])
def test_abbreviation_of_several_zones_is_not_read_elsewhere(table, value):
    with pytest.raises(Refused, match="cannot be read as a date") as error:
        read(table(sold_at=[value]), timezone="Europe/Berlin")
    assert f"{value[-3:]} may be several zones: say where the stores are by --timezone" in str(error.value)


@pytest.mark.parametrize("name", ["sold_at_utc", "Date (UTC)", "timestamp_gmt"])
def test_zone_in_the_columns_name(table, name):
    time, (note,) = read(table(**{name: ["2024-05-26 18:03:00", "2024-05-26 19:03:00"]}), timezone="Europe/Berlin")
    assert (time.zone, note.says) == ("UTC", f"{name} is read as UTC, as its name says.")
    assert read(table(**{name: ["2024-05-26", "2024-05-27"]}))[0].zone == "local"


def test_hour_minute_and_second_in_columns_of_their_own(table):
    lines = table(date=["2024-01-31", "2024-02-01"], hour=["9", "17"], minute=["5", "52"], second=["0", "59"])
    assert read(lines)[0].format == "%Y-%m-%d %H %M %S"
    time, _ = read(lines, "date", "hour", "minute")
    assert (time.columns, time.format) == (("date", "hour", "minute"), "%Y-%m-%d %H %M")
    at = times.instants.read(times.text_of(lines, *time.columns), time.format)
    assert at.to_pyarrow().to_pylist() == [dt.datetime(2024, 1, 31, 9, 5), dt.datetime(2024, 2, 1, 17, 52)]


def test_few_times_without_an_offset_are_not_those_of_utc(table):
    written = [f"2024-01-31T10:{minute:02}:{second:02}+01:00" for minute in range(10) for second in range(60)]
    assert read(table(date=[*written, "unknown"]))[0].zone == "UTC"
    assert read(table(date=[*written, "2024-01-31T10:00:00"]))[0].zone == "local"


def test_time_that_no_name_says_is_a_guess_and_tells_the_others(table):
    columns = {
        "BON_ENDE": ["2024-01-31T10:01:00", "2024-02-01T11:31:00"],
        "BON_START": ["2024-01-31T10:00:00", "2024-02-01T11:30:00"],
    }
    time, _ = read(table(**columns))
    assert (time.columns, time.is_guess) == (("BON_ENDE",), True)
    assert "by its values, no name says it; BON_START may be it" in time.why
