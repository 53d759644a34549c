"""What the command line reaches the outside through: the adapters of the retailer in use, made once a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from resources import home

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.alerting.night_watch import Watchman


@cache
def adapters() -> dict[str, Any]:
    """The resources of the definitions, by name."""
    from orchestration.definitions import build_resources

    return build_resources(home.state())


def watchman(found: dg.DagsterInstance) -> Watchman:
    """The night watch, from outside of Dagster, now."""
    import datetime as dt

    from orchestration.alerting.night_watch import Watchman
    from orchestration.definitions import defs

    return Watchman(
        instance=found,
        repository=defs.get_repository_def(),
        settings=adapters()["settings"],
        feeds=adapters()["feeds"],
        tables=adapters()["tables"],
        registry=adapters()["registry"],
        operations=adapters()["operations"],
        now=dt.datetime.now(dt.UTC),
    )
