"""Records of alerts and of the heartbeats of schedules and sensors."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from resources.records.base import Record, RecordStore


class Alert(Record, table="alerts"):
    """Something that people are told of, or its end (`is_over`); `key` is the same for what is one and the same thing.

    `happened` says what, `meaning` what that means for the recommendations that are served, and `command` what to run
    next. It is on record before it is told, and again once it `is_delivered`. An event (`is_event`) has no end: it is
    told once; anything else is so for as long as it lasts.
    """

    key: str
    kind: str
    happened: str
    meaning: str
    command: str
    is_event: bool = False
    is_over: bool = False
    is_delivered: bool = False
    told_at: dt.datetime

    REFUSAL: ClassVar = "refusal"
    FAILURE: ClassVar = "failure"
    MISSED: ClassVar = "missed night"
    OVERDUE: ClassVar = "feed overdue"
    DRIFT: ClassVar = "drift"
    USED_UP: ClassVar = "attempts used up"
    SILENCE: ClassVar = "silence"


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A schedule or sensor was at work: no record, for only the latest time of each is kept."""

    TABLE: ClassVar = "heartbeats"

    name: str
    beat_at: dt.datetime


class Heartbeats(RecordStore):
    """When schedules and sensors were at work."""

    def beat(self, name: str, *, now: dt.datetime) -> None:
        """Say that the schedule or sensor `name` was at work."""
        table = self._table(Heartbeat)
        with self._writing() as connection:
            connection.execute(table.delete().where(table.c.name == name))
            connection.execute(table.insert().values(name=name, beat_at=now))
