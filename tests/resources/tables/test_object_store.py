"""Tables in an object store: the same guarantees as on a disk."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
import sys
import uuid

import pyarrow as pa
import pytest

from resources.errors import Damaged, Refused, Superseded, Unavailable
from resources.records.store import OperationsDatabase
from resources.tables import contents, object_store
from resources.tables.fence import Fence
from resources.tables.store import TableStore
from tests.support.object_store import make_bucket

DAYS = [dt.date(2024, 2, 28) + dt.timedelta(days=day) for day in range(3)]


def rows(day: dt.date, *values: int) -> pa.Table:
    return pa.table({"business_date": [day] * len(values), "value": values})


def content(tables: TableStore, **of: object) -> list[tuple[dt.date, int]]:
    return sorted((row["business_date"], row["value"]) for row in tables.read("sales", **of).to_pyarrow().to_pylist())  # pyright: ignore


@pytest.fixture
def remote(bucket: str, operations: OperationsDatabase) -> TableStore:
    """Two days of sales in an object store."""
    tables = TableStore(root=f"{bucket}/tables", ledger=operations)
    for number, day in enumerate(DAYS[:2]):
        tables.replace_days("sales", rows(day, number), days=[day])
    return tables


def again(tables: TableStore) -> TableStore:
    """As another process has it."""
    return TableStore(root=tables.root, ledger=tables.ledger)


def file_of(tables: TableStore, day: dt.date = DAYS[0]) -> tuple[str, str]:
    """Bucket and key of a day's only file."""
    bucket, prefix = object_store.bucket_and_prefix(tables.uri("sales"))
    return bucket, prefix + next(part.path for part in tables.parts("sales") if part.day == day)


def test_days_are_replaced_and_every_version_is_read_again(remote: TableStore) -> None:
    before = remote.version("sales")
    remote.replace_days("sales", rows(DAYS[0], 7, 8), days=DAYS[:1])
    assert content(remote) == [(DAYS[0], 7), (DAYS[0], 8), (DAYS[1], 1)]
    assert content(remote, since=DAYS[1]) == [(DAYS[1], 1)]
    assert content(remote, version=before) == [(DAYS[0], 0), (DAYS[1], 1)]
    assert again(remote).rows("sales", ["value"], since=DAYS[1]) == [{"value": 1}]
    assert not remote.exists("products")
    with pytest.raises(Refused, match="products does not exist yet"):
        remote.read("products")


def test_few_commits_are_read_to_open_a_table_of_many(remote: TableStore) -> None:
    """Each would be two requests, of each of the tables that a night looks at, over and over."""
    for number in range(10):
        remote.replace_days("sales", rows(DAYS[2], number), days=DAYS[2:3])
        remote.replace("products", pa.table({"product_id": [str(number)]}))
    filesystem, root = object_store.filesystem(remote.root)
    for table in ("sales", "products"):
        last = json.loads(filesystem.cat_file(f"{root}/{table}/_delta_log/_last_checkpoint"))
        assert remote.version(table) - last["version"] < 10
    remote.replace("products", pa.table({"product_id": ["last"]}))
    assert again(remote).read("products").to_pyarrow().to_pylist() == [{"product_id": "last"}]
    assert content(again(remote)) == [(DAYS[0], 0), (DAYS[1], 1), (DAYS[2], 9)]


def test_an_object_that_was_exchanged_cut_or_deleted_is_not_read(remote: TableStore) -> None:
    client, (bucket, key) = object_store.client(), file_of(remote)
    whole = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    flipped = whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]
    for body, says in ((flipped, "bytes have changed"), (whole[:-9], "is cut off"), (None, "is gone")):
        if body is None:
            client.delete_object(Bucket=bucket, Key=key)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=body)
        with pytest.raises(Damaged, match=rf"s3://{bucket}/{key}, a file of sales of {DAYS[0]}, .*{says}"):
            again(remote).read("sales")
        assert content(again(remote), since=DAYS[1]) == [(DAYS[1], 1)]
    client.put_object(Bucket=bucket, Key=key, Body=whole)
    assert contents.verify(remote, remote.ledger, "sales") == contents.Verified(files=2, unknown=0, flaws=[])  # pyright: ignore


def test_what_was_brought_from_elsewhere_is_held_against_its_record(remote: TableStore) -> None:
    """In other parts from another store, with other ETags then; from a disk, with SHA-256."""
    client, (bucket, key), ledger = object_store.client(), file_of(remote), remote.ledger
    assert ledger
    whole = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    upload = {
        "Bucket": bucket,
        "Key": key,
        "UploadId": client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"],
    }
    part = {"ETag": client.upload_part(**upload, PartNumber=1, Body=whole)["ETag"], "PartNumber": 1}
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    with pytest.raises(Damaged):
        again(remote).read("sales")
    contents.seal_again(remote, ledger)
    assert content(again(remote)) == [(DAYS[0], 0), (DAYS[1], 1)]
    (first,) = (part for part in remote.parts("sales") if part.day == DAYS[0])
    files = {first.day: {first.path: (hashlib.sha256(whole).hexdigest(), first.rows)}}
    ledger.seal("sales", 2, files, now=dt.datetime.now(dt.UTC))
    assert contents.verify(remote, ledger, "sales") == contents.Verified(files=2, unknown=0, flaws=[])
    client.put_object(Bucket=bucket, Key=key, Body=whole[:-1] + b"?")
    (flaw,) = contents.verify(remote, ledger, "sales").flaws
    assert "bytes have changed" in flaw.says


def test_a_run_that_was_overtaken_is_refused(remote: TableStore) -> None:
    def step(token: int) -> TableStore:
        fence = Fence(
            tables=remote,
            run_id=f"run-{token}-of-many",
            token=(token, token),
            days=(DAYS[0], DAYS[0]),
            ask=lambda: None,
        )
        return again(remote).fenced(fence, writes=["sales"])

    asleep, later = step(1), step(2)
    later.replace_days("sales", rows(DAYS[0], 2), days=DAYS[:1])
    assert not asleep.is_newest("sales")
    with pytest.raises(Superseded, match="sales was overtaken"):
        asleep.replace_days("sales", rows(DAYS[0], 1), days=DAYS[:1])
    assert content(again(remote))[0] == (DAYS[0], 2)


def test_a_commit_that_was_made_and_answered_with_an_error_is_known_again(
    bucket: str, operations: OperationsDatabase
) -> None:
    assert bucket  # of the store in which another is made
    make_bucket(name := f"stutter-{uuid.uuid4().hex[:8]}")
    tables = TableStore(root=f"s3://{name}/tables", ledger=operations)
    fence = Fence(tables=tables, run_id="run-of-many", token=(1, 1), days=(DAYS[0], DAYS[0]), ask=lambda: None)
    step = tables.fenced(fence, writes=["sales", "products"])
    for value in (1, 2):
        step.replace("products", pa.table({"value": [value]}))
        commit = step.replace_days("sales", rows(DAYS[0], value), days=DAYS[:1])
        assert (content(tables), commit.rows) == ([(DAYS[0], value)], 1)
        assert commit.version == value + 1  # that the table was made is there twice
    assert tables.version("products") == 1
    assert contents.verify(tables, operations, "sales").flaws == []


WRITER = """
import sys, datetime as dt, pyarrow as pa
from resources.errors import Unavailable
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
root, url, first = sys.argv[1:]
tables = TableStore(root=root, ledger=OperationsDatabase(url=url))
sys.stdin.readline()
for n in range(4):
    day = dt.date(2024, 2, 28) + dt.timedelta(days=n % 2)  # both write both days
    data = pa.table({"business_date": [day] * 50, "value": [int(first) + n] * 50})
    try:
        print(day, int(first) + n, tables.replace_days("sales", data, days=[day]).version)
    except Unavailable as error:
        assert "was writing sales" in str(error)
"""


def test_writers_in_two_processes_leave_no_mix_and_take_turns(bucket: str, operations: OperationsDatabase) -> None:
    tables = TableStore(root=f"{bucket}/tables", ledger=operations)
    command = [sys.executable, "-c", WRITER, tables.root, operations.url]
    racers = [
        subprocess.Popen([*command, first], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for first in ("100", "200")
    ]
    for racer in racers:
        print(file=racer.stdin, flush=True)
    written = [line.split() for racer in racers for line in racer.communicate(timeout=60)[0].splitlines()]
    assert [racer.returncode for racer in racers] == [0, 0]
    versions = [int(version) for *_, version in written]
    # Each commit is one, and none was lost; that the table was made may be there twice.
    assert sorted(versions) == list(range(min(versions), min(versions) + len(versions)))
    assert min(versions) in (1, 2)
    last = {day: int(value) for day, value, _ in sorted(written, key=lambda each: int(each[2]))}
    assert content(tables) == sorted(
        (dt.date.fromisoformat(day), value) for day, value in last.items() for _ in range(50)
    )


def test_who_is_alone_keeps_writers_out(remote: TableStore) -> None:
    with (
        remote.alone(),
        pytest.raises(Unavailable, match="Somebody is writing a table below s3://"),
        again(remote).alone(),
    ):
        pass
    with pytest.raises(Refused, match="name the operations database"), TableStore(root=remote.root).alone():
        pass
