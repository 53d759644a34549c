"""Files of a feed: where they are, one a day or not, and how they are written."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from assets.grocery.onboarding import files
from resources.errors import Refused
from resources.feeds.reader import OUR_COLUMNS


def paths(folder: Path, *names: str) -> str:
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
def test_a_file_a_day(tmp_path, names, pattern):
    found = files.find(paths(tmp_path, *names))
    assert found.files.path == [f"{tmp_path}/{pattern}"]
    assert len(found.days) == len({name[-14:] for name in names} if "north" not in names[0] else {1})


@pytest.mark.parametrize("name", ["s_20241399.csv", "s_2024.csv", "order_120240131.csv"])
def test_numbers_that_are_no_dates(tmp_path, name):
    assert files.find(paths(tmp_path, name)).days == ()


def test_pattern_of_a_person_is_understood(tmp_path):
    paths(tmp_path, "s_20240131.csv", "other.csv")
    assert files.find(f"{tmp_path}/s_{{date:%Y%m%d}}.csv").days == (dt.date(2024, 1, 31),)


def test_delimiter_and_decimal_comma(tmp_path):
    found = files.find(paths(tmp_path, "a.csv")).files
    assert (found.delimiter, found.decimal, found.encoding) == (";", ",", "utf-8")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters(tmp_path, mark):
    (tmp_path / "a.txt").write_text(f'a{mark}b\n"x, y; z"{mark}1.5\n', encoding="utf-8")
    assert files.find(str(tmp_path / "a.txt")).files.delimiter == mark


def test_name_with_brackets_is_the_file_itself(tmp_path):
    paths(tmp_path, "sales[1].csv")
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
def test_what_is_no_feed_is_refused(tmp_path, content, reason):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(Refused, match=reason):
        files.find(str(tmp_path / "a.csv"))


def test_folder_of_different_kinds_is_refused(tmp_path):
    (tmp_path / "sales.csv").write_text("customer,article,date\n1,2,3\n", encoding="utf-8")
    (tmp_path / "articles.csv").write_text("article,name\n1,2\n", encoding="utf-8")
    with pytest.raises(Refused, match="of different kinds"):
        files.find(str(tmp_path))


def test_column_without_a_name_is_no_obstacle(tmp_path, engine, feeds):
    (tmp_path / "a.csv").write_text(",a,b\n0,x,1\n1,y,2\n", encoding="utf-8")
    lines, _ = files.read(files.find(str(tmp_path / "a.csv")), engine=engine, reader=feeds)
    assert [name for name in lines.columns if name not in OUR_COLUMNS] == ["column1", "a", "b"]


def test_character_that_comes_late_changes_the_encoding(tmp_path, engine, feeds):
    body = b"name;price\n" + b"tea;1,00\n" * 200_000 + "Café 5 €;2,00\n".encode("cp1252")
    (tmp_path / "a.csv").write_bytes(body)
    found = files.find(str(tmp_path / "a.csv"))
    assert found.files.encoding == "utf-8"  # so far as its first megabyte says
    lines, found = files.read(found, engine=engine, reader=feeds)
    assert found.files.encoding == "cp1252"
    assert lines.filter(lines.name == "Café 5 €").count().execute() == 1


@pytest.mark.parametrize(
    ("names", "encoding", "expected"),
    [
        (["Käse", "Süßes", "Öl"], "utf-8", "utf-8"),
        (["Käse"], "utf-16", "utf-16"),
        (["Käse Brötchen", "Öl", "“Mug” £", "5 €"], "cp1252", "cp1252"),
        (["Crème fraîche", "Pâté", "Bœuf haché"], "cp1252", "cp1252"),
        (["Piñas", "Jamón", "Azúcar"], "cp1252", "cp1252"),
        (["молоко", "хлеб чёрный", "масло"], "cp1251", "cp1251"),
        (["γάλα", "ψωμί", "τυρί"], "cp1253", "cp1253"),
        (["牛乳", "パン", "お茶"], "shift_jis", "cp932"),
    ],
)
def test_encodings(tmp_path, names, encoding, expected):
    lines = "\n".join(f"{number},{name}" for number, name in enumerate(names * 20))
    (tmp_path / "a.csv").write_text(f"article,name\n{lines}\n", encoding=encoding)
    assert files.find(str(tmp_path / "a.csv")).files.encoding == expected


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ("Tea, green, fine, {0};{0},5;{0},25", ";"),  # more commas in every line than semicolons
        ("{0},5;{0},25;2", ";"),
        ('"Tea; green",{0},2', ","),
    ],
)
def test_delimiter_is_that_of_the_header_too(tmp_path, line, delimiter):
    body = "\n".join(line.format(number) for number in range(1, 50))
    (tmp_path / "a.csv").write_text(f"name{delimiter}quantity{delimiter}paid\n{body}\n", encoding="utf-8")
    assert files.find(str(tmp_path / "a.csv")).files.delimiter == delimiter


def test_broken_lines_do_not_hide_the_delimiter(tmp_path):
    lines = [f"c{number},a{number % 3},{number}.5" + ",x" * (number % 5 == 0) for number in range(40)]
    (tmp_path / "a.csv").write_text("\n".join(["customer,article,paid", *lines]) + "\n", encoding="utf-8")
    assert files.find(str(tmp_path / "a.csv")).files.delimiter == ","


def test_column_called_by_a_number_is_no_reason_against_a_header(tmp_path):
    (tmp_path / "a.csv").write_text("article,2024,name\np1,x,tea\np2,y,milk\n", encoding="utf-8")
    assert files.find(str(tmp_path / "a.csv")).files.delimiter == ","
