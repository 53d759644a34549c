"""What is delivered in `bad_nights.py`: a day's file, harmed, and what else may lie in its place."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import socket
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Files = Mapping[str, bytes]


def text(day: dt.date, content: str, *, name: str = "") -> Files:
    return {name or f"{day}.csv": content.encode()}


def rows(content: str) -> tuple[str, list[str]]:
    header, *lines = content.splitlines()
    return header, lines


def joined(header: str, lines: Sequence[str]) -> str:
    return "\n".join([header, *lines]) + "\n"


def columns(content: str, change: Callable[[list[str]], list[str]]) -> str:
    return "\n".join(",".join(change(line.split(","))) for line in content.splitlines()) + "\n"


def each(content: str, place: int, change: Callable[[str], str]) -> str:
    """Change a column of every line but the header."""
    header, lines = rows(content)
    cells = [line.split(",") for line in lines]
    return joined(header, [",".join([*c[:place], change(c[place]), *c[place + 1 :]]) for c in cells])


def with_comma(day: dt.date, now: str, before: str) -> Files:
    return text(day, each(now, 5, lambda paid: '"' + paid.replace(".", ",") + '"'))


def half_a_parquet(day: dt.date, now: str, before: str) -> Files:
    import pandas as pd

    buffer = io.BytesIO()
    pd.read_csv(io.StringIO(now)).to_parquet(buffer, index=False)
    return {f"{day}.parquet": buffer.getvalue()[: buffer.tell() // 2]}


def cut(day: dt.date, now: str, before: str) -> Files:
    return {f"{day}.csv": now.encode()[: len(now) * 2 // 3]}


def cut_gzip(day: dt.date, now: str, before: str) -> Files:
    whole = gzip.compress(now.encode())
    return {f"{day}.csv.gz": whole[: len(whole) * 2 // 3]}


def mixed(day: dt.date, now: str, before: str) -> Files:
    header, lines = rows(now)
    return text(day, joined(header, [*lines, *rows(before)[1][:20]]))


def issued_anew(content: str) -> str:
    return each(content, 0, lambda household: f"C-{zlib.crc32(household.encode()) % 999_983:06}")


def big_lines(day: dt.date, now: str, before: str) -> Files:
    header, lines = rows(now)
    big = [
        ",".join([cells[0], cells[1], "P" * 3_000_000, *cells[3:]])
        for cells in (line.split(",") for line in lines[:20])
    ]
    return text(day, joined(header, [*lines, *big]))


def one_bit(content: bytes, place: float) -> bytes:
    """`content` with a bit of the byte at `place`, a share of its length, turned over."""
    at = int(len(content) * place)
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def as_parquet(content: str, *, times: int = 1) -> bytes:
    import pandas as pd

    buffer = io.BytesIO()
    pd.concat([pd.read_csv(io.StringIO(content))] * times, ignore_index=True).to_parquet(buffer, index=False)
    return buffer.getvalue()


def counts_one_less(content: bytes) -> bytes:
    """A Parquet file whose footer counts a row less than there are; no checksum covers it."""
    import pyarrow.parquet as pq

    rows = pq.read_metadata(io.BytesIO(content)).num_rows
    true, less = (
        b"\x16" + bytes([2 * n & 0x7F | 0x80, n >> 6]) for n in (rows, rows - 1)
    )  # as Thrift writes 64 … 8,191
    before, _, after = content.rpartition(true)  # of its last group
    return before + less + after


def as_json(content: str, *more: str) -> str:
    header, lines = rows(content)
    return "\n".join(
        [*(json.dumps(dict(zip(header.split(","), line.split(","), strict=True))) for line in lines), *more]
    )


def socket_at(file: Path) -> None:
    here = os.getcwd()
    os.chdir(file.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(file.name)
    os.chdir(here)


def with_columns(content: str, **more: str) -> str:
    header, lines = rows(content)
    return joined(",".join([header, *more]), [",".join([line, *more.values()]) for line in lines])


def bomb(day: dt.date, now: str, before: str) -> Files:
    """Two hundred megabytes of good lines in a file of less than one."""
    header, lines = rows(now)
    block = ("\n".join(lines) + "\n").encode()
    return {f"{day}.csv.gz": gzip.compress(header.encode() + b"\n" + block * (200_000_000 // len(block)), 9)}


def in_place(make: Callable[[Path], object]) -> Callable[[Path, dt.date], None]:
    """Something else than a file, made where the day's file should be."""

    def put(folder: Path, day: dt.date) -> None:
        (folder / f"{day}.csv").unlink(missing_ok=True)
        make(folder / f"{day}.csv")

    return put


IN_ITS_PLACE: dict[str, Callable[[Path, dt.date], None]] = {
    "a FIFO in the file's place": in_place(os.mkfifo),
    "a folder in the file's place": in_place(Path.mkdir),
    "a link to /dev/zero in its place": in_place(lambda file: file.symlink_to("/dev/zero")),
    "a link that leads round in its place": in_place(lambda file: file.symlink_to(file)),
    "a socket in its place": in_place(socket_at),
    "a link to /etc/passwd in its place": in_place(lambda file: file.symlink_to("/etc/passwd")),
}

# What is in the file, by name; those that should cost nothing are in HARMLESS.
HOSTILE: dict[str, Callable[[dt.date, str, str], Files]] = {
    "20 lines of 3 MB": big_lines,
    "gzip bomb": bomb,
    "Parquet of 600,000 rows more": lambda d, now, b: {f"{d}.parquet": as_parquet(now, times=3_000)},
    "one bit of a Parquet": lambda d, now, b: {f"{d}.parquet": one_bit(as_parquet(now), 0.4)},
    "a Parquet that counts one row less": lambda d, now, b: {f"{d}.parquet": counts_one_less(as_parquet(now))},
    "JSON with a name for every line": lambda d, now, b: {
        f"{d}.jsonl": as_json(now, *(f'{{"k{n}": 1}}' for n in range(20_000))).encode()
    },
    "half a sign in a line of JSON": lambda d, now, b: {f"{d}.jsonl": as_json(now, '{"customer": "\\ud800"}').encode()},
    "Parquet's header broken": lambda d, now, b: {f"{d}.parquet": one_bit(as_parquet(now), 0.001)},
    "header of 5 MB": lambda d, now, b: text(d, "x" * 5_000_000 + "," + now),
    "5,000 columns": lambda d, now, b: text(d, with_columns(now, **{f"c{n}": "1" for n in range(5_000)})),
    "columns of our own names": lambda d, now, b: text(
        d, with_columns(now, source_row="7", __position="1", defect="x")
    ),
    "columns that differ in case": lambda d, now, b: text(d, with_columns(now, CUSTOMER="H-0001")),
    "a column twice": lambda d, now, b: text(d, with_columns(now, customer="H-0001")),
    "CRLF and LF mixed": lambda d, now, b: text(d, now.replace("\n", "\r\n", now.count("\n") // 2)),
    "lone CR line ends": lambda d, now, b: text(d, now.replace("\n", "\r")),
    "a time before Christ": lambda d, now, b: text(d, now.replace(str(d), "290309-12-22 (BC)", 1)),
    "a NUL in a line": lambda d, now, b: text(d, now.replace("H-", "H\0-", 1)),
    "a quote that stays open": lambda d, now, b: text(d, now.replace("H-", '"H-', 1)),
    "UTF-16": lambda d, now, b: {f"{d}.csv": now.encode("utf-16")},
    "an archive of nothing": lambda d, now, b: {f"{d}.csv.zip": b"PK\x05\x06" + bytes(18)},
}
HARMLESS = {"CRLF and LF mixed"}


def half(catalogue: str) -> str:
    header, lines = rows(catalogue)
    return joined(header, lines[::2])


CATALOGUES: dict[str, Callable[[str], str]] = {
    "half of the catalogue": half,
    "a department spelt otherwise": lambda all_: all_.replace(",SERVICES", ",Services & more"),
    "catalogue empty": lambda all_: "",
    "catalogue's header alone": lambda all_: joined(rows(all_)[0], []),
}
