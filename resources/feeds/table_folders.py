"""Folders that are a table, of a format with a log that says which of their files count.

A Delta table is read as it is at its latest version. Of the others the files cannot be told that no longer count.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import IO

from resources.errors import FeedRefused
from resources.tables import object_store

DELTA, HUDI, ICEBERG = "Delta", "Hudi", "Iceberg"
DEPTH = 4  # folders of partitions that a table's files may be below it


def format_of(path: str) -> str | None:
    """Which format of tables a path or URL is a folder of; None for any other folder, and for files."""
    if "://" not in path:
        return _format_of_folder(Path(path))
    if path.startswith("package://") or Path(path).suffix:
        return None
    try:
        filesystem, inside = object_store.filesystem(path)
        return DELTA if filesystem.isdir(f"{inside}/_delta_log") else None
    except (OSError, ValueError, ImportError):
        return None  # who opens it will say so


def refuse_files_of_tables(paths: Iterable[str]) -> None:
    """Refuse files that lie in a table's folder, for they may be of none of its rows any more; the folder is its own."""
    known = lru_cache(None)(_format_of_folder)
    for path in paths:
        if "://" in path:
            continue
        for folder in Path(path).parents[:DEPTH]:
            if is_of := known(folder):
                remedy = f'write path = "{folder}".' if is_of == DELTA else "export it as CSV or Parquet."
                raise FeedRefused(
                    f"{path} is a file of the {is_of} table {folder}, whose folder has files that count no more.",
                    remedy=remedy,
                )
        if is_of := known(Path(path)):
            refuse_unreadable(path, is_of)


def refuse_unreadable(path: str, is_of: str) -> None:
    """Refuse a table of a format that is not read here."""
    if is_of != DELTA:
        raise FeedRefused(
            f"{path} is a table of the format {is_of}, which is not read: its folder has files that count no more.",
            remedy="export it as CSV or Parquet, or as a Delta table.",
        )


def write_snapshot(path: str, into: IO[bytes]) -> None:
    """Write the rows of a Delta table, as they are at its latest version, as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        rows = DeltaTable(path, storage_options=object_store.delta_options(path)).to_pyarrow_dataset()
        with pq.ParquetWriter(into, rows.schema) as writer:
            for batch in rows.to_batches():
                writer.write_batch(batch)
    except (DeltaError, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise FeedRefused(
            f"The Delta table {path} cannot be read: {reason[:300]}.",
            remedy="mend it, or export it as Parquet; a table with deletion vectors has to be rewritten without them.",
        ) from error


def _format_of_folder(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    if (folder / "_delta_log").is_dir():
        return DELTA
    if (folder / ".hoodie").is_dir():
        return HUDI
    return ICEBERG if any((folder / "metadata").glob("*.metadata.json")) else None
