"""Records of the feeds: files that arrived, days that were ingested."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import ClassVar

from resources.records.base import Record


class Arrival(Record, table="arrivals"):
    """A delivered file, one record for each content and stamp: its `outcome`, and the `reason` for it.

    `taken` (accepted); `repeated`: the same bytes came for that day under another name; `set aside` (rejected): the file
    or its event is unusable; `given up` (abandoned): its runs failed until the retries were exhausted.
    `stamp` is its size, time and tag in the landing place: with an unchanged one, it is the same file.
    """

    path: str
    digest: str
    business_date: dt.date | None
    event_id: str
    outcome: str
    reason: str
    seen_at: dt.datetime
    stamp: str = ""

    TAKEN: ClassVar = "taken"
    REPEATED: ClassVar = "repeated"
    SET_ASIDE: ClassVar = "set aside"
    GIVEN_UP: ClassVar = "given up"


class Delivery(Record, table="deliveries"):
    """A business day's feed as it was ingested; later deliveries are compared with it.

    `files` are digests by name, `columns` types by name (in the files' order), `rows` the number of all lines, `broken`
    those in quarantine by rule, `content` a digest of the day's rows in `transactions`. `is_ended`: the last line of each
    of its texts had an end. `distinct_lines` are its own in files of many days, where it was taken in alone; else 0. A record
    that an erasure wrote has in `instead_of` the content before it.
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
    is_ended: bool = False
    distinct_lines: int = 0

    NO_LINES: ClassVar = "no lines"  # the content of a day without any


class Reading(Record, table="readings"):
    """How lines of `transactions` are read from a run on: where it is otherwise than on the record before.

    `settings` say what a line means, in JSON by their names. `kinds` are digests of what was ever said by the columns of
    `where` and `unless` (what they say may be somebody's name, and no record can be taken back); none of one that says too much.
    `alike` is a digest of what each column that is not read says in every line so far: one of a single day is not sure, and ends
    with a question mark; that of a column that says several things is empty.
    """

    settings: Mapping[str, str]
    kinds: Mapping[str, Sequence[str]]
    run_id: str
    read_at: dt.datetime
    alike: Mapping[str, str] = field(default_factory=dict)
