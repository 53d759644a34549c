"""Records of marks: up to which moment the parts of the state belong together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from resources.records.base import Record


class Mark(Record, table="marks"):
    """A mark, numbered upwards, that is set in every part of the state: begun (no `parts`), then set in `parts`."""

    number: int
    parts: Sequence[str]
    at: dt.datetime
