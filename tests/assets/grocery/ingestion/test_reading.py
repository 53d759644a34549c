"""A setting that says what a line means, changed in the middle of a history, is told with the days that it is about."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

import pyarrow as pa

from assets.grocery.ingestion import reading
from assets.grocery.ingestion.reading import MOST_KINDS, new_kinds, read_otherwise
from orchestration.definitions import build_defs
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.records.feeds import Reading
from tests.support.shop import CornerShop

DAYS = [dt.date(2024, 1, 8) + dt.timedelta(days=n) for n in range(3)]


def settings_with(**of_feed: object) -> Settings:
    settings = load_settings()
    return settings.model_copy(update={"transactions": settings.transactions.model_copy(update=of_feed)})


def test_what_changes_the_meaning_of_a_line_is_told_and_what_does_not_is_not():
    before = reading.of(load_settings(), {}, before=None, run_id="r")
    ends = settings_with(business_day_ends=dt.time(4), unless={"art": ["R"]})
    ends = reading.of(ends, {}, before=before, run_id="s")
    (says,) = read_otherwise(ends, before, others=DAYS[:2])
    assert says.startswith(
        "Lines are read otherwise than before: "
        'business_day_ends is "04:00:00" and was not set, unless is {"art": ["R"]} and was not set.'
    )
    assert "`nightcart backfill --from 2024-01-08 --to 2024-01-09 --assets group:ingestion --force`" in says
    moved = settings_with(path=["/elsewhere/{date}.csv"], most_unpacked=9)
    moved = reading.of(moved, {}, before=before, run_id="s")
    assert read_otherwise(moved, before, others=DAYS[:2]) == []
    assert read_otherwise(ends, before, others=[]) == []  # every day is taken in by what is said now


def test_a_query_is_on_record_as_a_digest_for_it_may_have_a_password_in_it():
    asks = [settings_with(query=f"SELECT * FROM postgres_scan('password=hunter{n}')") for n in (2, 3)]
    before, now = (reading.of(each, {}, before=None, run_id="r") for each in asks)
    (says,) = read_otherwise(now, before, others=DAYS[:2])
    assert "query is" in says
    assert "hunter" not in f"{says} {before} {now}"


def test_what_a_column_never_said_is_told_unless_it_says_something_else_every_time():
    def told(*nights: dict[tuple[str, str, bool], int]) -> list[str]:
        known, says = reading.of(load_settings(), nights[0], before=None, run_id="r"), []
        for night in nights[1:]:
            now = reading.of(load_settings(), night, before=known, run_id="r")
            says += new_kinds(now, known, night)
            known = now
        return says

    sale, back = {("art", "S", True): 90}, {("art", "R", False): 2}
    (says,) = told(sale | back, sale, sale | {("art", "VOID", True): 1, ("art", "GIFT", False): 3}, sale | back)
    assert says.startswith(
        "What no delivery said before: art is GIFT in 3 lines, left out, art is VOID in 1 line, taken in."
    )
    numbers = [{("art", str(n), True): 1 for n in range(first, first + MOST_KINDS // 2)} for first in (0, 20, 50, 90)]
    assert len(told(*numbers)) == 1  # until there are too many of them
    assert told(sale, sale | {("of another column", "x", True): 1}) == []


def having(shop: CornerShop, settings: Settings) -> CornerShop:
    own = {name: getattr(shop, name) for name in ("tables", "registry", "operations")}
    return replace(shop, defs=build_defs(settings=settings, feeds=FeedReader(raw=shop.folder / "raw"), **own))


def take_in(shop: CornerShop, day: dt.date) -> list[str]:
    """What a run of one day warns of."""
    result = shop.take_in(day, day)
    assert result.success
    return [entry.user_message for entry in shop.instance.all_logs(result.run_id) if entry.level == logging.WARNING]


def test_it_is_told_once_and_put_on_record(shop: CornerShop):
    changed = having(shop, settings_with(path=[f"{shop.feed}/{{date}}.csv"], business_day_ends=dt.time(4)))
    assert take_in(shop, DAYS[0]) == []
    assert take_in(shop, DAYS[1]) == []
    (says,) = take_in(changed, DAYS[2])
    assert "otherwise than before: business_day_ends is" in says
    assert take_in(changed, DAYS[0]) == []
    first, second = shop.operations.records(Reading)
    assert second.settings == first.settings | {"business_day_ends": '"04:00:00"'}


def test_a_closed_day_that_has_a_file_or_is_no_longer_closed_is_told_until_it_is_taken_in(shop: CornerShop):
    own = settings_with(path=[f"{shop.feed}/{{date}}.csv"])
    closed = having(shop, own.model_copy(update={"closed_days": [*own.closed_days, DAYS[1]]}))
    (shop.feed / f"{DAYS[1]}.csv").rename(away := shop.folder / "away.csv")
    assert [take_in(closed, day) for day in DAYS[:2]] == [[], []]
    away.rename(shop.feed / f"{DAYS[1]}.csv")
    (says,) = take_in(closed, DAYS[2])
    assert says.startswith("Files came after the night of their day")
    for _ in range(2):
        (says,) = take_in(shop, DAYS[2])
        assert says.startswith("2024-01-09 has no lines: it was declared closed, and is not any more.")
        assert "--from 2024-01-09 --to 2024-01-09" in says
    assert [take_in(shop, day) for day in DAYS[1:]] == [[], []]


def test_a_new_kind_of_lines_is_told_with_what_became_of_it(shop: CornerShop):
    def kinds(text: str, *said: str) -> str:
        header, *lines = text.splitlines()
        return "\n".join([f"{header},art", *(f"{line},{said[n % len(said)]}" for n, line in enumerate(lines)), ""])

    own = having(shop, settings_with(path=[f"{shop.feed}/{{date}}.csv"], unless={"art": ["R"]}))
    for day, said in zip(DAYS, (("S", "R", "S"), ("S",), ("S", "R", "V")), strict=True):
        shop.write(day, lambda text, said=said: kinds(text, *said))
    assert not any("What no delivery said" in says for day in DAYS[:2] for says in take_in(own, day))
    says = next(says for says in take_in(own, DAYS[2]) if "What no delivery said" in says)
    assert "art is V in" in says
    assert "taken in. If it is not as it should be" in says


def columned(text: str, **said: list[str]) -> str:
    """The text with further columns, which say these things by turns."""
    header, *lines = text.splitlines()
    rows = [",".join([line, *(values[n % len(values)] for values in said.values())]) for n, line in enumerate(lines)]
    return "\n".join([",".join([header, *said]), *rows, ""])


def test_a_column_that_is_not_read_is_told_where_it_says_something_else_than_in_every_line_so_far(shop: CornerShop):
    days = [DAYS[0] + dt.timedelta(days=n) for n in range(5)]
    same = {"flag": ["N"], "gone_at": [""], "batch": ["b{day}"], "clerk": ["Ann", "Bob"]}
    for day in days:
        shop.write(day, lambda text, day=day: columned(text, **same).replace("b{day}", f"b{day}"))
    shop.write(days[3], lambda text: text.replace(",N,,", ",Y,,", 1).replace(",N,,", ",N,2024-01-11 10:00,", 2))
    # Neither a total nor the header again is a line that says something else.
    shop.write(days[2], lambda text: f"{text}TOTAL,,,,,{text.count(chr(10)) - 1},,,,\n")
    shop.write(days[3], lambda text: f"{text}{text.partition(chr(10))[0]}\n")
    assert [len(take_in(shop, day)) for day in days[:3]] == [0, 0, 0]
    (says,) = take_in(shop, days[3])
    lines = shop.feed.joinpath(f"{days[3]}.csv").read_text().count("\n") - 2
    assert says.startswith(
        f"flag said the same in every line so far, and says something else in 1 of {lines} lines, gone_at was empty in every line "
        f"so far, and says something else in 2 of {lines} lines. It is not read:"
    )
    assert take_in(shop, days[4]) == []
    assert shop.operations.records(Reading)[-1].alike.keys() == {"flag", "gone_at", "batch", "clerk"}


def test_a_column_that_says_one_other_thing_in_every_line_is_told_when_it_was_the_same_on_several_days(
    shop: CornerShop,
):
    for day, currency in zip(DAYS, ("EUR", "EUR", "GBP"), strict=True):
        shop.write(day, lambda text, currency=currency: columned(text, curr=[currency]))
    assert shop.take_in(*DAYS[:2]).success  # in one run
    (says,) = take_in(shop, DAYS[2])
    assert "curr said the same in every line so far, and says something else in" in says
    assert "EUR" not in str([each.alike for each in shop.operations.records(Reading)])


def test_identifiers_that_are_written_otherwise_are_told_once(shop: CornerShop):
    own = having(shop, settings_with(path=[f"{shop.feed}/{{date}}.csv"]))
    for day in DAYS[1:]:
        shop.write(day, lambda text: text.replace("\nH-", "\n00H-").replace(",P-", ",Kilo P-"))
    assert take_in(own, DAYS[0]) == []
    (says,) = take_in(own, DAYS[1])
    assert says.startswith(
        "Written as in no delivery before: article as Aaaa A-999 in 100% of lines, customer as 99A-9999 in "
    )
    assert take_in(own, DAYS[2]) == []


def test_identifiers_of_which_each_is_written_in_its_own_way_say_nothing(engine):
    feed = load_settings().transactions
    lines = [
        {"household_id": f"{number:012b}".replace("0", "a"), "product_id": "p", "source_row": number}
        for number in range(300)
    ]
    table = engine.create_table("ways", pa.Table.from_pylist(lines), temp=True, overwrite=True)
    found = reading.ways_to_write(table, feed, total=300, rare=reading.RARE)
    assert found == {
        ("the writing of customer", "", True): 0,
        ("the writing of article", "", True): 0,
        ("the writing of article", "a", True): 100,
    }


def test_lines_that_come_after_the_night_of_their_day_are_told_until_they_are_taken_in(shop: CornerShop):
    own = having(shop, settings_with(path=[f"{shop.feed}/2024-01-*.csv"]))
    assert [take_in(own, day) for day in DAYS[:2]] == [[], []]
    late = shop.feed.joinpath(f"{DAYS[0]}.csv").read_text().splitlines()[1]
    more = [late, late.replace("R-", "R2-"), late.replace("R-", "R3-")]  # the first is delivered once more
    shop.write(DAYS[1], lambda text: text + "\n".join(more) + "\n")
    (says,) = take_in(own, DAYS[2])
    assert says.startswith(f"Lines came after the night of their day, and are not taken in: 2 of {DAYS[0]}. `nightcart")
    assert f"--from {DAYS[0]} --to {DAYS[0]} --assets group:ingestion --force` takes them in." in says
    assert "delivered more than once" in take_in(own, DAYS[0])[0]
    assert take_in(own, DAYS[2]) == []


def test_a_further_part_of_a_day_that_is_not_read_is_told(shop: CornerShop):
    own = having(shop, settings_with(path=[f"{shop.feed}/{{date}}.csv"]))
    for name in (f"{DAYS[0]}_2.csv", f"{DAYS[0]}.csv.md5", f"stock_{DAYS[0]}.csv"):
        shop.feed.joinpath(name).write_text(shop.feed.joinpath(f"{DAYS[0]}.csv").read_text())
    (says,) = take_in(own, DAYS[0])
    assert says.startswith(f"{shop.feed}/{DAYS[0]}_2.csv begins as a file that is read, and is not: if it is a part")
    assert take_in(own, DAYS[1]) == []


def test_files_that_come_after_the_night_of_their_day_are_told_until_they_are_taken_in(shop: CornerShop):
    own = having(shop, settings_with(path=[f"{shop.feed}/{{date}}*.csv"]))
    assert [take_in(own, day) for day in DAYS[:2]] == [[], []]
    first = shop.feed / f"{DAYS[0]}.csv"
    first.touch()  # the same, once more
    assert take_in(own, DAYS[2]) == []
    first.write_text("\n".join([*first.read_text().splitlines()[:-1], ""]))
    second = shop.feed / f"{DAYS[1]}_2.csv"
    second.write_text(
        "\n".join((shop.feed / f"{DAYS[1]}.csv").read_text().splitlines()[:3]).replace("R-", "R2-") + "\n"
    )
    (says,) = take_in(own, DAYS[2])
    assert says.startswith("Files came after the night of their day, and are not taken in: ")
    assert f"{DAYS[0]}.csv, " in says
    assert f"{DAYS[1]}_2.csv. `nightcart backfill --from {DAYS[0]} --to {DAYS[1]} --assets" in says
    assert [take_in(own, day) for day in DAYS[:3]] == [[], [], []]
