"""Records of what tables hold: each file that a commit wrote, by digest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from resources.records.base import Record, RecordStore


class Contents(Record, table="contents"):
    """The files of a table's partition (a day; None for a table without days) as of a version: what was written.

    `files` has the SHA-256 and the rows of each, by its path as the table's log names it.
    """

    subject: str
    partition: dt.date | None
    version: int
    files: Mapping[str, Sequence[Any]]
    written_at: dt.datetime


class ContentsStore(RecordStore):
    """What is on record of the tables' files."""

    def seal(
        self, table: str, version: int, files: Mapping[dt.date | None, Mapping[str, Sequence[Any]]], *, now: dt.datetime
    ) -> None:
        """Put the files of partitions on record, as a version has them: digest and rows by path."""
        self.record(
            *(
                Contents(subject=table, partition=partition, version=version, files=of_partition, written_at=now)
                for partition, of_partition in files.items()
            )
        )

    def sealed_tables(self) -> set[str]:
        """The tables of which something is on record."""
        column = self._table(Contents).c.subject
        with self._engine.connect() as connection:
            return set(connection.scalars(column.table.select().with_only_columns(column).distinct()))

    def first_day(self, table: str) -> dt.date | None:
        """The first day of which a table had files when it was last written."""
        import sqlalchemy as sa

        of = self._table(Contents).c
        newest = sa.select(sa.func.max(of.id)).where(of.subject == table).group_by(of.partition)
        days = sa.select(sa.func.min(of.partition)).where(of.id.in_(newest), sa.cast(of.files, sa.Text) != "{}")
        with self._engine.connect() as connection:
            return connection.scalar(days)

    def sealed(
        self, table: str, partitions: Collection[dt.date | None] | None = None, *, last: int | None = None
    ) -> list[Contents]:
        """What is on record of a table's `partitions` (of all, without them), in order; of these, the `last` so many."""
        column, dated = self._table(Contents).c.partition, [each for each in partitions or () if each]
        if partitions is None:
            condition = True
        elif dated:
            condition = column.between(min(dated), max(dated)) | (column.is_(None) if None in partitions else False)
        else:
            condition = column.is_(None)
        with self._engine.connect() as connection:
            return [each for _, each in self._read(connection, Contents, condition, last=last, subject=table)]
