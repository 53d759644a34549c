"""Everything outside that one domain's assets reach, as one typed bundle. What each adapter does stands in its own module."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

from resources import home
from resources.config.deployment import load_deployment
from resources.config.lifecycle import LifecycleSettings
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.notifier import Notifier
from resources.policy.client import Policy
from resources.proofs import require_proven
from resources.records.identity import Owner
from resources.records.store import OperationsDatabase
from resources.tables import object_store
from resources.tables.store import TableStore

S = TypeVar("S", bound=LifecycleSettings)


@dataclass(frozen=True, kw_only=True)
class Resources(Generic[S]):
    """The adapters of one domain. The fields' names are those under which assets, checks, schedules and sensors ask for them."""

    settings: S
    feeds: FeedReader
    tables: TableStore
    registry: ModelRegistry
    policy: Policy
    notifier: Notifier
    operations: OperationsDatabase

    def by_name(self) -> dict[str, Any]:
        """The adapters by their names."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


class Replacements(TypedDict, total=False):
    """Single adapters in place of those that the settings and the deployment say: a test's, above all."""

    settings: LifecycleSettings
    feeds: FeedReader
    tables: TableStore
    registry: ModelRegistry
    policy: Policy
    notifier: Notifier
    operations: OperationsDatabase


def build_resources(settings: S) -> Resources[S]:
    """The adapters for `settings`, as the environment of this process says."""
    owner = Owner(retailer=settings.name, folder=home.state())
    owner.marked()
    places = load_deployment().of(name=settings.name, state=owner.folder)
    operations = OperationsDatabase(url=places.operations_url.get_secret_value(), owner=owner)
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)  # boto3, which MLflow asks, knows no other name of it
    require_proven(places.tables, operations)
    return Resources(
        settings=settings,
        feeds=FeedReader(raw=owner.folder / "raw", store=places.raw)
        if object_store.is_url(places.raw)
        else FeedReader(raw=Path(places.raw)),
        tables=TableStore(root=places.tables, ledger=operations),
        registry=ModelRegistry(
            name=settings.registered_model,
            tracking_uri=places.mlflow_tracking_uri,
            artifacts=places.mlflow_artifacts,
            sealed=operations.sealed_digest,
        ),
        policy=Policy(folder=str(home.PROJECT / settings.policy.path), server=settings.policy.server),
        notifier=Notifier(urls_in=settings.alerts.urls_in),
        operations=operations,
    )
