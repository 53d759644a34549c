"""A writer that is overtaken: what the table's own log decides, whatever was asked before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from resources.errors import Superseded, Unavailable
from resources.tables.fence import FENCE, Fence
from resources.tables.store import TableStore

DAYS = [dt.date(2024, 2, 27) + dt.timedelta(days=day) for day in range(4)]


def rows(*pairs: tuple[dt.date, int]) -> pa.Table:
    days, values = pa.array([day for day, _ in pairs], pa.date32()), pa.array([value for _, value in pairs], pa.int64())
    return pa.table({"business_date": days, "value": values})


def whole(*values: int) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.int64())})


def step(
    tables: TableStore, token: int, *, day: dt.date = DAYS[0], ask: Callable[[], None] = lambda: None
) -> TableStore:
    """The tables as a step of the run with this token has them, which makes `sales` of a day, or all `products`."""
    fence = Fence(tables=tables, run_id=f"run-{token}-of-many", token=(token, token), days=(day, day), ask=ask)
    return TableStore(root=tables.root).fenced(fence, writes=["sales", "products"])


def content(tables: TableStore) -> list[tuple[dt.date, int]]:
    return sorted((row["business_date"], row["value"]) for row in tables.read("sales").to_pyarrow().to_pylist())


@pytest.mark.parametrize("there", [True, False], ids=["a day that was there", "a new day"])
@pytest.mark.parametrize("newer", [rows((DAYS[0], 2)), rows()], ids=["rows", "no rows any more"])
def test_a_day_that_a_later_run_has_made_is_not_written_over(tables: TableStore, there: bool, newer: pa.Table) -> None:
    tables.replace_days("sales", rows((DAYS[0], 1)) if there else rows(), days=DAYS[:1])
    asleep = step(tables, 1)
    made = step(tables, 2).replace_days("sales", newer, days=DAYS[:1])
    said = rf"sales was overtaken: version {made.version}, by run run-2-of at 20.* UTC, .*this one, run run-1-of"
    with pytest.raises(Superseded, match=said):
        asleep.replace_days("sales", rows((DAYS[0], 3)), days=DAYS[:1])
    assert content(tables) == content(step(tables, 4)) == [(DAYS[0], value) for value in newer["value"].to_pylist()]


@pytest.mark.parametrize("before", [[1, 2], []], ids=["rows", "an empty table"])
def test_a_whole_table_that_a_later_run_has_made_is_not_written_over(tables: TableStore, before: list[int]) -> None:
    """Delta's own check lets both have their rows in a table that was empty."""
    tables.replace("products", whole(*before))
    asleep = step(tables, 1)
    step(tables, 2).replace("products", whole(3))
    with pytest.raises(Superseded, match="products was overtaken"):
        asleep.replace("products", whole(4))
    assert tables.read("products").value.to_pyarrow().to_pylist() == [3]


def test_a_run_that_began_later_has_the_last_word_over_one_that_woke_before_its_commit(tables: TableStore) -> None:
    tables.replace_days("sales", rows((DAYS[0], 0)), days=DAYS[:1])
    asleep, later = step(tables, 1), step(tables, 2)
    asleep.replace_days("sales", rows((DAYS[0], 1)), days=DAYS[:1])  # it had asked before the later one took its token
    later.replace_days("sales", rows((DAYS[0], 2)), days=DAYS[:1])
    assert content(tables) == [(DAYS[0], 2)]


@pytest.mark.parametrize("is_first", [True, False], ids=["of a new table", "of an old table"])
def test_a_writer_that_is_stopped_between_its_question_and_its_commit_is_refused(
    tables: TableStore, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    if not is_first:
        tables.replace_days("sales", rows((DAYS[0], 0)), days=DAYS[:1])
    writes, asleep = deltalake.write_deltalake, step(tables, 1)

    def stopped(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(deltalake, "write_deltalake", writes)
        step(tables, 2).replace_days("sales", rows((DAYS[0], 2)), days=DAYS[:1])
        writes(*args, **kwargs)  # pyright: ignore

    monkeypatch.setattr(deltalake, "write_deltalake", stopped)
    with pytest.raises(Superseded, match="by run run-2-of"):
        asleep.replace_days("sales", rows((DAYS[0], 1)), days=DAYS[:1])
    assert content(tables) == [(DAYS[0], 2)]


def test_writers_of_other_days_do_not_disturb_each_other(tables: TableStore) -> None:
    steps = [step(tables, token, day=day) for token, day in ((3, DAYS[0]), (1, DAYS[1]), (2, DAYS[2]))]
    for day, each in zip(DAYS, steps, strict=False):
        each.replace_days("sales", rows((day, each.fence.token[0])), days=[day])  # pyright: ignore
    assert content(tables) == [(DAYS[0], 3), (DAYS[1], 1), (DAYS[2], 2)]


def test_a_table_without_days_that_a_run_of_another_day_has_made_is_made_once_more(tables: TableStore) -> None:
    tonight, late = step(tables, 1, day=DAYS[1]), step(tables, 2, day=DAYS[0])
    late.replace("products", whole(2))
    with pytest.raises(Unavailable, match=r"Another run was writing products.* by run run-2-of"):
        tonight.replace("products", whole(1))
    step(tables, 1, day=DAYS[1]).replace("products", whole(3))  # begun anew, it has seen what is there
    assert tables.read("products").value.to_pyarrow().to_pylist() == [3]


def test_what_nobody_has_signed_may_be_anybodys(tables: TableStore) -> None:
    tables.replace_days("sales", rows((DAYS[0], 0)), days=DAYS[:1])
    begun = step(tables, 1)
    tables.replace_days("sales", rows((DAYS[0], 1)), days=DAYS[:1])
    with pytest.raises(Unavailable, match="Another run was writing sales"):
        begun.replace_days("sales", rows((DAYS[0], 2)), days=DAYS[:1])


def test_history_that_was_cut_off_is_not_taken_for_none(tables: TableStore) -> None:
    """As an erasure leaves it: who slept meanwhile would bring back whom it has forgotten."""
    from resources.tables.history import purge_history

    tables.replace_days("sales", rows((DAYS[0], 0)), days=DAYS[:1])
    asleep = step(tables, 5)
    tables.rewrite("sales", rows(), days=DAYS[:1], note={"erasure": "x"})
    step(tables, 1, day=DAYS[3]).replace_days("sales", rows((DAYS[3], 1)), days=DAYS[3:])
    purge_history(tables, "sales")
    with pytest.raises(Unavailable):
        asleep.replace_days("sales", rows((DAYS[0], 2)), days=DAYS[:1])
    assert content(tables) == [(DAYS[3], 1)]


def test_a_step_reads_one_version_of_each_table_and_its_own_writes(tables: TableStore) -> None:
    tables.replace_days("sales", rows((DAYS[0], 1)), days=DAYS[:1])
    begun = step(tables, 1, day=DAYS[1])
    before = begun.fingerprint("sales")
    tables.replace_days("sales", rows((DAYS[0], 2)), days=DAYS[:1])
    assert content(begun) == [(DAYS[0], 1)]
    assert begun.fingerprint("sales") == before != tables.fingerprint("sales")
    assert not begun.is_newest("sales")
    assert [write.version for write in begun.writes_since("sales")] == [tables.version("sales")]
    commit = step(tables, 2, day=DAYS[1]).replace_days("sales", rows((DAYS[1], 3)), days=[DAYS[1]])
    assert commit.version == tables.version("sales")


def test_it_is_asked_before_each_commit_and_a_no_leaves_all_as_it_is(tables: TableStore) -> None:
    def no() -> None:
        raise Superseded("No.", remedy="none.")

    with pytest.raises(Superseded, match="No"):
        step(tables, 1, ask=no).replace_days("sales", rows((DAYS[0], 1)), days=DAYS[:1])
    assert content(tables) == []


def test_a_commit_says_who_made_it_of_what(tables: TableStore) -> None:
    tables.replace("products", whole(1))
    begun = step(tables, 7)
    begun.read("products")
    begun.replace_days("sales", rows((DAYS[0], 1)), days=DAYS[:1])
    (written,) = tables.writes_since("sales", -1)
    assert written.writer == {
        "run_id": "run-7-of-many",
        "token": [7, 7],
        "since": str(DAYS[0]),
        "until": str(DAYS[0]),
        "inputs": {"products": tables.version("products")},
    }
    assert FENCE == "nightcart.fence"


@pytest.mark.parametrize("attempt", range(3))
def test_of_those_who_make_a_table_at_once_nobody_mixes_in_rows(tables: TableStore, attempt: int) -> None:
    def replace(value: int) -> bool:
        try:
            TableStore(root=tables.root).replace("products", whole(*[value] * 500))
        except Unavailable:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert any(pool.map(replace, range(3)))
    assert len(set(tables.read("products").value.to_pyarrow().to_pylist())) == 1
