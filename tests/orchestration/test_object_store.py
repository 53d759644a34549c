"""A night whose tables, kept copies, deliveries and models are in an object store comes to what it comes to on a laptop."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from assets.grocery.tables import AS_OF, EXAMPLES
from assets.grocery.training.examples import LABEL_DAYS
from resources.config.loader import load_settings
from resources.days import ONE_DAY
from resources.feeds import remote_copies
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.records.store import OperationsDatabase
from resources.tables import history, object_store
from resources.tables.store import TableStore
from tests.support.shop import NIGHT, CornerShop, PreparedShops, failures, open_shop


def bring(folder: Path, url: str) -> None:
    """A folder's files into the store."""
    filesystem, place = object_store.filesystem(url)
    for file in folder.rglob("*"):
        if file.is_file():
            filesystem.put_file(str(file), f"{place}/{file.relative_to(folder)}")


def contents(tables: TableStore) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table, without what names files: the one that a line came from, those that label weeks are known by."""
    found = {}
    for name in history.names(tables):
        rows = tables.read(name).to_pyarrow()
        kept = rows.drop_columns([column for column in rows.column_names if column in ("source_file", "inputs")])
        found[name] = sorted(kept.to_pylist(), key=repr)
    return found


def test_a_night_is_the_same_in_an_object_store(
    after_a_night: CornerShop, prepared_shops: PreparedShops, bucket: str, tmp_path: Path
) -> None:
    folder = tmp_path / "remote"
    prepared_shops.copy("label_weeks", folder)
    with open_shop(folder) as shop:  # the newest label week is left to be made there
        weeks = shop.tables.read(EXAMPLES)
        shop.tables.replace_days(EXAMPLES, weeks.limit(0), days=[NIGHT - LABEL_DAYS * ONE_DAY], by=AS_OF)
    bring(folder / "tables", f"{bucket}/tables")
    bring(folder / "sales", f"{bucket}/sales")
    for name in ("tables", "sales", "raw"):
        shutil.rmtree(folder / name)
    settings = load_settings()
    sales = settings.transactions.model_copy(update={"path": [f"{bucket}/sales/{{date}}.csv"]})
    operations = OperationsDatabase(url=f"sqlite:///{folder / 'operations.db'}")
    tables = TableStore(root=f"{bucket}/tables", ledger=operations)
    registry = ModelRegistry(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifacts=f"{bucket}/models",
        name="corner_shop_remote",
        sealed=operations.sealed_digest,
    )
    with open_shop(
        folder,
        settings=settings.model_copy(update={"transactions": sales}),
        tables=tables,
        registry=registry,
        feeds=FeedReader(raw=folder / "raw", store=f"{bucket}/raw"),
    ) as shop:
        result = shop.night(NIGHT)
    assert result.success, failures(result)
    there, here = contents(tables), contents(after_a_night.tables)
    assert {name: rows for name, rows in there.items() if rows != here[name]} == {}
    assert there.keys() == here.keys()
    assert [copy.name for copy in remote_copies.each(f"{bucket}/raw")]
    with registry.files(registry.versions()[0]) as files:
        assert (files / "model.json").exists()
    assert not (folder / "tables").exists()
    assert replace(tables).engine.con.execute("SELECT count(*) FROM duckdb_secrets()").fetchone() == (0,)
