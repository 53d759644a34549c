"""What lies below a table, whatever its log says of it: the files of all versions, and the texts of the log itself.

For the one who has to know that something is nowhere any more (`assets.privacy`). Everything else reads tables through
`resources.tables.store`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from resources.errors import Refused
from resources.tables import object_store
from resources.tables.commits import LOG
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = re.compile(r"(\d{20})\.(json|crc|checkpoint\..*)")


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file below a table; `day` is the partition of one that is of the newest version (`is_live`)."""

    path: str
    is_live: bool
    day: dt.date | None = None
    below: str = ""  # the table's folder, as its log names it
    size: int = 0  # bytes


def names(tables: TableStore) -> list[str]:
    """All tables below the store's root."""
    filesystem, root = object_store.filesystem(tables.root)
    if not filesystem.exists(root):
        return []
    folders = (path.rstrip("/") for path in filesystem.ls(root, detail=False))
    return sorted(folder.rpartition("/")[2] for folder in folders if filesystem.exists(f"{folder}/{LOG}"))


def data_files(tables: TableStore, table: str) -> list[DataFile]:
    """Every file that is there, of the newest version, of an older one, or of a write that was never committed."""
    filesystem, root = object_store.filesystem(tables.uri(table))
    live = {unquote(path): day for path, day in tables.live(table).items()}
    files = []
    for path, about in sorted(filesystem.find(root, detail=True).items()):
        below = unquote(path.removeprefix(root).lstrip("/"))
        if not below.startswith(LOG):
            is_live, size = below in live, about["size"]
            files.append(DataFile(path=path, is_live=is_live, day=live.get(below), below=below, size=size))
    return files


def columns_of(tables: TableStore, file: DataFile, wanted: Sequence[str]) -> pa.Table | None:
    """Those of `wanted` that a file has; None for one that cannot be read: a write that was cut off."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, _ = object_store.filesystem(tables.root)
    try:
        with filesystem.open(file.path, "rb") as content, pq.ParquetFile(content) as opened:
            there = [name for name in wanted if name in opened.schema_arrow.names]
            return opened.read(columns=there) if there else pa.table({})
    except (pa.ArrowInvalid, OSError):
        return None


def log_texts(tables: TableStore, table: str) -> Iterator[tuple[str, str]]:
    """Every text in the table's log with the name of its field; those of JSON within JSON too, such as statistics."""
    import pyarrow.parquet as pq

    filesystem, folder = object_store.filesystem(f"{tables.uri(table)}/{LOG}")
    for path in filesystem.find(folder):
        content = filesystem.cat_file(path)
        if path.endswith(".parquet"):
            with filesystem.open(path, "rb") as opened:
                yield from _texts("", pq.read_table(opened).to_pylist())
        else:
            for line in content.decode("utf-8", errors="replace").splitlines():
                yield from _texts("", line)


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(str(key), each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(name, each)
    elif isinstance(value, str):
        if value[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                yield from _texts(name, json.loads(value))
                return
        yield name, value


def unneeded(tables: TableStore, table: str, versions: Iterable[int]) -> list[DataFile]:
    """The files that neither the newest version nor one of `versions` has; those that cannot be read any more have none."""
    needed: set[str] = set()
    for version in versions:
        with contextlib.suppress(Refused):
            needed |= {unquote(part.path) for part in tables.parts(table, version=version)}
    return [file for file in data_files(tables, table) if not file.is_live and file.below not in needed]


def old_log(tables: TableStore, table: str, oldest: int) -> list[DataFile]:
    """The files of the log without which `oldest` and all later versions can be read: those before a checkpoint."""
    filesystem, folder = object_store.filesystem(f"{tables.uri(table)}/{LOG}")
    found = filesystem.find(folder, detail=True)
    known = {path: named for path in found if (named := VERSION.fullmatch(path.rpartition("/")[2]))}
    checkpoints = [int(named[1]) for named in known.values() if named[2].startswith("checkpoint")]
    first = max((version for version in checkpoints if version <= oldest), default=0)
    return [
        DataFile(path=path, is_live=False, size=found[path]["size"])
        for path, named in known.items()
        if int(named[1]) < first
    ]


def remove(tables: TableStore, files: Iterable[DataFile]) -> None:
    """Remove files, which no version that is to be read has."""
    filesystem, _ = object_store.filesystem(tables.root)
    for file in files:
        filesystem.rm_file(file.path)


def purge_history(tables: TableStore, table: str) -> None:
    """Leave nothing but the newest version: no older one can be read again, and the numbers go on.

    For whoever has the store alone (:meth:`TableStore.alone`). The files first, then the log, of which the newest
    commit and a checkpoint of it stay: half done, it is done again. Delta's own vacuum would add two commits, and its
    own cleaning of the log keeps a month.
    """
    from deltalake import DeltaTable

    filesystem, root = object_store.filesystem(tables.uri(table))
    for file in data_files(tables, table):
        if not file.is_live:
            filesystem.rm_file(file.path)
    opened = DeltaTable(tables.uri(table), storage_options=object_store.delta_options(tables.root))
    opened.create_checkpoint()
    for path in filesystem.find(f"{root}/{LOG}"):
        name = path.rpartition("/")[2]
        of_version = VERSION.fullmatch(name)
        is_old = of_version is None or int(of_version[1]) < opened.version()
        if is_old and name != "_last_checkpoint":
            filesystem.rm_file(path)
    if tables.is_remote:  # a bucket that keeps versions has all of it still
        object_store.remove(tables.uri(table))
