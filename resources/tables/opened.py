"""What a Delta table that is open says of itself, from its log alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from resources.tables.contents import Part
from resources.tables.fence import Written

if TYPE_CHECKING:
    import datetime as dt

    import ibis
    from deltalake import DeltaTable


def schema_of(opened: DeltaTable) -> ibis.Schema:
    """Its columns with their types."""
    import ibis
    import pyarrow as pa

    return ibis.Schema.from_pyarrow(pa.schema(opened.schema().to_arrow()))


def day_column_of(opened: DeltaTable) -> str | None:
    """The column of days that it is partitioned by."""
    columns = opened.metadata().partition_columns
    return columns[0] if columns else None


def parts_of(opened: DeltaTable, *, since: dt.date | None = None, until: dt.date | None = None) -> list[Part]:
    """The live files of the days `since` … `until`; rows without a day are there only when no day is asked for."""
    adds = opened.get_add_actions(flatten=True)
    day = f"partition.{day_column_of(opened)}"
    days = adds[day].to_pylist() if day in adds.column_names else [None] * adds.num_rows
    parts = map(Part, adds["path"].to_pylist(), days, adds["num_records"].to_pylist(), adds["size_bytes"].to_pylist())
    if since is None and until is None:
        return list(parts)
    return [part for part in parts if part.day and (since or part.day) <= part.day <= (until or part.day)]


def rows_by_day_of(opened: DeltaTable) -> dict[dt.date | None, int]:
    """How many rows each day has."""
    rows: dict[dt.date | None, int] = {}
    for part in sorted(parts_of(opened), key=lambda part: str(part.day)):
        rows[part.day] = rows.get(part.day, 0) + part.rows
    return rows


def digest_of(parts: Iterable[Part]) -> str:
    """Of the names of files, which are never used again: the same files, the same rows."""
    return hashlib.sha256("\n".join(sorted(part.path for part in parts)).encode()).hexdigest()[:16]


def writes_since(opened: DeltaTable, version: int) -> list[Written]:
    """The commits after `version` up to the one that is open, the oldest first; that a table was made is none, of itself.

    Where the log no longer has them all, as after an erasure, anybody may have made the first of them.
    """
    if (count := opened.version() - version) == 0:
        return []
    history = [commit for commit in opened.history(max(count, 1)) if count < 0 or commit["version"] > version]
    writes = [Written.of(commit) for commit in reversed(history) if commit["operation"] != "CREATE TABLE"]
    return writes if len(history) == count else [replace(writes[0], writer=None), *writes[1:]]
