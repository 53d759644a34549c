"""Records of publications: what is served from when on.

A record is never changed: what came of it later is another record. Dates are business days, instants are in UTC.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is served from `published_at` on: the lists made at the close of `made_on`, for the day `published_for`.

    `table_version` is that of `published_recommendations`, `model_version` the one that made the lists.
    """

    TABLE: ClassVar = "publications"

    made_on: dt.date
    published_for: dt.date
    is_carried_over: bool
    because: str = ""
    table_version: int
    model_version: int | None
    rows: int
    run_id: str
    published_at: dt.datetime
