"""Records of alerts and of the heartbeats of schedules and sensors."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from resources.records.base import Record, RecordStore


class Alert(Record, table="alerts"):
    """A message on an incident, or on its end (`is_over`); `key` is the incident's.

    `happened` says what, `meaning` what it means for the recommendations that are served, `command` what to run next.
    It is recorded before it is sent, and again once it `is_delivered`. An event (`is_event`) has no end and is sent once.
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
    """The last time that a schedule or sensor was at work. No record: it is overwritten, and not sealed."""

    TABLE: ClassVar = "heartbeats"

    name: str
    beat_at: dt.datetime


class Heartbeats(RecordStore):
    """Heartbeats of schedules and sensors."""

    def beat(self, name: str, *, now: dt.datetime) -> None:
        """Note that the schedule or sensor `name` was at work at `now`."""
        table = self._table(Heartbeat)
        with self._writing() as connection:
            connection.execute(table.delete().where(table.c.name == name))
            connection.execute(table.insert().values(name=name, beat_at=now))
