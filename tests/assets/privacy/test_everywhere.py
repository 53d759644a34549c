"""Everything below the state folder: whatever writes an identifier, wherever, is found, and what can be cleaned is."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.privacy.clean import clean
from assets.privacy.containers import Unsearchable
from assets.privacy.everywhere import look, needles_of, remove_leftovers, sweep
from assets.privacy.needles import Needles
from assets.privacy.personal_data import ErasureScope
from assets.privacy.search import search
from resources.feeds.redaction import tokens
from tests.assets.privacy.test_erasure import do, shop  # noqa: F401 - a fixture

WHO, OTHER = "H-0007", "H-00071"
NOW = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)
TEXT = f"customer,article\n{WHO},P-1\n{OTHER},P-2\nH-0008,P-3\n"
LEFT = TEXT.replace(f"{WHO},P-1", "")


def needles(subject: str = WHO, **more: Any) -> Needles:
    return Needles(subject=subject, columns=("household_id", "customer"), **more)


def zipped(name: str, content: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        archive.writestr(name, content)
    return made.getvalue()


def unzipped(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def parquet(**columns: list[Any]) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made, compression="zstd")
    return made.getvalue()


def packed(kind: str, content: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, kind) as into:
        into.write(content)
    return made.getvalue().to_pybytes()


def unpacked(kind: str, content: bytes) -> bytes:
    return pa.CompressedInputStream(pa.py_buffer(content), kind).read()


# How a file is packed, and its text again.
PACKS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "plain": (bytes, bytes),
    "gzip": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "zstd": (lambda each: packed("zstd", each), lambda each: unpacked("zstd", each)),
    "lz4": (lambda each: packed("lz4", each), lambda each: unpacked("lz4", each)),
    "zip": (lambda each: zipped("a.csv", each), unzipped),
    "zip in gzip in zip": (
        lambda each: zipped("a", gzip.compress(zipped("b", each))),
        lambda each: unzipped(gzip.decompress(unzipped(each))),
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "cp500", "cp1252"])
@pytest.mark.parametrize("how", PACKS)
def test_its_lines_go_out_of_any_pack_and_encoding(tmp_path: Path, how: str, encoding: str) -> None:
    pack, unpack = PACKS[how]
    file = tmp_path / "kept"
    file.write_bytes(pack(TEXT.encode(encoding)))
    assert search([tmp_path], needles()).found
    clean(file, needles(), lines=True)
    assert unpack(file.read_bytes()).decode(encoding) == LEFT
    assert not search([tmp_path], needles()).found


@pytest.mark.parametrize(
    "text",
    [
        'x H-0007"x,R-1',
        "xH-0007y",
        r"{\"log\": \"a\nH-0007 came\"}",
        "a%20H-0007%20b",
        "H-0007",
        "H-0007_H-0008",
        "0H-0007",
        "of household H-0007.",
    ],
)
def test_one_that_is_glued_to_something_is_found_and_another_is_not(text: str) -> None:
    assert needles().are_in(text.encode())
    assert not needles().are_in(text.replace(WHO, OTHER).encode())
    assert WHO not in needles().without(text.encode()).decode()


def test_what_is_known_of_another_is_not_taken_for_it() -> None:
    assert needles().are_in(b"AH-0007")
    assert not needles(others=("AH-0007",)).are_in(b"AH-0007")
    assert needles(others=("AH-0007",)).are_in(b"AH-0007 H-0007")


@pytest.mark.parametrize("who", ["O'Neil, jr", 'the "Smiths"', "ümlaut,comma", "two words"])
def test_every_way_to_write_it_is_found(who: str) -> None:
    ways = [who, json.dumps(who), json.dumps(json.dumps({"a": who})), who.replace('"', '""'), who.replace("'", "''")]
    assert [way for way in ways for code in ("utf-8", "utf-16-le") if not needles(who).are_in(way.encode(code))] == []


def test_of_a_short_number_bytes_prove_nothing_but_beside_its_column() -> None:
    short = needles("7")
    assert not short.is_telling
    assert not short.are_in(b'{"items": 7, "paid": "7", "at": "07:07:07", "row": [7, 77]}')
    assert short.are_in(b'{"household_id": 7}')
    assert short.are_in('{"customer": "7"}'.encode("utf-16"))
    assert not short.are_in(b'{"household_id": 71, "customer": "17"}')
    assert short.without(b'{"household_id": "7", "items": 7}') == b'{"household_id": "0", "items": 7}'
    # A number of many digits is found wherever it stands alone.
    assert needles("4012345678").are_in(b"x4012345678y")
    assert not needles("4012345678").are_in(b"40123456789")


def test_a_broken_line_may_be_of_whoever_is_glued_to_something_in_it() -> None:
    assert WHO in tokens('H-0007"x,R-1', ",")
    assert WHO in tokens("R-1 xH-0007y", ",")
    assert WHO not in tokens("H-00071;R-1", ",")
    assert "7" in tokens('7"x,R-1', ",")
    assert "7" not in tokens("R-7,2024-03-07 07:30,1.7", ",")


def test_columns_of_parquet_are_decoded_and_its_rows_emptied(tmp_path: Path) -> None:
    file = tmp_path / "kept.parquet"
    file.write_bytes(
        parquet(who=["H-0008", None, WHO], note=["a", "b\nH-0007;", "c"], n=[1, 2, 3], of=[["x"], [WHO], []])
    )
    assert search([tmp_path], needles()).found[file][1:] == ["column who", "column note", "column of"]
    clean(file, needles(), lines=True)
    rows = pq.read_table(file).to_pylist()
    assert rows == [{"who": "H-0008", "note": "a", "n": 1, "of": ["x"]}] + [dict.fromkeys(rows[0])] * 2
    assert not search([tmp_path], needles()).found


def test_a_number_is_found_in_columns_of_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(items=[7], paid=[7.0]))
    (tmp_path / "b.parquet").write_bytes(parquet(household_id=[7]))
    assert [file.name for file in search([tmp_path], needles("7")).found] == ["b.parquet"]


def test_databases_are_cleaned_down_to_their_journal_and_free_pages(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT, packed BLOB)")
    writer.execute("INSERT INTO events VALUES (1, ?, ?)", ("x" * 9000 + WHO, f"{WHO} {OTHER}".encode("utf-16-le")))
    writer.execute("INSERT INTO events VALUES (2, ?, NULL)", (f"deleted {WHO}",))
    writer.execute("DELETE FROM events WHERE id = 2")
    writer.commit()
    assert (tmp_path / "events.db-wal").exists()
    found = search([tmp_path], needles()).found
    assert {file.name for file in found} == {"events.db", "events.db-wal"}
    for each in sorted(found):
        clean(each, needles(), lines=False)
    assert not search([tmp_path], needles()).found
    (row,) = sqlite3.connect(file).execute("SELECT length(body), packed FROM events").fetchall()
    assert row == (9006, f"xxxxxx {OTHER}".encode("utf-16-le"))
    writer.close()


def test_what_cannot_be_looked_through_is_named_with_why(tmp_path: Path) -> None:
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c rest")
    (tmp_path / "b.gz").write_bytes(gzip.compress(os.urandom(9999))[:-99])
    (tmp_path / "c.zip").write_bytes(_with_password(zipped("a", b"x" * 99)))
    os.mkfifo(tmp_path / "d")
    (tmp_path / "e").symlink_to("/etc/hostname")
    (tmp_path / "f.db").write_bytes(b"SQLite format 3\0" + b"x" * 9999)
    (tmp_path / "g").symlink_to(tmp_path / "g")
    (tmp_path / "h.avro").write_bytes(b"Obj\x01 rest")
    (tmp_path / "i").write_bytes(zlib.compress(b"x" * 99))
    closed = search([tmp_path], needles()).closed
    assert [Path(path).name for path in sorted(closed)] == ["a.7z", "b.gz", "c.zip", "d", "e", "f.db", "h.avro", "i"]
    assert not [why for why in closed.values() if "Error" in why]
    with pytest.raises(Unsearchable):
        clean(tmp_path / "c.zip", needles(), lines=True)


def _with_password(archive: bytes) -> bytes:
    """The archive with the flag of one that has a password."""
    place = archive.index(b"PK\x01\x02")
    return archive[:6] + b"\x01" + archive[7 : place + 8] + b"\x01" + archive[place + 9 :]


# On a store


PLANTED: dict[str, bytes] = {
    "landing/set_aside/12-2024.csv": TEXT.encode(),
    "landing/set_aside/13-2024.csv.gz": gzip.compress(TEXT.encode("utf-16"))[:-4],  # cut off
    "raw/0123/2024.csv": TEXT.replace("customer", "shopper").encode("utf-16"),
    "raw/4567/lines.jsonl": json.dumps({"customer": WHO}).encode(),
    "raw/89ab/all.zip": zipped("a.csv.gz", gzip.compress(TEXT.encode())),
    "raw/.part-1": TEXT.encode(),
    "raw/cdef/.part-2": TEXT.encode(),
    "spill/duckdb_temp_block-1.tmp": TEXT.encode(),
    "dagster/storage/run/compute_logs/out.err": f"household {WHO} came\n".encode(),
    "dagster/storage/asset": b"\x80\x04" + json.dumps({"of": WHO}).encode("utf-16-le"),
    "mlflow/artifacts/1/notes.json": json.dumps([WHO, OTHER]).encode(),
    f"exports/{WHO}.csv": b"nothing\n",
    f"exports/{WHO} of May/rows.parquet": parquet(note=[f"x{WHO}y"]),
    "tables/transactions/_delta_log/.tmp-1": TEXT.encode(),
}


@pytest.fixture
def planted(shop: Callable[..., ErasureScope]) -> ErasureScope:  # noqa: F811
    scope = shop(WHO, OTHER)
    for name, content in PLANTED.items():
        file = scope.state / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return scope


def test_wherever_it_was_planted_it_is_nowhere_and_others_stay(planted: ErasureScope) -> None:
    everywhere = do(planted, WHO).everywhere
    # A product of that name is no household.
    assert {Path(path).name: why for path, why in everywhere.left.items()} == {
        "products": "the table has it where it names no household (column product_id)"
    }
    assert everywhere.closed == {}
    for name in (
        "raw/.part-1",
        "raw/cdef/.part-2",
        "spill/duckdb_temp_block-1.tmp",
        "landing/set_aside/13-2024.csv.gz",
    ):
        assert not (planted.state / name).exists(), name
    assert (planted.state / "landing/set_aside/12-2024.csv").read_text() == LEFT
    assert json.loads((planted.state / "mlflow/artifacts/1/notes.json").read_text()) == ["xxxxxx", OTHER]
    assert not list(planted.state.rglob(f"*{WHO}*"))
    assert len([path for path in (planted.state / "exports").rglob("*") if path.is_file()]) == 2
    assert planted.operations.flaws() == []
    assert do(planted, WHO).before


def test_a_number_of_few_digits_goes_out_of_files_that_were_set_aside(shop: Callable[..., ErasureScope]) -> None:  # noqa: F811
    scope = shop("1510", "1511")
    aside = scope.state / "landing" / "set_aside"
    aside.mkdir(parents=True)
    sales = "customer,article\n1511,P-1\n1510,P-2\n1511,P-1510\n"
    (aside / "a.csv").write_text(sales)
    (aside / "b.csv.gz").write_bytes(gzip.compress(sales.encode()))
    (aside / "c.csv").write_bytes(sales.encode("utf-16"))
    (aside / "d.csv.zip").write_bytes(zipped("d.csv", sales.encode()))
    (aside / "e.csv").write_text(sales.replace(",", ";"))  # no column of its name: in doubt, its line goes
    (aside / "f.csv").write_text("customer,article\n1511,P-1\n")
    do(scope, "1510")
    left = sales.replace("1510,P-2", "")
    assert (aside / "a.csv").read_text() == gzip.decompress((aside / "b.csv.gz").read_bytes()).decode() == left
    assert (aside / "c.csv").read_bytes().decode("utf-16") == left
    assert not (aside / "d.csv.zip").exists()
    assert "1510;P-2" not in (aside / "e.csv").read_text()
    assert (aside / "f.csv").read_text() == "customer,article\n1511,P-1\n"


def test_a_folder_that_is_a_link_to_another_disk_is_looked_through(planted: ErasureScope, tmp_path: Path) -> None:
    planted.raw.rename(tmp_path / "disk")
    planted.raw.symlink_to(tmp_path / "disk")
    assert do(planted, WHO).everywhere.closed == {}
    assert search([tmp_path / "disk"], needles()).found == {}


def test_one_that_is_in_a_file_alone_is_somebody(planted: ErasureScope) -> None:
    (planted.state / "notes.txt").write_text("of household H-0099 alone\n")
    assert do(planted, "H-0099").everywhere.left == {}
    assert (planted.state / "notes.txt").read_text() == "\n"


def test_what_a_living_process_has_open_stays(planted: ErasureScope) -> None:
    part, folder = planted.raw / ".part-1", planted.state / "spill" / "of-an-engine"
    folder.mkdir()
    (slice_of_it := folder / "0.parquet").touch()
    with open(part, "rb"), open(folder.with_suffix(".lock"), "w"):
        remove_leftovers(planted, now=NOW)
        assert part.exists()
        assert slice_of_it.exists()
    remove_leftovers(planted, now=NOW)
    assert not part.exists()
    assert not slice_of_it.exists()


def test_sealed_records_and_models_stay_and_are_named(planted: ErasureScope) -> None:
    model = planted.state / "mlflow" / "artifacts" / "models" / "m-1"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").touch()
    (model / "data" / "model.txt").write_text(WHO)
    found = sweep(needles_of(WHO, planted), planted, say=print)
    assert "sealed" in found.left[str(model / "data" / "model.txt")]
    assert (model / "data" / "model.txt").read_text() == WHO


def test_the_retailers_own_files_are_not_touched(planted: ErasureScope) -> None:
    feed = Path(planted.data.feeds[0].files.path[0])
    feed.write_text(TEXT)
    do(planted, WHO)
    assert feed.read_text() == TEXT


def test_a_word_is_said_now_and_then(planted: ErasureScope, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("assets.privacy.search.EVERY", 0.0)
    look(needles_of(WHO, planted), replace(planted, elsewhere={"the records": "postgresql"}), say=said.append)
    assert said
    assert "files" in said[0]
