"""What is read is what was written: every file is held against its digest on record, every row and day of the log too."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.quality import gates
from resources.errors import Damaged
from resources.tables import contents
from resources.tables.store import TableStore

DAYS = [dt.date(2024, 2, 28), dt.date(2024, 2, 29)]
AGAIN = f"`nightcart backfill --from {DAYS[0]} --to {DAYS[0]} --assets sales --force`"


def rows(day: dt.date, first: int) -> pa.Table:
    return pa.table({"business_date": [day] * 40, "household_id": [f"H-{n % 7}" for n in range(40)], "quantity": list(range(first, first + 40))})  # fmt: skip


@pytest.fixture
def sealed(tmp_path: Path, operations) -> TableStore:
    """Two days of sales, each a file, and products, which have no days."""
    tables = TableStore(root=str(tmp_path / "tables"), ledger=operations)
    for number, day in enumerate(DAYS):
        tables.replace_days("sales", rows(day, number), days=[day])
    tables.replace("products", pa.table({"id": ["a", "b"]}))
    return tables


def again(tables: TableStore) -> TableStore:
    """As another process has it."""
    return TableStore(root=tables.root, ledger=tables.ledger)


def file_of(tables: TableStore, day: dt.date = DAYS[0]) -> Path:
    return next(Path(tables.uri("sales"), part.path) for part in tables.parts("sales") if part.day == day)


def verified(tables: TableStore, table: str = "sales") -> contents.Verified:
    return contents.verify(tables, tables.ledger, table)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_is_read_as_another_value(sealed: TableStore, place: float, bit: int) -> None:
    file = file_of(sealed)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[int(place * len(whole))] ^= 1 << bit
    file.write_bytes(flipped)
    try:
        for read in (again(sealed).read, lambda table: again(sealed).rows(table, ["quantity"])):
            with pytest.raises(Damaged, match=f"sales of {DAYS[0]}, is not what was written.*{AGAIN}"):
                read("sales")
        (flaw,) = verified(again(sealed)).flaws
        assert (flaw.file, flaw.day, flaw.remedy) == (str(file), DAYS[0], AGAIN)
        assert again(sealed).read("sales", since=DAYS[1]).count().execute() == 40  # of the others nobody is kept
    finally:
        file.write_bytes(whole)


def test_a_file_is_read_for_its_digest_once_unless_it_is_touched(sealed: TableStore, monkeypatch) -> None:
    looked, digest = [], contents.digest
    monkeypatch.setattr(contents, "digest", lambda file: looked.append(file) or digest(file))
    tables = again(sealed)
    for _ in range(3):
        tables.read("sales")
    assert len(looked) == 2
    file = file_of(tables)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(Damaged):
        tables.read("sales")


def test_a_day_that_is_made_again_is_whole_again(sealed: TableStore) -> None:
    file_of(sealed).write_bytes(b"\0" * file_of(sealed).stat().st_size)
    sealed.replace_days("sales", rows(DAYS[0], 5), days=[DAYS[0]])
    assert again(sealed).read("sales").count().execute() == 80
    (old,) = verified(sealed).flaws  # of the older version, which can still be asked for
    assert "is of an older version, and bytes of it have changed" in str(old)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        (r"\"numRecords\":40", r"\"numRecords\":41", "40 rows of 2024-02-29 on record, and the table's log says 41"),
        ('"business_date":"2024-02-29"', '"business_date":"2024-02-27"', "the table's log says 40 of 2024-02-27"),
    ],
    ids=["rows", "day"],
)
def test_a_log_that_was_changed_is_not_believed(sealed: TableStore, was: str, now: str, says: str) -> None:
    commit = max(Path(sealed.uri("sales"), "_delta_log").glob("*.json"))
    text = commit.read_text(encoding="utf-8")
    assert was in text
    commit.write_text(text.replace(was, now), encoding="utf-8")
    with pytest.raises(Damaged, match=says):
        again(sealed).read("sales")
    assert any(says in str(flaw) for flaw in verified(again(sealed)).flaws)


def test_a_table_of_before_is_told_from_what_is_on_record(sealed: TableStore) -> None:
    commit = max(Path(sealed.uri("sales"), "_delta_log").glob("*.json"))
    commit.unlink()  # as if the table were of before the second day
    (flaw,) = verified(again(sealed)).flaws
    assert (flaw.day, "is not among its files any more" in str(flaw)) == (DAYS[1], True)


def test_every_version_that_is_read_is_held_against_its_record(sealed: TableStore) -> None:
    for n in range(3):
        sealed.replace("products", pa.table({"id": [str(n)]}))
    assert again(sealed).read("products", version=1).id.to_pyarrow().to_pylist() == ["0"]
    assert verified(sealed, "products") == contents.Verified(files=4, unknown=0, flaws=[])


def test_a_table_of_an_earlier_version_is_read_and_goes_on_record_when_it_is_written(
    tmp_path: Path, operations
) -> None:
    bare = TableStore(root=str(tmp_path / "tables"))
    for number, day in enumerate(DAYS):
        bare.replace_days("sales", rows(day, number), days=[day])
    tables = TableStore(root=bare.root, ledger=operations)
    assert tables.read("sales").count().execute() == 80
    assert verified(tables) == contents.Verified(files=2, unknown=2, flaws=[])
    tables.replace_days("sales", rows(DAYS[1], 9), days=[DAYS[1]])
    assert verified(tables) == contents.Verified(files=2, unknown=0, flaws=[])


def test_a_day_without_rows_is_on_record_too(sealed: TableStore) -> None:
    sealed.replace_days("sales", rows(DAYS[0], 0).slice(0, 0), days=[DAYS[0]])
    assert verified(sealed).flaws == []
    newest = sealed.ledger.sealed("sales", [DAYS[0]])[-1]
    assert (newest.partition, newest.files) == (DAYS[0], {})
    assert json.loads(json.dumps(newest.files)) == {}


def test_what_a_table_that_was_taken_back_lacks_is_known_by_its_days(sealed: TableStore) -> None:
    assert contents.gone(sealed, sealed.ledger) == {}
    max(Path(sealed.uri("sales"), "_delta_log").glob("*.json")).unlink()
    taken_back = again(sealed)
    assert contents.gone(taken_back, sealed.ledger) == {"sales": {DAYS[1]}}
    command = f"`nightcart backfill --from {DAYS[1]} --to {DAYS[1]} --assets sales"
    assert contents.lacking(taken_back, sealed.ledger) == {
        "sales": (
            f"sales has not what was written last of {DAYS[1]}: it was changed by hand, or is of an older time.",
            f"{command}` makes it again.",
        )
    }
    assert contents.remedies(verified(taken_back).flaws) == [f"{command} --force`"]


def test_one_command_makes_a_run_of_days_again(sealed: TableStore) -> None:
    flaws = [
        contents.Flaw(table=table, file="f", day=day, says="is gone")
        for table, day in [
            ("sales", DAYS[1]),
            ("sales_quarantine", DAYS[0]),
            ("products", None),
            ("sales", dt.date(2024, 3, 9)),
        ]
    ]
    assert contents.remedies(flaws) == [
        f"`nightcart backfill --from {DAYS[0]} --to {DAYS[1]} --assets sales --force`",
        "`nightcart backfill --from 2024-03-09 --to 2024-03-09 --assets sales --force`",
        "the next night",
    ]


def test_history_of_a_table_that_lost_its_beginning_is_no_shorter(sealed: TableStore) -> None:
    assert sealed.first_day("sales", until=DAYS[1]) == DAYS[0]
    sealed.replace_days("sales", rows(DAYS[0], 0)[:0], days=[DAYS[0]])  # as an erasure does
    assert sealed.first_day("sales", until=DAYS[1]) == DAYS[1]
    sealed.replace_days("sales", rows(DAYS[0], 0), days=[DAYS[0]])
    shutil.move(sealed.uri("sales"), Path(sealed.root).parent / "aside")
    sealed.replace_days("sales", rows(DAYS[1], 0), days=[DAYS[1]])
    assert again(sealed).first_day("sales", until=DAYS[1]) == DAYS[0]
    assert gates.history(again(sealed), "sales", until=DAYS[1])[DAYS[0]] == gates.NO_ROWS
    assert TableStore(root=sealed.root).first_day("sales", until=DAYS[1]) == DAYS[1]
    assert sealed.first_day("sales", until=dt.date(2024, 1, 1)) == dt.date(2024, 1, 1)
