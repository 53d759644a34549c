"""What the command line reaches the outside through: the adapters of the retailer in use, made once a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.resources import Resources, build_resources

if TYPE_CHECKING:
    import dagster as dg

    from assets.lifecycle.domain import Lifecycle
    from orchestration.alerting.probes import ProbeContext


@cache
def adapters() -> Resources[Settings]:
    """The resources of the definitions."""
    return build_resources(load_settings())


def lifecycle(**changes: Any) -> Lifecycle:
    """The retailer's model lifecycle, worked on by a person."""
    from assets.grocery.domain import GROCERY
    from assets.lifecycle.domain import Lifecycle
    from orchestration.definitions import GATES

    bundle = adapters()
    return Lifecycle(
        domain=GROCERY,
        settings=bundle.settings,
        tables=bundle.tables,
        registry=bundle.registry,
        operations=bundle.operations,
        policy=bundle.policy,
        gates=GATES,
        **changes,
    )


def probe_context(found: dg.DagsterInstance) -> ProbeContext:
    """What probes look at, from outside of Dagster, now."""
    import datetime as dt

    from orchestration.alerting.probes import ProbeContext
    from orchestration.definitions import defs

    return ProbeContext(
        instance=found,
        repository=defs.get_repository_def(),
        settings=adapters().settings,
        feeds=adapters().feeds,
        tables=adapters().tables,
        registry=adapters().registry,
        operations=adapters().operations,
        now=dt.datetime.now(dt.UTC),
    )
