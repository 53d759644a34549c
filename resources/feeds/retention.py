"""Copies of delivered files that are old: taken in long ago, or neither the newest of their name nor on record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.records.feeds import Delivery
from resources.records.store import OperationsDatabase
from resources.tables import object_store


@dataclass(frozen=True, kw_only=True)
class OldCopies:
    """Copies in the raw store at `raw` that may go, each with its bytes."""

    raw: str
    copies: Mapping[str, int]

    def remove(self) -> None:
        """Remove them."""
        filesystem, _ = object_store.filesystem(self.raw)
        for path in self.copies:
            filesystem.rm_file(path)


def old_copies(raw: str, operations: OperationsDatabase, *, before: dt.date, now: dt.datetime, days: int) -> OldCopies:
    """The copies of what was taken in for business days before `before`, and of anything else that is older than `days`.

    Of catalogues and the like, which are of no day, the newest of each name stays. A copy is known by the start of its digest
    (`raw/<digest>/<name>`).
    """
    newest: dict[str, dt.date] = {}
    for delivery in operations.records(Delivery):
        for digest in delivery.files.values():
            newest[digest[:16]] = max(delivery.business_date, newest.get(digest[:16], dt.date.min))
    filesystem, root = object_store.filesystem(raw)
    found = filesystem.find(root, detail=True) if filesystem.exists(root) else {}
    of_no_day: dict[str, list[tuple[dt.datetime, str]]] = {}
    old = []
    for path, about in found.items():
        folder, _, name = path.removeprefix(root).strip("/").partition("/")
        if not name:  # a lock or a mark of ours, or what a killed process left
            continue
        if (day := newest.get(folder)) is None:
            of_no_day.setdefault(name, []).append((_written(about), path))
        elif day < before:
            old.append(path)
    for copies in of_no_day.values():
        old += [path for at, path in sorted(copies)[:-1] if at < now - dt.timedelta(days=days)]
    return OldCopies(raw=raw, copies={path: found[path]["size"] for path in sorted(old)})


def _written(about: Mapping[str, Any]) -> dt.datetime:
    at = about.get("LastModified") or about["mtime"]
    return at if isinstance(at, dt.datetime) else dt.datetime.fromtimestamp(at, dt.UTC)
