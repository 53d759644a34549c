"""What the command line reaches the outside through: the adapters of the retailer in use, made once a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from resources.config.loader import load_settings
from resources.resources import Resources, build_resources

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.alerting.night_watch import Watchman


@cache
def adapters() -> Resources:
    """The resources of the definitions."""
    return build_resources(load_settings())


def watchman(found: dg.DagsterInstance) -> Watchman:
    """The night watch, from outside of Dagster, now."""
    import datetime as dt

    from orchestration.alerting.night_watch import Watchman
    from orchestration.definitions import defs

    return Watchman(
        instance=found,
        repository=defs.get_repository_def(),
        settings=adapters().settings,
        feeds=adapters().feeds,
        tables=adapters().tables,
        registry=adapters().registry,
        operations=adapters().operations,
        now=dt.datetime.now(dt.UTC),
    )
