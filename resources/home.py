"""Where the state lives: one folder, found the same way by every program of the project.

The virtual environment runs :func:`announce` as each Python process starts (`nightcart_home.pth`, installed with the
project), so that `nightcart`, `dg`, the web server, the daemon and `mlflow` open the same instance, the same
database and the same tables without anybody exporting a variable. A variable that is already set wins.

This module is run by every Python process of the environment: standard library only, and no side effect beyond
`os.environ` and a link to dagster.yaml in the state folder.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_CONFIG = PROJECT / "config" / "complete_journey.toml"


def root() -> Path:
    """The folder of all state, one sub-folder a retailer: `$NIGHTCART_HOME`, by default `.nightcart` in the project."""
    return Path(os.environ.get("NIGHTCART_HOME") or PROJECT / ".nightcart").resolve()


def pointer() -> Path:
    """The file in which `nightcart use` keeps the path of the retailer's file that is in use."""
    return root() / "config_in_use"


def config_file() -> Path:
    """The retailer's file in use: `$NIGHTCART_CONFIG`, else the one chosen by `nightcart use`, else the demo's."""
    chosen = os.environ.get("NIGHTCART_CONFIG") or (pointer().read_text().strip() if pointer().exists() else "")
    return (PROJECT / chosen).resolve() if chosen else DEFAULT_CONFIG


def state() -> Path:
    """The folder of the retailer in use. Two retailers share nothing: neither tables, runs nor models."""
    return root() / config_file().stem


def erasure_key() -> Path:
    """The file whose random bytes turn a household that was forgotten into the hash that is on record."""
    return state() / "erasure.key"


def environment() -> dict[str, str]:
    """The variables that point Dagster, MLflow and Great Expectations at the state of the retailer in use."""
    tracking_uri = f"sqlite:///{state() / 'mlflow' / 'mlflow.db'}"
    return {
        "NIGHTCART_STATE": str(state()),
        "DAGSTER_HOME": str(state() / "dagster"),
        "MLFLOW_TRACKING_URI": tracking_uri,
        # The same for `mlflow server`, which has its own names for them.
        "MLFLOW_BACKEND_STORE_URI": tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(state() / "mlflow" / "artifacts"),
        # No library phones home from a retailer's network.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GX_ANALYTICS_ENABLED": "false",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        # Threads of a numeric library that wait for one another spin for a thousand rounds, then sleep. For longer, and
        # a fit beside anything else on two cores took five times as long; not at all, and a fit alone lost a third.
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "1000",
    }


def announce() -> None:
    """Set what is not set yet; a copy that was installed without its project folder is left alone."""
    if not (PROJECT / "dagster.yaml").exists():
        return
    for name, value in environment().items():
        os.environ.setdefault(name, value)
    if os.environ["DAGSTER_HOME"] == environment()["DAGSTER_HOME"]:
        _link_instance(Path(os.environ["DAGSTER_HOME"]))


def _link_instance(folder: Path) -> None:
    """Dagster reads dagster.yaml from its home, and refuses a home that is not there."""
    link = folder / "dagster.yaml"
    # A read-only disk, or another process that was first: whoever needs the instance will say so.
    with contextlib.suppress(OSError):
        if not link.is_symlink():
            folder.mkdir(parents=True, exist_ok=True)
            link.symlink_to(PROJECT / "dagster.yaml")
