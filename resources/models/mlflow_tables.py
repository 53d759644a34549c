"""MLflow's registry read from its database tables: MLflow itself takes four CPU seconds to import.

Whatever writes goes by MLflow's client, but for :func:`follow`. The one module that knows MLflow's schema, which is the same on
every database and changes with MLflow's minor versions (pinned in pyproject.toml); a test compares with the client.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from resources import postgres
from resources.errors import Unavailable, of_postgres
from resources.models.version import ModelVersion

Rows = Sequence[Mapping[str, Any]]

ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = :name ORDER BY alias"
VARIABLE = "MLFLOW_TRACKING_URI"
DIALECTS = ("sqlite", "postgresql", "mysql", "mssql")
# Where MLflow names a file's place in full.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
OTHER_TABLES = "out-of-date database schema"  # what MLflow says to tables that an earlier or later MLflow made
UPGRADE = (
    "after a backup, where nothing runs: `mlflow db upgrade URL`, with the URL of MLFLOW_TRACKING_URI; where its tables are of a "
    "later MLflow, install that one."
)
DELETED = "Deleted_Internal"  # MLflow keeps the row of a version that was deleted


def is_database(tracking_uri: str) -> bool:
    """Whether MLflow's backend is a database that can be read directly, and not a server."""
    return tracking_uri.partition(":")[0].partition("+")[0] in DIALECTS


def versions(url: str, name: str) -> list[ModelVersion]:
    """All versions of a registered model, newest first; none where MLflow has no tables yet."""
    of_model = "IN (SELECT run_id FROM model_versions WHERE name = :name)"
    rows, tags, parameters, metrics, pointing, deleted = _answers(
        url,
        name,
        "SELECT version, run_id, source, current_stage FROM model_versions WHERE name = :name ORDER BY version DESC",
        "SELECT version AS subject, key, value FROM model_version_tags WHERE name = :name",
        f"SELECT run_uuid AS subject, key, value FROM params WHERE run_uuid {of_model}",
        f"SELECT run_uuid AS subject, key, value FROM latest_metrics WHERE run_uuid {of_model}",
        ALIASES,
        f"SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted' AND run_uuid {of_model}",
    )
    return [
        ModelVersion(
            version=row["version"],
            run_id=row["run_id"],
            source=row["source"],
            tags=_pairs(tags, row["version"]),
            parameters=_pairs(parameters, row["run_id"]),
            metrics=_pairs(metrics, row["run_id"]),
            aliases=[each["alias"] for each in pointing if each["version"] == row["version"]],
            is_thrown_away=any(each["run_uuid"] == row["run_id"] for each in deleted),
        )
        for row in rows
        if row["current_stage"] != DELETED
    ]


def aliases(url: str, name: str) -> dict[str, int]:
    """The version that each alias of a registered model points to."""
    (rows,) = _answers(url, name, ALIASES)
    return {row["alias"]: row["version"] for row in rows}


def experiment_tag(url: str, name: str, key: str) -> str | None:
    """A tag of an experiment."""
    tags = _answers(
        url,
        name,
        "SELECT key, value FROM experiment_tags WHERE experiment_id IN (SELECT experiment_id FROM experiments WHERE name = :name)",
    )
    return next((tag["value"] for tag in tags[0] if tag["key"] == key), None)


def follow(url: str, artifacts: str | None, *, before: str) -> None:
    """Let a database that was moved, or copied, together with its files name them where they are now, and not as `before`.

    A copy of a state would else write its models into the one that it was copied from, and remove that one's.
    """
    folder = Path(url.removeprefix("sqlite:///")).parent / "artifacts"
    is_beside = url.startswith("sqlite:///") and folder.as_uri() == artifacts and folder.is_dir()
    if artifacts == before or not is_beside or not before.endswith("/mlflow/artifacts"):
        return
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table, column in PLACES:
            connection.execute(
                sa.text(
                    f"UPDATE {table} SET {column} = :after || substr({column}, :size + 1) "
                    f"WHERE substr({column}, 1, :size) = :before"
                ),
                {"before": before, "after": artifacts, "size": len(before)},
            )
    engine.dispose()


@contextlib.contextmanager
def opening(url: str) -> Iterator[None]:
    """Be the one process that opens MLflow on a Postgres database: it makes its tables, and two that do so at once fail.

    Raises :class:`Refused` or :class:`Unavailable` when the database is not to be had, for which MLflow takes 100 s.
    """
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError

    if not postgres.is_of(url):
        yield
        return
    engine = sa.create_engine(url, connect_args=postgres.CONNECT)
    with contextlib.ExitStack() as opened:
        opened.callback(engine.dispose)
        try:
            connection = opened.enter_context(engine.begin())
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('nightcart.mlflow'))"))
        except DBAPIError as error:
            raise of_postgres(error, variable=VARIABLE) or error from error
        yield


def _pairs(rows: Rows, subject: int | str) -> dict[str, Any]:
    return {row["key"]: row["value"] for row in rows if row["subject"] == subject}


def _answers(url: str, name: str, *queries: str) -> list[Rows]:
    """The rows of each query; none where there is no database, or no table of MLflow in it."""
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError, OperationalError

    engine = sa.create_engine(url, connect_args=postgres.CONNECT if postgres.is_of(url) else {})
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    try:
        # To connect to a file that is not there would make it.
        if (file and not Path(file).exists()) or not sa.inspect(engine).has_table("model_versions"):
            return [[] for _ in queries]
        with engine.connect() as connection:
            return [[dict(row) for row in connection.execute(sa.text(q), {"name": name}).mappings()] for q in queries]
    except DBAPIError as error:
        if known := of_postgres(error, variable=VARIABLE):
            raise known from error
        if not isinstance(error, OperationalError):
            raise
        raise Unavailable(
            f"The model registry does not answer: {error}.", remedy="see that MLflow's database is up."
        ) from error
    finally:
        engine.dispose()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """MLflow and Alembic announce every step of theirs; what is worth telling, the assets tell."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
