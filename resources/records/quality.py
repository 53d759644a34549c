"""Records of data quality: verdicts of gates, overrides, and which deliveries a day's data was derived from."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from resources.records.base import Record, RecordStore


class Verdict(Record, table="verdicts"):
    """The outcome of one check for one version of a table's partition (a day; None for a table without days).

    Only `passed` opens the gate; `reason` says why it is shut.
    """

    subject: str
    partition: dt.date | None
    data_version: str
    check: str
    outcome: str
    reason: str = ""
    run_id: str
    decided_at: dt.datetime

    PASSED: ClassVar = "passed"
    FAILED: ClassVar = "failed"
    CRASHED: ClassVar = "crashed"


class Override(Record, table="overrides"):
    """A person's decision that a verdict on this version counts as `passed` until `expires_at`."""

    subject: str
    partition: dt.date | None
    data_version: str
    check: str
    reason: str
    by: str
    expires_at: dt.datetime
    decided_at: dt.datetime


class DerivedFrom(Record, table="made"):
    """Watermark: `subject` was made for a business day from all deliveries up to number `deliveries`."""

    subject: str
    business_date: dt.date
    deliveries: int
    run_id: str
    made_at: dt.datetime


class VerdictStore(RecordStore):
    """Queries on verdicts and overrides."""

    def verdicts(
        self, subject: str, *, since: dt.date | None = None, until: dt.date | None = None
    ) -> dict[tuple[dt.date | None, str], Verdict]:
        """The newest verdict of every check on each partition of a table, by partition and check.

        The partitions are the days `since` … `until`; without either, the one of a table that has no days.
        """
        partition = self._table(Verdict).c.partition
        days = partition.between(since or dt.date.min, until or dt.date.max)
        with self._engine.connect() as connection:
            verdicts = self._read(connection, Verdict, days if since or until else partition.is_(None), subject=subject)
        return {(verdict.partition, verdict.check): verdict for _, verdict in verdicts}

    def overrides(self, *, now: dt.datetime) -> list[Override]:
        """The overrides that have not expired at `now`."""
        return [override for override in self.records(Override) if override.expires_at > now]
