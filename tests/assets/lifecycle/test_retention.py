"""What is old goes; what serves, can be gone back to, made again or explained stays, and so does the audit."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from assets.grocery.scoring.explanation import explain
from assets.grocery.tables import EXAMPLES, HOUSEHOLD, RECOMMENDATIONS, TRANSACTIONS
from assets.lifecycle import retention
from assets.lifecycle.reproduce import rebuild
from orchestration.reports import governance
from orchestration.runs.old_logs import old_logs
from resources.config.lifecycle import RetentionConfig
from resources.errors import Refused
from resources.feeds.retention import old_copies
from resources.models.registry import ModelRecord, ModelRegistry
from resources.records.feeds import Delivery
from resources.records.store import OperationsDatabase
from resources.tables import history
from resources.tables.store import TableStore
from tests.support.shop import NIGHT, TOMORROW, CornerShop, failures

NOW = dt.datetime(2024, 5, 7, 12, tzinfo=dt.UTC)
DAY = dt.date(2024, 5, 1)


def rows(day: dt.date, number: int) -> pa.Table:
    return pa.table({"business_date": [day], "number": [number]})


def test_versions_that_are_needed_can_be_read_and_others_say_why_not(tables: TableStore) -> None:
    for number in range(5):
        tables.replace_days("t", rows(DAY, number), days=[DAY])
    Path(tables.uri("t"), "business_date=2024-05-01", "killed.parquet").touch()
    files = history.unneeded(tables, "t", [2])
    assert len(files) == 4  # of five, one is live and one needed; and what a killed write left
    history.remove(tables, files)
    assert tables.read("t", version=2).number.to_pyarrow().to_pylist() == [1]  # version 0 made the table
    assert tables.read("t").number.to_pyarrow().to_pylist() == [4]
    for read in (tables.read, lambda table, version: tables.rows(table, ["number"], version=version)):
        with pytest.raises(Refused, match=r"Version 3 of t cannot be read any more.*prune.*ask for a newer day"):
            read("t", version=3)
    assert history.unneeded(tables, "t", [2, 3]) == []  # again there is nothing


def test_a_log_begins_with_the_checkpoint_before_what_is_needed(tables: TableStore) -> None:
    from deltalake import DeltaTable

    for number in range(6):
        tables.replace_days("t", rows(DAY, number), days=[DAY])
        if number in (1, 3):
            DeltaTable(tables.uri("t")).create_checkpoint()
    assert history.old_log(tables, "t", 1) == []
    history.remove(tables, history.old_log(tables, "t", 5))  # from the checkpoint of version 4
    assert [tables.read("t", version=version).number.to_pyarrow()[0].as_py() for version in (4, 5, 6)] == [3, 4, 5]
    with pytest.raises(Refused, match="Version 3 of t cannot be read any more"):
        tables.read("t", version=3)


def test_copies_of_days_long_ago_go_and_the_newest_of_each_name_stays(
    tmp_path: Path, operations: OperationsDatabase
) -> None:
    def copy(digest: str, name: str, *, days_ago: int = 0) -> Path:
        file = tmp_path / "raw" / digest / name
        file.parent.mkdir(parents=True)
        file.write_text(name, encoding="utf-8")
        at = (NOW - dt.timedelta(days=days_ago)).timestamp()
        os.utime(file, (at, at))
        return file

    def taken_in(day: dt.date, digest: str) -> Delivery:
        return Delivery(
            business_date=day, files={"x.csv": digest * 4}, columns={}, rows=1, broken={}, content="", run_id="", taken_in_at=NOW
        )  # fmt: skip

    old, again, new = "a" * 16, "b" * 16, "c" * 16
    operations.record(taken_in(DAY, old), taken_in(DAY, again), taken_in(NOW.date(), again), taken_in(NOW.date(), new))
    stays = [copy(again, "x.csv"), copy(new, "x.csv"), copy("d" * 16, "products.csv", days_ago=500)]
    goes = [copy(old, "x.csv"), copy("e" * 16, "products.csv", days_ago=600)]
    stays.append(copy("f" * 16, "offers.csv", days_ago=9))
    stays.append(copy("0" * 16, "offers.csv", days_ago=3))
    found = old_copies(str(tmp_path / "raw"), operations, before=DAY + dt.timedelta(days=1), now=NOW, days=400)
    found.remove()
    assert [file.exists() for file in stays + goes] == [True] * len(stays) + [False] * len(goes)
    assert sum(found.copies.values()) == sum(len(file.name) for file in goes)


def test_a_version_that_is_discarded_leaves_no_file_and_its_number_is_never_given_again(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}", encoding="utf-8")
    for number in range(2):
        record = ModelRecord(business_date=f"2024-05-0{number + 1}", identity=str(number), inputs=["x"], parameters={})
        registry.register(tmp_path / "model", record)
    newest, oldest = registry.versions()
    assert registry.size(oldest) > 0
    registry.discard(oldest)
    assert [each.version for each in registry.versions()] == [newest.version]
    with registry.files(newest):
        pass
    stored = [file for file in (tmp_path / "models").rglob("*") if oldest.run_id in str(file) and file.is_file()]
    assert stored == []
    record = ModelRecord(business_date="2024-05-03", identity="3", inputs=["x"], parameters={})
    assert registry.register(tmp_path / "model", record).version == 3


FINDS = (
    lambda work, need: [retention.old_models(work, need)],
    retention.old_days,
    lambda work, need: [retention.old_files(work, need)],
    lambda work, need: [retention.old_logs(work, need)],
)


@pytest.mark.slow
def test_after_a_pruning_all_is_as_before(after_a_night: CornerShop) -> None:
    """The strictest settings: only what the night itself needs is left."""
    shop = after_a_night
    again = shop.rows(TRANSACTIONS, DAY)
    long_ago = dt.date(2023, 1, 2)
    week = shop.tables.read(EXAMPLES).limit(5).mutate(as_of_date=long_ago)
    before_week = shop.tables.fingerprints(EXAMPLES)
    shop.tables.replace_days(EXAMPLES, week, days=[long_ago], by="as_of_date")
    habits, before_habits = shop.tables.read(HOUSEHOLD), shop.tables.fingerprints(HOUSEHOLD)
    shop.tables.replace_days(HOUSEHOLD, habits.mutate(business_date=ibis.literal(long_ago)), days=[long_ago])
    keep = RetentionConfig.model_construct(explained_days=0, champions=1, versions_days=0, raw_days=0, log_days=0)
    work = shop.lifecycle()
    work = replace(work, settings=work.settings.model_copy(update={"retention": keep}))
    need = retention.needed(work, NIGHT)
    removed = {}
    for find in FINDS:
        for found in find(work, need):
            found.remove()
            removed[found.kind] = found.count
    count, _, remove = old_logs(shop.instance, before=dt.datetime.now(dt.UTC))
    remove()
    assert count == len(shop.instance.get_runs())
    assert (removed["label weeks"], removed["days of features"]) == (1, 1)
    assert shop.tables.fingerprints(EXAMPLES) == before_week
    assert shop.tables.fingerprints(HOUSEHOLD) == before_habits
    assert removed["files of tables"] >= 1  # that of the week that is gone
    assert all(found.count == 0 for find in FINDS[:3] for found in find(work, need))
    looked = governance.files(shop.tables, shop.operations, lambda _: None)
    assert looked.flaws == []
    assert shop.operations.flaws() == []
    (version,) = shop.registry.versions()
    assert rebuild(version, work, from_lines=True).is_identical
    household = next(row["household_id"] for row in shop.rows(RECOMMENDATIONS) if row["household_id"])
    explained = explain(
        household, NIGHT, settings=work.settings, tables=shop.tables, registry=shop.registry, operations=shop.operations
    )
    assert explained.is_reproduced
    assert shop.rows(TRANSACTIONS, DAY) == again
    result = shop.night(TOMORROW)
    assert result.success, failures(result)
