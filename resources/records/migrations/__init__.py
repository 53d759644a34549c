"""Migrations of the operations database, by Alembic; `resources.records.database` runs them where one is missing.

To change a table: change the dataclass, write `versions/NNNN_what.py` beside the last one (by hand: they are few and
small) and add its number here. A test compares what the migrations make with the dataclasses, on SQLite and Postgres.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

# Known without Alembic, whose import costs 0.3 s of CPU: a database that is up to date is opened without it.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013")
NEWEST = REVISIONS[-1]
# Not Alembic's usual name, which the databases of Dagster and MLflow have taken: they may share one with ours.
VERSION_TABLE = "operations_version"


def configuration(connection: Connection) -> Config:
    """Alembic's, without its file, to migrate in the transaction of `connection`."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
