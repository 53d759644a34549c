"""Dagster's storage in production: on Postgres, over few connections."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from resources import home
from resources.errors import Refused


@pytest.fixture
def open_instance(
    new_database: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dg.DagsterInstance]:
    """Opens an instance with the storage of deploy/dagster.yaml."""
    monkeypatch.setenv("NIGHTCART_DAGSTER_URL", new_database("dagster"))
    storage = yaml.safe_load((home.PROJECT / "deploy" / "dagster.yaml").read_text())["storage"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage, "telemetry": {"enabled": False}}))
    return lambda: dg.DagsterInstance.from_config(str(tmp_path))


def test_a_process_keeps_one_connection_however_many_instances_it_opens(open_instance, postgres):
    def work(_: int) -> int:
        with open_instance() as instance:
            instance.report_runless_asset_event(dg.AssetMaterialization("sales"))
            return len(instance.get_runs())

    work(0)
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(work, range(6))) == {0}
    with open_instance() as instance, postgres.connect() as connection:
        assert instance.get_latest_materialization_event(dg.AssetKey("sales"))
        ours = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
        name = sa.make_url(os.environ["NIGHTCART_DAGSTER_URL"]).database
        assert connection.scalar(ours, {"name": name}) == 1


def test_a_database_that_is_not_there_is_told_by_its_variable(open_instance, monkeypatch):
    monkeypatch.setenv("NIGHTCART_DAGSTER_URL", os.environ["NIGHTCART_DAGSTER_URL"].replace("/dagster_", "/gone_"))
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _: None)
    with pytest.raises(Refused, match="The database of NIGHTCART_DAGSTER_URL is not on its server"):
        open_instance().get_runs()


def test_the_instance_of_production_is_that_of_a_laptop_but_for_its_storage():
    local, production = (
        yaml.safe_load((home.PROJECT / name).read_text()) for name in ("dagster.yaml", "deploy/dagster.yaml")
    )
    assert production.pop("storage")
    assert production == local
