"""That tables are only where two writers cannot lose each other's rows: tried once for a state, and put on record."""

from __future__ import annotations

import datetime as dt

from resources.records.object_stores import ProvenStore
from resources.records.store import OperationsDatabase
from resources.tables import object_store, proving


def require_proven(tables: str, operations: OperationsDatabase) -> None:
    """Raise :class:`Refused` where tables are in an object store that breaks its promises; one that kept them is not asked again."""
    if not object_store.is_url(tables):
        return
    subject = object_store.address(tables)
    if operations.records(ProvenStore, subject=subject, last=1):
        return
    kept = proving.require_promises(tables)
    names = [promise.name for promise in kept]
    operations.record(ProvenStore(subject=subject, promises=names, at=dt.datetime.now(dt.UTC)))
