"""Records of erasures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

from resources.records.base import Record


class Erasure(Record, table="erasures"):
    """A household is to be forgotten (`asked`), and, as a second record, is (`done`); it is not named, not even here.

    `household` is its keyed hash, and `key` tells which key that was made with (`assets.privacy.suppression`). Once it is
    done, `removed` has the rows by table, `versions` the first one of each table that can still be read, and `proof`
    what was looked through and found afterwards.
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
