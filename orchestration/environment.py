"""How runs are executed where this process is deployed, and whether schedules and sensors begin by themselves.

What the adapters reach is put together in `resources.resources`; both come from :class:`DeploymentConfig`, and so from environment
variables. A code location is imported once a process: they are read then.
"""

from __future__ import annotations

import os

import dagster as dg

from resources import home
from resources.config.deployment import load_deployment
from resources.errors import Refused

_deployment = load_deployment()

EXECUTOR = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}[_deployment.executor]
SCHEDULE_STATUS = dg.DefaultScheduleStatus[_deployment.default_status.upper()]
SENSOR_STATUS = dg.DefaultSensorStatus[_deployment.default_status.upper()]


def enter() -> None:
    """Prepare the process of a code location before heavy libraries are imported.

    Raises :class:`Refused` when the Dagster instance that it was started with is of another retailer than the one in use.
    """
    for name, value in home.LIBRARIES.items():
        os.environ.setdefault(name, value)
    # The processes that it starts stay with this retailer, also when another one is chosen meanwhile.
    os.environ.setdefault("NIGHTCART_CONFIG", str(home.config_file()))
    instance, own = os.environ.get("DAGSTER_HOME", ""), home.environment()["DAGSTER_HOME"]
    if home.is_of_another(instance):
        raise Refused(
            f"DAGSTER_HOME is {instance}, and the retailer in use is {home.config_file()}: its runs belong elsewhere.",
            remedy=f"`python -m resources.home COMMAND …` sets the right one for a command; or `export DAGSTER_HOME={own}`.",
        )
