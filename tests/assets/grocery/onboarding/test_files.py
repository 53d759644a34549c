"""Files of a feed: where they are, one a day or not, and how they are written."""

from __future__ import annotations

import datetime as dt
import gzip
import shlex
import zipfile
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from assets.grocery.onboarding import files
from assets.grocery.onboarding.columns import profile_columns
from assets.grocery.onboarding.proposed import table_of
from resources.config.feeds import FeedConfig
from resources.errors import Refused
from resources.feeds.files import OUR_COLUMNS


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
        (["31-01-2024.csv", "01-02-2024.csv"], "{date:%d-%m-%Y}.csv"),
        (["s.31.01.2024.csv", "s.01.02.2024.csv"], "s.{date:%d.%m.%Y}.csv"),
        (["s01312024.csv", "s02012024.csv"], "s{date:%m%d%Y}.csv"),
        (["s_31Jan2024.csv", "s_01Feb2024.csv"], "s_{date:%d%b%Y}.csv"),
        (["2024-Jan-31.csv", "2024-Feb-01.csv"], "{date:%Y-%b-%d}.csv"),
        (["2024/01/31/a.csv", "2024/02/01/b.csv"], "{date:%Y}/{date:%m}/{date:%d}/*.csv"),
        (
            ["year=2024/month=1/day=31/a.csv", "year=2024/month=2/day=1/a.csv"],
            "year={date:%Y}/month={date:%-m}/day={date:%-d}/a.csv",
        ),
        (
            ["year=2024/month=01/day=31/hour=01/a.csv", "year=2024/month=02/day=01/hour=13/a.csv"],
            "year={date:%Y}/month={date:%m}/day={date:%d}/hour=*/a.csv",
        ),
    ],
)
def test_a_file_a_day(tmp_path, names, pattern):
    found = files.find(paths(tmp_path, *names))
    assert found.files.path == [f"{tmp_path}/{pattern}"]
    second = [] if len(names) == 1 or "north" in names[0] else [dt.date(2024, 2, 1)]
    assert found.days == (dt.date(2024, 1, 31), *second)


def test_day_or_month_that_no_name_tells_is_asked_of_a_person(tmp_path):
    paths(tmp_path, "s_01022024.csv", "s_02022024.csv")
    assert files.find(str(tmp_path)).days == ()
    for format_, days in {"%d%m%Y": [(2, 1), (2, 2)], "%m%d%Y": [(1, 2), (2, 2)]}.items():
        found = files.find(f"{tmp_path}/s_{{date:{format_}}}.csv")
        assert found.days == tuple(dt.date(2024, *day) for day in days)
        assert found.files.path == [f"{tmp_path}/s_{{date:{format_}}}.csv"]
    paths(tmp_path, "u_31Jan2024.csv", "t_240131.csv")
    assert files.find(f"{tmp_path}/u_{{date:%d%b%Y}}.csv").days == (dt.date(2024, 1, 31),)
    assert files.find(f"{tmp_path}/t_{{date:%y%m%d}}.csv").days == (dt.date(2024, 1, 31),)


@pytest.mark.parametrize("name", ["s_20241399.csv", "s_2024.csv", "order_120240131.csv"])
def test_numbers_that_are_no_dates(tmp_path, name):
    assert files.find(paths(tmp_path, name)).days == ()


@pytest.mark.parametrize("name", ["s_31_jan_2024.csv", "s_31OKT2024.csv", "2024-März-31.csv"])
def test_months_in_other_words_are_told(tmp_path, name):
    found = files.find(paths(tmp_path, name))
    assert found.days == ()
    assert "every night reads all files" in found.notes[0].says
    assert not files.find(paths(tmp_path / "others", "s_2024_north_2.csv")).notes


def test_pattern_of_a_person_is_understood(tmp_path):
    paths(tmp_path, "s_20240131.csv", "other.csv")
    assert files.find(f"{tmp_path}/s_{{date:%Y%m%d}}.csv").days == (dt.date(2024, 1, 31),)


def test_delimiter_beside_decimal_commas(tmp_path):
    found = files.find(paths(tmp_path, "a.csv")).files
    assert (found.delimiter, found.encoding) == (";", "utf-8")


def test_a_few_lost_bytes_make_no_binary_file(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"card,amount\n" + b"K1,2.50\n" * 200 + b"K2,\0\0\n")
    assert files.find(str(tmp_path / "a.csv")).files.delimiter == ","


def test_an_empty_file_among_others_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("card,amount\nK1,2.50\n")
    (tmp_path / "b.csv").touch()
    with pytest.raises(Refused, match=rf"b\.csv is empty \(0 bytes\)\. Remedy: .* `rm {tmp_path}/b\.csv`"):
        files.find(str(tmp_path))


def test_empty_parts_beside_full_ones_hold_no_lines(tmp_path, engine, feeds):
    folder = tmp_path / "sales"
    paths(folder, *(f"date=2024-01-{day}/part-1.csv" for day in (30, 31)))
    (folder / "date=2024-01-30/part-0.csv").touch()
    (folder / "date=2024-01-30/_SUCCESS").touch()
    lines, source = looked_at(folder, engine, feeds)
    assert lines.count().execute() == 4
    assert source.notes[0].says == f"1 part of no bytes, such as {folder}/date=2024-01-30/part-0.csv, hold no lines."
    (folder / "date=2024-01-31/part-1.csv").write_bytes(b"")  # nothing else is there of that day
    with pytest.raises(Refused, match=r"date=2024-01-31/part-1\.csv is empty"):
        looked_at(folder, engine, feeds)


@pytest.mark.parametrize(("word", "is_told"), [("returns", True), ("corrected", True), ("north", False)])
def test_files_with_a_word_for_no_purchases_are_told(tmp_path, word, is_told):
    for name in ("sales_2024-03-01.csv", "sales_2024-03-02.csv", f"{word}_2024-03-02.csv"):
        (tmp_path / name).write_text("customer,article,bought,paid\nc1,a,2024-03-02 10:00:00,1.5\n")
    notes = [note.says for note in files.find(str(tmp_path)).notes]
    assert notes == is_told * [
        f"1 file of 3 has '{word}' in the name, such as {tmp_path.name}/{word}_2024-03-02.csv: the lines are taken for purchases beside the others'. "
        "Are they?"
    ]


def test_an_archive_of_several_files_is_told(tmp_path, engine, feeds):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("1.csv", "2.csv"):
            archive.writestr(name, f"a,b\n1,{name}\n")
    lines, source = looked_at(tmp_path / "a.zip", engine, feeds)
    assert lines.count().execute() == 2
    assert [note.says for note in source.notes] == [f"{tmp_path}/a.zip holds 2 files, 1.csv, 2.csv: read as one."]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "\x01", "~", "^"])
def test_delimiters(tmp_path, mark):
    (tmp_path / "a.txt").write_text(f'a{mark}b{mark}c\n"x, y; z"{mark}1.5{mark}2\n', encoding="utf-8")
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
        (b'{"a": 1}', r"is JSON.*one JSON object a line"),
        (b"SQLite format 3", r"nightcart init sqlite:////.*a\.csv --query"),
        (b"\x7fELF\0\0", "is binary"),
        (b"BZh91AY", r"is compressed with bzip2.*give it the ending \.bz2"),
        (b"\xfd7zXZ\0", "is compressed with xz.*unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive.*unpack it"),
        (b"Rar!\x1a\x07", "is a RAR archive.*unpack it"),
        (b"sales.csv".ljust(257, b"\0") + b"ustar\0", "is a tar archive.*`tar -xf` unpacks it"),
        (b"a\n1\n", "has no two columns"),
        (
            b"-[ RECORD 1 ]+---\ncard  | 1\nart   | A\n",
            r"no two columns, its first line is '-\[ RECORD 1.*`psql --csv`",
        ),
        (b'"card" "article"\n"1" "K1" "A1"\n', r"has no two columns.*R's write\.csv\(.*row\.names = FALSE"),
        (b"c1,p1,2024-01-31,2\nc2,p1,2024-01-31,1\n", "has no header"),
        (
            b"H|1|2|20240131|c1\nS|1|4711|2|3\nT|1|5|0|0\n",
            r"has no header.*several kinds \(H, S, T\): have what was bought",
        ),
        (b"2024-01-31 sale: card=1;article=2;paid=3\n", "has no header"),
        (b"CREATE TABLE sales (a);\nINSERT INTO sales VALUES (1);\n", r"is a dump of SQL.*nightcart init sqlite:////"),
        (b"-- by pg_dump\nCOPY public.sales (a, b) FROM stdin;\n1\t2\n", "is a dump of SQL"),
        (b"'card','article'\n'1','2'\n", "in single quotation marks"),
    ],
)
def test_what_is_no_feed_is_refused(tmp_path, content, reason):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(Refused, match=reason):
        files.find(str(tmp_path / "a.csv"))


def test_a_text_that_is_called_parquet_is_text(tmp_path):
    (tmp_path / "a.parquet").write_text("card;article\n1;2\n", encoding="utf-8")
    found = files.find(str(tmp_path / "a.parquet")).files
    assert (found.format, found.delimiter) == ("csv", ";")


def test_orders_beside_their_lines_are_refused_with_the_query_that_joins_them(tmp_path, engine):
    (tmp_path / "lines.csv").write_text("till_id;bon_id;made;article\n1;2;3;4\n2;2;3;5\n", encoding="utf-8")
    (tmp_path / "orders.csv").write_text(
        "till_id;bon_id;made;customer;at;id;state\n1;2;3;c;2024-03-05;9;paid\n", encoding="utf-8"
    )
    with pytest.raises(Refused, match="If an order has the same bon_id, till_id in both") as refused:
        files.find(str(tmp_path))
    query = shlex.split(refused.value.remedy.split("`")[1])[-1]
    joined = engine.raw_sql(query)
    assert [name for name, *_ in joined.description] == [
        "till_id",
        "bon_id",
        "made",
        "article",
        "customer",
        "at",
        "id",
        "state",
    ]
    assert sorted(row[4] or "" for row in joined.fetchall()) == ["", "c"]


def test_folder_of_different_kinds_is_refused(tmp_path):
    (tmp_path / "sales.csv").write_text("customer,article,date\n1,2,3\n", encoding="utf-8")
    (tmp_path / "articles.csv").write_text("article,name\n1,2\n", encoding="utf-8")
    with pytest.raises(Refused, match="of different kinds"):
        files.find(str(tmp_path))
    (tmp_path / "articles.csv").write_text("customer;article;date\n1;2;3\n", encoding="utf-8")
    with pytest.raises(
        Refused, match=r"(sales|articles)\.csv has another delimiter than (sales|articles)\.csv: its header is"
    ):
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


def kinds(source: files.SourceFiles) -> list[str]:
    return [note.kind for note in source.notes]


def looked_at(path: Path, engine, feeds, **given: str):
    return files.read(files.find(str(path), **given), engine=engine, reader=feeds, **given)


class TestWhatLiesAboveTheHeader:
    TABLE = "customer,article,paid\n" + "c1,p1,2.5\nc2,p2,3.5\n" * 5

    def test_lines_of_a_report(self, tmp_path, engine, feeds):
        (tmp_path / "a.csv").write_text('"Corner Shop"\n"Printed:","2025-03-08"\n\n' + self.TABLE + '"Total:","10"\n')
        lines, source = looked_at(tmp_path / "a.csv", engine, feeds)
        assert (source.files.skip_lines, source.files.delimiter) == (3, ",")
        assert lines.filter(lines.defect.isnull()).count().execute() == 10
        assert [note.says.rpartition("/")[2] for note in source.notes] == [
            "a.csv, row 11: it has fewer values than the header.",
            "The header is in line 4: what is above it is left out of every file.",
        ]

    def test_declared_delimiter(self, tmp_path, engine, feeds):
        (tmp_path / "a.csv").write_text("sep=;\r\n" + self.TABLE.replace(",", ";"))
        lines, source = looked_at(tmp_path / "a.csv", engine, feeds)
        assert (source.files.skip_lines, source.files.delimiter, lines.count().execute()) == (0, ";", 10)

    @pytest.mark.parametrize("end", ["\r", "\r\n"])
    def test_other_line_ends(self, tmp_path, engine, feeds, end):
        (tmp_path / "a.csv").write_bytes(self.TABLE.replace("\n", end).encode())
        assert looked_at(tmp_path / "a.csv", engine, feeds)[0].count().execute() == 10


class TestFolders:
    TEXT = "customer,article\nc1,p1\n"

    def test_capitals_in_endings(self, tmp_path, engine, feeds):
        (tmp_path / "A.CSV").write_text(self.TEXT)
        (tmp_path / "B.CSV.GZ").write_bytes(gzip.compress(self.TEXT.replace("c1", "c2").encode()))
        lines, source = looked_at(tmp_path, engine, feeds)
        assert (lines.count().execute(), source.notes) == (2, ())

    def test_older_days_are_packed(self, tmp_path):
        for day in range(1, 8):
            name = tmp_path / f"s_2025030{day}.csv"
            if day < 6:
                name.with_suffix(".csv.gz").write_bytes(gzip.compress(self.TEXT.encode()))
            else:
                name.write_text(self.TEXT)
        source = files.find(str(tmp_path))
        assert [path.rpartition("/")[2] for path in source.files.path] == [
            "s_{date:%Y%m%d}.csv",
            "s_{date:%Y%m%d}.csv.gz",
        ]
        assert len(source.days) == 7

    def test_other_files_are_told(self, tmp_path):
        for name in ("a.csv", "b.csv", "notes.txt", "c.bak"):
            (tmp_path / name).write_text(self.TEXT)
        (note,) = files.find(str(tmp_path)).notes
        assert (note.kind, note.says) == ("left out", f"2 files in {tmp_path} are left out: c.bak, notes.txt.")

    @pytest.mark.parametrize(
        "names", ["0000_part_00 0001_part_00", "000000000000.gz 000000000001.gz", "s_000 s_001 notes.txt"]
    )
    def test_parts_without_an_ending_are_read(self, tmp_path, engine, feeds, names):
        for number, name in enumerate(names.split()):
            (tmp_path / name).write_text(self.TEXT.replace("c1", f"c{number}"))
        (tmp_path / "s_manifest").write_text('{"entries": []}')
        (tmp_path / "_SUCCESS").write_bytes(b"")
        lines, source = looked_at(tmp_path, engine, feeds)
        assert lines.count().execute() == 2
        assert ["s_manifest" in note.says for note in source.notes] == [True]

    @pytest.mark.parametrize(("parts", "path"), [(["000000_0"], "000000_0"), (["0_0", "1_0"], "*_0")])
    def test_parts_in_folders_of_days_are_read(self, tmp_path, engine, feeds, parts, path):
        for day in range(1, 4):
            (folder := tmp_path / f"dt=2024-01-0{day}").mkdir()
            for part in parts:
                (folder / part).write_text(self.TEXT)
        lines, source = looked_at(tmp_path, engine, feeds)
        assert lines.count().execute() == 3
        assert source.files.path == [f"{tmp_path}/dt={{date}}/{path}"]

    def test_files_of_no_known_ending_are_refused_with_their_names(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "sales.bak").write_text(self.TEXT)
        with pytest.raises(Refused, match=r"There is no data file in .*; there are /.*/a/sales\.bak\."):
            files.find(str(tmp_path))

    def test_same_bytes_twice_are_told(self, tmp_path, engine, feeds):
        for name in ("sales.csv", "sales (1).csv"):
            (tmp_path / name).write_text(self.TEXT)
        lines, source = looked_at(tmp_path, engine, feeds)
        assert (lines.count().execute(), kinds(source)) == (1, ["merged"])

    def test_delta_table(self, tmp_path, engine, feeds):
        for who in (["c1", "c2"], ["c3"]):
            deltalake.write_deltalake(tmp_path / "sales", pa.table({"customer": who, "article": who}), mode="overwrite")
        lines, source = looked_at(tmp_path / "sales", engine, feeds)
        assert lines.customer.to_pyarrow().to_pylist() == ["c3"]
        assert source.files.path == [f"{tmp_path}/sales"]


class TestEncodings:
    def write(self, path: Path, names: list[str], encoding: str) -> Path:
        path.write_bytes(("article,name\n" + "".join(f"{n},{name}\n" for n, name in enumerate(names))).encode(encoding))
        return path

    def test_of_the_latin_script_it_is_what_is_usual_in_the_zone(self, tmp_path):
        path = str(self.write(tmp_path / "a.csv", ["żółty ser", "śledź"], "cp1250"))
        zones = ("Europe/Warsaw", "Europe/Istanbul", "Europe/Paris", None)
        found = [files.find(path, timezone=zone).files.encoding for zone in zones]
        assert found == ["cp1250", "cp1254", "cp1252", "cp1252"]
        greek = str(self.write(tmp_path / "b.csv", [f"γάλα {n}" for n in range(40)], "cp1253"))
        assert files.find(greek, timezone="Europe/Athens").files.encoding == "cp1253"

    def test_of_words_that_are_as_common_the_first_by_the_alphabet_are_shown(self, tmp_path, engine, feeds):
        path = self.write(tmp_path / "a.csv", ["хлеб", "соль", "молоко", "чай", "чай"], "cp1251")
        _, source = looked_at(path, engine, feeds)
        assert "'чай', 'молоко', 'соль'" in source.notes[0].says

    def test_guess_is_told_with_an_example(self, tmp_path, engine, feeds):
        path = self.write(tmp_path / "a.csv", ["молоко", "хлеб"], "cp1251")
        _, source = looked_at(path, engine, feeds)
        (note,) = source.notes
        assert note.kind == "guessed"
        assert "It reads words such as '" in note.says
        assert "--encoding" in note.remedy
        lines, source = looked_at(path, engine, feeds, encoding="cp1251")
        assert lines.name.to_pyarrow().to_pylist() == ["молоко", "хлеб"]
        assert (source.notes, source.files.encoding) == ((), "cp1251")

    def test_bytes_that_do_not_exist_are_refused(self, tmp_path, engine, feeds):
        path = self.write(tmp_path / "a.csv", ["牛乳", "パン", "お茶"], "shift_jis")
        with pytest.raises(Refused, match=r"no text in cp1253: \d lines? have bytes that do not exist in it"):
            looked_at(path, engine, feeds, encoding="cp1253")

    def test_encoding_that_is_none_is_refused(self, tmp_path):
        with pytest.raises(Refused, match="'klingon' is no encoding"):
            files.find(str(self.write(tmp_path / "a.csv", ["x"], "utf-8")), encoding="klingon")

    def test_few_foreign_lines_do_not_change_it(self, tmp_path, engine, feeds):
        path = self.write(tmp_path / "a.csv", ["Käse"] * 5, "utf-8")
        path.write_bytes(path.read_bytes() + b"9,\xe9\n")
        _, source = looked_at(path, engine, feeds)
        assert (source.files.encoding, kinds(source)) == ("utf-8", ["set aside"])


def test_marks_that_are_wrong_are_told_with_their_row(tmp_path, engine, feeds):
    body = 'c1,p1,tea\nc2,p2,"jam\nc3,p3,tea\nc4,p4,"jam\n' + "c1,p1,tea\n" * 10
    (tmp_path / "a.csv").write_text("customer,article,name\n" + body)
    lines, source = looked_at(tmp_path / "a.csv", engine, feeds)
    assert [note.says for note in source.notes] == [
        f"{tmp_path}/a.csv, row 2: a quotation mark opens a value and is not closed on its line; so in 1 other line."
    ]
    profile = profile_columns(lines, files=source.files)
    assert {name: each.different for name, each in profile.items()} == {"customer": 2, "article": 2, "name": 1}


def test_lines_of_another_width_are_told_with_their_row(tmp_path, engine, feeds):
    body = "c1,p1,tea\nc2,p2,jam, red\nc3,p3,tea\nc4\n"
    (tmp_path / "a.csv").write_text("customer,article,name\n" + body)
    _, source = looked_at(tmp_path / "a.csv", engine, feeds)
    assert [note.says for note in source.notes] == [
        f"{tmp_path}/a.csv, row 4: it has fewer values than the header.",
        f"{tmp_path}/a.csv, row 2: it has more values than the header.",
    ]


@pytest.mark.parametrize(("again", "is_refused"), [("card,article,at", False), ("card,at,article", True)])
def test_header_again_in_another_order_is_refused(tmp_path, engine, feeds, again, is_refused):
    (tmp_path / "a.csv").write_text(f"card,article,at\nK1,A1,2024-01-01\n{again}\nK1,2024-01-01,A1\n")
    if is_refused:
        with pytest.raises(Refused, match=r"a\.csv, row 2 is a header with its columns in another order"):
            looked_at(tmp_path / "a.csv", engine, feeds)
    else:
        assert looked_at(tmp_path / "a.csv", engine, feeds)[0].count().to_pyarrow().as_py() == 3


def test_zero_bytes_are_told_with_their_row(tmp_path, engine, feeds):
    (tmp_path / "a.csv").write_text("card,article\n1,A\n2,B\0\n" + "3,C\n" * 50, encoding="utf-8")
    notes = looked_at(tmp_path, engine, feeds)[1].notes
    assert [note.says.partition("a.csv, ")[2] for note in notes] == ["row 2: it has zero bytes."]


def test_a_file_of_a_day_without_a_header_is_refused_by_its_name(tmp_path, engine, feeds):
    for day, header in {1: "card,article,at\n", 2: "", 3: "card,article,at\n"}.items():
        (tmp_path / f"s_2024-03-0{day}.csv").write_text(f"{header}c{day},A,09:00\nc2,B,10:00\n")
    with pytest.raises(
        Refused, match=r"s_2024-03-02\.csv \(with .*a file without a header is to be delivered with one"
    ):
        looked_at(tmp_path, engine, feeds)


def test_a_text_that_ends_within_its_last_line_is_told_where_the_others_do_not(tmp_path, engine, feeds):
    for day, end in ((1, "\n"), (2, "\n"), (3, "")):
        (tmp_path / f"2025-01-0{day}.csv").write_text(f"customer,article,paid\nc1,p1,2.5\nc{day},p2,3.5{end}")
    _, source = looked_at(tmp_path, engine, feeds)
    assert [(note.kind, note.says) for note in source.notes] == [
        (
            "left out",
            f"The last line of {tmp_path}/2025-01-03.csv has no end, as it has in 2 other files: the rest may be lost.",
        )
    ]


def test_a_second_header_is_told_with_its_row(tmp_path, engine, feeds):
    (tmp_path / "a.csv").write_text("card;article;at\ntext;text;datetime\nK1;A1;2024-01-01\nK2;A1;2024-01-02\n")
    lines, source = looked_at(tmp_path / "a.csv", engine, feeds)
    (note,) = source.notes
    assert note.says == f"{tmp_path}/a.csv, row 1: it is no record, but a second header, of the columns' types."
    assert note.kind == "set aside"
    assert lines.count().to_pyarrow().as_py() == 3


@pytest.mark.parametrize(
    ("drawn", "set_aside"),
    [
        ("  a  | b \n-----+---\n 1   | x \n 2   | y \n 3   | z \n(3 rows)\n\n", [1, 5]),
        ("+---+---+\n| a | b |\n+---+---+\n| 1 | x |\n| 2 | y |\n| 3 | z |\n+---+---+\n3 rows in set\n", [1, 5, 6]),
        ("| a | b |\n|:---|---:|\n| 1 | x |\n| 2 | y |\n| 3 | z |\n", [1]),
    ],
    ids=["psql", "mysql", "Markdown"],
)
def test_tables_that_are_drawn_are_read_without_their_lines(tmp_path, engine, feeds, drawn, set_aside):
    (tmp_path / "a.txt").write_text(drawn, encoding="utf-8")
    found = files.find(str(tmp_path / "a.txt"))
    lines, source = files.read(found, engine=engine, reader=feeds)
    rows = lines.order_by("source_row").to_pyarrow().to_pylist()
    assert [row["source_row"] for row in rows if row["defect"]] == set_aside
    assert [(row["a"].strip(), row["b"].strip()) for row in rows if not row["defect"]] == list(
        zip("123", "xyz", strict=True)
    )
    assert any("it is no record, but a drawn line" in note.says for note in source.notes)


@pytest.mark.parametrize("groups", ["Who,Who,What,What,When", "Who,,What,,When"])
def test_names_of_groups_above_the_header_are_left_out(tmp_path, engine, feeds, groups):
    (tmp_path / "a.csv").write_text(
        f"{groups}\ncard,tier,article,items,at\nK1,A,A1,2,2024-01-01\nK2,B,A1,1,2024-01-02\n"
    )
    _, source = looked_at(tmp_path / "a.csv", engine, feeds)
    assert source.files.skip_lines == 1
    assert [note.says for note in source.notes] == [
        "The header is in line 2: what is above it is left out of every file."
    ]


@pytest.mark.parametrize(("ends", "are_ended"), [("\n\n\n", True), ("\n\n ", True), ("\n  ", False), ("   ", False)])
def test_how_the_files_end_is_told_by_nearly_all_of_them(tmp_path, engine, feeds, ends, are_ended):
    for day, end in enumerate(ends, start=1):
        (tmp_path / f"2025-01-0{day}.csv").write_text(
            f"customer,article,paid\nc1,p1,2.5\nc{day},p2,3.5{end.strip(' ')}"
        )
    assert looked_at(tmp_path, engine, feeds)[1].are_ended is are_ended


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_query_of_a_remedy_reads_the_files_in_their_encoding(tmp_path, engine, encoding):
    (tmp_path / "a.csv").write_bytes("who;what\nJörg;Käse\n".encode(encoding))
    table = table_of(FeedConfig(path=[str(tmp_path / "{date}.csv")], delimiter=";", encoding=encoding))
    assert engine.raw_sql(f"FROM {table}").fetchall() == [("Jörg", "Käse")]
