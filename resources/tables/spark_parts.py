"""Rows that Spark writes itself, from all its executors at once: files beside a table's others, its own once a commit names them.

Those that no commit names are as what Delta's own writer leaves when it fails: no reader sees them, and what removes files that
nothing needs removes them.
"""

from __future__ import annotations

import json
import posixpath
import re
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.tables import engine, object_store

if TYPE_CHECKING:
    import datetime as dt

    import ibis
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Files of rows below a table's folder, a folder for each value of the column of days, and the rows' schema."""

    schema: pa.Schema
    day: str
    files: Sequence[AddAction]

    def commit(self, opened: DeltaTable, *, days: Collection[dt.date], **properties: Any) -> None:
        """Replace `days` by them in one commit onto the version that is open, or raise what Delta does."""
        import pyarrow as pa

        known = pa.schema(opened.schema().to_arrow())  # pyright: ignore[reportArgumentType]
        younger = [each for each in self.schema if each.name not in known.names]
        opened.create_write_transaction(
            list(self.files),
            mode="overwrite",
            schema=pa.schema([*known, *younger]) if younger else opened.schema(),  # pyright: ignore[reportArgumentType]
            partition_by=[self.day],
            partition_filters=[(self.day, "in", [each.isoformat() for each in days])],
            **properties,
        )


def written(rows: ibis.Table, uri: str, *, day: str) -> Parts:
    """The rows, which have a `day` each, as files below `uri`."""
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    folder = f"spark-{uuid.uuid4().hex}"
    engine.spark().write(rows, f"{uri}/{folder}", by=day)
    filesystem, root = object_store.filesystem(uri)
    files = []
    for path, about in filesystem.find(f"{root}/{folder}", detail=True).items():
        if not path.endswith(".parquet"):  # Hadoop's own checksums
            filesystem.rm_file(path)
            continue
        with filesystem.open(path) as content:
            count = pq.read_metadata(content).num_rows
        values = {day: re.findall(rf"/{day}=([\d-]+)/", path)[0]}
        stats, now = json.dumps({"numRecords": count}), int(time.time() * 1000)
        files.append(AddAction(posixpath.relpath(path, root), about["size"], values, now, True, stats))
    return Parts(schema=rows.schema().to_pyarrow(), day=day, files=files)
