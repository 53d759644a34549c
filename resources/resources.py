"""Everything outside that one domain's assets reach, as one typed bundle. What each adapter does stands in its own module."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from resources import home
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.notifier import Notifier
from resources.policy.client import Policy
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The adapters of one domain. The fields' names are those under which assets, checks, schedules and sensors ask for them."""

    settings: Settings
    feeds: FeedReader
    tables: TableStore
    registry: ModelRegistry
    policy: Policy
    notifier: Notifier
    operations: OperationsDatabase

    def by_name(self) -> dict[str, Any]:
        """The adapters by their names."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def build_resources(settings: Settings) -> Resources:
    """The adapters for `settings`, with all state in the state folder."""
    state = home.state()
    return Resources(
        settings=settings,
        feeds=FeedReader(raw=state / "raw"),
        tables=TableStore(root=str(state / "tables")),
        registry=ModelRegistry(
            tracking_uri=home.environment()["MLFLOW_TRACKING_URI"],
            artifacts=(state / "mlflow" / "artifacts").as_uri(),
            name=f"{settings.name}_recommender",
        ),
        policy=Policy(folder=str(home.PROJECT / settings.policy.path), server=settings.policy.server),
        notifier=Notifier(urls_in=settings.alerts.urls_in),
        operations=OperationsDatabase(url=f"sqlite:///{state / 'operations.db'}"),
    )
