"""What a commit stands on, and who made it: by these the log of a table decides which of several writers may.

Delta's own check of concurrent writers lets some pass: of a table, or a day, that was empty, both keep their rows; a day
that was emptied meanwhile is filled again. So nothing is ever rebased by it: a commit is made onto the newest version or
not at all, and what came since the version that the writer had seen is judged here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.errors import Superseded, Unavailable

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from resources.tables.store import TableStore

FENCE = "nightcart.fence"  # under which a commit says who made it, of what
Days = tuple[dt.date, dt.date]  # the first and the last


@dataclass(frozen=True, kw_only=True)
class Fence:
    """What the writes of one step of a run stand on: the versions of tables that it has `seen`, which are all it reads.

    A table that was not there is None among them. Of two writers of the same days the one with the greater `token` may.
    `ask` is called before each commit, and raises :class:`Superseded` where nothing may be written any more.
    """

    tables: TableStore  # without a fence: as they are now
    run_id: str
    token: tuple[int, int]
    days: Days
    ask: Callable[[], None]
    seen: dict[str, DeltaTable | None] = field(default_factory=dict)

    def says(self, days: Days) -> str:
        """What a commit for `days` keeps of its writer, as JSON."""
        inputs = {table: opened.version() for table, opened in self.seen.items() if opened}
        writer = {"run_id": self.run_id, "token": self.token, "since": str(days[0]), "until": str(days[1])}
        return json.dumps({**writer, "inputs": inputs})


@dataclass(frozen=True, kw_only=True)
class Written:
    """A commit in a table's log: its version, when it was made, and its writer, where it says."""

    version: int
    at: dt.datetime
    writer: Mapping[str, Any] | None

    @classmethod
    def of(cls, commit: Mapping[str, Any]) -> Written:
        """A commit as Delta's history has it."""
        at = dt.datetime.fromtimestamp(commit["timestamp"] / 1000, dt.UTC)
        return cls(version=commit["version"], at=at, writer=json.loads(commit.get(FENCE, "null")))

    def is_of(self, days: Days) -> bool:
        """Whether it may have written any of `days`."""
        if self.writer is None:
            return True
        return self.writer["since"] <= str(days[1]) and str(days[0]) <= self.writer["until"]

    def __str__(self) -> str:
        by = f" by run {self.writer['run_id'][:8]}" if self.writer else ""
        return f"version {self.version},{by} at {self.at:%Y-%m-%d %H:%M:%S} UTC"


def require_untouched(
    table: str, writes: Iterable[Written], *, days: Days, has_days: bool, fence: Fence | None
) -> None:
    """Raise where one of the `writes` since then forbids that `days` of a table, or all of one without, are written.

    :class:`Superseded` for one of a later run, :class:`Unavailable` for one that may have been made of something else. One
    of an earlier run does not count: the latest has the last word, whoever is faster.
    """
    for each in writes:
        is_same = each.is_of(days)
        if has_days and not is_same:
            continue
        token = tuple(each.writer["token"]) if each.writer and is_same else None
        if fence and token and token < fence.token:
            continue
        if fence and token:
            raise Superseded(
                f"{table} was overtaken: {each}, which began after this one, run {fence.run_id[:8]}, has written it. What "
                "this one made is not written.",
                remedy="nothing is to be done if that run did well: `nightcart status` shows what is there.",
            )
        raise Unavailable(
            f"Another run was writing {table} at the same moment: {each}.", remedy="run it again when that is over."
        )
