"""Archives, workbooks and lines of JSON: read as any other feed, kept so that a person can be taken out of them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.config.feeds import FeedConfig
from resources.errors import FeedRefused
from resources.feeds import converted, workbooks
from resources.feeds.redaction import redact

TEXT = b"who,what\n1,milk\n2\n3,tea\n"
JSON = b'{"who": 1, "what": "milk", "paid": 1.5, "tags": ["a"]}\n\n{"what": "tea", "who": 3}\n'


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)  # of 1980, whenever it is made
    return content.getvalue()


@pytest.fixture
def read(tmp_path: Path, feeds: Any, engine: Any) -> Callable[..., tuple[list[dict[str, Any]], Any]]:
    def write_and_read(name: str, content: bytes, **settings: Any) -> tuple[list[dict[str, Any]], Any]:
        (tmp_path / name).write_bytes(content)
        feed = FeedConfig.model_validate({"path": str(tmp_path / name), **settings})
        lines, (file,) = feeds.read(feed, engine=engine, columns=["who", "what"])
        return lines.order_by("source_row").to_pyarrow().to_pylist(), file

    return write_and_read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.zip", zipped(x=TEXT)),
        ("A.ZIP", zipped(**{"sales.csv": TEXT})),
        ("a.csv.bz2", bz2.compress(TEXT)),
        ("a.csv.zip.bz2", bz2.compress(zipped(x=TEXT))),
    ],
    ids=["zip", "capitals", "bz2", "zip in bz2"],
)
def test_archives_are_what_is_in_them(read, name, content):
    rows, file = read(name, content)
    assert [(row["who"], row["source_row"], bool(row["defect"])) for row in rows] == [
        ("1", 1, False),
        ("2", 2, True),
        ("3", 3, False),
    ]
    assert file.copy.read_bytes() == TEXT


@pytest.mark.parametrize("name", ["a.csv.zip", "a.zip", "a.csv.bz2", "a.csv.zst"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["text", "gzip", "bz2"])
def test_what_is_packed_is_told_by_its_bytes(read, name, pack):
    rows, file = read(name, pack(TEXT))
    assert (len(rows), file.copy.read_bytes()) == (3, TEXT)


def test_packed_lines_of_json_are_told_by_their_bytes(read):
    assert len(read("a.jsonl", gzip.compress(JSON))[0]) == len(read("b.jsonl.gz", JSON)[0]) == 2


def test_files_of_one_header_in_an_archive_are_one_after_the_other(read):
    parts = {
        "b/.DS_Store": b"\0",
        "__MACOSX/b/2.csv": b"\0",
        "b/2.csv": b"\xef\xbb\xbfwho,what\r\n4,jam\r\n",
        "b/1.csv": TEXT.removesuffix(b"\n"),
        "b/0.csv": b"",
        "b/3.csv": b"who,what",
    }
    rows, _ = read("a.zip", zipped(**parts))
    assert [(row["who"], row["what"], row["source_row"]) for row in rows] == [
        ("1", "milk", 1),
        ("2", None, 2),
        ("3", "tea", 3),
        ("4", "jam", 4),
    ]


def test_zstd(read, tmp_path):
    with pa.CompressedOutputStream(str(tmp_path / "made"), "zstd") as stream:
        stream.write(TEXT)
    assert len(read("a.csv.zst", (tmp_path / "made").read_bytes())[0]) == 3


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_lines_of_json_keep_their_types(read, pack):
    rows, file = read("a.jsonl" + ".gz" * (pack is gzip.compress), pack(JSON))
    assert [(row["who"], row["what"], row["paid"], row["tags"]) for row in rows] == [
        (1, "milk", 1.5, '["a"]'),
        (3, "tea", None, None),
    ]
    assert redact([file.copy], FeedConfig(path=["x"]), "who", "3".__eq__) == 1
    assert pq.read_table(file.copy)["who"].to_pylist() == [1, None]


VALUES = {
    "wholes": ([1, None, 2**60], [1, None, 2**60]),
    "numbers": ([1, 2.5, None], [1.0, 2.5, None]),
    "long_ones": ([2**60 + 1, None, 2.5], ["1152921504606846977", None, "2.5"]),
    "beyond": ([1, 2, 2**64], ["1", "2", "18446744073709551616"]),
    "mixed": ([1, "x", True], ["1", "x", "true"]),
    "nested": ([None, {"a": 1}, "x"], [None, '{"a": 1}', "x"]),
    "later": ([..., ..., "x"], [None, None, "x"]),
    "nothing": ([None, None, None], [None, None, None]),
}


@pytest.mark.parametrize("held", [1, 2, 100])
def test_types_of_json_are_those_of_all_lines_however_few_are_held(read, monkeypatch, held):
    monkeypatch.setattr(converted, "LINES_HELD", held)
    objects = [{name: of[n] for name, (of, _) in VALUES.items() if of[n] is not ...} for n in range(3)]
    lines = "".join(json.dumps({"who": n, "what": "x", **each}) + "\n" for n, each in enumerate(objects))
    rows, _ = read("a.jsonl", lines.encode())
    assert {name: [row[name] for row in rows] for name in VALUES} == {name: of for name, (_, of) in VALUES.items()}


def test_line_that_is_no_json_is_set_aside_with_its_row_and_reason(read):
    rows, file = read(
        "a.jsonl", b'{"who": 1, "what": "x"}\nwho 7, oops\n\n{"who": 3}\n' + b"[" * (1 << 21) + b"\n" + b'{"who": 4}'
    )
    assert [(row["source_row"], row["who"], row["defect"]) for row in rows] == [
        (1, 1, None),
        (2, None, "line 2 is no JSON object"),
        (3, 3, None),
        (4, None, "line 5 has more than 1,048,576 bytes, of which only the beginning is kept"),
        (5, 4, None),
    ]
    assert rows[1]["nightcart_line"] == "who 7, oops"
    assert dict(file.columns) == {"who": "integer", "what": "text"}
    assert redact([file.copy], FeedConfig(path=["x"]), "who", "7".__eq__) == 1
    assert "oops" not in str(pq.read_table(file.copy)["nightcart_line"].to_pylist())


@pytest.mark.parametrize("content", [b"oops\n", b'{"who": 1}\n{"who": '], ids=["no line is one", "cut off"])
def test_file_of_json_that_is_none_or_breaks_off_is_refused(read, content):
    with pytest.raises(FeedRefused, match=r"a\.jsonl, line \d is no JSON object: "):
        read("a.jsonl", content)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.zip", zipped(a=TEXT, b=b"what,who\n"), r"holds 2 files \(a, b\).*`unzip /.*/a\.zip -d /.*/a_unzipped`"),
        ("a.zip", zipped(a=JSON, b=JSON + b"\n"), r"holds 2 files \(a, b\)"),
        ("a.zip", zipped(a=TEXT, b=TEXT), r"holds the same file twice, among a, b\. Remedy: pack each file once"),
        ("a.zip", zipped(), "holds 0 files"),
        ("a.zip", zipped(a=TEXT)[:-30], "truncated or unreadable"),
        ("a.csv.bz2", bz2.compress(TEXT)[:-5], "truncated or unreadable|has no header"),
        ("a.csv.zst", b"\0nonsense", "truncated or unreadable"),
        ("a.json", b'{"who": {"0": 1}, "what": {"0": "tea"}}', "is one object, with the columns.*orient='records'"),
        (
            "a.json",
            b'{"columns": ["who", "what"], "data": [[1, "tea"]]}',
            "is one object, with the columns.*orient='records'",
        ),
        ("a.xlsx", b"nonsense", r"no workbook that can be read.*begins with b'nonsense'.*give it the ending \.csv"),
    ],
    ids=[
        "two kinds",
        "two of JSON",
        "one twice",
        "no file",
        "zip cut off",
        "bz2 cut off",
        "no zstd",
        "columns",
        "a table",
        "no workbook",
    ],
)
def test_what_cannot_be_taken_apart_is_refused(read, name, content, why):
    with pytest.raises(FeedRefused, match=why):
        read(name, content)


def test_archive_that_grows_beyond_measure_is_refused(read, monkeypatch):
    monkeypatch.setattr(converted, "SMALL", 1000)
    with pytest.raises(FeedRefused, match=r"bytes when it is unpacked.*most_unpacked"):
        read("a.zip", zipped(a=TEXT * 100_000))


def test_archive_that_says_it_has_more_than_it_has_is_bounded_all_the_same(read, monkeypatch):
    monkeypatch.setattr(converted, "SMALL", 1000)
    monkeypatch.setattr(converted, "BLOCK", 4096)
    content = bytearray(zipped(a=TEXT + Random(1).randbytes(50_000).hex().encode()))  # packed, half of that
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 24] = b"\xff\xff\xff\x0f"  # the packed bytes, in the archive's list
    # Python 3.13 sees by itself that the entry reaches into the list behind it.
    with pytest.raises(FeedRefused, match=r"bytes when it is unpacked.*most_unpacked|possible zip bomb"):
        read("a.zip", bytes(content), most_unpacked=1)


def test_half_of_a_sign_is_no_text(read):
    half = b'{"who": 1, "what": "\\ud83d"}\n{"who": 2, "what": "\\ud83d\\ude00"}\n{"\\udc00": 1}\n'
    rows, _ = read("a.jsonl", JSON + half)
    assert [(row["who"], row["what"], row["defect"]) for row in rows[2:]] == [
        (None, None, "line 4 is no JSON object"),
        (2, "😀", None),
        (None, None, "line 6 is no JSON object"),
    ]


def test_a_name_of_its_own_for_every_line_is_refused(read):
    with pytest.raises(FeedRefused, match=r"a\.jsonl has more than 1,000 columns by line 1,000"):
        read("a.jsonl", JSON + b"".join(b'{"k%d": 1}\n' % number for number in range(5_000)))


class FullSheets:
    """A workbook of the reader's, whose sheets have so many lines."""

    sheet_names = ("sales",)

    def __init__(self, lines: int) -> None:
        self.height = lines

    def get_sheet_by_name(self, name: str) -> FullSheets:
        return self

    def to_python(self, *, skip_empty_area: bool) -> list[list[str]]:
        return [["household"]] * self.height


@pytest.mark.parametrize("sheet", [None, "sales"])
def test_a_sheet_that_is_full_is_refused(sheet):
    assert workbooks._rows(FullSheets(65_535), "a.xls", sheet).num_rows == 65_534
    with pytest.raises(FeedRefused, match=r"a\.xls has 65,536 lines in its sheet sales, as many as a sheet can have"):
        workbooks._rows(FullSheets(65_536), "a.xls", sheet)


def workbook(**sheets: list[list[Any]]) -> bytes:
    """A workbook with inline texts and numbers, as small as one can be."""
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
        'Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
    }
    names, links = "", ""
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        names += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
        links += (
            f'<Relationship Id="r{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
            f'Target="worksheets/sheet{number}.xml"/>'
        )
        cells = "".join(
            f'<row r="{r}">'
            + "".join(
                f'<c r="{"ABCDEF"[c]}{r}" t="inlineStr"><is><t>{value}</t></is></c>'
                if isinstance(value, str)
                else f'<c r="{"ABCDEF"[c]}{r}"><v>{value}</v></c>'
                for c, value in enumerate(row)
            )
            + "</row>"
            for r, row in enumerate(rows, start=1)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cells}</sheetData>'
            "</worksheet>"
        )
    parts["xl/workbook.xml"] = (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        f'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{names}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{links}</Relationships>'
    )
    return zipped(**{name: text.encode() for name, text in parts.items()})


class TestWorkbooks:
    ROWS: ClassVar = [["who", "what", "paid"], [1, "milk", 1.5], [2, "tea", 2]]

    def test_sheet_is_a_table_of_texts(self, read):
        rows, _ = read("a.xlsx", workbook(Sales=self.ROWS))
        assert [(row["who"], row["what"], row["paid"], row["source_row"]) for row in rows] == [
            ("1", "milk", "1.5", 1),
            ("2", "tea", "2", 2),
        ]

    def test_sheet_is_named_where_there_are_several(self, read):
        content = workbook(Notes=[["x"]], Sales=self.ROWS)
        with pytest.raises(FeedRefused, match=r"has 2 sheets: Sales, Notes\. Remedy: write sheet = \"Sales\" or"):
            read("a.xlsx", content)
        assert len(read("a.xlsx", content, sheet="Sales")[0]) == 2
        with pytest.raises(FeedRefused, match=r"has no sheet 'Other'; it has Notes, Sales"):
            read("a.xlsx", content, sheet="Other")

    def test_one_that_needs_more_than_there_is_ends_no_process_but_its_own(self, read, monkeypatch):
        monkeypatch.setattr(workbooks, "granted", lambda: 200_000_000)
        far = workbook(Sales=[*self.ROWS, ["x"]])
        content = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(far)) as given, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
            for name in given.namelist():
                made.writestr(name, given.read(name).replace(b'"A4"', b"'XFD1048576'").replace(b'"4"', b'"1048576"'))
        with pytest.raises(FeedRefused, match=r"takes more than 600 seconds or 190 MB to be read.*NIGHTCART_MEMORY"):
            read("a.xlsx", content.getvalue())


def test_values_with_their_types_as_mongodb_writes_them_are_the_values(read):
    rows, _ = read("a.json", b'{"who": {"$numberLong": "7"}, "what": {"$date": "2024-01-31"}, "n": {"$x": 1}}\n')
    assert [(row["who"], row["what"], row["n"]) for row in rows] == [(7, "2024-01-31", '{"$x": 1}')]


def test_unions_as_avro_writes_them_are_the_values(read):
    rows, _ = read(
        "a.json", b'{"who": {"string": "K1"}, "what": {"long": 7}, "n": {"N": "2"}, "o": {"string": 1, "x": 2}}\n'
    )
    assert [(row["who"], row["what"], row["n"], row["o"]) for row in rows] == [("K1", 7, "2", '{"string": 1, "x": 2}')]


def test_lines_of_dynamodb_are_what_is_in_their_envelope(read):
    line = b'{"Item": {"who": {"S": "17"}, "what": {"N": "2"}, "is_gift": {"BOOL": false}, "at": {"NULL": true}}}\n'
    rows, _ = read("a.json.gz", gzip.compress(line))
    assert [(row["who"], row["what"], row["is_gift"], row["at"]) for row in rows] == [("17", "2", False, None)]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"who": 1, "what": "a\\nb"},\n{"who": 20000000000000001,\r\n "what": null}]\n',
        b'{\n"who": 1,\n"what": "a\\nb"}\n{\n"who": 20000000000000001}\n',
        b'{"who": 1, "what": "a\\nb"}{"who": 20000000000000001}',
    ],
    ids=["a list", "objects over several lines", "objects on one line"],
)
def test_objects_that_are_not_one_a_line_are_read_too(read, content):
    rows, _ = read("a.json", content)
    assert [(row["who"], row["what"], row["source_row"]) for row in rows] == [
        (1, "a\nb", 1),
        (20000000000000001, None, 2),
    ]
    with pytest.raises(FeedRefused, match=r"a\.json is JSON that breaks off, or is none"):
        read("a.json", content[:-4])


def test_one_object_of_a_whole_file_is_refused_with_what_takes_it_apart(read):
    orders = ", ".join('{"who": 1, "items": [{"what": "x"}]}' for _ in range(50_000))
    with pytest.raises(
        FeedRefused, match=r"line 1 has more than .*`cat /.* \| jq -c '\.\. \| \.orders\? \| arrays \| \.\[\]' > /"
    ):
        read("a.json", f'{{"shop": "N", "data": {{"orders": [{orders}]}}}}'.encode())
