"""Where delivered files are: paths, globs and URLs, and what package holds a `package://` path."""

from __future__ import annotations

import glob
import importlib.util
from pathlib import Path
from typing import IO

from resources import home
from resources.errors import FeedMissing, Unavailable
from resources.feeds import landing


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
    import fsspec

    with landing.reached(path):
        filesystem, inside = fsspec.core.url_to_fs(path)
        matches = filesystem.glob(inside) if glob.has_magic(inside) else [inside] if filesystem.exists(inside) else []
    return sorted(filesystem.unstrip_protocol(match) for match in matches)


def _package_folder(path: str) -> Path:
    """Where the installed package of a `package://` path is."""
    module = path.removeprefix("package://").partition("/")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise FeedMissing(f"The package {module} of {path} is not installed.", remedy=f"`uv add {module}`.")
    return Path(spec.submodule_search_locations[0])


def open_file(path: str) -> IO[bytes]:
    """A file of :meth:`FeedReader.locate`, to be read."""
    if path.startswith("package://"):
        return open(_package_folder(path).parent / path.removeprefix("package://"), "rb")
    if "://" not in path:
        return open(path, "rb")
    import fsspec

    try:
        return fsspec.open(path, "rb").open()  # pyright: ignore
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be fetched: {error}.", remedy="check the address and the credentials."
        ) from error
