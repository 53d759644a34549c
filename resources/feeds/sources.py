"""Where delivered files are: paths, globs and URLs, and what package holds a `package://` path."""

from __future__ import annotations

import datetime as dt
import glob
import importlib.util
import os
import re
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, cast

from resources import home
from resources.config.feeds import FeedConfig
from resources.errors import FeedMissing, FeedRefused, Unavailable
from resources.feeds import converted, databases, landing, table_folders
from resources.feeds.files import REDELIVER, is_lock, no_file, told
from resources.feeds.lines import BLOCK
from resources.tables import object_store
from resources.text import without_secrets

PATIENCE, SLOWEST = 60, 1_000  # after so many seconds a server has sent so many bytes for each of them
UNTIL_COMPLETE = "wait until it is complete."
LONGEST_NAME = 180  # bytes of a copy's name are at most 255, and what it is kept as may add some


def where(files: FeedConfig) -> str:
    """Where a feed is, to be told: its paths, or its query's database."""
    return without_secrets(databases.path_of(files, None) if files.query is not None else " or ".join(files.path))


def expand(path: str) -> list[str]:
    """The existing files that a path, glob or URL stands for, sorted, without locks."""
    return [found for found in _expanded(path) if not is_lock(found)]


def _expanded(path: str) -> list[str]:
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
    with landing.reached(path):
        filesystem, inside = object_store.filesystem(path)
        return sorted(filesystem.unstrip_protocol(match) for match in filesystem.glob(inside))


def changed_at(path: str) -> float | None:
    """When a file was written, or came to its place, in seconds since 1970; None where its store or server does not say it."""
    if path.startswith("package://"):
        return None
    if "://" not in path:
        return Path(path).stat().st_ctime
    with landing.reached(path):
        filesystem, inside = object_store.filesystem(path)
        filesystem.invalidate_cache()
        written = landing.written_at(filesystem.info(inside))
    if isinstance(written, str):
        try:
            written = parsedate_to_datetime(written) if "," in written else dt.datetime.fromisoformat(written)
        except ValueError:  # a server may say anything
            return None
    return written.timestamp() if isinstance(written, dt.datetime) else cast("float | None", written)


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
    name = told(Path(_without_query(path)).name)
    name = name.encode(errors="replace")[-LONGEST_NAME:].decode(errors="ignore").replace("/", "_")
    name = name if name.strip(".") else "unnamed"  # an object may be called `..`, and a folder may not
    return f"{name}.parquet" if table_folders.format_of(path) else converted.copy_name(name)


def _without_query(path: str) -> str:
    """An HTTP address without its `?…`, which is no part of the file's name."""
    return path.partition("?")[0] if path.startswith("http") else path


def open_file(path: str, settings: FeedConfig, day: dt.date | None = None) -> IO[bytes]:
    """What :meth:`FeedReader.locate` found, as it is kept: a file's bytes, unpacked, or rows as Parquet; of a query, of `day`."""
    if databases.is_query(path):
        return databases.rows(settings, day)
    name = _without_query(path)
    if not converted.is_converted(Path(name).name) or table_folders.format_of(path):
        return open_raw(path)
    with _seekable(open_raw(path), path) as content:
        return converted.convert(content, name, sheet=settings.sheet, most_unpacked=settings.most_unpacked)


def _seekable(content: IO[bytes], path: str) -> IO[bytes]:
    """The content; of a web server's file a copy, for that is sent from its beginning to its end."""
    if not path.startswith("http"):
        return content
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with content:
        for block in blocks_of(content, path, room=shutil.disk_usage(tempfile.gettempdir()).free):
            copy.write(block)
    copy.seek(0)
    return copy


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
        return _opened(Path(path))
    with landing.reached(path):
        filesystem, inside = object_store.filesystem(path)
        # A web server's in one piece: pieces that are asked for one by one may be of two files.
        return filesystem.open(inside, "rb", **({"block_size": 0} if path.startswith("http") else {}))


def _opened(path: Path) -> IO[bytes]:
    """A regular file of this machine, opened without waiting for anybody to write into it."""
    if why := no_file(path):
        raise FeedRefused(f"{path} is {why}.", remedy="put the file itself there, or correct `path`.")
    try:
        content = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")  # noqa: SIM115 - the caller closes it
    except PermissionError as error:
        raise FeedRefused(
            f"{path} may not be read by the user that Nightcart runs as.",
            remedy=f"`chmod u+r {shlex.quote(str(path))}`.",
        ) from error
    except FileNotFoundError as error:
        raise FeedMissing(f"{path} is gone: it was there a moment ago.", remedy=REDELIVER) from error
    if not stat.S_ISREG(os.fstat(content.fileno()).st_mode):  # exchanged since
        content.close()
        raise FeedRefused(f"{path} is no file.", remedy="put the file itself there, or correct `path`.")
    return content


def blocks_of(content: IO[bytes], path: str, *, room: int) -> Iterator[bytes]:
    """A file's bytes, as they were when it was opened.

    Raises :class:`FeedRefused` for one that is larger than the `room` for its copy, :class:`Unavailable` for one that is
    written meanwhile, or whose server sends next to nothing.
    """
    try:
        before = os.fstat(content.fileno())
    except (OSError, AttributeError):
        yield from _sent(content, path, room=room)
        return
    _require_room(path, before.st_size, room)
    read = 0
    while read <= before.st_size and (block := content.read(BLOCK)):
        read += len(block)
        yield block
    after = os.fstat(content.fileno())
    if read != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Unavailable(f"{path} is being written while it is read.", remedy=UNTIL_COMPLETE)


def _sent(content: IO[bytes], url: str, *, room: int) -> Iterator[bytes]:
    """What the server of a URL sends, which may have no end, or take for ever."""
    began, state, read = time.monotonic(), _state_of(url), 0
    with landing.reached(url):
        while block := content.read(BLOCK):
            _require_room(url, read := read + len(block), room, at_least="more than ")
            if (took := time.monotonic() - began) > PATIENCE and read < SLOWEST * took:
                raise Unavailable(
                    f"{url} comes too slowly: {read:,} bytes in {took:,.0f} s.",
                    remedy="see what its server, or the way to it, is busy with.",
                )
            yield block
    if _state_of(url) != state:
        raise Unavailable(f"{url} was replaced while it was read.", remedy=UNTIL_COMPLETE)


def _require_room(path: str, size: int, room: int, *, at_least: str = "") -> None:
    if size > room:
        raise FeedRefused(
            f"{path} has {at_least}{size:,} bytes, and there is room for {room:,}.",
            remedy="look at the file; if it is right, make room on the disk of the raw store.",
        )


def _state_of(url: str) -> tuple[object, ...]:
    """What its server says of the file at a URL: how large it is, and of when, as far as it says it."""
    with landing.reached(url):
        filesystem, inside = object_store.filesystem(url)
        about = filesystem.info(inside)
        return about.get("size"), landing.written_at(about)


def require_folders(patterns: Iterable[str]) -> None:
    """Raise :class:`Unavailable` where nothing can have been delivered: a folder of this machine is not there, or has nothing in it.

    So a share looks that is not mounted, and nobody is to take that for a day without a delivery.
    """
    for pattern in patterns:
        if "://" in pattern:
            continue
        folder = (home.PROJECT / re.split(r"[{*?\[]", pattern)[0].rpartition("/")[0]).absolute()
        if not folder.is_dir() or not any(os.scandir(folder)):
            raise Unavailable(
                f"The folder {folder}, where files are delivered, {'has nothing in it' if folder.is_dir() else 'is not there'}.",
                remedy="see whether its disk or share is mounted here, and whether `path` in the configuration is right.",
            )
