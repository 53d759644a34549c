import datetime as dt

import ibis
import pandas as pd
import pytest

from resources.tables import engine, slices


@pytest.fixture(scope="module")
def tables():
    connection = engine.connect()
    bought = pd.DataFrame({"household_id": [f"H{n % 40}" for n in range(200)], "n": range(200)})
    products = pd.DataFrame({"product_id": ["P1", "P2"]})
    return {name: connection.create_table(name, frame) for name, frame in (("bought", bought), ("products", products))}


def test_every_row_is_in_the_slice_of_its_household_and_nowhere_else(tables):
    with slices.sliced(tables, of=7) as parts:
        found = [{name: table.to_pandas() for name, table in part.items()} for part in parts]
    households = [set(part["bought"].household_id) for part in found]
    assert len(found) == 7
    assert sum(map(len, households)) == len(set().union(*households)) == 40  # nobody is in two of them
    assert sorted(n for part in found for n in part["bought"].n) == list(range(200))
    assert all(list(part["products"].product_id) == ["P1", "P2"] for part in found)
    assert list(found[0]["bought"].columns) == ["household_id", "n"]
    spilled = engine.scratch(ibis.get_backend(tables["bought"]))
    assert not list(spilled.iterdir())  # nothing is left behind


def test_a_slice_without_households_has_no_rows(tables):
    with slices.sliced(tables, of=400) as parts:
        assert sum(part["bought"].count().execute() for part in parts) == 200


def test_one_slice_is_the_tables_as_they_are(tables):
    with slices.sliced(tables, of=1) as parts:
        assert [part["bought"] is tables["bought"] for part in parts] == [True]


def test_slices_are_as_many_as_the_memory_asks_for(monkeypatch):
    monkeypatch.setenv("NIGHTCART_MEMORY", "2 GiB")
    assert slices.granted() == 2 * 1024**3
    assert slices.slices_for(1000, bytes_a_row=1000) == 1
    assert slices.slices_for(10_000_000, bytes_a_row=1000) == 10  # 10 GB by half of 2 GiB


def test_days_are_grouped_by_their_rows(monkeypatch):
    monkeypatch.setattr(slices, "granted", lambda: 2_000)
    days = [dt.date(2024, 3, day) for day in range(1, 7)]
    rows = dict(zip(days, (4, 4, 4, 30, 1, 1), strict=True))
    groups = slices.groups_of_days(days, rows, bytes_a_row=100)  # ten rows
    assert [[day.day for day in group] for group in groups] == [[1, 2], [3], [4], [5, 6]]
    assert slices.groups_of_days([], {}, bytes_a_row=100) == []


def test_parts_are_made_when_they_are_asked_for_and_kept_by_nobody(tables):
    connection = ibis.get_backend(tables["bought"])
    alive: list[int] = []

    def make(number: int):
        caches = [name for name in connection.list_tables() if name.startswith("ibis_cached")]
        alive.append(len(caches))
        return tables["bought"].filter(tables["bought"].n % 3 == number).cache()

    parts = slices.InParts(3, make).each(lambda part: part.mutate(twice=part.n * 2))
    assert (len(parts), alive) == (3, [])
    for _ in range(2):  # a commit that is tried again reads them again
        alive.clear()
        rows = engine.batches(parts).read_all()
        assert sorted(rows["n"].to_pylist()) == list(range(200))
        assert alive == [alive[0]] * 3  # the one before is gone
    assert [part.n.max().execute() for part in parts[1:]] == [199, 197]
