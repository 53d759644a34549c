"""The files of a state: copied with their digests, wherever the two places are, and what is on record of them in a backup."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from resources import disk
from resources.errors import Damaged, Refused
from resources.tables import object_store

MANIFEST, UNFINISHED = "manifest.json", "unfinished"
FORMAT = 1
BLOCK = 1 << 22  # bytes
AT_ONCE = 8  # files; an object store answers each after a while


class Content(NamedTuple):
    """What a file holds: how many bytes, and their SHA-256."""

    size: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup has, written last: without it there is none.

    `parts` are those that are folders of files, `head` is that of the audit trail, `rows` of each database by table, `files` all of them by their path, `versions` of
    what made the databases, `models` where the files of models were, `revisions` the migrations that databases are at.
    """

    id: str
    made_at: str
    retailer: str
    state: str
    head: str
    has_key: bool
    parts: Sequence[str]
    models: str
    revisions: Mapping[str, str | None]
    versions: Mapping[str, str]
    rows: Mapping[str, Mapping[str, int]]
    files: Mapping[str, Content]
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files.values())

    def write(self, folder: Folder) -> None:
        """Make what lies in a folder a backup: from now on it is one."""
        folder.write(MANIFEST, json.dumps(asdict(self), indent=1).encode())
        folder.remove(UNFINISHED)

    @classmethod
    def read(cls, folder: Folder) -> Manifest:
        """What a backup has; raises :class:`Refused` for a folder that is none."""
        if not folder.has(MANIFEST):
            why = "one was begun there, and never finished" if folder.has(UNFINISHED) else f"it has no {MANIFEST}"
            raise Refused(f"{folder.url} is no backup: {why}.", remedy="name the folder of one that was finished.")
        try:
            known = json.loads(folder.read(MANIFEST))
            if known["format"] != FORMAT:
                raise Refused(
                    f"The backup {folder.url} was made by another version of Nightcart (format {known['format']}).",
                    remedy=f"install that version: {known.get('versions')}.",
                )
            read = cls(**known | {"files": {path: Content(*each) for path, each in known["files"].items()}})
            if wrong := [name for name in (*read.files, *read.parts) if not is_below(name)]:
                raise Refused(
                    f"{MANIFEST} of {folder.url} names {wrong[0]!r}, which is no file of a backup.",
                    remedy="take another backup: this one was made by somebody else.",
                )
            return read
        except (ValueError, TypeError, KeyError) as error:
            raise Damaged(f"{MANIFEST} of {folder.url} is damaged.", remedy="take another backup.") from error


@dataclass(frozen=True)
class Folder:
    """A folder on a disk, or a place in an object store, by its `url`."""

    url: str

    def _at(self) -> tuple[Any, str]:
        filesystem, path = object_store.filesystem(self.url)
        return filesystem, path.rstrip("/")

    def below(self, name: str) -> Folder:
        """A folder in this one."""
        return Folder(f"{self.url.rstrip('/')}/{name}")

    def files(self) -> list[str]:
        """The paths of all files, but for our own marks and locks at the top."""
        filesystem, root = self._at()
        below = (path.removeprefix(root).lstrip("/") for path in filesystem.find(root))
        return sorted(path for path in below if not path.startswith("."))

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        filesystem, root = self._at()
        return filesystem.isfile(f"{root}/{name}")

    def read(self, name: str) -> bytes:
        """A small file."""
        filesystem, root = self._at()
        return filesystem.cat_file(f"{root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        filesystem, root = self._at()
        filesystem.makedirs(root, exist_ok=True)
        if "file" in filesystem.protocol:
            disk.write(Path(root, name), content)
        else:
            filesystem.pipe_file(f"{root}/{name}", content)

    def to_disk(self) -> None:
        """Have all that was written here on the disk; an object store has it there."""
        filesystem, root = self._at()
        if "file" in filesystem.protocol:
            disk.folder_to_disk(Path(root))

    def remove(self, *names: str) -> None:
        """Remove files, of which some may be gone."""
        filesystem, root = self._at()
        for name in names:
            if filesystem.exists(f"{root}/{name}"):
                filesystem.rm_file(f"{root}/{name}")

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, Content | None]]:
        """What files hold; None for one that is not there."""
        filesystem, root = self._at()

        def look(name: str) -> tuple[str, Content | None]:
            try:
                with filesystem.open(f"{root}/{name}", "rb") as content:
                    return name, _read(content, lambda _: None)
            except FileNotFoundError:
                return name, None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(look, names)

    def copy_to(self, target: Folder, names: Iterable[str]) -> dict[str, Content]:
        """Copy files into another folder, and say what they hold."""
        filesystem, root = self._at()
        other, other_root = target._at()

        def copy(name: str) -> tuple[str, Content]:
            path = f"{other_root}/{name}"
            if "file" in other.protocol:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            with filesystem.open(f"{root}/{name}", "rb") as content, other.open(path, "wb") as copied:
                return name, _read(content, copied.write)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(pool.map(copy, names))


def _read(content: Any, take: Callable[[bytes], object]) -> Content:
    digest, size = hashlib.sha256(), 0
    while block := content.read(BLOCK):
        digest.update(block)
        size += len(block)
        take(block)
    return Content(size, digest.hexdigest())


def is_below(name: str) -> bool:
    """Whether a name of a file leads to a place below the folder that it is of, and nowhere else, on a disk and in a store."""
    return all(part not in ("", ".", "..") for part in name.split("/")) and "\0" not in name


def require_whole(folder: Folder, manifest: Manifest) -> None:
    """Raise :class:`Damaged` unless every file of a backup is what was written."""
    wrong = [
        f"{name} {'is gone' if found is None else 'has other bytes'}"
        for name, found in folder.contents(manifest.files)
        if found != manifest.files[name]
    ]
    if wrong:
        raise Damaged(
            f"The backup {folder.url} is damaged: {', '.join(wrong[:5])}{f' and {len(wrong) - 5} more' if len(wrong) > 5 else ''}.",
            remedy="take another backup; nothing was changed.",
        )
