"""The query engine's own additions: zones, digests, quoting."""

from __future__ import annotations

import datetime as dt
import gc
import hashlib
import json

import ibis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resources.tables import engine
from resources.tables.engine import (
    combined,
    content_digest,
    day_in_zone,
    exact_sum,
    in_zone,
    quoted_name,
    quoted_text,
    sample_hash,
    to_utc,
    try_strptime,
)

MOMENT = "%Y-%m-%d %H:%M"

# (zone, UTC, local), on both sides of a change of the clocks
MOMENTS = [
    ("America/New_York", "2017-03-12 06:59", "2017-03-12 01:59"),
    ("America/New_York", "2017-03-12 07:00", "2017-03-12 03:00"),  # 02:00 … 02:59 does not exist
    ("America/New_York", "2017-03-13 03:59", "2017-03-12 23:59"),  # that day ends an hour sooner in UTC
    ("America/New_York", "2017-11-06 04:59", "2017-11-05 23:59"),
    ("Europe/Berlin", "2024-03-31 00:59", "2024-03-31 01:59"),
    ("Europe/Berlin", "2024-03-31 01:00", "2024-03-31 03:00"),
    ("Europe/Berlin", "2024-03-31 21:59", "2024-03-31 23:59"),
    ("Europe/Berlin", "2024-03-31 22:00", "2024-04-01 00:00"),
    ("Europe/Berlin", "2024-10-27 23:00", "2024-10-28 00:00"),
    ("UTC", "2024-03-31 01:30", "2024-03-31 01:30"),
]


def evaluated(engine, expression):
    return engine.execute(expression).to_pydatetime()


def moment(text: str) -> ibis.Value:
    return ibis.literal(dt.datetime.strptime(text, MOMENT)).cast("timestamp")


@pytest.mark.parametrize(("zone", "utc", "local"), MOMENTS)
def test_instants_and_wall_clocks_agree_around_the_change_of_clocks(engine, zone, utc, local):
    assert f"{evaluated(engine, in_zone(moment(utc), zone)):{MOMENT}}" == local
    assert f"{evaluated(engine, to_utc(moment(local), zone)):{MOMENT}}" == utc


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"])
@pytest.mark.parametrize("ends", [dt.timedelta(0), dt.timedelta(hours=4)])
def test_the_day_in_a_zone_is_that_of_its_wall_clock(engine, zone, ends):
    hours = engine.sql(
        "SELECT unnest(generate_series(TIMESTAMP '1960-01-01', TIMESTAMP '2105-01-01', INTERVAL '1000 minutes')) AS at"
    )
    wall = in_zone(hours["at"], zone) - ibis.interval(seconds=int(ends.total_seconds()))
    other = hours.filter(day_in_zone(hours["at"], zone, ends=ends) != wall.date())
    assert other.count().to_pyarrow().as_py() == 0


def test_strptime_gives_null_for_what_does_not_fit(engine):
    lines = ibis.memtable({"text": ["31.12.2024 23:05", "12/31/2024", None]})
    read = engine.execute(try_strptime(lines.text, "%d.%m.%Y %H:%M"))
    assert read[0] == dt.datetime(2024, 12, 31, 23, 5)
    assert read[1:].isna().all()


@pytest.mark.parametrize("text", ["H1", "1510", "", "Müller", "2024-05-06"])
def test_what_is_drawn_by_is_the_same_on_every_engine(engine, text):
    """SHA-256, as anything else computes it; and Spark is asked for the same."""
    rows = ibis.memtable({"text": [text]})
    expected = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    assert engine.execute(sample_hash(rows.text))[0] == expected
    assert "SHA2(`t0`.`text`, 256)" in ibis.to_sql(rows.select(key=sample_hash(rows.text)), dialect="pyspark")


def test_what_is_drawn_by_stays_as_it_is(engine):
    keys = engine.execute(sample_hash(ibis.memtable({"text": ["H1", "H2"]}).text))
    assert list(keys) == [2_348_259_242, 2_920_965_331]


SCHEMA = {"id": "string", "n": "int64", "x": "float64"}
ROWS = [{"id": "a", "n": 1, "x": 0.5}, {"id": "b", "n": 2, "x": None}, {"id": None, "n": 3, "x": -0.5}]


def digest_of(engine, rows) -> str:
    import pyarrow as pa

    table = pa.Table.from_pylist(rows, schema=ibis.schema(SCHEMA).to_pyarrow())
    engine.create_table("digested", table, overwrite=True, temp=True)
    return content_digest(engine.table("digested"))


@given(st.permutations([0.1, 1e9 / 7, -3e8, 1e-6, 2 / 3, None, 0.1]))
def test_sum_is_exact_in_any_order(engine, numbers):
    rows = ibis.memtable(
        {"x": numbers, "kept": [number != 0.1 for number in numbers]}, schema={"x": "float64", "kept": "bool"}
    )
    expected = sum(round(number * 2**24) for number in numbers if number) / 2**24
    found = engine.execute(
        rows.agg(
            all=exact_sum(rows.x), kept=exact_sum(rows.x, where=rows.kept), none=exact_sum(rows.x, where=rows.x > 1e12)
        )
    )
    assert found["all"][0] == expected
    assert found.kept[0] == expected - 2 * round(0.1 * 2**24) / 2**24
    assert found.none.isna()[0]


def test_digest_is_what_anything_else_computes(engine):
    lines = [json.dumps(row, separators=(",", ":")) for row in ROWS]
    total = sum(int.from_bytes(hashlib.md5(line.encode()).digest()[8:], "little") for line in lines)
    assert digest_of(engine, ROWS) == f"3-{total % (1 << 64):016x}"


def test_digests_of_parts_make_that_of_the_whole(engine):
    parts = [digest_of(engine, rows) for rows in (ROWS[:1], ROWS[1:], [])]
    assert combined(parts) == digest_of(engine, ROWS)


@given(st.permutations(ROWS))
def test_digest_does_not_depend_on_the_order_of_rows(engine, rows):
    assert digest_of(engine, rows) == digest_of(engine, ROWS)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:2],
        [*ROWS, ROWS[0]],
        [ROWS[0] | {"id": "A"}, *ROWS[1:]],
        [ROWS[0] | {"n": 2}, ROWS[1] | {"n": 1}, ROWS[2]],  # the same values, in other rows
        [ROWS[0], ROWS[1] | {"x": 0.0}, ROWS[2]],  # zero is not null
        [],
    ],
    ids=["row less", "row twice", "a letter", "swapped", "null", "empty"],
)
def test_digest_changes_with_any_row(engine, rows):
    assert digest_of(engine, rows) != digest_of(engine, ROWS)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30))
@example("Kaiser's")
@example('"; DROP TABLE t; --')
def test_quoting_survives_every_letter(engine, text):
    row = engine.raw_sql(f"SELECT {quoted_text(text)} AS {quoted_name(text)}")
    assert (row.description[0][0], row.fetchone()[0]) == (text, text)


def test_engines_spill_into_folders_of_their_own_and_remove_what_a_killed_one_left(tmp_path):
    left = tmp_path / "killed"
    left.mkdir()
    (left / "duckdb_temp_storage_DEFAULT-0.tmp").write_text("rows")
    left.with_suffix(".lock").touch()
    one, other = (engine.connect(spill=tmp_path) for _ in range(2))
    folders = {engine.scratch(one), engine.scratch(other)}
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == folders
    assert len(folders) == 2
    del one
    gc.collect()
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [engine.scratch(other)]
