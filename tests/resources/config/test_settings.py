"""One retailer's file, and what is wrong with it, said by name."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from resources import home
from resources.config import validators
from resources.config.loader import load_settings
from resources.errors import Refused
from tests.support import retailer

LEAST = """
name = "tiny"
title = "Tiny"
timezone = "Europe/Berlin"
first_business_day = 2024-01-01
{more}

[transactions]
path = "sales.csv"
{of_the_feed}

[transactions.columns]
household_id = "who"
product_id = "what"
occurred_at = "when"
{columns}
"""


def config(folder: Path, *, more: str = "", of_the_feed: str = "", columns: str = "", after: str = "") -> Path:
    file = folder / "tiny.toml"
    file.write_text(LEAST.format(more=more, of_the_feed=of_the_feed, columns=columns) + after)
    return file


def test_least_configuration_is_three_columns(tmp_path):
    settings = load_settings(config(tmp_path))
    assert settings.transactions.path == ["sales.csv"]  # one path is a list of one
    assert settings.transactions.columns.occurred_at == ["when"]
    assert (settings.model.top_k, settings.model.ranked_places) == (12, 10)


def test_settings_in_use_are_those_of_the_test_retailer(settings):
    assert home.config_file() == Path(home.root().parent / "corner_shop.toml")
    assert (settings.name, settings.first_business_day) == ("corner_shop", retailer.FIRST_DAY)
    assert settings.transactions.is_dated


def test_demo_configuration_is_usable():
    assert load_settings(home.DEFAULT_CONFIG).name == "complete_journey"


@pytest.mark.parametrize(
    ("place", "text", "named"),
    [
        ("more", "colour = 'red'", "colour"),
        ("of_the_feed", "separator = ';'", "transactions.separator"),
        ("columns", "basket = 'b'", "transactions.columns.basket"),
        ("after", "[model]\ntop = 5", "model.top"),
    ],
)
def test_unknown_key_is_refused_by_name(tmp_path, place, text, named):
    with pytest.raises(Refused, match=rf"{named}: Extra inputs are not permitted.*Remedy: correct these"):
        load_settings(config(tmp_path, **{place: text}))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"Europe/Berlin"', '"Berlin"', "timezone: .*'Berlin' is no IANA time zone"),
        ('"tiny"', '"Tiny Shop"', "name: "),
        ("2024-01-01", '"soon"', "first_business_day: "),
        ('household_id = "who"', "", "transactions.columns.household_id: Field required"),
        ('path = "sales.csv"', 'path = "sales.csv"\nformat = "xlsx"', "transactions.format: "),
    ],
)
def test_wrong_value_is_refused_by_name(tmp_path, old, new, named):
    file = config(tmp_path)
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(Refused, match=named):
        load_settings(file)


def test_last_day_before_the_first_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"last_business_day \(2023-12-31\) is before first_business_day"):
        load_settings(config(tmp_path, more="last_business_day = 2023-12-31"))


def test_closed_days_are_dates_or_days_of_every_year(tmp_path):
    settings = load_settings(config(tmp_path, more='closed_days = [2024-03-31, "12-25", "02-29"]'))
    day = dt.date.fromisoformat
    closed = [day("2024-03-31"), day("2024-12-25"), day("2031-12-25"), day("2024-02-29")]
    open_ = [day("2025-03-31"), day("2024-12-26"), day("2025-02-28")]
    assert [settings.is_closed(day) for day in closed + open_] == [True] * 4 + [False] * 3


@pytest.mark.parametrize("pattern", ["25-12-24", "Sunday", "1-1", "12/25"])
def test_closed_day_of_another_form_is_refused(tmp_path, pattern):
    with pytest.raises(Refused, match=f"closed_days: .*'{pattern}' is neither a date"):
        load_settings(config(tmp_path, more=f'closed_days = ["{pattern}"]'))


def test_environment_overrides_the_file_and_leaves_the_rest(tmp_path, monkeypatch):
    file = config(tmp_path, after="[model]\nseed = 1\ntop_k = 5")
    monkeypatch.setenv("NIGHTCART_MODEL__SEED", "7")
    monkeypatch.setenv("NIGHTCART_TITLE", "Tiny & Sons")
    settings = load_settings(file)
    assert (settings.model.seed, settings.model.top_k, settings.title) == (7, 5, "Tiny & Sons")


def test_settings_cannot_be_changed(settings):
    with pytest.raises(ValueError, match="frozen"):
        settings.model.seed = 1


def test_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(Refused, match=r"no configuration file .*nowhere\.toml.*NIGHTCART_CONFIG"):
        load_settings(tmp_path / "nowhere.toml")


def test_broken_toml_is_refused_with_its_line(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("name = 'tiny'\ntitle = Tiny\n")
    with pytest.raises(Refused, match=r"not valid TOML: .*line 2"):
        load_settings(file)


def test_what_a_retailer_lacks_is_said(tmp_path):
    everything_but_products = "basket_id = 'b'\nquantity = 'q'\nsales_value = 'v'\nstore_id = 's'"
    catalogue = "[products]\npath = 'p.csv'\n[products.columns]\nproduct_id = 'p'\n{}\n"
    households = "[households]\npath = 'h.csv'\n[households.columns]\nhousehold_id = 'h'\n"
    others = households + offers()

    def lacking(name: str, **parts: str) -> list[str]:
        (tmp_path / name).mkdir()
        return load_settings(config(tmp_path / name, **parts)).switched_off()

    least = lacking("least")
    assert [line.partition(":")[0] for line in least] == [
        "no transactions.columns.basket_id",
        "no transactions.columns.quantity",
        "no transactions.columns.sales_value",
        "no transactions.columns.store_id",
        "no [products]",
        "no [households]",
        "no [offers]",
    ]
    assert lacking("named", columns=everything_but_products, after=catalogue.format("name = 'n'") + others) == [
        "no products.columns.category: category affinity is off"
    ]
    full = catalogue.format("name = ['n', 'm']\ncategory = 'c'") + others
    assert lacking("full", columns=everything_but_products, after=full) == []


def offers(columns: str = "starts_on = 'from'\nends_on = 'to'", *, more: str = "") -> str:
    return f"[offers]\npath = 'o.csv'\n{more}\n[offers.columns]\nproduct_id = 'p'\n{columns}\n"


def test_offers_have_dates_or_numbered_weeks(tmp_path):
    dated = load_settings(config(tmp_path, after=offers())).offers
    assert dated is not None
    assert (dated.columns.starts_on, dated.announced_days_before, dated.where, dated.unless) == ("from", 1, {}, {})

    (tmp_path / "weeks").mkdir()
    more = "first_week_starts = 2024-01-01\nunless = { page = ['0'] }"
    weekly = load_settings(config(tmp_path / "weeks", after=offers("week = 'w'\nstore_id = 's'", more=more))).offers
    assert weekly is not None
    assert (weekly.columns.week, weekly.first_week_starts) == ("w", dt.date(2024, 1, 1))
    assert weekly.unless == {"page": ["0"]}


FIRST_WEEK = "first_week_starts = 2024-01-01"


@pytest.mark.parametrize(
    ("columns", "more", "says"),
    [
        ("", "", "offers: .*the days are missing: name columns.starts_on and columns.ends_on, or columns.week"),
        ("starts_on = 'from'", "", "offers: .*columns.ends_on is missing"),
        ("ends_on = 'to'", "", "offers: .*columns.starts_on is missing"),
        ("week = 'w'", "", "offers: .*first_week_starts is missing"),
        ("starts_on = 'from'\nends_on = 'to'", FIRST_WEEK, "offers: .*columns.week is missing"),
        ("week = 'w'\nends_on = 'to'", FIRST_WEEK, "offers: .*both tell the days"),
        ("week = 'w'", FIRST_WEEK + "\nannounced_days_before = -1", "offers.announced_days_before: "),
        ("week = 'w'", FIRST_WEEK + "\nunless = ['0']", "offers.unless: "),
    ],
)
def test_offers_without_their_days_are_refused_with_what_is_missing(tmp_path, columns, more, says):
    with pytest.raises(Refused, match=says):
        load_settings(config(tmp_path, after=offers(columns, more=more)))


@pytest.mark.parametrize("section", ["products", "households", "offers"])
def test_snapshot_of_each_day_is_refused(tmp_path, section):
    key = "household_id" if section == "households" else "product_id"
    days = "starts_on = 'from'\nends_on = 'to'\n" if section == "offers" else ""
    after = f"[{section}]\npath = '{{date}}.csv'\n[{section}.columns]\n{key} = 'k'\n{days}"
    with pytest.raises(Refused, match=rf"{section}: .*leave \{{date\}} out of its path"):
        load_settings(config(tmp_path, after=after))


def test_attempts_to_retrain_are_pauses_apart_that_grow(tmp_path):
    rule = load_settings(config(tmp_path, after="[retraining]\nbackoff_minutes = 10\nbackoff_factor = 3")).retraining
    assert [rule.backoff(number) / dt.timedelta(minutes=1) for number in (1, 2, 3)] == [10, 30, 90]


def test_more_bad_windows_than_there_are_windows_are_refused(tmp_path):
    with pytest.raises(Refused, match=r"retraining: .*bad_windows is above windows"):
        load_settings(config(tmp_path, after="[retraining]\nwindows = 3\nbad_windows = 4"))


@pytest.mark.parametrize(
    ("place", "text", "says"),
    [
        (
            "after",
            '[schedule]\ncron = "61 * * * *"',
            r"schedule.cron: '61 \* \* \* \*' is no schedule, for the minute is '61', not within 0-59: write minute",
        ),
        ("after", '[schedule]\ncron = "0 0 31 2 *"', "schedule.cron: .* never comes"),
        (
            "after",
            "[transactions.contract]\nquantity = [9, 1]",
            r"contract.quantity: \[9, 1\] is the wrong way.*\[1, 9\]",
        ),
        ("after", "[transactions.contract]\nvolume_against_weekday = [2, 1]", "volume_against_weekday: "),
        ("more", 'closed_days = ["13-45"]', "closed_days: '13-45' is neither a date"),
        ("of_the_feed", 'timestamps_in = "Mars"', "transactions.timestamps_in: 'Mars' is no IANA time zone"),
        (
            "of_the_feed",
            'timestamp_format = "dd/mm/yyyy"',
            "timestamp_format: 'dd/mm/yyyy' tells no day: write it as '%d/%m",
        ),
        (
            "of_the_feed",
            'timestamp_format = "%d/%m/%q"',
            "timestamp_format: %q in '%d/%m/%q' is nothing that strptime knows",
        ),
        ("of_the_feed", 'delimiter = "||"', r"transactions.delimiter: '\|\|' is not one character: write"),
        ("of_the_feed", 'encoding = "klingon"', "transactions.encoding: 'klingon' is no encoding: write utf-8"),
        ("of_the_feed", 'decimal = "x"', "transactions.decimal: 'x' is neither"),
        ("of_the_feed", "business_day_ends = 13:00:00", "business_day_ends: 13:00 is after noon"),
        ("columns", 'quantity = "who"', "columns: household_id and quantity are both 'who': name another"),
        ("columns", 'store_id = ""', "columns: store_id names no column"),
        ("more", "last_business_day = 2023-12-31", r"last_business_day \(2023-12-31\) is before .*: exchange them"),
        ("after", "[model]\nlabel_weeks = 0", "model.label_weeks: Input should be greater than or equal to 1, not 0"),
    ],
)
def test_setting_that_cannot_work_is_refused_as_it_is_loaded(tmp_path, place, text, says):
    file = config(tmp_path, **{place: text})
    with pytest.raises(Refused, match=f"^{file} is not a usable configuration: .*{says}"):
        load_settings(file)


@pytest.mark.parametrize("path", ["{date:%Y}/sales.csv", "{date}/{store}.csv", "{date:%Y-%m/sales.csv", ""])
def test_path_that_tells_no_day_is_refused(tmp_path, path):
    file = config(tmp_path)
    file.write_text(file.read_text().replace('"sales.csv"', f'"{path}"'))
    with pytest.raises(Refused, match=r"transactions.path: .*write"):
        load_settings(file)


def test_due_before_the_day_is_over_is_refused(tmp_path):
    file = config(
        tmp_path,
        of_the_feed="business_day_ends = 04:00:00",
        after="[transactions.contract]\ndue_by = 03:00:00",
    )
    with pytest.raises(Refused, match=r"due_by \(03:00\) is before business_day_ends \(04:00\)"):
        load_settings(file)


def test_date_written_as_text_is_a_closed_day(tmp_path):
    settings = load_settings(config(tmp_path, more='closed_days = ["2024-03-05", "12-25"]'))
    assert settings.is_closed(dt.date(2024, 3, 5))
    assert settings.is_closed(dt.date(2031, 12, 25))


def test_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match=r"cannot be read.*Remedy: name a TOML file"):
        load_settings(tmp_path / "a.toml")


def test_file_with_the_mark_of_windows_is_read(tmp_path):
    file = config(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load_settings(file).name == "tiny"


def test_link_that_leads_round_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.toml").symlink_to("a.toml")
    monkeypatch.setenv("NIGHTCART_CONFIG", str(tmp_path / "a.toml"))
    with pytest.raises(Refused, match=r"a.toml cannot be read: .*symbolic links"):
        load_settings(home.config_file())


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, make):
    make(tmp_path / "a.toml")
    with pytest.raises(Refused, match=r"a folder, a pipe or a device.*name a TOML file"):
        load_settings(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("cron", "is_one"),
    [
        *(
            (cron, True)
            for cron in (
                "30 1-6 * * *",
                "0 5 * * MON-FRI",
                "*/5 * * * *",
                "0 0 29 2 *",
                "0 22-6 * * *",
                "5/10 0,12 1 JAN 7",
            )
        ),
        *(
            (cron, False)
            for cron in ("never", "@daily", "* * * *", "0 24 * * *", "a b c d e", "0 0 30,31 2 *", "0 0 31 2 1")
        ),
        *((cron, False) for cron in ("*/0 * * * *", "1-* * * * *", "0 0 0 * *", "", "- - - - -")),
    ],
)
def test_cron_is_judged_as_dagster_would(cron, is_one):
    from dagster._vendored.croniter.croniter import CroniterError, croniter

    if is_one:
        assert validators.cron(cron) == cron
        croniter(cron).get_next()
    else:
        with pytest.raises(ValueError, match="write minute, hour"):
            validators.cron(cron)
        with pytest.raises((CroniterError, ValueError)):
            croniter("* 0 x" if cron.startswith("@") else cron).get_next()
