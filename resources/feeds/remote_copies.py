"""Kept copies of delivered files in an object store: each is read as a file of this machine, and put back where it was changed.

The store has them as the raw folder has (`<digest>/<name>`). What is changed there leaves no older version behind: that is
only ever done to take somebody's lines out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from resources.tables import object_store


def put(store: str, copy: Path) -> None:
    """Keep a copy in the store, unless it is there."""
    filesystem, place = object_store.filesystem(_url(store, copy))
    if not filesystem.exists(place) or filesystem.size(place) != copy.stat().st_size:
        filesystem.put_file(str(copy), place)


def put_back(store: str, copies: Collection[Path]) -> None:
    """Have in the store what has become of copies here: other bytes, or none at all."""
    for copy in dict.fromkeys(copies):
        filesystem, place = object_store.filesystem(_url(store, copy))
        if copy.exists():
            put(store, copy)
        elif filesystem.exists(place):
            filesystem.rm_file(place)
        object_store.remove(f"{store}/{copy.parent.name}")


def each(store: str) -> Iterator[Path]:
    """Every copy that the store has, one after the other as a file of this machine; one that is changed meanwhile is put back."""
    filesystem, root = object_store.filesystem(store)
    for name in sorted(filesystem.find(root)):
        if name.removeprefix(f"{root}/").count("/") != 1:  # a mark
            continue
        with tempfile.TemporaryDirectory(prefix="nightcart-copy-") as folder:
            copy = Path(folder, *name.split("/")[-2:])
            copy.parent.mkdir()
            filesystem.get_file(name, str(copy))
            before = copy.stat()
            yield copy
            if not copy.exists() or copy.stat() != before:
                put_back(store, [copy])


def _url(store: str, copy: Path) -> str:
    return f"{store}/{copy.parent.name}/{copy.name}"
