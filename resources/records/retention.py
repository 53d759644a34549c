"""Records of what was removed because it was old (`nightcart prune`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from resources.records.base import Record


class Pruning(Record, table="prunings"):
    """A pruning that was begun (`asked`), and, as a second record, completed (`done`).

    `kinds` counts what was to be removed, and then was: number and bytes of each kind. `kept` names the versions of the model
    that stay, and of each table those that can still be read.
    """

    step: str
    by: str
    kinds: Mapping[str, Any]
    kept: Mapping[str, Any]
    at: dt.datetime

    ASKED: ClassVar = "asked"
    DONE: ClassVar = "done"
