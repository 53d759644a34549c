"""Records of object stores that keep the promises that commits stand on (`resources.tables.proving`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from resources.records.base import Record


class ProvenStore(Record, table="object_stores"):
    """An object store (`subject`: its address and the folder) that was tried, and kept these promises."""

    subject: str
    promises: Sequence[str]
    at: dt.datetime
