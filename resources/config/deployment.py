"""Where the state of a domain is kept and how its runs are executed: environment variables, for they differ by machine.

In every place `{state}` stands for the domain's state folder and `{name}` for its name, so that one environment serves several.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from resources import home
from resources.config.base import setting
from resources.errors import Refused


def sqlite_url(database: str | Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{database}"


class DeploymentConfig(BaseSettings):
    """The deployment. `NIGHTCART_HOME`, the folder of all state folders, and `NIGHTCART_CONFIG` are in `resources.home`."""

    model_config = SettingsConfigDict(env_prefix="NIGHTCART_", env_ignore_empty=True, frozen=True)

    tables: str = setting("{state}/tables", "Folder or object-store URL of the Delta tables.")
    raw: str = setting("{state}/raw", "Folder in which delivered files are kept as they came.")
    operations_url: SecretStr = setting(
        SecretStr(sqlite_url("{state}/operations.db")), "SQLAlchemy URL of the database of decisions."
    )
    mlflow_tracking_uri: str = Field(
        default=home.MLFLOW_DATABASE,
        validation_alias="MLFLOW_TRACKING_URI",
        repr=False,  # it may hold a password
        description="MLflow's own variable: a database URL or a server.",
    )
    mlflow_artifacts: str | None = setting(
        None, "Folder or URL of the models' files. Default: the state folder, or what a server says."
    )
    # A night is one process: each step of the multiprocess executor would import the libraries anew (49 s against 5 s for
    # ten trivial steps).
    executor: Literal["in_process", "multiprocess"] = setting("in_process", "How the steps of a run are executed.")
    memory: str = setting("1500MB", "Of one query engine; above it, it spills to disk.", pattern=r"^[\d.]+ ?[KMGT]i?B$")
    spill: str = setting(
        "20GB", "Of one query engine on disk; a query that needs more is refused.", pattern=r"^[\d.]+ ?[KMGT]i?B$"
    )
    default_status: Literal["running", "stopped"] = setting(
        "running", "Of schedules and sensors that nobody has started or stopped in the UI."
    )
    ui_token: SecretStr | None = setting(
        None, "What the link to `nightcart ui` has to name. Default: another one at each start.", min_length=32
    )

    def of(self, *, name: str, state: Path) -> DeploymentConfig:
        """The deployment of the domain `name`, with its places filled in."""
        uri = self.mlflow_tracking_uri
        if home.is_of_another(uri):  # inherited from a process that worked for another retailer
            uri = home.MLFLOW_DATABASE
        artifacts = self.mlflow_artifacts
        if artifacts is None and uri.startswith("sqlite:"):
            artifacts = (state / "mlflow" / "artifacts").as_uri()
        places = {"tables": self.tables, "raw": self.raw, "mlflow_tracking_uri": uri, "mlflow_artifacts": artifacts}
        filled = {field: _filled(place, name, state) for field, place in places.items() if place}
        secret = SecretStr(_filled(self.operations_url.get_secret_value(), name, state))
        return self.model_copy(update={**filled, "operations_url": secret})


def load_deployment() -> DeploymentConfig:
    """The deployment of this process; raises :class:`Refused`, naming the variable, when one of them cannot be used."""
    try:
        return DeploymentConfig()
    except ValidationError as error:
        wrong = "; ".join(
            f"{_variable(field := str(each['loc'][0]))}{_value(field, each['input'])}: {each['msg']}"
            for each in error.errors()
        )
        raise Refused(f"{wrong}.", remedy="correct the environment variable, or unset it.") from error


def _variable(field: str) -> str:
    return field if field.isupper() else f"NIGHTCART_{field.upper()}"


def _value(field: str, value: object) -> str:
    """What a variable is, unless that is a secret."""
    known = DeploymentConfig.model_fields.get(field)
    return "" if known is None or "Secret" in str(known.annotation) or not known.repr else f" is {value!r}"


def _filled(place: str, name: str, state: Path) -> str:
    return place.replace("{state}", str(state)).replace("{name}", name)
