"""Where the state of a domain is kept and how its runs are executed: environment variables, for they differ by machine.

In every place `{state}` stands for the domain's state folder and `{name}` for its name, so that one environment serves several.
In production the state folder is scratch, and every place has to be named (:func:`_wrong_in_production`).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, Json, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from resources import home
from resources.config.base import setting
from resources.config.pods import PodConfig
from resources.errors import Refused


def sqlite_url(database: str | Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{database}"


SIZE = r"(\d+(?:\.\d+)?) ?([KMGT]i?B)"
# Bytes: with half of it no slice of a table is small enough, and the libraries alone take as much.
LEAST_MEMORY = 500_000_000
MOST_OF_MACHINE = 0.9  # of its memory: the system and a shell live there too
# The most that a container may take, by the two versions of control groups; without one "max", or a number beyond any machine.
LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


class DeploymentConfig(BaseSettings):
    """The deployment. `NIGHTCART_HOME`, the folder of all state folders, and `NIGHTCART_CONFIG` are in `resources.home`."""

    model_config = SettingsConfigDict(env_prefix="NIGHTCART_", env_ignore_empty=True, frozen=True)

    environment: Literal["local", "production"] = setting(
        "local",
        "`local`: everything is in the state folder. `production`: Postgres, object storage, nothing that lasts in a state folder.",
    )
    tables: str = setting("{state}/tables", "Folder or object-store URL of the Delta tables.")
    raw: str = setting("{state}/raw", "Folder or object-store URL in which delivered files are kept as they came.")
    operations_url: SecretStr = setting(
        SecretStr(sqlite_url("{state}/operations.db")), "SQLAlchemy URL of the database of decisions."
    )
    mlflow_tracking_uri: str = Field(
        default=home.MLFLOW_DATABASE,
        validation_alias="MLFLOW_TRACKING_URI",
        repr=False,  # it may hold a password
        description="MLflow's own variable: a database URL or a server.",
    )
    dagster_url: SecretStr | None = setting(
        None, "URL of the Postgres database of Dagster's storage, read by `deploy/dagster.yaml`: in production."
    )
    erasure_key: SecretStr | None = setting(
        None,
        "Key of the hashes of forgotten households: 64 hexadecimal digits, or the path of a file that has them. Default: a "
        "file that is made in the state folder.",
    )
    mlflow_artifacts: str | None = setting(
        None, "Folder or URL of the models' files. Default: the state folder, or what a server says."
    )
    # A night is one process: each step of the multiprocess executor would import the libraries anew (49 s against 5 s for
    # ten trivial steps).
    executor: Literal["in_process", "multiprocess", "kubernetes"] = setting(
        "in_process", "How the steps of a run are executed; `kubernetes` is a pod a step."
    )
    training_pod: Json[PodConfig] | None = setting(
        None, "What a pod that trains gets, as JSON: `cpu`, `memory`, `gpus`, `node_selector`, `tolerations`."
    )
    scoring_pod: Json[PodConfig] | None = setting(None, "The same of a pod that scores and does not train.")
    memory: str = setting(
        "3GB",
        "Of one process that works, at most nine tenths of what its machine or container has: half for the query engine, which "
        "spills to disk above that, and half for libraries, frames and models. The more, the fewer slices of households.",
    )
    spill: str = setting("20GB", "Of one query engine on disk; a query that needs more is refused.")
    engine: Literal["duckdb", "spark"] = setting(
        "duckdb",
        "What computes features, label weeks, lists and their checks: `duckdb` on this machine, or `spark`, which needs the extra "
        "of that name and Java, or a cluster.",
    )
    spark_remote: SecretStr | None = setting(
        None,
        "URL of a Spark Connect server (`sc://host:15002`), which may have a token. Default: a Spark of this process's.",
    )
    spark_master: str = setting("local[*]", "Where a Spark of this process's runs: `local[*]`, `k8s://…`, `spark://…`.")
    spark_conf: Json[dict[str, str]] | None = setting(
        None, "More for Spark's session, as JSON: names and values as Spark has them."
    )
    workspace: Path | None = setting(
        None,
        "Dagster's workspace file, where a code location runs elsewhere: `nightcart ui` shows it, and commands queue their "
        "runs there. Default: the project's, and commands run by themselves.",
    )
    default_status: Literal["running", "stopped"] = setting(
        "running", "Of schedules and sensors that nobody has started or stopped in the UI."
    )
    ui_token: SecretStr | None = setting(
        None, "What the link to `nightcart ui` has to name. Default: another one at each start.", min_length=32
    )

    @field_validator("memory", "spill")
    @classmethod
    def _is_a_size(cls, value: str, info: ValidationInfo) -> str:
        least = LEAST_MEMORY if info.field_name == "memory" else 1
        if not re.fullmatch(SIZE, value, re.ASCII) or _bytes(value) < least:
            raise ValueError(f"it is a size such as 3GB, of at least {least // 1_000_000 or 1}MB")
        return value

    @property
    def memory_bytes(self) -> int:
        """What `NIGHTCART_MEMORY` grants, as far as the machine or the container has it."""
        return min(_bytes(self.memory), int(MOST_OF_MACHINE * _memory_of_machine()))

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


def _bytes(size: str) -> int:
    number, unit = re.fullmatch(SIZE, size, re.ASCII).groups()  # pyright: ignore[reportOptionalMemberAccess] - what is none is refused
    return int(float(number) * (1024 if "i" in unit else 1000) ** (1 + "KMGT".index(unit[0])))


def _memory_of_machine() -> int:
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int(Path(file).read_text(encoding="ascii")))
    return min(limits)


def pod_for(work: Literal["training", "scoring"]) -> dict[str, Any]:
    """The op tags of assets that do such work: a run or a step with one of them gets this pod, whoever launches it."""
    deployment = load_deployment()
    pod = deployment.training_pod if work == "training" else deployment.scoring_pod
    return pod.tags() if pod else {}


def load_deployment() -> DeploymentConfig:
    """The deployment of this process; raises :class:`Refused`, naming the variable, when one of them cannot be used."""
    try:
        deployment = DeploymentConfig()
    except ValidationError as error:
        wrong = "; ".join(
            f"{_variable(field := str(each['loc'][0]))}{_value(field, each['input'])}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise Refused(f"{wrong}.", remedy="correct the environment variable, or unset it.") from error
    if deployment.environment == "production" and (wrong := [*_wrong_in_production(deployment)]):
        raise Refused(
            f"In production {'; '.join(wrong)}.",
            remedy="set it where this runs, as docs/guides/production.md shows; `nightcart doctor` then tries them all.",
        )
    return deployment


# What a variable has to be in production: in words, and as a pattern.
POSTGRES = "a Postgres database (postgresql+psycopg://…)", r"postgresql(\+\w+)?://."
POSTGRES_OR_SERVER = f"{POSTGRES[0]} or MLflow's server (https://…)", f"{POSTGRES[1]}|https?://."
SHARED = (
    "in an object store (s3://…) or on a volume that all machines share (/…)",
    r"(?!file:)[a-z][\w+.-]*:/.|/.",
)
IN_PRODUCTION = {
    "NIGHTCART_OPERATIONS_URL": POSTGRES,
    "MLFLOW_TRACKING_URI": POSTGRES_OR_SERVER,
    "NIGHTCART_DAGSTER_URL": POSTGRES,
    "NIGHTCART_TABLES": SHARED,
    "NIGHTCART_RAW": SHARED,
    "NIGHTCART_MLFLOW_ARTIFACTS": SHARED,
    "NIGHTCART_ERASURE_KEY": (
        "64 hexadecimal digits (`openssl rand -hex 32`) or the path of a file that has them (/…)",
        f"/.|{home.ERASURE_KEY}$",
    ),
}


def _wrong_in_production(deployment: DeploymentConfig) -> Iterator[str]:
    """What is missing or wrong, each by its variable and without its value, which may have a password."""
    has_server = deployment.mlflow_tracking_uri.startswith("http")  # which says itself where the models' files are
    for field in DeploymentConfig.model_fields:
        words, pattern = IN_PRODUCTION.get(_variable(field), ("", ""))
        value = getattr(deployment, field)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
        if field not in deployment.model_fields_set:
            is_wrong = "" if field == "mlflow_artifacts" and has_server else "is not set"
        elif "{state}" in text:
            is_wrong = "is in the state folder, with which no other pod begins"
        else:
            is_wrong = "" if re.match(pattern, text) else "is not"
        if words and is_wrong:
            yield f"{_variable(field)} has to be {words}, and {is_wrong}"


def _variable(field: str) -> str:
    known = DeploymentConfig.model_fields.get(field)
    alias = known and known.validation_alias
    return str(alias) if alias else field if field.isupper() else f"NIGHTCART_{field.upper()}"


def _value(field: str, value: object) -> str:
    """What a variable is, unless that is a secret."""
    known = DeploymentConfig.model_fields.get(field)
    return "" if known is None or "Secret" in str(known.annotation) or not known.repr else f" is {value!r}"


def _filled(place: str, name: str, state: Path) -> str:
    return place.replace("{state}", str(state)).replace("{name}", name)
