"""Forgetting on a small store: killed anywhere, whoever it is, and refused where it must not be."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from assets.grocery.ingestion.cleaning import clean
from assets.grocery.ingestion.suppressed import without_suppressed
from assets.grocery.personal_data import personal_data
from assets.grocery.staleness import FEATURES, stale_now
from assets.privacy import proof, remove
from assets.privacy.find import find
from assets.privacy.needles import Needles
from assets.privacy.personal_data import ErasureScope
from assets.privacy.proof import Erased, erase, pending
from assets.privacy.suppression import SuppressionList, load_key, subject_hash, suppression_list
from assets.quality import gates
from orchestration.definitions import GATES
from resources.config.feeds import FeedConfig
from resources.config.loader import load_settings
from resources.config.retailer import TransactionsConfig
from resources.errors import Refused, Unavailable
from resources.feeds.redaction import redact
from resources.records.feeds import Delivery
from resources.records.privacy import Erasure
from resources.records.quality import DerivedFrom, Verdict
from resources.tables import history as table_history
from resources.tables.engine import content_digests, temporary_name
from resources.tables.store import TableStore

NOW = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)
DAYS = [dt.date(2024, 3, day) for day in (1, 2, 3)]
WHO, OTHER = "H1", "H2"
IDS = ["H1", "1510", "O'Neil", 'the "Smiths"', "two words", "ümlaut,comma"]


def write(tables: TableStore, name: str, lines: list[dict[str, Any]], **types: pa.DataType) -> None:
    known = {"business_date": pa.date32(), "household_id": pa.string(), "product_id": pa.string(), "n": pa.int64()}
    schema = pa.schema({key: {**known, **types}[key] for key in lines[0]})
    tables.replace_days(name, pa.Table.from_pylist(lines, schema=schema), days=DAYS)


@pytest.fixture
def shop(tmp_path: Path, tables: TableStore, operations) -> Callable[..., ErasureScope]:
    """A store of three days, of which `who` shopped on two, and what there is on record of them."""

    def make(who: str = WHO, other: str = OTHER) -> ErasureScope:
        feed = tmp_path / "sales.csv"
        feed.write_text("customer,article\n")
        settings = load_settings()
        moved = settings.transactions.model_copy(update={"path": [str(feed)]})
        bought = [(DAYS[0], who, 1), (DAYS[0], other, 2), (DAYS[1], other, 3), (DAYS[2], who, 4), (DAYS[2], None, 1510)]
        lines = [
            {
                "business_date": day, "household_id": of, "product_id": "1510", "n": n, "source_file": "f",
                "source_row": n,
            }
            for day, of, n in bought
        ]  # fmt: skip
        text = {"source_file": pa.string(), "source_row": pa.int64()}
        for again in (0, 1):  # an older version has it too
            write(tables, "transactions", [{**line, "n": line["n"] + again} for line in lines], **text)
        write(tables, "recommendations", [{k: v for k, v in line.items() if k[0] != "s"} for line in lines])
        aside = [(DAYS[0], "R", who), (None, "R", who), (DAYS[0], "R", other), (DAYS[1], "R", None)]
        quarantine = [
            {
                "business_date": day, "rule": rule, "reason": "items is 'x'",
                "line": json.dumps({"customer": of, "article": 1510}), "source_file": "f",
                "source_row": row,
            }
            for row, (day, rule, of) in enumerate(aside)
        ]  # fmt: skip
        types = {"rule": pa.string(), "reason": pa.string(), "line": pa.string(), **text}
        schema = pa.schema({"business_date": pa.date32(), **{key: types[key] for key in list(quarantine[0])[1:]}})
        table = pa.Table.from_pylist(quarantine, schema=schema)
        tables.replace_days("transactions_quarantine", table, days=DAYS, undated=True)
        tables.replace("households", pa.table({"household_id": [who, other]}))
        tables.replace("products", pa.table({"product_id": [who, "1510"]}))
        contents = content_digests(tables.read("transactions").drop("source_file", "source_row"), by="business_date")
        operations.record(
            *(
                Delivery(
                    business_date=day, files={}, columns={}, rows=9, broken={}, content=contents[day], run_id="",
                    taken_in_at=NOW,
                )
                for day in DAYS
            ),
            *(
                Verdict(
                    subject=table, partition=day, data_version=version, check=gate.check, outcome=Verdict.PASSED,
                    run_id="r", decided_at=NOW,
                )
                for table in ("transactions", "recommendations")
                for gate in GATES[table]
                for day, version in gates.of_days(tables, table, DAYS).items()
            ),
            DerivedFrom(subject=FEATURES, business_date=DAYS[2], deliveries=3, run_id="r", made_at=NOW),
        )  # fmt: skip
        return ErasureScope(
            data=personal_data(settings.model_copy(update={"transactions": moved}), GATES),
            tables=tables, operations=operations, raw=tmp_path / "raw", state=tmp_path, key=tmp_path / "erasure.key",
        )  # fmt: skip

    return make


def do(scope: ErasureScope, who: str = WHO, **more: Any) -> Erased:
    asked: dict[str, Any] = {"by": "ann", "reason": "a letter", "now": NOW, "under_way": lambda: None} | more
    return erase(who, scope=scope, **asked)


def households(tables: TableStore, table: str) -> list[str | None]:
    return sorted(tables.read(table).household_id.to_pyarrow().to_pylist(), key=str)


def shut(scope: ErasureScope) -> list[object]:
    needs = {name: gates.of_days(scope.tables, name, DAYS) for name in ("transactions", "recommendations")}
    return list(GATES.closed(scope.operations, needs, now=NOW))


def is_gone(scope: ErasureScope, who: str = WHO) -> None:
    assert find(who, scope).total == 0
    assert shut(scope) == []
    assert stale_now(scope.operations) == []
    assert scope.operations.flaws() == []
    assert pending(scope.operations) == []
    assert [record.step for record in scope.operations.records(Erasure)] == ["asked", "done"]


@pytest.mark.parametrize("who", IDS)
def test_whoever_it_is_the_others_keep_their_rows(shop, who: str) -> None:
    scope = shop(who)
    tables = scope.tables
    done = do(scope, who)
    is_gone(scope, who)
    for name in ("transactions", "recommendations"):
        assert households(tables, name) == ["H2", "H2", None]
        assert tables.read(name).product_id.to_pyarrow().to_pylist() == ["1510"] * 3
    assert households(tables, "households") == ["H2"]
    # A product of that name is no household; a number is not whose it is.
    assert len(tables.read("products").to_pyarrow()) == 2
    rows = tables.read("transactions_quarantine").order_by("source_row").source_row.to_pyarrow().to_pylist()
    assert rows == ([2] if who == "1510" else [2, 3])  # a broken line of nobody that has it in it may be its own
    assert done.removed == {
        "transactions": 2, "recommendations": 2, "households": 1,
        "transactions_quarantine": 3 if who == "1510" else 2,
    }  # fmt: skip
    named = Needles(subject=who, columns=("household_id",))
    assert not [entry for entry in scope.operations.trail() if named.are_in(entry.payload.encode())]


@pytest.mark.parametrize("typed", ["17001", "17001.0", " 17001 "])
def test_a_household_is_one_however_an_earlier_version_wrote_it(shop, tmp_path: Path, typed: str) -> None:
    scope = shop("17001.0", "17002.0")
    for name, lines in {"a.csv": "17001.0,A\n17002.0,B\n", "b.csv": "17001,A\n17002,B\n"}.items():
        (scope.raw / name[0]).mkdir(parents=True)
        (scope.raw / name[0] / name).write_text(f"customer,article\n{lines}")
    done = do(scope, typed)
    assert done.removed["transactions"] == 2
    assert set(scope.tables.read("transactions").household_id.to_pyarrow().to_pylist()) == {"17002.0", None}
    assert (scope.raw / "a" / "a.csv").read_text() == "customer,article\n\n17002.0,B\n"
    assert (scope.raw / "b" / "b.csv").read_text() == "customer,article\n\n17002,B\n"
    suppressed = suppression_list(scope.operations, key=scope.key)
    assert [suppressed.has(each) for each in ("17001", "17001.0", "17002")] == [True, True, False]


def test_one_that_was_forgotten_as_an_earlier_version_wrote_it_stays_out() -> None:
    suppressed = SuppressionList(key=b"key", hashes=frozenset({subject_hash("17001.0", b"key")}))
    assert suppressed.has("17001")
    assert not suppressed.has("17002")
    assert not suppressed.has("")


def test_a_quarantine_of_its_lines_alone_is_empty_then(shop) -> None:
    scope = shop()
    tables = scope.tables
    own = tables.read("transactions_quarantine", since=DAYS[0], until=DAYS[0]).to_pyarrow()
    theirs = own.filter(pa.compute.match_substring(own["line"], WHO))
    tables.replace_days("transactions_quarantine", theirs, days=DAYS, undated=True)
    assert do(scope).removed["transactions_quarantine"] == len(theirs) == 1
    assert len(tables.read("transactions_quarantine").to_pyarrow()) == 0
    is_gone(scope)


def test_what_was_delivered_is_counted_without_it(shop) -> None:
    scope = shop()
    do(scope)
    newest = [scope.operations.records(Delivery, business_date=day, last=1)[0] for day in DAYS]
    assert [(record.rows, dict(record.broken)) for record in newest] == [(2, {"R": 1}), (9, {}), (1, {})]
    assert [bool(record.instead_of) for record in newest] == [True, False, True]


def test_what_was_stale_before_is_stale_still(shop) -> None:
    scope = shop()
    (came,) = scope.operations.records(Delivery, business_date=DAYS[1])
    scope.operations.record(Delivery(**{**vars(came), "content": "corrected"}))
    before = stale_now(scope.operations)
    do(scope)
    assert stale_now(scope.operations) == before != []


KILLED: dict[str, tuple[str, str]] = {
    "before the first commit": ("resources.tables.store.TableStore.rewrite", "before"),
    "after a commit": ("resources.tables.store.TableStore.rewrite", "after"),
    "before the history is cut off": ("resources.tables.history.purge_history", "before"),
    "with the files gone and the log there": ("deltalake.DeltaTable.create_checkpoint", "before"),
    "before the old log goes": ("deltalake.DeltaTable.create_checkpoint", "after"),
    "before what was delivered is on record": ("assets.privacy.remove.rekey_deliveries", "before"),
    "before it is on record as done": ("assets.privacy.proof.proof", "before"),
}


class Killed(BaseException):
    pass


# What is done table by table comes several times, what is recorded of all of them once.
@pytest.mark.parametrize(
    ("where", "which"),
    [(where, which) for where, (name, _) in KILLED.items() for which in range(1 if "privacy" in name else 3)],
)
def test_killed_and_typed_again_it_is_done(shop, monkeypatch, where: str, which: int) -> None:
    scope, (name, when) = shop(), KILLED[where]
    owner, _, attribute = name.rpartition(".")
    module: Any = (
        TableStore
        if owner.endswith("TableStore")
        else DeltaTable
        if owner.startswith("deltalake")
        else {
            "resources.tables.history": table_history,
            "assets.privacy.remove": remove,
            "assets.privacy.proof": proof,
        }[owner]
    )
    original, calls = getattr(module, attribute), iter(range(100))

    def killed(*args: Any, **kwargs: Any) -> Any:
        is_now = next(calls) == which
        if is_now and when == "before":
            raise Killed
        result = original(*args, **kwargs)
        if is_now:
            raise Killed
        return result

    with monkeypatch.context() as patched:
        patched.setattr(module, attribute, killed)
        try:
            do(scope)
        except Killed:
            assert [record.by for record in pending(scope.operations)] == ["ann"]
            patched.undo()
            done = do(scope, reason="")
            assert done.removed["transactions"] == done.removed["recommendations"] == 2
        else:
            assert which  # it was not called so often
    is_gone(scope)


def test_what_somebody_wrote_between_keeps_no_verdict_of_the_rows_before(shop, monkeypatch) -> None:
    scope = shop()
    name, original = "recommendations", remove.rekey_verdicts

    def killed(table: str, *of: Any, **more: Any) -> None:
        if table == name:
            raise Killed
        original(table, *of, **more)

    monkeypatch.setattr(remove, "rekey_verdicts", killed)
    with pytest.raises(Killed):
        do(scope)
    monkeypatch.undo()
    assert WHO not in households(scope.tables, name)
    other = scope.tables.read(name, since=DAYS[0], until=DAYS[0]).to_pyarrow()
    scope.tables.replace_days(name, other, days=[DAYS[0]])
    do(scope)
    found = {(each.gate.subject, each.partition) for each in shut(scope)}  # pyright: ignore
    assert found == {(name, DAYS[0])}


def test_refusals_change_nothing(shop) -> None:
    scope = shop()
    versions = {name: scope.tables.version(name) for name in table_history.names(scope.tables)}
    with pytest.raises(Refused, match="Run abc is under way"):
        do(scope, under_way=lambda: "abc")
    with pytest.raises(Refused, match="no household 'H9'"):
        do(scope, "H9")
    with pytest.raises(Refused, match="has a reason"):
        do(scope, reason=" ")
    with pytest.raises(Refused, match="names the household"):
        do(scope, reason="letter of H1")
    assert scope.operations.records(Erasure) == []
    assert {name: scope.tables.version(name) for name in versions} == versions


def test_not_together_with_a_writer_who_waits_for_its_end(shop) -> None:
    scope, order = shop(), []
    tables = scope.tables
    with tables._held(is_shared=True), pytest.raises(Unavailable, match="Somebody is writing"):
        do(scope)
    writer = threading.Thread(
        target=lambda: (tables.replace("products", pa.table({"a": [1]})), order.append("written"))
    )
    with tables.alone():
        writer.start()
        writer.join(0.5)
        order.append("alone")
    writer.join()
    assert order == ["alone", "written"]


def test_a_run_that_began_meanwhile_leaves_it_to_be_done_again(shop) -> None:
    scope, runs = shop(), iter([None, "late"])
    with pytest.raises(Unavailable, match="Run late began meanwhile"):
        do(scope, under_way=lambda: next(runs))
    assert len(pending(scope.operations)) == 1
    do(scope)
    is_gone(scope)


def test_one_that_is_only_in_the_feed_is_kept_out(shop) -> None:
    scope = shop()
    Path(scope.data.feeds[0].files.path[0]).write_text("customer,article\nH9,P\nH1,P\nH9,P\n")
    done = do(scope, "H9")
    assert done.removed == {}
    assert list(done.report.not_ours.values()) == [2]
    assert suppression_list(scope.operations, key=scope.key).has("H9")
    assert not suppression_list(scope.operations, key=scope.key).has("H1")


def test_lines_that_a_database_still_has_are_told(shop, tmp_path: Path) -> None:
    scope, file = shop(), tmp_path / "till.db"
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE lines (customer TEXT)")
        connection.executemany("INSERT INTO lines VALUES (?)", [("H9",), ("H1",), ("H9",)])
    files = FeedConfig(path=[f"sqlite:///{file}"], query="SELECT customer FROM lines")
    feed = replace(scope.data.feeds[0], files=files, landing=None)
    scope = replace(scope, data=replace(scope.data, feeds=[feed]))
    assert find("H9", scope).not_ours == {f"query on sqlite:///{file}": 2}
    feed = replace(feed, files=FeedConfig(path=files.path, query=f"{files.query} WHERE :date IS NOT NULL"))
    days = {each.business_date for each in scope.operations.records(Delivery)}
    assert days
    told = find("H9", replace(scope, data=replace(scope.data, feeds=[feed]))).not_ours
    assert told == {f"query on sqlite:///{file} for {day}": 2 for day in days}


def test_a_write_that_was_cut_off_goes_too(shop) -> None:
    scope = shop()
    stray = Path(scope.tables.uri("transactions")) / "part-0.parquet"
    stray.write_bytes(b"PAR1 H1")
    do(scope)
    assert not stray.exists()


def test_another_store_is_emptied_too(shop, tmp_path: Path) -> None:
    scope = shop()
    other = TableStore(root=str(tmp_path / "benchmark"))
    write(other, "training_examples", [{"business_date": DAYS[0], "household_id": WHO, "n": 1}])
    both = ErasureScope(**{**vars(scope), "others": {"benchmark": other}})
    assert do(both).removed["benchmark/training_examples"] == 1
    assert households(other, "training_examples") == []


# What a feed brings


FEED = TransactionsConfig.model_validate(
    {"path": "s.csv", "columns": {"household_id": "who", "product_id": "what", "occurred_at": "at", "basket_id": "no"}}
)


def suppressed(*who: str) -> SuppressionList:
    return SuppressionList(key=b"k", hashes=frozenset(subject_hash(each, b"k") for each in who))


def taken_in(engine, lines: list[tuple[str | None, str, str]], of: SuppressionList, defect: str | None = None):
    rows = [
        {
            "who": who, "no": basket, "what": "P", "at": at, "source_file": "s.csv", "source_row": row,
            "file_date": None, "defect": defect if who and "," in who else None,
        }
        for row, (who, basket, at) in enumerate(lines, start=1)
    ]  # fmt: skip
    types = {"source_row": pa.int64(), "file_date": pa.date32()}
    schema = pa.schema({name: types.get(name, pa.string()) for name in rows[0]})
    table = engine.create_table(temporary_name("came"), pa.Table.from_pylist(rows, schema=schema), temp=True)
    day = DAYS[0]
    found = clean(table, FEED, timezone="UTC", first_day=day, last_day=DAYS[-1], since=day, until=day)
    return without_suppressed(found, FEED, of)


AT = "2024-03-01 10:00:00"


def test_lines_of_a_forgotten_household_are_counted_and_are_nowhere(engine) -> None:
    lines = [("H1", "a", AT), ("H2", "b", AT), ("H1", "c", "yesterday"), ("H2", "d", "tomorrow"), ("x,H1,y", "", AT)]
    found = taken_in(engine, lines, suppressed("H1"), defect="too few columns")
    assert found.transactions.household_id.to_pyarrow().to_pylist() == ["H2"]
    assert found.quarantine.source_row.to_pyarrow().to_pylist() == [4]
    assert sum(found.erased.values()) == 3
    assert sum(found.lines.values()) == 2
    assert list(found.broken.values()) == [1]


def test_what_its_basket_did_to_others_stays(engine) -> None:
    lines = [("H1", "a", AT), ("H2", "a", AT)]
    found = taken_in(engine, lines, suppressed("H1"))
    assert found.transactions.count().execute() == 0
    assert found.quarantine.source_row.to_pyarrow().to_pylist() == [2]
    assert "H" not in found.quarantine.reason.to_pyarrow().to_pylist()[0]


def test_a_day_of_its_lines_alone_is_no_day_without_lines(engine) -> None:
    found = taken_in(engine, [("H1", "a", AT)], suppressed("H1"))
    assert found.days_without_good_lines([DAYS[0]]) == {}
    later = [("H1", "a", "2024-03-02 10:00:00")]
    assert taken_in(engine, later, suppressed("H1")).days_without_good_lines([DAYS[0]]) == {DAYS[0]: {}}


def test_with_nobody_forgotten_nothing_is_asked(engine) -> None:
    assert taken_in(engine, [("H1", "a", AT)], SuppressionList()).erased == {}


def test_the_household_file_is_taken_in_without_it(engine) -> None:
    rows = engine.create_table(temporary_name("file"), pa.table({"household_id": ["H1", "H2"]}), temp=True)
    assert suppressed("H1", "H9").among(rows, "household_id") == ["H1"]
    assert SuppressionList().among(rows, "household_id") == []


# Kept copies


CSV = FeedConfig(path=["x"])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_lines_are_emptied_and_all_others_keep_their_bytes(tmp_path: Path, name: str) -> None:
    pack, unpack = (gzip.compress, gzip.decompress) if name.endswith("gz") else (bytes, bytes)
    text = b'\xef\xbb\xbfwho,what\r\nH1,P\r\n"H2",P\r\nH2,"H1\r\nP"\r\n"H1","a\r\nb"\r\nH1,P,broken\r\nH2,\xff\r\n'
    (tmp_path / name).write_bytes(pack(text))
    (tmp_path / "from-cp1252").mkdir()
    (tmp_path / "from-cp1252" / name).write_text("H1")
    assert redact([tmp_path / name], CSV, "who", "H1".__eq__) == 3
    left = b'\xef\xbb\xbfwho,what\r\n\r\n"H2",P\r\nH2,"H1\r\nP"\r\n\r\n\r\n\r\nH2,\xff\r\n'
    assert unpack((tmp_path / name).read_bytes()) == left
    assert not (tmp_path / "from-cp1252" / name).exists()
    assert redact([tmp_path / name], CSV, "who", "H1".__eq__) == 0
    assert redact([tmp_path / name], CSV, "other", "H2".__eq__) == 0


@pytest.mark.parametrize(
    ("text", "left", "settings"),
    [
        (b"who,what\rH1,P\rH2,P\r", b"who,what\r\rH2,P\r", {}),
        (b'who,what\nH2,"P\nH1,x\nH3,P"\nH1,P\n', b'who,what\nH2,"P\n\nH3,P"\n\n', {}),
        (
            b"sep=;\nSHOP;1\n Who ;what\nH1;P\nH2;P\n",
            b"sep=;\nSHOP;1\n Who ;what\n\nH2;P\n",
            {"delimiter": ";", "skip_lines": 1},
        ),
        ('who¦what\n"H1"¦"a¦b"\nH2¦P\n'.encode(), "who¦what\n\nH2¦P\n".encode(), {"delimiter": "¦"}),
    ],
    ids=["bare returns", "marks that are not closed", "lines above the header", "delimiter beyond ASCII"],
)
def test_lines_are_told_as_they_are_when_the_file_is_read(tmp_path: Path, text, left, settings) -> None:
    (tmp_path / "a.csv").write_bytes(text)
    redact([tmp_path / "a.csv"], FeedConfig.model_validate({"path": "x", **settings}), "who", "H1".__eq__)
    assert (tmp_path / "a.csv").read_bytes() == left


def test_rows_of_parquet_are_emptied_in_their_places(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("who", pa.int64(), nullable=False), pa.field("at", pa.timestamp("us", "UTC"))])
    table = pa.Table.from_pylist([{"who": who, "at": NOW} for who in (1, 2, 1)], schema=schema)
    pq.write_table(table, tmp_path / "a.parquet")
    assert redact([tmp_path / "a.parquet"], CSV, "who", "1".__eq__) == 2
    left = pq.read_table(tmp_path / "a.parquet")
    assert left.to_pylist() == [{"who": None, "at": None}, {"who": 2, "at": NOW}, {"who": None, "at": None}]


def test_a_key_is_made_once(tmp_path: Path, operations) -> None:
    key = load_key([], tmp_path / "state" / "k")
    assert len(key) == 32
    assert load_key([], tmp_path / "state" / "k") == key
    assert suppression_list(operations, key=tmp_path / "k") == SuppressionList()
