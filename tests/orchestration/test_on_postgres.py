"""A whole night with everything on Postgres, as many runs at once as it is made for, and the oldest kept state brought there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from alembic import command

from resources import home
from resources.backup import databases
from resources.models.registry import ModelRegistry
from resources.records import database, migrations
from resources.records.alerts import Heartbeat
from resources.records.store import OperationsDatabase
from tests.fixtures import old_state
from tests.support.command_line import PROCESSES
from tests.support.runs_at_once import run_on_postgres
from tests.support.shop import NIGHT, CornerShop, PreparedShops, failures, open_shop

RUNS = 20
KEPT = (
    2  # connections of a run: to the records and to Dagster's storage; MLflow's, in a pool of its own kind, is a third
)
SERVED = ("household_id", "rank", "product_id", "score")


@pytest.fixture
def instance_on_postgres(
    tmp_path: Path, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dg.DagsterInstance]:
    """Opens an instance with the storage of deploy/dagster.yaml."""
    monkeypatch.setenv("NIGHTCART_DAGSTER_URL", new_database("dagster"))
    deployed = yaml.safe_load((home.PROJECT / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))
    folder = tmp_path / "production"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(
        yaml.safe_dump({name: deployed[name] for name in ("storage", "concurrency", "telemetry")})
    )
    return lambda: dg.DagsterInstance.from_config(str(folder))


def registry_on(url: str, folder: Path, **kwargs: Any) -> ModelRegistry:
    return ModelRegistry(tracking_uri=url, artifacts=(folder / "models").as_uri(), name="corner_shop", **kwargs)


def brought_to(url: str, file: Path) -> OperationsDatabase:
    """The records of an SQLite file, in an empty database."""
    operations = OperationsDatabase(url=url)
    assert operations.trail() == []
    with databases.opened(file) as source, databases.opened(url) as target:
        databases.copy(source, target, databases.tables_of(database.METADATA))
    return operations


def test_a_night_on_postgres_makes_the_lists_that_it_makes_on_a_laptop(
    shop_with_label_weeks: CornerShop,
    prepared_shops: PreparedShops,
    tmp_path: Path,
    instance_on_postgres: Callable[[], dg.DagsterInstance],
    new_database: Callable[[str], str],
) -> None:
    shop = shop_with_label_weeks
    operations = brought_to(new_database("operations"), shop.folder / "operations.db")
    registry = registry_on(new_database("mlflow"), shop.folder, sealed=operations.sealed_digest)
    overrides = {
        "operations": operations,
        "registry": registry,
        "tables": replace(shop.tables, ledger=operations),
    }
    with open_shop(shop.folder, **overrides) as opened, instance_on_postgres() as instance:
        night = replace(opened, instance=instance, operations=operations, registry=registry, tables=overrides["tables"])
        result = night.night(NIGHT)
        assert result.success, failures(result)
        assert operations.flaws() == []
        assert [version.aliases for version in registry.versions()] == [["champion"]]
        runs = instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
    prepared_shops.copy("night", tmp_path / "laptop")
    with open_shop(tmp_path / "laptop") as laptop:
        made, on_a_laptop = (
            [[row[column] for column in SERVED] for row in each.rows("published_recommendations")]
            for each in (night, laptop)
        )
    assert made == on_a_laptop
    assert len(made) > 1000


def test_twenty_runs_at_once_have_room(
    tmp_path: Path, instance_on_postgres: Callable[[], dg.DagsterInstance], new_database: Callable[[str], str]
) -> None:
    urls = {"operations": new_database("operations"), "dagster": os.environ["NIGHTCART_DAGSTER_URL"]}
    OperationsDatabase(url=urls["operations"]).trail()
    instance_on_postgres().get_runs()
    at_once, most = PROCESSES.Barrier(RUNS), PROCESSES.Value("i", 0)
    work = (urls, str(tmp_path / "production"), at_once, most)
    runs = [PROCESSES.Process(target=run_on_postgres, args=work, daemon=True) for _ in range(RUNS)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(200)
    assert [run.exitcode for run in runs] == [0] * RUNS
    assert most.value <= RUNS * KEPT + KEPT  # those of this process too
    assert len(OperationsDatabase(url=urls["operations"]).records(Heartbeat)) == RUNS


def test_the_oldest_kept_state_is_migrated_on_postgres(tmp_path: Path, new_database: Callable[[str], str]) -> None:
    state = old_state.unpack(tmp_path)
    url = new_database("operations")
    source = sa.create_engine(f"sqlite:///{state.folder / 'state' / 'corner_shop' / 'operations.db'}")
    target = sa.create_engine(url, connect_args={"options": "-c timezone=UTC"})
    with source.begin() as old, target.begin() as new:
        command.upgrade(migrations.configuration(new), migrations.REVISIONS[0])  # as version 0.1 would have made it
        tables = sa.MetaData()
        tables.reflect(new, only=sa.inspect(old).get_table_names())
        databases.copy(old, new, tables.sorted_tables)
    source.dispose()
    target.dispose()
    operations = OperationsDatabase(url=url)
    assert operations.flaws(head=state.facts["head"]) == []
    with database.connected(url).connect() as connection:
        assert database.known_version(connection) == migrations.NEWEST
