"""Headers below the header, and in the middle of a file: told by the file alone, and set aside with what they are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.config.feeds import FeedConfig
from resources.feeds import second_headers
from resources.feeds.second_headers import AGAIN, OF_NAMES, OF_TYPES, OF_UNITS, RULED, below_header

RECORDS = ["K1;R1;tea;2024-01-31;2;3,50", "K2;R2;jam;2024-01-31;1;1,20", "K1;R3;rye;2024-02-01;3;4,00"]


def rows(*lines: str) -> list[tuple[int, list[str]]]:
    return [(row, line.split(";")) for row, line in enumerate(lines, start=1)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("string;string;string;timestamp;int64;double", OF_TYPES),
        ("varchar(20);text;NVARCHAR(40);date;integer;decimal(10, 2)", OF_TYPES),
        (";;;;Stk;EUR", OF_UNITS),
        (";;;(datetime);(pcs);(€)", OF_UNITS),
        ("text;;text;datetime;pcs;EUR", OF_UNITS),
        ("Kunde;Beleg;Artikel;Datum;Menge;Umsatz", OF_NAMES),
        ("-----;-----;-----;-----;-----;-----", RULED),
        ("K3;R4;tea;2024-02-01;1;1,75", None),
        ("guest;;tea;2024-02-01;;", None),
        ("TOTAL;;;;;", None),
        (";;;;;", None),
    ],
)
def test_what_a_first_line_is(line, what):
    assert below_header(rows(line, *RECORDS)) == ([(1, what)] if what else [])


def test_several_stand_one_below_the_other_and_nothing_else_between():
    names, units = "Kunde;Beleg;Artikel;Datum;Menge;Umsatz", ";;;;Stk;EUR"
    assert below_header(rows(names, units, *RECORDS)) == [(1, OF_NAMES), (2, OF_UNITS)]
    assert below_header(rows(RECORDS[0], names, *RECORDS)) == []


def test_words_are_no_header_where_the_lines_below_have_no_digits_either():
    assert below_header(rows("anna;tea", "bert;jam", "carl;rye")) == []
    assert below_header(rows("string;string", "anna;tea")) == [(1, OF_TYPES)]


def test_of_columns_that_no_line_fills_all_of_those_that_are_filled_count():
    gaps = ("anna;;tea;", "bert;2024-02-01;jam;1", ";2024-02-02;rye;", "carl;;jam;2", "anna;2024-02-03;;1")
    assert below_header(rows("who;when it was;what;how many", *gaps)) == [(1, OF_NAMES)]
    for record in ("dora;;tea;", "dora;2024-02-01;tea;3", "dora;NULL;tea;3"):
        assert below_header(rows(record, *gaps)) == []


def test_header_again_behind_the_mark_of_another_file_is_one(tmp_path, engine, feeds):
    part = b"\xef\xbb\xbfwho,what\nK1,A1\n"
    (tmp_path / "a.csv").write_bytes(part * 2)
    read, _ = feeds.read(FeedConfig(path=[str(tmp_path / "a.csv")]), engine=engine, columns=["who", "what"])
    assert read.order_by("source_row").to_pyarrow()["defect"].to_pylist() == [None, AGAIN, None]


@pytest.mark.parametrize("mark", ["\n", "\r", "\n\n"])
def test_headers_are_set_aside_and_counted(tmp_path, engine, feeds, mark):
    lines = ["who,what,items", "string,string,int", "K1,A1,2", "Who,WHAT,items", "K2,A2,1", "items,what,who"]
    (tmp_path / "a.csv").write_bytes(mark.join(lines).encode())
    read, _ = feeds.read(FeedConfig(path=[str(tmp_path / "a.csv")]), engine=engine, columns=["who", "what"])
    found = read.order_by("source_row").to_pyarrow().to_pylist()
    assert [(row["who"], row["defect"]) for row in found] == [
        ("string", OF_TYPES),
        ("K1", None),
        ("Who", AGAIN),
        ("K2", None),
        ("items", None),
    ]
    assert second_headers.NO_RECORD in AGAIN


def test_rows_of_texts_have_them_too_and_those_of_other_types_have_none(tmp_path, engine, feeds):
    texts = pa.table({"who": ["Kunde", "K1", "K2"], "items": ["Menge", "2", "1"]})
    pq.write_table(texts, tmp_path / "a.parquet")
    pq.write_table(pa.table({"who": ["char", "K1", "K2"], "items": [0, 2, 1]}), tmp_path / "b.parquet")
    for name, defects in (("a", [OF_NAMES, None, None]), ("b", [None] * 3)):
        feed = FeedConfig(path=[str(tmp_path / f"{name}.parquet")])
        read, _ = feeds.read(feed, engine=engine, columns=["who"])
        assert read.order_by("source_row").to_pyarrow()["defect"].to_pylist() == defects
