"""Records of the feeds: files that arrived, days that were taken in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar

from resources.records.base import Record


class Arrival(Record, table="arrivals"):
    """A delivered file, seen once for every content: `outcome` says what became of it, `reason` why.

    `taken`; `repeated`, for its bytes came for that day under another name; `set aside`, for it or its event cannot be
    used; `given up`, for its runs failed as often as they are tried.
    """

    path: str
    digest: str
    business_date: dt.date | None
    event_id: str
    outcome: str
    reason: str
    seen_at: dt.datetime

    TAKEN: ClassVar = "taken"
    REPEATED: ClassVar = "repeated"
    SET_ASIDE: ClassVar = "set aside"
    GIVEN_UP: ClassVar = "given up"


class Delivery(Record, table="deliveries"):
    """A business day's feed as it was taken in: what a later one is compared with.

    `files` are digests by name, `columns` types by name (in the files' order), `rows` all lines that came, `broken` those
    that were set aside by rule, and `content` a digest of the day's lines in `transactions`, wherever they came from.
    Where it is no delivery but what an erasure left of one, `instead_of` is the content that was there before.
    """

    business_date: dt.date
    files: Mapping[str, str]
    columns: Mapping[str, str]
    rows: int
    broken: Mapping[str, int]
    content: str
    run_id: str
    taken_in_at: dt.datetime
    instead_of: str = ""

    NO_LINES: ClassVar = "no lines"  # the content of a day without any
