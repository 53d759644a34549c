"""A code location put together for the place where it is deployed: adapters, executor, and what begins by itself.

The environment's variables (:class:`resources.config.deployment.DeploymentConfig`) are read once, when a code location is
imported. What a domain consists of does not belong here: `orchestration/definitions.py` is grocery's.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from assets.quality.costs import settle
from assets.quality.gates import Gates
from orchestration import tags
from resources import home
from resources.config.deployment import load_deployment
from resources.errors import Refused
from resources.records.store import OperationsDatabase
from resources.resources import Resources
from resources.tables.store import TableStore

log = logging.getLogger("nightcart.environment")
_deployment = load_deployment()


def _executor() -> dg.ExecutorDefinition:
    if _deployment.executor == "kubernetes":
        from dagster_k8s import k8s_job_executor

        # A step's pod goes with that of its run: it must not go on working for one that is gone.
        return k8s_job_executor.configured({"enable_owner_references": True, "max_concurrent": 4})
    return dg.in_process_executor if _deployment.executor == "in_process" else dg.multiprocess_executor


def in_a_cluster(*sensors: dg.SensorDefinition) -> Sequence[dg.SensorDefinition]:
    """Those sensors, in a pod of Kubernetes; elsewhere none of them."""
    return sensors if "KUBERNETES_SERVICE_HOST" in os.environ else ()


EXECUTOR = _executor()
SCHEDULE_STATUS = dg.DefaultScheduleStatus[_deployment.default_status.upper()]
SENSOR_STATUS = dg.DefaultSensorStatus[_deployment.default_status.upper()]


def enter(config: Path | None = None) -> None:
    """Prepare the process of a code location, before heavy libraries are imported, for the domain whose file is `config`.

    Without `config` it is the retailer in use; raises :class:`Refused` when Dagster's instance is another retailer's.
    """
    for name, value in home.LIBRARIES.items():
        os.environ.setdefault(name, value)
    instance = os.environ.get("DAGSTER_HOME", "")
    if config is None and home.is_of_another(instance):
        raise Refused(
            f"DAGSTER_HOME is {instance}, and the retailer in use is {home.config_file()}: its runs belong elsewhere.",
            remedy="`python -m resources.home COMMAND …` sets the right one for a command; or "
            f"`export DAGSTER_HOME={shlex.quote(home.environment()['DAGSTER_HOME'])}`.",
        )
    if config is None and home.is_elsewhere(instance):
        log.warning(
            "DAGSTER_HOME is %s: runs are kept there, and not with the state of %s.", instance, home.config_file()
        )
    home.keep_to_oneself(home.root() / config.stem if config else home.state())
    # The processes that it starts stay with this domain, also when another retailer is chosen meanwhile.
    os.environ["NIGHTCART_CONFIG"] = str(config or home.config_file())


def definitions(
    *,
    assets: Iterable[Any],
    checks: Sequence[dg.AssetChecksDefinition],
    resources: Resources,
    jobs: Sequence[dg.JobDefinition | dg.UnresolvedAssetJobDefinition],
    schedules: Sequence[dg.ScheduleDefinition] = (),
    sensors: Sequence[dg.SensorDefinition] = (),
) -> dg.Definitions:
    """The code location of one domain over its adapters."""
    retailer = resources.settings.name
    return dg.Definitions(
        assets=list(assets),
        asset_checks=checks,
        jobs=jobs,
        schedules=schedules,
        sensors=sensors,
        resources={
            name: _fixed(each, retailer) for name, each in (resources.by_name() | {"gates": Gates.of(checks)}).items()
        },
        executor=EXECUTOR,
        metadata={tags.RETAILER: retailer},
    )


def _fixed(adapter: Any, retailer: str) -> dg.ResourceDefinition:
    """An adapter that no run configuration moves elsewhere, its schema being empty, and no run of another retailer gets."""
    # A run, or a tick, has a query engine of its own: one of a whole process would keep every table that was ever read.
    is_fresh = isinstance(adapter, TableStore)

    def made(context: dg.InitResourceContext) -> Iterator[Any]:
        if context.run:
            require_own(context.run, retailer)
        yield replace(adapter) if is_fresh else adapter
        if context.run and context.log and isinstance(adapter, OperationsDatabase):
            settle(adapter, context.run, context.log)

    return dg.ResourceDefinition(made, config_schema={})


def require_own(run: dg.DagsterRun, retailer: str) -> None:
    """Raise :class:`Refused` for a run that was asked for another retailer than this process works for."""
    asked_for = run.tags.get(tags.RETAILER, retailer)
    if asked_for != retailer:
        raise Refused(
            f"Run {run.run_id[:8]} was asked for the retailer {asked_for}, and this process works for {retailer}: it writes nothing.",
            remedy="launch it again where that retailer is in use; end web servers and daemons that were started for another.",
        )
