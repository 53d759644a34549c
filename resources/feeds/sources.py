"""Where delivered files are: paths, globs and URLs, and what package holds a `package://` path."""

from __future__ import annotations

import datetime as dt
import glob
import importlib.util
import tempfile
from pathlib import Path
from typing import IO

from resources import home
from resources.config.feeds import FeedConfig
from resources.errors import FeedMissing, FeedRefused
from resources.feeds import converted, databases, landing, table_folders
from resources.text import without_secrets


def where(files: FeedConfig) -> str:
    """Where a feed is, to be told: its paths, or its query's database."""
    return without_secrets(databases.path_of(files, None) if files.query is not None else " or ".join(files.path))


def expand(path: str) -> list[str]:
    """The existing files that a path, glob or URL stands for, sorted."""
    if path.startswith("package://"):
        folder = _package_folder(path)
        inside = path.removeprefix("package://").partition("/")[2]
        return [
            f"package://{folder.name}/{Path(match).relative_to(folder).as_posix()}"
            for match in sorted(glob.glob(str(folder / inside), recursive=True))
        ]
    if "://" not in path:
        return sorted(glob.glob(str(home.PROJECT / path), recursive=True))
    if not glob.has_magic(_without_query(path)):
        return [path] if landing.exists(path) else []
    import fsspec

    with landing.reached(path):
        filesystem, inside = fsspec.core.url_to_fs(path)
        return sorted(filesystem.unstrip_protocol(match) for match in filesystem.glob(inside))


def _package_folder(path: str) -> Path:
    """Where the installed package of a `package://` path is."""
    module = path.removeprefix("package://").partition("/")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise FeedMissing(f"The package {module} of {path} is not installed.", remedy=f"`uv add {module}`.")
    return Path(spec.submodule_search_locations[0])


def copy_name(path: str) -> str:
    """What the kept copy of a file or table is called."""
    if databases.is_query(path):
        return databases.KEPT_AS
    name = Path(_without_query(path)).name
    return f"{name}.parquet" if table_folders.format_of(path) else converted.copy_name(name)


def _without_query(path: str) -> str:
    """An HTTP address without its `?…`, which is no part of the file's name."""
    return path.partition("?")[0] if path.startswith("http") else path


def open_file(path: str, settings: FeedConfig | None = None, day: dt.date | None = None) -> IO[bytes]:
    """What :meth:`FeedReader.locate` found, as it is kept: a file's bytes, unpacked, or rows as Parquet; of a query, of `day`."""
    if databases.is_query(path) and settings:
        return databases.rows(settings, day)
    name = _without_query(path)
    if not converted.is_converted(Path(name).name) or table_folders.format_of(path):
        return open_raw(path)
    settings = settings or FeedConfig(path=[path])
    with open_raw(path) as content:
        return converted.convert(content, name, sheet=settings.sheet, most_unpacked=settings.most_unpacked)


def open_raw(path: str) -> IO[bytes]:
    """What :meth:`FeedReader.locate` found, as it lies there: a file's bytes, or a table's rows as Parquet."""
    if path.startswith("package://"):
        return open(_package_folder(path).parent / path.removeprefix("package://"), "rb")
    if table_folders.format_of(path):
        snapshot = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        table_folders.write_snapshot(path, snapshot)
        snapshot.seek(0)
        return snapshot
    if "://" not in path:
        _refuse_what_is_no_file(Path(path))
        return open(path, "rb")
    import fsspec

    with landing.reached(path):
        return fsspec.open(path, "rb").open()  # pyright: ignore


def _refuse_what_is_no_file(path: Path) -> None:
    """Refuse folders, pipes and devices, which may have no end, and links that lead out of their folder."""
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise FeedRefused(
            f"{path} is a link that leads out of its folder, to {path.resolve()}.",
            remedy="put the file itself there, or write its own path into the configuration.",
        )
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise FeedRefused(f"{path} is {what}, not a file.", remedy="put a file there, or correct `path`.")
