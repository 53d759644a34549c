"""One write of a table: a commit onto the newest version, where nothing came that forbids it since the one that was seen.

Of Delta's own checks of concurrent writers none is relied on (:mod:`resources.tables.fence` says why): a commit that
another came before is made anew, after another look at what came.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.days import ranges
from resources.errors import Unavailable
from resources.tables import commits, contents, engine, object_store, opened, spark_parts
from resources.tables.fence import FENCE, Days, require_untouched
from resources.tables.spark_parts import Parts

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from deltalake import DeltaTable

    from resources.tables.store import TableStore

NOTE = "nightcart.note"  # under which a commit's note stands among what Delta keeps with it
ATTEMPT = "nightcart.attempt"  # and a commit's own name, where it may have been made without that being told
ALL_DAYS: Days = (dt.date.min, dt.date.max)
# An opened table reads the commits since the last checkpoint, each twice: a request a commit, where it is remote.
CHECKPOINTS = {"delta.checkpointInterval": "10"}
TRIES = 20  # at a commit: each that fails, another run has made one, of other days


@dataclass(frozen=True, kw_only=True)
class Write:
    """Rows that replace `days` of a table (None: its rows without one), or all of one that has no column `day` of days.

    `seen` is the version that the rows were computed from: by default the
    one that the store's fence has seen, and without a fence whatever is there.
    """

    store: TableStore
    table: str
    rows: ibis.Table | pa.Table | Sequence[ibis.Table]
    day: str | None
    days: Collection[dt.date | None]
    note: Mapping[str, Any] | None = None
    seen: int | None = None

    def commit(self) -> DeltaTable:
        """The table as it is with the rows; raises :class:`Unavailable` and :class:`Superseded`."""
        store, table, fence = self.store, self.table, self.store.fence
        rows, seen = self._rows(), self.seen
        if fence and seen is None:
            known = fence.seen.get(table)
            seen = known.version() if known else -1
        for _ in range(TRIES):
            data: Any = rows if _is_at_hand(rows) else engine.batches(rows)
            if self.day and not store.exists(table):
                self._create(data.schema)
            base = store.load(table) if store.exists(table) else None
            if base and seen is not None:
                writes = opened.writes_since(base, seen)
                require_untouched(table, writes, days=self._span, has_days=bool(self._dated), fence=fence)
            seen = base.version() if base else -1
            if fence:
                fence.ask()
            if made := self._made(base, data):
                self._keep(made, since=seen)
                return made
        raise Unavailable(f"Other runs wrote {table} at the same moment, {TRIES} times.", remedy="run it again.")

    @property
    def _dated(self) -> list[dt.date]:
        return [each for each in self.days if each]

    @property
    def _span(self) -> Days:
        """The first and the last day of which the commit says that it is."""
        if self._dated:
            return min(self._dated), max(self._dated)
        return self.store.fence.days if self.store.fence else ALL_DAYS

    def _rows(self) -> Any:
        """The rows as they are written; of Spark, whose executors write them, the files."""
        rows = self.rows
        if isinstance(rows, Sequence) and len(rows) == 1:
            (rows,) = rows
        if self.store.on == "spark" and self.day and not _is_at_hand(rows) and len(self._dated) == len(self.days):
            return spark_parts.written(rows, self.store.uri(self.table), day=self.day)  # pyright: ignore[reportArgumentType]
        return rows

    def _create(self, schema: Any) -> None:
        """Make the table without rows: only onto a version is a commit made that fails where another comes first.

        One without days has none such, and is made with its rows.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError

        store = self.store
        with contextlib.suppress(CommitFailedError):  # another was first, or this one and was not told so
            DeltaTable.create(
                store.uri(self.table),
                schema=schema,
                mode="ignore",
                name=self.table,
                partition_by=[self.day or ""],
                configuration=self._configuration,
                storage_options=object_store.delta_options(store.root),
            )
        if not store.is_remote:
            commits.to_disk(Path(store.uri(self.table)), since=-1, until=0)

    def _made(self, base: DeltaTable | None, data: Any) -> DeltaTable | None:
        """The table with the commit onto `base`, or as the first of the table; None where another came before."""
        from deltalake import CommitProperties, PostCommitHookProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        store, table, fence = self.store, self.table, self.store.fence
        version = base.version() if base else -1
        own = {ATTEMPT: uuid.uuid4().hex} if store.is_remote else {}
        notes = own | ({NOTE: json.dumps(self.note)} if self.note else {})
        notes |= {FENCE: fence.says(self._span)} if fence else {}
        how = {
            "commit_properties": CommitProperties(custom_metadata=notes, max_commit_retries=0),
            # What is old is for `nightcart prune` to say: Delta would forget the versions of models after a month.
            "post_commithook_properties": PostCommitHookProperties(cleanup_expired_logs=False),
        }
        try:
            if isinstance(data, Parts):
                assert base
                data.commit(base, days=self._dated, **how)
                return store.load(table, version + 1)
            write_deltalake(
                base or store.uri(table),
                data,
                mode="overwrite" if base else "error",  # pyright: ignore[reportArgumentType]
                partition_by=[self.day] if self.day else None,
                predicate=_of_days(self.day, self._dated, undated=None in self.days) if self.day else None,
                schema_mode=("merge" if self.day else "overwrite") if base else None,
                name=None if base else table,
                configuration=None if base else self._configuration,
                storage_options=None if base else object_store.delta_options(store.root),
                **how,
            )
        except DeltaError as error:
            if not isinstance(error, CommitFailedError) and (base or not store.exists(table)):
                raise
            # One that was made, and answered with an error, is there already.
            mine = self._version_with(own, since=version)
            return None if mine is None else store.load(table, mine)
        return base or store.load(table, 0)

    @property
    def _configuration(self) -> dict[str, str] | None:
        return CHECKPOINTS if self.store.is_remote else None

    def _version_with(self, note: Mapping[str, str], *, since: int) -> int | None:
        """The version after `since` whose commit has the notes; None where none has, or there are no notes to look for."""
        history = self.store.load(self.table).history() if note and self.store.exists(self.table) else []
        return next((c["version"] for c in history if c["version"] > since and note.items() <= c.items()), None)

    def _keep(self, made: DeltaTable, *, since: int) -> None:
        """Have the commits after `since` on the disk, and what they hold on record."""
        store = self.store
        if not store.is_remote:
            commits.to_disk(Path(store.uri(self.table)), since=since, until=made.version())
        if store.fence:
            store.fence.seen[self.table] = made
        if store.ledger:
            contents.seal(store, store.ledger, self.table, made.version(), opened.parts_of(made), self.days)


def _is_at_hand(rows: Any) -> bool:
    """Whether rows are there, and are not the result of a query that runs anew for each try."""
    import pyarrow as pa

    return isinstance(rows, pa.Table | Parts)


def _of_days(column: str, days: Sequence[dt.date], *, undated: bool) -> str:
    conditions = [f"({column} >= '{first}' AND {column} <= '{last}')" for first, last in ranges(days)]
    return " OR ".join([*conditions, *([f"{column} IS NULL"] if undated else [])])
