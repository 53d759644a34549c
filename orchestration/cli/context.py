"""What the command line reaches: the adapters of the retailer in use, made once a process, and what is made of them."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any

from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.resources import Resources, build_resources

if TYPE_CHECKING:
    import dagster as dg

    from assets.lifecycle.domain import Lifecycle
    from orchestration.alerting.incidents import Incident
    from orchestration.alerting.probes import ProbeContext
    from resources.parts import Parts


@cache
def resources() -> Resources[Settings]:
    """The adapters, by name."""
    return build_resources(load_settings())


def lifecycle(**changes: Any) -> Lifecycle:
    """The retailer's model lifecycle, worked on by a person."""
    from assets.grocery.domain import GROCERY
    from assets.lifecycle.domain import Lifecycle
    from orchestration.definitions import GATES

    return Lifecycle.over(GROCERY, resources(), gates=GATES, **changes)


def parts(instance: dg.DagsterInstance) -> Parts:
    """The parts of the state, which age together."""
    from resources.parts import Parts

    bundle = resources()
    return Parts.of(
        operations=bundle.operations,
        tables=bundle.tables.root,
        raw=bundle.feeds.place,
        registry=bundle.registry,
        cursors=instance.daemon_cursor_storage,
    )


def probe_context(instance: dg.DagsterInstance) -> ProbeContext:
    """What probes look at, from outside of Dagster, now."""
    from orchestration.alerting.probes import ProbeContext
    from orchestration.definitions import defs

    bundle = resources()
    return ProbeContext(
        instance=instance,
        repository=defs.get_repository_def(),
        settings=bundle.settings,
        feeds=bundle.feeds,
        tables=bundle.tables,
        registry=bundle.registry,
        operations=bundle.operations,
        now=dt.datetime.now(dt.UTC),
    )


def watched(instance: dg.DagsterInstance) -> list[Incident]:
    """Mend what may be mended, look and tell; returns all that is wrong."""
    from orchestration.alerting.watch import watch

    return watch(probe_context(instance), notifier=resources().notifier)
