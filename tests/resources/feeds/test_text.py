"""Text files: every line of a file comes out of the reader, understood or set aside, whatever its bytes are."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.config.feeds import FeedConfig
from resources.errors import FeedRefused
from resources.feeds import lines as text_lines
from resources.feeds import text
from resources.feeds.files import as_long_as_sheets
from resources.feeds.reader import FeedReader
from resources.tables.engine import connect

HEADER = b"who,what,paid\n"
Rows = list[dict[str, Any]]
Read = Callable[..., Rows]


@pytest.fixture
def read(tmp_path: Path, engine: Any) -> Read:
    """The rows that the reader makes of a file's bytes."""
    return lambda content, name="a.csv", **settings: rows_of(tmp_path, engine, content, name, **settings)


def rows_of(folder: Path, engine: Any, content: bytes, name: str = "a.csv", **settings: Any) -> Rows:
    (folder / name).write_bytes(content)
    feed = FeedConfig.model_validate({"path": [str(folder / name)], **settings})
    lines, _ = FeedReader(raw=folder / "raw").read(feed, engine=engine, columns=())
    return lines.order_by("source_row").to_pyarrow().to_pylist()


def good(rows: Rows) -> list[tuple[int, str | None]]:
    return [(row["source_row"], row["who"]) for row in rows if not row["defect"]]


def bad(rows: Rows) -> list[tuple[int, str]]:
    return [(row["source_row"], row["who"]) for row in rows if row["defect"]]


def unaccounted(content: bytes, rows: Rows) -> list[int]:
    """Rows with anything in them that no line of the reader covers, and those that two cover. The header is one line."""
    own = ("who", "what", "paid")
    covered: list[int] = []
    for row in rows:
        height = 1 + sum((row[name] or "").count("\n") for name in own)
        covered += range(row["source_row"], row["source_row"] + height)
    content = content.rstrip(b"\x1a")
    content = content[:-1] if content.endswith(b"\r") and b"\n" in content else content
    given = re.split(rb"\r\n|\r|\n", content.removeprefix(b"\xef\xbb\xbf"))[1:]
    there = [row for row, line in enumerate(given, start=1) if line]
    return [row for row in there if covered.count(row) != 1] + [row for row in covered if row > len(given)]


class TestQuotationMarks:
    def test_mark_that_never_closes_costs_its_line(self, read):
        body = b"".join(b"%d,tea,1\n" % row for row in range(1, 500))
        rows = read(HEADER + body.replace(b"250,tea", b'250,"tea'))
        assert bad(rows) == [(250, '250,"tea,1')]
        assert len(good(rows)) == 498
        assert rows[249]["defect"] == "a quotation mark opens a value and is not closed on its line"

    def test_two_marks_on_different_lines_cost_two(self, read):
        rows = read(HEADER + b'1,"jam,1\n2,tea,2\n3,tea,3\n4,jam",4\n5,tea,5\n')
        assert good(rows) == [(2, "2"), (3, "3"), (5, "5")] or good(rows) == [(2, "2"), (3, "3"), (4, "4"), (5, "5")]
        assert unaccounted(HEADER + b'1,"jam,1\n2,tea,2\n3,tea,3\n4,jam",4\n5,tea,5\n', rows) == []

    @pytest.mark.parametrize(
        "record",
        [
            b'1,"semi\nskimmed",3',
            b'"semi\nskimmed",2,3',
            b'1,2,"semi\n\nskimmed"',
            b'1,"a\nb","c\nd"',
            b'1,"say ""a\nb""",3',
            b'1, "a\nb" ,3',
            b'1,"a, b\nc",3',
        ],
    )
    def test_value_of_several_lines_is_a_value(self, read, record):
        rows = read(HEADER + b"0,x,0\n" + record + b"\n9,x,9\n")
        assert [row["defect"] for row in rows] == [None] * 3
        assert [row["source_row"] for row in rows] == [1, 2, 3 + record.count(b"\n")]
        assert "\n" in "".join(rows[1][name] for name in ("who", "what", "paid"))

    def test_value_of_too_many_lines_is_none(self, read):
        rows = read(HEADER + b'1,"' + b"a\n" * 200 + b'",3\n2,x,4\n')
        assert good(rows) == [(202, "2")]

    def test_mark_within_a_bare_value_is_a_sign_of_inches(self, read):
        rows = read(HEADER + b'1,7" plate,1\n2,7" by 9",2\n')
        assert [row["what"] for row in rows] == ['7" plate', '7" by 9"']

    def test_mark_that_is_not_doubled_is_a_defect(self, read):
        rows = read(HEADER + b'1,"7" plate, big",1\n2,x,2\n3,"a""b",3\n')
        assert (bad(rows), good(rows)) == ([(1, '1,"7" plate, big",1')], [(2, "2"), (3, "3")])

    def test_values_that_go_on_into_another_block(self, read, monkeypatch):
        monkeypatch.setattr(text_lines, "BLOCK", 64)
        content = HEADER + b'1,"a\nb",1\n' * 50 + b'2,"x,2\n' * 50
        rows = read(content)
        assert (len(good(rows)), len(bad(rows))) == (50, 50)
        assert unaccounted(content, rows) == []

    def test_name_in_the_header_may_go_on_over_lines(self, read):
        (row,) = read(b'who,"what\nit is",paid\n1,2,3\n')
        assert (row["what\nit is"], row["source_row"]) == ("2", 1)

    def test_header_with_an_open_mark_is_refused(self, read):
        with pytest.raises(FeedRefused, match="in line 1 a quotation mark opens a name and is not closed"):
            read(b'who,"what,paid\n1,2,3\n')


class TestLines:
    @pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n", b"\r\r\n"])
    def test_line_ends_of_any_system(self, read, end):
        rows = read(end.join([b"who,what,paid", b"1,2,3", b"4,5", b"6,7,8", b""]))
        assert ([who for _, who in good(rows)], [who for _, who in bad(rows)]) == (["1", "6"], ["4,5"])

    def test_line_ends_that_are_mixed(self, read):
        rows = read(b"who,what,paid\r\n1,2,3\n4,5,6\r7,8,9\r\n")
        assert good(rows) == [(1, "1"), (2, "4"), (3, "7")]

    def test_empty_lines_are_counted_in_rows(self, read):
        assert good(read(HEADER + b"1,2,3\n\n\n4,5,6\n")) == [(1, "1"), (4, "4")]

    def test_line_without_end_is_shortened_and_told(self, read, monkeypatch):
        monkeypatch.setattr(text_lines, "LONGEST_LINE", 1 << 18)
        monkeypatch.setattr(text_lines, "BLOCK", 1 << 16)
        rows = read(HEADER + b"1,2,3\n" + b"x" * 3_000_000 + b"\n4,5,6\n" + b"y" * 3_000_000 + b"\n")
        assert good(rows) == [(1, "1"), (3, "4")]
        assert [(len(who), row) for row, who in bad(rows)] == [(text_lines.SHOWN, 2), (text_lines.SHOWN, 4)]
        assert rows[1]["defect"] == "the line is of 3,000,000 bytes, of which only the beginning is kept"

    def test_long_lines_among_good_ones(self, read):
        content = HEADER + b"".join(b"%d,2,3\n" % n + (b"x" * 3_000_000 + b"\n") * (n % 10 == 0) for n in range(40))
        rows = read(content)
        assert (len(good(rows)), len(bad(rows))) == (40, 4)

    def test_zero_bytes_are_a_defect(self, read):
        rows = read(HEADER + b"1,2,3\n4,\0,6\n7,8,9\n")
        assert (good(rows), bad(rows)) == ([(1, "1"), (3, "7")], [(2, "4,\\x00,6")])

    def test_bytes_of_another_encoding_are_a_defect(self, read):
        rows = read(HEADER + "1,é,3\n".encode() + b"4,\xe9,6\n7,8,9\n")
        assert (good(rows), bad(rows)) == ([(1, "1"), (3, "7")], [(2, "4,\\xe9,6")])
        assert rows[1]["defect"] == "its bytes are no text in utf-8"

    def test_bytes_that_do_not_exist_in_the_encoding(self, read):
        rows = read(HEADER + b"1,\xe9,3\n4,\x81,6\n", encoding="cp1252")
        assert (rows[0]["what"], bad(rows)) == ("é", [(2, "4,\\x81,6")])

    def test_delimiter_beyond_ascii(self, read):
        rows = read('who¦what¦paid\n1¦"a¦b"¦3\n4¦5\n6¦x¦7\n'.encode(), delimiter="¦")
        assert (rows[0]["what"], bad(rows)) == ("a¦b", [(2, "4¦5")])

    @pytest.mark.parametrize("end", [b"\x1a", b"\n\x1a", b"\r\n\x1a\x1a"])
    @pytest.mark.parametrize("encoding", ["utf-8", "cp850", "utf-16"])
    def test_the_mark_of_dos_that_ends_a_text_is_no_line(self, read, end, encoding):
        content = (HEADER + b"1,tea,1\n2,jam,2" + end).decode().encode(encoding)
        rows = read(content, encoding=encoding)
        assert [(row["who"], row["paid"], row["defect"]) for row in rows] == [("1", "1", None), ("2", "2", None)]

    def test_a_text_that_breaks_off_is_refused_whatever_ends_it(self, read):
        with pytest.raises(FeedRefused, match="its last line, row 2, breaks off"):
            read(HEADER + b"1,tea,1\n2,ja\x1a")


class TestAboveTheHeader:
    @pytest.mark.parametrize("line", [b"sep=,", b'"sep=,"', b"SEP=,\r"])
    def test_line_that_declares_the_delimiter_is_none_of_the_table(self, read, line):
        assert good(read(line + b"\n" + HEADER + b"1,2,3\n4,5,6\n")) == [(1, "1"), (2, "4")]

    def test_lines_to_be_skipped(self, read):
        rows = read(b'"Corner Shop"\n"Printed:","today"\n\n' + HEADER + b'1,2,3\n"Total:","1"\n', skip_lines=3)
        assert (good(rows), bad(rows)) == ([(1, "1")], [(2, '"Total:","1"')])


class TestBounds:
    def test_header_of_many_megabytes_is_refused(self, read):
        with pytest.raises(FeedRefused, match="first line is longer than a megabyte"):
            read(b"who," + b"x" * 3_000_000 + b"\n1,2\n")

    def test_name_of_many_kilobytes_is_refused(self, read):
        with pytest.raises(FeedRefused, match="has a header of which a name cannot be told, or is too long"):
            read(b"who," + b"x" * 300_000 + b"\n1,2\n")

    def test_very_many_columns_are_refused(self, read):
        with pytest.raises(FeedRefused, match=r"a\.csv has 5,000 columns, more than 1,000"):
            read(b",".join(b"c%d" % n for n in range(5_000)) + b"\n")

    def test_file_that_grows_beyond_measure_is_refused(self, read, monkeypatch):
        monkeypatch.setattr(text_lines, "SMALL", 1_000_000)
        bomb = gzip.compress(HEADER + b"1,2,3\n" * 300_000)
        with pytest.raises(FeedRefused, match=r"more than 200 times .* when it is unpacked.*raise `most_unpacked`"):
            read(bomb, name="a.csv.gz")
        assert len(read(bomb, name="a.csv.gz", most_unpacked=1_000)) == 300_000


PIECES = [
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\r\n",
    b"a",
    b"\0",
    b"\xff",
    "é".encode(),
    b" ",
    b'""',
    b"1,2,3\n",
    b'x,"y',
    b"\x1a",
]
FIELD = st.sampled_from([b"1", b"", b'"x"', b'"a,b"', b'"a\nb"', b'7" x', b'"open', b'close"', b" ", "é".encode()])
LINE = st.lists(FIELD, min_size=2, max_size=4).map(b",".join)
BYTES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join),
    st.lists(LINE, max_size=12).map(b"\n".join),
    st.binary(max_size=60),
)


@pytest.fixture(scope="module")
def one_engine() -> Any:
    return connect()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BYTES)
def test_every_line_of_any_bytes_is_accounted_for(tmp_path, one_engine, encoding, body):
    content = HEADER + body
    refusal = None
    try:
        rows = rows_of(tmp_path, one_engine, content, encoding=encoding)
    except FeedRefused as error:
        rows, refusal = [], error
    assert "truncated" in refusal.message if refusal else not unaccounted(content, rows)


def test_every_line_of_a_damaged_feed_is_accounted_for(tmp_path, one_engine):
    draw = random.Random(1)
    clean = b"".join(b"H%d,article %d,%d.50\n" % (n % 40, n % 7, n) for n in range(300))
    for _ in range(60):
        body = bytearray(clean)
        for _ in range(draw.randint(1, 5)):
            place = draw.randrange(len(body))
            body[place:place] = draw.choice([b'"', b",", b"\n", b"\r", b"\xe9", b"\0", b'"\n"', body[:1000]])
        rows = rows_of(tmp_path, one_engine, HEADER + bytes(body) + b"x,y,1\n")
        assert unaccounted(HEADER + bytes(body) + b"x,y,1\n", rows) == []


@pytest.mark.parametrize("memory", [1_000_000, 1])
def test_rows_are_physical_lines_in_stretches_and_in_files_too_large_for_memory(read, monkeypatch, memory):
    monkeypatch.setattr(text, "STRETCH", 4)
    monkeypatch.setattr(text, "granted", lambda: memory)
    broken = {1, 2, 9, 17, 18, 19, 20, 21, 22, 40}
    rows = read(HEADER + b"".join(b"%d,tea\n" % row if row in broken else b"%d,tea,1\n" % row for row in range(1, 42)))
    assert good(rows) == [(row, str(row)) for row in range(1, 42) if row not in broken]
    assert [row for row, _ in bad(rows)] == sorted(broken)


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        (b"who,what,paid\na,b,1\na,c,2\na,d,3\n", {}),
        (b"who,what,paid\r\na,b,1\r\na,c,2\r\na,d,3", {}),
        (b'who,what,paid\na,b,1\na,"c,2\na,d,3\n', {}),
        (b"report\nwho,what,paid\na,b,1\na,c,2\n", {"skip_lines": 1}),
    ],
    ids=["plain", "DOS", "an open mark", "below a title"],
)
def test_a_text_as_long_as_a_sheet_is_told(tmp_path: Path, engine: Any, monkeypatch, content, settings) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    feed = FeedConfig.model_validate({"path": [str(tmp_path / "a.csv")], **settings})
    _, read = FeedReader(raw=tmp_path / "raw").read(feed, engine=engine, columns=())
    assert as_long_as_sheets(read) == []
    monkeypatch.setattr("resources.feeds.files.FULL_SHEETS", (4,))
    (says,) = as_long_as_sheets(read)
    assert "a.csv has 4 lines, as many as a sheet of Excel can have" in says


def test_a_header_alone_is_a_file_without_lines_also_where_the_engine_cannot_read_it_as_it_lies(
    tmp_path: Path, engine: Any, monkeypatch
) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER)
    monkeypatch.setattr(text, "_tried", lambda *_, **__: None)
    feed = FeedConfig(path=[str(tmp_path / "a.csv")])
    lines, (read,) = FeedReader(raw=tmp_path / "raw").read(feed, engine=engine, columns=())
    assert (lines.count().to_pyarrow().as_py(), read.lines) == (0, 1)
