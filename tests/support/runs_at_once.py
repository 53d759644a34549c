"""What many processes do at once, in a module of few imports: each of them imports it."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import dagster as dg
import sqlalchemy as sa

from resources.records.store import OperationsDatabase


def run_on_postgres(urls: dict[str, str], folder: str, at_once: Any, most: Any) -> None:
    """What a run asks of the records and of Dagster's storage, while all the others do."""
    os.environ["NIGHTCART_DAGSTER_URL"] = urls["dagster"]
    operations = OperationsDatabase(url=urls["operations"])
    with dg.DagsterInstance.from_config(folder) as instance:
        instance.get_runs()
        at_once.wait()
        operations.beat(str(os.getpid()), now=dt.datetime.now(dt.UTC))
        instance.report_runless_asset_event(dg.AssetMaterialization("sales"))
        names = [sa.make_url(url).database for url in urls.values()]
        with operations._engine.connect() as connection:
            there = sa.select(sa.func.count()).select_from(sa.table("pg_stat_activity", sa.column("datname")))
            of_ours = there.where(sa.column("datname").in_(names))
            at_once.wait()  # all have done it, and hold what they keep
            count = connection.scalar(of_ours)
        with most.get_lock():
            most.value = max(most.value, count)
        at_once.wait()
