"""Tables: replaced by days in one commit, read as of any version, and never half."""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from collections import Counter
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from resources.errors import Damaged, Refused, Unavailable
from resources.tables.store import TableStore

DAYS = [dt.date(2024, 2, 27) + dt.timedelta(days=day) for day in range(5)]  # over the leap day


def rows(*pairs: tuple[dt.date | None, int], **more: list[object]) -> pa.Table:
    return pa.table(
        {
            "business_date": pa.array([day for day, _ in pairs], pa.date32()),
            "value": pa.array([value for _, value in pairs], pa.int64()),
            **more,
        }
    )


def content(tables: TableStore, **of: object) -> list[tuple[dt.date | None, int]]:
    found = tables.read("sales", **of).to_pyarrow().to_pylist()
    return sorted(((row["business_date"], row["value"]) for row in found), key=str)


def test_table_that_was_never_written_is_refused_with_how_to_make_it(tables):
    with pytest.raises(Refused, match=r"sales does not exist yet.*materialise sales first"):
        tables.read("sales")
    with pytest.raises(Refused, match=r"materialise sales first"):
        tables.read("sales_quarantine")
    assert not tables.exists("sales")
    assert tables.rows_by_day("sales") == {}


def test_replacing_days_leaves_the_others_alone(tables):
    tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[1], 2), (DAYS[2], 3)), days=DAYS[:3])
    commit = tables.replace_days("sales", rows((DAYS[1], 20), (DAYS[1], 21)), days=[DAYS[1]])
    assert content(tables) == [(DAYS[0], 1), (DAYS[1], 20), (DAYS[1], 21), (DAYS[2], 3)]
    assert (commit.rows, commit.rows_by_day) == (4, {DAYS[0]: 1, DAYS[1]: 2, DAYS[2]: 1})
    assert commit.version == tables.version("sales")


def test_days_of_a_run_need_not_be_consecutive(tables):
    tables.replace_days("sales", rows(*((day, 1) for day in DAYS)), days=DAYS)
    tables.replace_days("sales", rows((DAYS[0], 2), (DAYS[4], 2)), days=[DAYS[4], DAYS[0], DAYS[3]])
    assert content(tables) == [(DAYS[0], 2), (DAYS[1], 1), (DAYS[2], 1), (DAYS[4], 2)]


def test_day_written_twice_is_the_same(tables):
    for _ in range(2):
        tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[0], 1)), days=[DAYS[0]])
    assert content(tables) == [(DAYS[0], 1), (DAYS[0], 1)]


@hypothesis_settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(DAYS), st.integers(0, 9)), max_size=12))
def test_range_in_one_run_equals_its_days_one_by_one(tmp_path_factory, pairs):
    at_once = TableStore(root=str(tmp_path_factory.mktemp("at_once")))
    one_by_one = TableStore(root=str(tmp_path_factory.mktemp("one_by_one")))
    at_once.replace_days("sales", rows(*pairs), days=DAYS)
    for day in DAYS:
        one_by_one.replace_days("sales", rows(*(pair for pair in pairs if pair[0] == day)), days=[day])
    assert content(at_once) == content(one_by_one) == sorted(pairs, key=str)
    assert at_once.rows_by_day("sales") == one_by_one.rows_by_day("sales") == dict(Counter(day for day, _ in pairs))


def test_empty_day_replaces_what_was_there(tables):
    tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[1], 2)), days=DAYS[:2])
    commit = tables.replace_days("sales", rows(), days=[DAYS[0]])
    assert content(tables) == [(DAYS[1], 2)]
    assert commit.rows_by_day == {DAYS[1]: 1}


def test_table_may_begin_with_an_empty_day(tables):
    tables.replace_days("sales", rows(), days=[DAYS[0]])
    assert content(tables) == content(tables, since=DAYS[0]) == []
    assert tables.read("sales").schema()["business_date"].is_date()


def test_undated_rows_are_replaced_when_asked(tables):
    tables.replace_days("sales", rows((DAYS[0], 1), (None, 2)), days=[DAYS[0]], undated=True)
    tables.replace_days("sales", rows((DAYS[0], 3)), days=[DAYS[0]])
    assert content(tables) == [(None, 2), (DAYS[0], 3)]
    tables.replace_days("sales", rows((None, 4)), days=[DAYS[0]], undated=True)
    assert content(tables) == [(None, 4)]
    assert content(tables, since=DAYS[0]) == []  # of no day, so not of these


def test_another_column_may_hold_the_days(tables):
    weeks = rows((DAYS[0], 1), (DAYS[1], 2)).rename_columns(["as_of_date", "value"])
    tables.replace_days("weeks", weeks, days=DAYS[:2], by="as_of_date")
    tables.replace_days("weeks", weeks.slice(1), days=[DAYS[1]], by="as_of_date")
    assert tables.rows_by_day("weeks") == {DAYS[0]: 1, DAYS[1]: 1}
    assert tables.read("weeks", until=DAYS[0]).value.to_pyarrow().to_pylist() == [1]


def test_reading_some_days_takes_both_ends(tables):
    tables.replace_days("sales", rows(*((day, n) for n, day in enumerate(DAYS))), days=DAYS)
    assert content(tables, since=DAYS[1], until=DAYS[3]) == [(DAYS[1], 1), (DAYS[2], 2), (DAYS[3], 3)]
    assert content(tables, since=DAYS[3]) == [(DAYS[3], 3), (DAYS[4], 4)]
    assert content(tables, until=DAYS[0]) == [(DAYS[0], 0)]
    assert content(tables, since=DAYS[4] + dt.timedelta(days=1)) == []


def test_every_version_can_be_read_again(tables):
    first = tables.replace_days("sales", rows((DAYS[0], 1)), days=[DAYS[0]])
    second = tables.replace_days("sales", rows((DAYS[0], 2)), days=[DAYS[0]])
    assert content(tables, version=first.version) == [(DAYS[0], 1)]
    assert content(tables, version=second.version) == content(tables) == [(DAYS[0], 2)]


def test_reader_that_has_begun_sees_what_was_there(tables):
    tables.replace_days("sales", rows((DAYS[0], 1)), days=[DAYS[0]])
    begun = tables.read("sales")
    TableStore(root=tables.root).replace_days("sales", rows((DAYS[0], 2)), days=[DAYS[0]])
    assert begun.value.to_pyarrow().to_pylist() == [1]


def test_fingerprint_changes_only_when_its_days_change(tables):
    tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[2], 2)), days=DAYS[:3])
    before = tables.fingerprint("sales", until=DAYS[1])
    tables.replace_days("sales", rows((DAYS[2], 3)), days=[DAYS[2]])
    assert tables.fingerprint("sales", until=DAYS[1]) == before
    assert tables.fingerprint("sales", until=DAYS[2]) != before
    tables.replace_days("sales", rows((DAYS[0], 9)), days=[DAYS[0]])
    assert tables.fingerprint("sales", until=DAYS[1]) != before


def test_new_column_is_null_in_older_days(tables):
    tables.replace_days("sales", rows((DAYS[0], 1)), days=[DAYS[0]])
    tables.replace_days("sales", rows((DAYS[1], 2), shop=["north"]), days=[DAYS[1]])
    found = tables.read("sales").order_by("business_date").to_pyarrow()
    assert found["shop"].to_pylist() == [None, "north"]
    assert content(tables, until=DAYS[0]) == [(DAYS[0], 1)]


def test_whole_table_is_replaced_with_its_columns(tables):
    tables.replace("products", pa.table({"id": ["a", "b"], "old": [1, 2]}))
    commit = tables.replace("products", pa.table({"id": ["c"], "new": [1.5]}))
    assert tables.read("products").to_pyarrow().to_pylist() == [{"id": "c", "new": 1.5}]
    assert (commit.rows, commit.rows_by_day) == (1, {None: 1})
    tables.replace("products", pa.table({"id": pa.array([], pa.string())}))
    assert tables.read("products").count().execute() == 0


def test_note_is_that_of_the_newest_commit(tables):
    assert tables.note("products") == {}
    made = pa.table({"id": ["a", "b"]})
    commit = tables.replace("products", made, note={"inputs": "x", "lines_left_out": {"rule": 2}})
    assert tables.note("products") == {"inputs": "x", "lines_left_out": {"rule": 2}}
    assert tables.newest("products") == commit
    tables.replace("products", made)
    assert tables.note("products") == {}
    assert tables.newest("products").version == commit.version + 1


def test_expressions_are_written_and_read_by_the_same_engine(tables):
    tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[1], 2)), days=DAYS[:2])
    sales = tables.read("sales")
    tables.replace_days("sales", sales.filter(sales.value > 1), days=DAYS[:2])  # a table made of itself
    assert content(tables) == [(DAYS[1], 2)]
    tables.replace("days", tables.read("sales").agg(days=ibis._.business_date.nunique()))
    assert tables.read("days").days.to_pyarrow().to_pylist() == [1]


def test_rows_of_another_day_than_those_replaced_are_not_written(tables):
    tables.replace_days("sales", rows((DAYS[0], 1)), days=[DAYS[0]])
    with pytest.raises(Exception, match="1 rows failed validation check"):
        tables.replace_days("sales", rows((DAYS[1], 2)), days=[DAYS[0]])
    assert content(tables) == [(DAYS[0], 1)]


@pytest.mark.parametrize("folder", ["kaiser's", 'the "best"', "ein laden"])
def test_folder_may_have_quotes_and_blanks(tmp_path, folder):
    tables = TableStore(root=str(tmp_path / folder))
    tables.replace_days("sales", rows((DAYS[0], 1)), days=[DAYS[0]])
    assert content(tables) == [(DAYS[0], 1)]


def race(root: Path, writes: list[tuple[dt.date, int]]) -> list[str]:
    """Replace days from as many threads at the same moment, each with 500 rows of its value; what came of each."""
    start, outcomes = threading.Barrier(len(writes)), ["" for _ in writes]

    def write(place: int, day: dt.date, value: int) -> None:
        tables, data = TableStore(root=str(root)), rows(*[(day, value)] * 500)
        start.wait()
        try:
            tables.replace_days("sales", data, days=[day])
            outcomes[place] = "written"
        except Unavailable as error:
            outcomes[place] = f"to be retried: {error}"

    threads = [threading.Thread(target=write, args=(place, *each)) for place, each in enumerate(writes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("is_first", [True, False], ids=["of a new table", "of an old table"])
@pytest.mark.parametrize("attempt", range(3))
def test_racing_writers_of_a_day_never_leave_a_mix(tmp_path, is_first, attempt):
    if not is_first:
        TableStore(root=str(tmp_path)).replace_days("sales", rows((DAYS[0], 0)), days=[DAYS[0]])
    outcomes = race(tmp_path, [(DAYS[0], 1), (DAYS[0], 2)])
    assert "written" in outcomes
    assert all(outcome == "written" or "Another run was writing sales" in outcome for outcome in outcomes)
    found = Counter(content(TableStore(root=str(tmp_path))))
    assert found in (Counter({(DAYS[0], 1): 500}), Counter({(DAYS[0], 2): 500}))


def test_racing_writers_of_different_days_lose_nothing(tmp_path):
    writes = [(DAYS[0], 1), (DAYS[1], 2)]
    outcomes = race(tmp_path, writes)
    written = {write: 500 for write, outcome in zip(writes, outcomes, strict=True) if outcome == "written"}
    assert written
    assert Counter(content(TableStore(root=str(tmp_path)))) == Counter(written)


def test_sums_of_integers_are_stored_as_what_they_are(tables):
    import ibis

    bought = ibis.memtable({"household_id": ["H1", "H1", "H2"], "is_new": [True, True, False]})
    sums = tables.engine.create_table("bought", bought.to_pyarrow(), temp=True).group_by("household_id")
    tables.replace("sizes", sums.agg(sizes=lambda t: t.is_new.sum()))
    rows = tables.read("sizes").order_by("household_id").to_pyarrow().to_pylist()
    assert rows == [{"household_id": "H1", "sizes": 2}, {"household_id": "H2", "sizes": 0}]


# What a power cut or a hand leaves


@pytest.fixture
def two_days(tables: TableStore) -> TableStore:
    tables.replace_days("sales", rows((DAYS[0], 1)), days=[DAYS[0]])
    tables.replace_days("sales", rows((DAYS[1], 2)), days=[DAYS[1]])
    return tables


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_commit_that_was_cut_off_is_named_and_its_remedy_takes_the_table_back(two_days: TableStore, share: float):
    commit = max(Path(two_days.uri("sales"), "_delta_log").glob("*.json"))
    commit.write_bytes(commit.read_bytes()[: int(commit.stat().st_size * share)])
    for look in (two_days.version, two_days.rows_by_day, two_days.fingerprints, two_days.read):
        with pytest.raises(Damaged, match=f"`rm {commit}`"):
            look("sales")
    commit.unlink()
    assert content(two_days) == [(DAYS[0], 1)]


def test_all_that_was_cut_off_is_told_at_once(two_days: TableStore):
    for name in ("N", "M"):
        two_days.replace("names", pa.table({"name": [name]}))
    cut = [*_log_of(two_days, "sales")[:2], _log_of(two_days, "names")[0]]
    for commit in cut:
        commit.write_bytes(b"")
    with pytest.raises(Damaged, match="3 commits, the last of names, sales, were cut off") as told:
        two_days.read("sales")
    assert set(cut) == {Path(word) for word in told.value.remedy.split("`")[1].split()[1:]}
    for commit in cut:
        commit.unlink()
    assert content(two_days) == []
    assert two_days.read("names").to_pyarrow()["name"].to_pylist() == ["N"]


def _log_of(tables: TableStore, name: str) -> list[Path]:
    """A table's commits, the newest first."""
    return sorted(Path(tables.uri(name), "_delta_log").glob("*.json"), reverse=True)


def test_a_commit_is_on_the_disk_before_it_counts(tables: TableStore, monkeypatch: pytest.MonkeyPatch):
    synced: list[Path] = []
    monkeypatch.setattr("os.fsync", lambda opened: synced.append(Path(f"/dev/fd/{opened}").resolve()))
    made = tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[1], 2)), days=DAYS[:2])
    log = Path(tables.uri("sales"), "_delta_log")
    files = [path for day in DAYS[:2] for path in Path(tables.uri("sales"), f"business_date={day}").iterdir()]
    assert {*files, *(path.parent for path in files), *log.glob("*.json"), log} <= set(synced)
    assert synced.index(files[0]) < synced.index(log / f"{made.version:020}.json")


def test_what_a_commit_replaces_need_not_be_there_any_more(tables: TableStore):
    tables.replace("names", pa.table({"name": ["N"]}))
    (file,) = Path(tables.uri("names")).glob("*.parquet")
    file.unlink()
    assert tables.replace("names", pa.table({"name": ["M"]})).version == 1


@pytest.mark.parametrize(
    ("file", "content", "remedy"),
    [
        ("_last_checkpoint", '{"version": 77, "size": 1}', "`rm .*/_last_checkpoint`"),
        (f"{99:020}.json", '{"commitInfo": {}}', "the newest backup"),
        (f"{0:020}.json", None, "the newest backup"),
    ],
    ids=["a hint that lies", "a commit too many", "none of the first"],
)
def test_a_log_that_cannot_be_read_is_told_in_words(two_days: TableStore, file: str, content: str | None, remedy: str):
    place = Path(two_days.uri("sales"), "_delta_log", file)
    if content is None:
        place.unlink()
    else:
        place.write_text(content)
    with pytest.raises(Damaged, match=f"The log of sales, .* cannot be read.*{remedy}"):
        two_days.read("sales")


@pytest.mark.parametrize(("table", "other"), [("sales", "sizes"), ("sizes", "sales")])
def test_the_folder_of_another_table_is_not_taken_for_its_own(two_days: TableStore, table: str, other: str):
    two_days.replace("sizes", pa.table({"size": [1]}))
    shutil.rmtree(two_days.uri(table))
    shutil.copytree(two_days.uri(other), two_days.uri(table))
    with pytest.raises(Damaged, match=f"/{table} holds {other}, and not {table}.*put it aside"):
        two_days.read(table)
    with pytest.raises(Damaged, match=f"/{table} holds {other}, and not {table}.*put it aside"):
        two_days.replace(table, pa.table({"size": [2]}))


@pytest.mark.parametrize(("share", "says"), [(None, "is gone"), (0.5, "is cut off")])
def test_a_file_that_is_not_whole_is_named_with_its_day(two_days: TableStore, share: float | None, says: str):
    (file,) = Path(two_days.uri("sales"), f"business_date={DAYS[0]}").glob("*.parquet")
    if share is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    again = f"`nightcart backfill --from {DAYS[0]} --to {DAYS[0]} --assets sales --force`"
    with pytest.raises(Damaged, match=f"sales of {DAYS[0]}, {says}.*{again}"):
        two_days.read("sales")
    assert content(two_days, since=DAYS[1]) == [(DAYS[1], 2)]  # of the others nobody is kept
    two_days.replace_days("sales", rows((DAYS[0], 10)), days=[DAYS[0]])
    assert content(two_days) == [(DAYS[0], 10), (DAYS[1], 2)]


def test_a_look_at_a_few_rows_finds_what_a_read_finds(tables):
    tables.replace_days("sales", rows((DAYS[0], 1), (DAYS[0], 2), (None, 3), who=["ann", None, "o'neil"]), days=DAYS[:1], undated=True)  # fmt: skip
    tables.replace_days("sales", rows((DAYS[1], 4), who=["ann"], mood=["good"]), days=[DAYS[1]])
    columns = ["business_date", "value", "who", "mood"]
    assert sorted(tables.rows("sales", columns), key=repr) == sorted(
        tables.read("sales").select(*columns).to_pyarrow().to_pylist(), key=repr
    )
    assert [row["value"] for row in tables.rows("sales", ["value"], since=DAYS[1], until=DAYS[1])] == [4]
    assert {row["value"] for row in tables.rows("sales", ["value"], who=["ann", None])} == {1, 2, 4}
    assert tables.rows("sales", ["value", "mood"], since=DAYS[0], who=["o'neil"]) == []
    assert tables.rows("sales", ["mood"], until=DAYS[0], who=["ann"]) == [{"mood": None}]  # a column of younger files
    with pytest.raises(Refused, match="materialise sales first"):
        tables.rows("sales_quarantine", ["value"])
