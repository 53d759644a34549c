"""Fencing tokens: which of several runs that write the same may do so, kept in the operations database.

A run that slept, or was believed dead and made again, goes on when it wakes. It cannot tell; its token can, and who keeps the
runs: one that is over, whatever its process thinks, writes no more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

from resources.errors import Superseded
from resources.records.base import RecordStore

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True, kw_only=True)
class FencingToken:
    """A step's right to write: of `subject`, for the business days `since` … `until`.

    `token` is its run's: the later a run began to write, the greater. No record: it proves nothing later on, and is not
    sealed.
    """

    TABLE: ClassVar = "fencing_tokens"

    subject: str
    since: dt.date = dt.date.min
    until: dt.date = dt.date.max
    token: int = 0
    run_id: str
    taken_at: dt.datetime

    def __str__(self) -> str:
        first, last = (day.isoformat() for day in (self.since, self.until))
        days = "" if self.since == dt.date.min else f" of {first}" if first == last else f" of {first} … {last}"
        return f"{self.subject}{days}"


@dataclass(frozen=True, kw_only=True)
class FencingTokens(RecordStore):
    """The records; those with a `token` are as a step writes them: none any more once a later run is at work on the same.

    Nor once its own run is over: `end` says how it ended, or None. `number` is the token's in the database: of two of one run, as of a pod that was given up, the later one's counts.
    """

    token: FencingToken | None = None
    number: int = 0
    end: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)

    def fenced(self, token: FencingToken, *, end: Callable[[], str | None] = lambda: None) -> Self:
        """These records with the token, in the place that its run has; raises :class:`Superseded` if a later one is there."""
        import sqlalchemy as sa

        table = self._table(FencingToken)
        newest = sa.select(sa.func.max(table.c.token))
        with self._writing() as connection:
            of_run = connection.scalar(newest.where(table.c.run_id == token.run_id))
            taken = replace(token, token=of_run or (connection.scalar(newest) or 0) + 1)
            added = connection.execute(table.insert().values(vars(taken)).returning(table.c.id))
            fenced = replace(self, token=taken, number=added.scalar_one(), end=end)
            fenced._admit(connection)
        return fenced

    def require_newest(self) -> None:
        """Raise :class:`Superseded`, naming it, if a later run is at work on what the token is for, or this one is over."""
        with self._engine.connect() as connection:
            self._admit(connection)

    def _admit(self, connection: sa.Connection) -> None:
        import sqlalchemy as sa

        if (mine := self.token) is None:
            return
        if end := self.end():
            raise Superseded(
                f"{mine}: run {mine.run_id[:8]} is over, with {end}: it was ended, or taken for dead, while it slept. Nothing more is written here.",
                remedy="nothing is to be done if a later run did well: `nightcart status` shows what is there.",
            )
        table = self._table(FencingToken)
        is_later = sa.tuple_(table.c.token, table.c.id) > sa.tuple_(mine.token, self.number)
        overlaps = (table.c.subject == mine.subject, table.c.since <= mine.until, table.c.until >= mine.since)
        query = table.select().where(is_later, *overlaps).order_by(table.c.token.desc(), table.c.id.desc()).limit(1)
        if later := connection.execute(query).first():
            raise Superseded(
                f"{mine}: run {later.run_id[:8]}, which began after this one, run {mine.run_id[:8]}, has been at work on it "
                f"since {later.taken_at:%Y-%m-%d %H:%M:%S} UTC. Nothing more is written here.",
                remedy="nothing is to be done if that run does well: `nightcart status` shows what is there.",
            )
