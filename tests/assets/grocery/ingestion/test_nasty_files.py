"""Nasty files, each beside a good one: refused in our words or quarantined line by line, and the good one is taken."""

from __future__ import annotations

import bz2
import contextlib
import datetime as dt
import gzip
import io
import json
import os
import re
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.intake import Intake
from resources.config.feeds import FeedConfig, LandingConfig
from resources.config.retailer import Settings
from resources.errors import Unavailable
from resources.feeds import converted
from resources.feeds import lines as lines_of_text
from resources.feeds import parquet as parquet_files
from resources.feeds.converted import copy_name
from resources.feeds.landing import EVENT, SET_ASIDE
from resources.feeds.reader import FeedReader
from resources.feeds.redaction import redact_all
from resources.feeds.sources import blocks_of
from resources.records.feeds import Arrival

DAY = dt.date(2024, 1, 9)
HEADER = "customer,receipt,article,bought_at,items,paid"
GOOD = f"H-0001,R-1,P-001,{DAY} 09:00:00,1,1.00"


def text(*lines: str, header: str = HEADER, end: str = "\n") -> bytes:
    return end.join([header, *lines, ""]).encode()


def parquet(names: list[str] | None = None, rows: int = 2, values: dict[str, Any] | None = None) -> bytes:
    content, names = io.BytesIO(), names or HEADER.split(",")
    line = dict(zip(HEADER.split(","), good(1)[0].split(","), strict=True)) | (values or {})
    columns = [pa.array([line.get(name, line.get(name.lower(), "x"))] * rows) for name in names]
    pq.write_table(pa.table(columns, names=names), content, compression="zstd")
    return content.getvalue()


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in members.items():
            archive.writestr(name, each)
    return content.getvalue()


def as_parquet(lines: list[str]) -> bytes:
    content = io.BytesIO()
    values = zip(*(line.split(",") for line in lines), strict=True)
    pq.write_table(pa.table({name: list(each) for name, each in zip(HEADER.split(","), values, strict=True)}), content)
    return content.getvalue()


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def good(n: int) -> list[str]:
    return [GOOD.replace("R-1", f"R-{number + 2}") for number in range(n)]


def with_time(at: str) -> bytes:
    return text(*good(3), GOOD.replace(f"{DAY} 09:00:00", at))


BOMB = text(*good(1)) + (GOOD + "\n").encode() * 60_000  # more than 2 MB
# What is delivered; and of what can be read, how many lines it has and how many of them are good.
FILES: dict[str, tuple[str, Callable[[], bytes], tuple[int, int] | None]] = {
    "empty": (".csv", bytes, None),
    "a header alone": (".csv", text, None),
    "a header of megabytes": (".csv", lambda: text(GOOD, header=HEADER + "," + "x" * 3_000_000), None),
    "5,000 columns": (".csv", lambda: text(GOOD, header=HEADER + ",c" * 5_000), None),
    "5,000 columns, each its own": (
        ".csv",
        lambda: text(GOOD, header=",".join([HEADER, *(f"c{n}" for n in range(5_000))])),
        None,
    ),
    "5,000 columns of Parquet": (
        ".parquet",
        lambda: parquet([*HEADER.split(","), *(f"c{n}" for n in range(5_000))]),
        None,
    ),
    "a line of megabytes": (".csv", lambda: text(*good(3), "x" * 3_000_000), (4, 3)),
    "lines of megabytes among good ones": (
        ".csv",
        lambda: text(
            *(
                line
                for each in good(600)
                for line in ([each, "y" * 3_000_000] if each.endswith("0") and "R-100," in each else [each])
            )
        ),
        (601, 600),
    ),
    "quoted value of megabytes": (".csv", lambda: text(*good(3), '"' + "x" * 2_000_000 + '",R,P,T,1,1'), (4, 3)),
    "names of ours": (".csv", lambda: text(good(1)[0] + ",1,2", header=HEADER + ",__position,__number"), (1, 1)),
    "other names of ours": (".csv", lambda: text(good(1)[0] + ",1,2", header=HEADER + ",source_row,defect"), (1, 1)),
    "names of ours in Parquet": (".parquet", lambda: parquet([*HEADER.split(","), "__position", "__number"]), (2, 1)),
    "file_row_number in Parquet": (".parquet", lambda: parquet([*HEADER.split(","), "file_row_number"]), None),
    "filename in Parquet": (".parquet", lambda: parquet([*HEADER.split(","), "filename", "copy__0"]), (2, 1)),
    "a column twice": (".csv", lambda: text(GOOD + ",1", header=HEADER + ",paid"), None),
    "a column in two cases": (".csv", lambda: text(good(1)[0] + ",1", header=HEADER + ",PAID"), (1, 1)),
    "a column twice in Parquet": (".parquet", lambda: parquet([*HEADER.split(","), "paid"]), None),
    "a column in two cases, and neither as configured": (
        ".csv",
        lambda: text(GOOD + ",1", header=HEADER.replace("paid", "Paid") + ",PAID"),
        None,
    ),
    "a column in two cases in Parquet": (".parquet", lambda: parquet([*HEADER.split(","), "PAID"]), (2, 1)),
    "before Christ": (".csv", lambda: with_time("290309-12-22 (BC)"), (4, 3)),
    "year 294247": (".csv", lambda: with_time("294247-01-10 04:00:54"), (4, 3)),
    "infinity": (".csv", lambda: with_time("infinity"), (4, 3)),
    "epoch": (".csv", lambda: with_time("9" * 30), (4, 3)),
    "year 0": (".csv", lambda: with_time("0000-00-00 00:00:00"), (4, 3)),
    "times of Parquet beyond a calendar": (
        ".parquet",
        lambda: parquet_times([-(2**63) + 1, 2**63 - 1, 1_704_790_800_000_000]),
        (3, 1),
    ),
    "CRLF and LF": (".csv", lambda: text(*good(4), end="\r\n") + (good(5)[4] + "\n").encode(), (5, 5)),
    "lone CR": (".csv", lambda: text(*good(4), end="\r"), (4, 4)),
    "zero bytes": (".csv", lambda: text(*good(3), "\0" * 50), (4, 3)),
    "all zero bytes": (".csv", lambda: bytes(4096), None),
    "random bytes": (".csv", lambda: bytes(n * 37 % 251 for n in range(5000)), None),
    "UTF-16": (".csv", lambda: text(*good(3)).decode().encode("utf-16"), None),
    "gzip that is none": (".csv.gz", lambda: b"\x1f\x8bxxxx", None),
    "gzip cut off": (".csv.gz", lambda: gzip.compress(text(*good(99)))[:-20], None),
    "gzip bomb": (".csv.gz", lambda: gzip.compress(BOMB), None),
    "gzip bomb of one line": (".csv.gz", lambda: gzip.compress(text(GOOD) + b"x" * 5_000_000, 1), None),
    "bz2 bomb": (".csv.bz2", lambda: bz2.compress(bytes(3_000_000), 1), None),
    "zip bomb": (".csv.zip", lambda: zipped(a=bytes(3_000_000)), None),
    "zip of two": (".csv.zip", lambda: zipped(a=text(GOOD), b=text(GOOD)), None),
    "zip that is none": (".csv.zip", lambda: b"PK\x03\x04xxxxxxx", None),
    "zip in zip in zip": (".csv.zip", lambda: zipped(a=zipped(b=zipped(c=text(GOOD)))), None),
    "zstd that is none": (".csv.zst", lambda: b"\x28\xb5\x2f\xfdxxxxxxxxx", None),
    "workbook that is none": (".xlsx", lambda: zipped(a=b"x"), None),
    "workbook bomb": (".xlsx", lambda: zipped(**{"xl/workbook.xml": bytes(3_000_000)}), None),
    "workbook with a cell far away": (
        ".xlsx",
        lambda: zipped(**{"xl/worksheets/sheet1.xml": b'<row><c s="1" r="XFD1048576"/></row>'}),
        None,
    ),
    "Parquet of few rows and many bytes": (
        ".parquet",
        lambda: parquet(values={"article": "x" * 3_000_000}, rows=1),
        None,
    ),
    "a long line of JSON": (".jsonl", lambda: b'{"customer": "' + b"x" * 2_000_000 + b'"}', None),
    "Parquet that is none": (".parquet", lambda: b"PAR1xxxxxxxxPAR1", None),
    "Parquet cut off": (".parquet", lambda: parquet()[:-7], None),
    "Parquet with a header flipped": (".parquet", lambda: flipped(parquet(), 5), None),
    "Parquet with a footer flipped": (".parquet", lambda: flipped(parquet(), len(parquet()) - 6), None),
    "Parquet bomb": (".parquet", lambda: parquet(rows=500_000), None),
    "deep lines of JSON": (".jsonl", lambda: b"[" * 100_000, None),
    "deep value of JSON": (".jsonl", lambda: b'{"customer": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    "huge number in JSON": (".jsonl", lambda: b'{"customer": ' + b"9" * 100_000 + b"}", None),
    "an unknown ending": (".7z", lambda: b"7z\xbc\xaf\x27\x1c", None),
}


def parquet_times(times: list[int]) -> bytes:
    content = io.BytesIO()
    line = dict(zip(HEADER.split(","), GOOD.split(","), strict=True))
    columns = {name: pa.array([value] * len(times)) for name, value in line.items()}
    columns |= {
        "receipt": pa.array([f"R-{n + 2}" for n in range(len(times))]),
        "bought_at": pa.array(times, pa.timestamp("us")),
    }
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (converted, lines_of_text, parquet_files):
        monkeypatch.setattr(module, "SMALL", 2_000_000)  # so that the bombs are small
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def take_in(
    tmp_path: Path, place: Path, settings: Settings, tables, operations
) -> Callable[[], tuple[list[Arrival], cleaning.Cleaned]]:
    """Take the landing place in: what became of each file, and the lines."""
    landing = LandingConfig.model_validate({"path": f"{place}/{{date}}*"})
    feed = settings.transactions.model_copy(update={"path": [f"{tmp_path}/nothing/{{date}}.csv"]})
    own = settings.model_copy(update={"landing": landing, "transactions": feed})
    feeds = FeedReader(raw=tmp_path / "raw")

    def take() -> tuple[list[Arrival], cleaning.Cleaned]:
        intake = Intake(settings=own, feeds=feeds, tables=tables, operations=operations, good=None, say=print)
        lines, files = intake.of_days([DAY])
        cleaned = cleaning.clean(
            lines, feed, timezone="Europe/Berlin", first_day=DAY, last_day=DAY, since=DAY, until=DAY,
            landed=[file.day for file in files if file.day],
        )  # fmt: skip
        cleaned.refuse_unaccounted()
        return operations.records(Arrival), cleaned

    return take


RAW = re.compile(
    r"Error\b|Exception|Traceback|Invalid Input|Conversion|Duplicate struct|state machine|TProtocol|field larger"
)


def says_what_to_do(reason: str) -> bool:
    return "Remedy: " in reason and not RAW.search(reason)


def files_of(kind: str, *, are_read: bool) -> list[str]:
    """The names of :data:`FILES` that are kept as Parquet, or as text."""
    return [
        name
        for name, (ending, _, lines) in FILES.items()
        if (lines is not None) == are_read and copy_name(f"x{ending}").endswith(".parquet") == (kind == "parquet")
    ]


def put(place: Path, name: str) -> Path:
    ending, content, _ = FILES[name]
    file = place / f"{DAY}-{name.replace(' ', '-')}{ending}"
    file.write_bytes(content())
    return file


def put_good(place: Path, kind: str) -> Path:
    file = place / f"{DAY}.{kind}"
    file.write_bytes(text(GOOD) if kind == "csv" else as_parquet([GOOD]))
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_cannot_be_read_is_set_aside_with_its_reason_and_the_good_file_is_taken(
    kind: str, place: Path, take_in
) -> None:
    beside = put_good(place, kind)
    nasty = [put(place, name) for name in files_of(kind, are_read=False)]
    arrivals, cleaned = take_in()
    assert len(cleaned.transactions.to_pyarrow()) == 1
    reasons = {Path(arrival.path).name: arrival.reason for arrival in arrivals if arrival.outcome == Arrival.SET_ASIDE}
    assert sorted(reasons) == sorted(file.name for file in nasty)
    assert [Path(arrival.path).name for arrival in arrivals if arrival.outcome == Arrival.TAKEN] == [beside.name]
    assert [reason for reason in reasons.values() if not says_what_to_do(reason)] == []
    assert len(list((place / SET_ASIDE).iterdir())) == len(nasty)


@pytest.mark.parametrize("which", [*files_of("csv", are_read=True), *files_of("parquet", are_read=True)])
def test_what_can_be_read_is_read_to_its_last_line(which: str, place: Path, take_in) -> None:
    put_good(place, "csv" if which in files_of("csv", are_read=True) else "parquet")
    put(place, which)
    arrivals, cleaned = take_in()
    assert [arrival.outcome for arrival in arrivals] == [Arrival.TAKEN] * 2, [arrival.reason for arrival in arrivals]
    good, quarantined = len(cleaned.transactions.to_pyarrow()) - 1, len(cleaned.quarantine.to_pyarrow())
    assert (good + quarantined, good) == FILES[which][2]


def test_one_of_another_format_is_set_aside_and_the_first_is_taken(place: Path, take_in) -> None:
    put_good(place, "csv")
    (place / f"{DAY}.parquet").write_bytes(as_parquet(good(1)))
    arrivals, cleaned = take_in()
    assert {Path(each.path).suffix: each.outcome for each in arrivals} == {".csv": "taken", ".parquet": "set aside"}
    assert len(cleaned.transactions.to_pyarrow()) == 1


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    folder = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(path.name)
    finally:
        os.chdir(folder)


def _unreadable(path: Path) -> None:
    path.write_bytes(text(*good(1)))
    path.chmod(0)


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: (path / "inner").mkdir(parents=True),
    "a pipe": _fifo,
    "a socket": _socket,
    "a link that leads out": lambda path: path.symlink_to("/etc/hostname"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to(path.parent / "nothing"),
    "one that may not be read": _unreadable,
    "a link that leads round": lambda path: path.symlink_to(path),
    "more than the disk has": lambda path: (path.touch(), os.truncate(path, 1 << 43)),
}
NAMES = [b"-new\nline.csv", b"-\xff\xfe.csv", b"-\x1b[31m.csv", b"-" + b"n" * 230 + b".csv", b"-'\"$(id).csv"]


def test_what_is_no_file_is_set_aside_unopened(place: Path, take_in) -> None:
    put_good(place, "csv")
    for number, make in enumerate(NO_FILES.values()):
        make(place / f"{DAY}-{number}.csv")
    arrivals, cleaned = take_in()
    became = {Path(arrival.path).name: arrival for arrival in arrivals}
    assert became.pop(f"{DAY}.csv").outcome == Arrival.TAKEN
    is_root = os.getuid() == 0  # who may read everything
    assert len(became) == len(NO_FILES)
    for each in became.values():
        assert each.outcome == Arrival.SET_ASIDE or (is_root and "-6." in each.path)
        assert says_what_to_do(each.reason) or each.outcome != Arrival.SET_ASIDE, each.reason
    assert len(cleaned.transactions.to_pyarrow()) <= 2


def test_names_of_any_bytes_are_taken_and_told_on_one_line(place: Path, take_in) -> None:
    for number, name in enumerate(NAMES):
        with open(os.fsencode(place) + f"/{DAY}".encode() + name, "wb") as file:
            file.write(text(good(9)[number]))
    arrivals, cleaned = take_in()
    assert [arrival.outcome for arrival in arrivals] == [Arrival.TAKEN] * len(NAMES), [each.reason for each in arrivals]
    assert len(cleaned.transactions.to_pyarrow()) == len(NAMES)
    assert not [arrival.path for arrival in arrivals if not arrival.path.isprintable()]


EVENTS: dict[str, Callable[[Path], object]] = {
    "nested deep": lambda path: path.write_text("[" * 40_000),
    "a nested value": lambda path: path.write_text('{"a":' * 20_000 + "1" + "}" * 20_000),
    "huge": lambda path: path.write_text(json.dumps({"data": "x" * 200_000})),
    "no text": lambda path: path.write_bytes(b"\xff\xfe" * 99),
    "a pipe": _fifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to("/nothing"),
}


def test_an_event_that_is_none_sets_its_file_aside_alone(place: Path, take_in) -> None:
    put_good(place, "csv")
    for number, make in enumerate(EVENTS.values()):
        (place / f"{DAY}-{number}.csv").write_bytes(text(good(9)[number]))
        make(place / f"{DAY}-{number}.csv{EVENT}")
    arrivals, cleaned = take_in()
    became = {Path(arrival.path).name: arrival for arrival in arrivals}
    assert became.pop(f"{DAY}.csv").outcome == Arrival.TAKEN
    assert [each.outcome for each in became.values()] == [Arrival.SET_ASIDE] * len(EVENTS)
    assert [each.reason for each in became.values() if not says_what_to_do(each.reason)] == []
    assert len(cleaned.transactions.to_pyarrow()) == 1


def test_copies_of_what_is_refused_have_no_line_of_who_is_left_out(tmp_path: Path) -> None:
    other = good(1)[0].replace("H-0001", "H-0002")
    copies = {
        "a.csv": text(GOOD, other, GOOD.replace(",1.00", "")),
        "b.csv": gzip.compress(text(GOOD)),  # packed, whatever its name
        "c.csv.gz": gzip.compress(text(GOOD))[:-9],
        "d.parquet": as_parquet([GOOD])[:-9],
    }
    for name, content in copies.items():
        (tmp_path / name).write_bytes(content)
    redact_all([tmp_path / name for name in copies], FeedConfig(path=["x"]), "customer", "H-0001".__eq__)
    assert (tmp_path / "a.csv").read_text().splitlines() == [HEADER, "", other, ""]
    assert b"H-0001" not in gzip.decompress((tmp_path / "b.csv").read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_one_that_grows_while_it_is_read_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(text(GOOD))
    with open(file, "rb") as content:
        blocks = blocks_of(content, str(file), room=1 << 30)
        next(blocks)
        with open(file, "ab") as more:
            more.write(b"x")
        with pytest.raises(Unavailable, match="is being written while it is read"):
            list(blocks)
