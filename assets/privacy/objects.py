"""A search over everything that is ours in object stores, older versions and what was deleted included, and what of it is removed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assets.privacy.needles import Needles
from assets.privacy.search import places_in
from resources.tables import object_store
from resources.tables.object_store import Version


@dataclass(frozen=True, kw_only=True)
class Objects:
    """What a search came to: by each object's URL the versions that have it and where, why others could not be looked through."""

    found: dict[str, list[tuple[Version, str]]] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    files: int = 0
    size: int = 0


def search(urls: Sequence[str], needles: Needles, *, say: Callable[[str], object]) -> Objects:
    """Look through every version of every object below `urls`, one after the other."""
    found: dict[str, list[tuple[Version, str]]] = {}
    closed: dict[str, str] = {}
    files = size = 0
    for url in urls:
        say(f"Looking through every version of every object below {url}")
        bucket, _ = object_store.bucket_and_prefix(url)
        for version in object_store.versions(url):
            name = f"s3://{bucket}/{version.key}"
            if version.is_upload:
                closed[name] = "an upload that was never finished"
                continue
            places = ["its name"] if needles.is_telling and needles.are_in(os.fsencode(Path(name).name)) else []
            if version.size is not None:
                unsearched: dict[str, str] = {}
                with tempfile.NamedTemporaryFile(suffix=Path(name).suffix) as content:
                    object_store.fetch(bucket, version, content)
                    content.flush()
                    places += dict.fromkeys(places_in(Path(content.name), needles, unsearched))
                closed |= dict.fromkeys([name] if unsearched else [], next(iter(unsearched.values()), ""))
                files, size = files + 1, size + version.size
            found.setdefault(name, []).extend((version, place) for place in places)
    return Objects(found={name: those for name, those in found.items() if those}, closed=closed, files=files, size=size)


def remove_old(urls: Sequence[str], objects: Objects) -> None:
    """Remove all but the newest version of what has it, markers of deletion too, and all uploads that were never finished."""
    keys = {version.key for those in objects.found.values() for version, _ in those}
    for url in urls:
        bucket, _ = object_store.bucket_and_prefix(url)
        there = object_store.versions(url)
        object_store.delete(bucket, [v for v in there if v.is_upload or (v.key in keys and not v.is_newest)])
