"""Records of erasures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

from resources.records.base import Record


class Erasure(Record, table="erasures"):
    """An erasure that was requested (`asked`), and, as a second record, completed (`done`). Names no household.

    `household` is its keyed hash, `key` identifies the key (`assets.privacy.suppression`). Once done, `removed` counts
    rows by table, `versions` is the first version of each table that can still be read, and `proof` what was searched
    and found afterwards.
    """

    household: str
    key: str
    step: str
    by: str
    reason: str
    removed: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    at: dt.datetime

    ASKED: ClassVar = "asked"
    DONE: ClassVar = "done"
