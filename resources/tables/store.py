"""Tables: Delta tables below one folder, read as Ibis expressions and replaced atomically.

A table is replaced whole, or by days (`business_date`, or another date column that it is partitioned by), in one
commit: a reader sees it before or after. A commit has a version, and every version can be read again. The content
of a set of days has a fingerprint that changes when, and only when, one of their files changes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resources.config.deployment import load_deployment
from resources.errors import Damaged, Refused, Unavailable, of_the_machine
from resources.locks import Held, hold
from resources.tables import commits, contents, engine, object_store
from resources.tables.contents import Part
from resources.tables.fence import Fence, Written
from resources.tables.opened import day_column_of, digest_of, parts_of, rows_by_day_of, schema_of, writes_since
from resources.tables.writing import NOTE, Write

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from deltalake import DeltaTable

BUSINESS_DATE = "business_date"
BRING_BACK = (
    "bring the folder of the table back from the newest backup (docs/runbooks.md, Restore from a backup); without one, put it "
    "aside, and `nightcart audit verify --tables` names the commands that make the table again."
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a write left behind: the table's version, its rows in all, and its rows by day (of a table with days)."""

    table: str
    version: int
    rows: int
    rows_by_day: Mapping[dt.date | None, int]

    @classmethod
    def of(cls, table: str, opened: DeltaTable) -> Commit:
        """The newest commit of a table that is open."""
        by_day = rows_by_day_of(opened)
        return cls(table=table, version=opened.version(), rows=sum(by_day.values()), rows_by_day=by_day)


@dataclass(frozen=True)
class TableStore:
    """All tables of one retailer, below `root`, a folder or the URL of an object store.

    What a file holds is put on record in the `ledger` when it is written, and held against it before it is read. With a
    `fence` they are as one step of a run sees them (:meth:`fenced`).
    """

    root: str
    ledger: contents.Ledger | None = field(default=None, repr=False, compare=False)
    fence: Fence | None = None
    on: Literal["duckdb", "spark"] = "duckdb"
    _verified: set[object] = field(default_factory=set, init=False, repr=False, compare=False)

    @cached_property
    def engine(self) -> Any:
        """The process's query engine; every table that is read belongs to it, so that they can be joined."""
        if self.on == "spark":
            return engine.spark().connect()
        return self.fence.tables.engine if self.fence else engine.connect(spill=self.spill)

    @property
    def at_scale(self) -> TableStore:
        """The same tables by the engine that the deployment names for what may outgrow one machine (`NIGHTCART_ENGINE`)."""
        if (on := load_deployment().engine) == self.on:
            return self
        store = replace(self, on=on)
        vars(store)["_verified"] = self._verified
        return store

    @property
    def is_remote(self) -> bool:
        """Whether the tables are in an object store."""
        return object_store.is_url(self.root)

    def fenced(self, fence: Fence, *, writes: Iterable[str]) -> TableStore:
        """The tables as one step sees them: each is of one version, and is written onto it.

        That is the version that was there when it was first looked at; of those that the step `writes`, the present one.
        """
        store = replace(self, fence=fence)
        vars(store)["_verified"] = self._verified  # of the run, as the engine is
        for table in writes:
            fence.seen[table] = store.load(table) if store.exists(table) else None
        return store

    @property
    def spill(self) -> Path | None:
        """Where the engine puts what memory does not hold: beside the tables, if they are on this machine."""
        return None if self.is_remote else Path(self.root).parent / "spill"

    def uri(self, table: str) -> str:
        """Where a table is."""
        return f"{self.root}/{table}"

    def exists(self, table: str) -> bool:
        """Whether the table has been written at least once."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.uri(table), object_store.delta_options(self.root))

    def version(self, table: str) -> int:
        """The table's newest version."""
        return self._open(table).version()

    def read(
        self, table: str, *, since: dt.date | None = None, until: dt.date | None = None, version: int | None = None
    ) -> ibis.Table:
        """The rows of a table, of the days `since` … `until` (both included), as of `version` (default: the newest).

        Raises :class:`Refused` when the table does not exist, :class:`Damaged` when one of its files is not what was written.
        """
        opened = self._open(table, version)
        schema, parts = schema_of(opened), parts_of(opened, since=since, until=until)
        self._require_whole(table, parts, version)
        if self.is_remote and self.on == "duckdb":
            object_store.admit(self.engine.con)
        paths, day = [part.path for part in parts], day_column_of(opened)
        return engine.scan(self.engine, schema, paths, folder=self.uri(table), day=day)

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        *,
        since: dt.date | None = None,
        until: dt.date | None = None,
        version: int | None = None,
        **among: Collection[str | None],
    ) -> list[dict[str, Any]]:
        """A few rows as plain values, those whose text columns are `among` the given: for a look.

        Like :meth:`read`, and raises the same, but without Ibis, pandas and numpy, whose import takes longer than the look.
        """
        import duckdb

        opened = self._open(table, version)
        parts, day = parts_of(opened, since=since, until=until), day_column_of(opened)
        self._require_whole(table, parts, version)
        if not parts:
            return []
        files = ", ".join(engine.quoted_text(f"{self.uri(table)}/{part.path}") for part in parts)
        hive = f"hive_types = {{{day}: DATE}}" if day else "hive_partitioning = false"
        # Added to no row at all: a column that is younger than all of the files is null in them.
        younger = ", ".join(f"NULL AS {engine.quoted_name(name)}" for name in dict.fromkeys([*columns, *among]))
        with duckdb.connect() as connection:
            if self.is_remote:
                object_store.admit(connection)
            values = connection.execute(  # without parameters: DuckDB imports pandas to convert them
                f"SELECT {', '.join(map(engine.quoted_name, columns))} FROM (SELECT {younger} WHERE false UNION ALL BY "
                f"NAME FROM read_parquet([{files}], union_by_name = true, {hive})) WHERE "
                + " AND ".join(["true", *(_is_among(name, values) for name, values in among.items())])
            ).fetchall()
        return [dict(zip(columns, row, strict=True)) for row in values]

    def newest(self, table: str) -> Commit:
        """The table's newest commit."""
        return Commit.of(table, self._open(table))

    def note(self, table: str) -> dict[str, Any]:
        """The note that the newest commit was written with; empty without one, or without a table."""
        history = self._open(table).history(1) if self.exists(table) else []
        return json.loads(history[0].get(NOTE, "{}")) if history else {}

    def notes(self, table: str) -> list[tuple[int, dict[str, Any]]]:
        """The versions of all commits that the table's log still has, each with its note, the oldest first."""
        history = self._open(table).history() if self.exists(table) else []
        return [(commit["version"], json.loads(commit.get(NOTE, "{}"))) for commit in reversed(history)]

    def rows_by_day(self, table: str) -> dict[dt.date | None, int]:
        """How many rows each day has, from the table's log alone; no table, no days."""
        return rows_by_day_of(self._open(table)) if self.exists(table) else {}

    def first_day(self, table: str, *, until: dt.date) -> dt.date:
        """The first day up to `until` (which it is without another) of which the table has rows, or had them on record.

        A table that was taken back has not its first days any more, and is no shorter history for that.
        """
        recorded = self.ledger.first_day(table) if self.ledger else None
        return min((day for day in (recorded, *self.rows_by_day(table)) if day and day <= until), default=until)

    def count(self, table: str, *, until: dt.date) -> int:
        """How many rows the days up to `until` have, from the table's log alone."""
        return sum(rows for day, rows in self.rows_by_day(table).items() if day and day <= until)

    def day_column(self, table: str) -> str | None:
        """The column of days that a table is partitioned by."""
        return day_column_of(self._open(table))

    def live(self, table: str) -> dict[str, dt.date | None]:
        """The files of the newest version, as its log names them, each with its day."""
        return {part.path: part.day for part in self.parts(table)}

    def parts(self, table: str, *, version: int | None = None) -> list[Part]:
        """The same, with the rows and bytes that its log says each has; of the newest or another `version`."""
        return parts_of(self._open(table, version))

    def fingerprint(self, table: str, *, since: dt.date | None = None, until: dt.date | None = None) -> str:
        """A digest of the files that hold the days `since` … `until`: the same files, the same rows."""
        return digest_of(parts_of(self._open(table), since=since, until=until))

    def fingerprints(self, table: str, *, version: int | None = None) -> dict[dt.date | None, str]:
        """The fingerprint of each day that has rows, from one look at the table's log; no table, no days."""
        by_day: dict[dt.date | None, list[Part]] = {}
        for part in parts_of(self._open(table, version)) if self.exists(table) else []:
            by_day.setdefault(part.day, []).append(part)
        return {day: digest_of(parts) for day, parts in by_day.items()}

    def replace(
        self,
        table: str,
        rows: ibis.Table | pa.Table,
        *,
        note: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Commit:
        """Replace the whole table in one commit, which keeps `note` (of what JSON has): see :meth:`note`.

        Optimistic lock: `expected_version` is the version that the rows were computed from, by default the one that the
        fence has seen. Raises :class:`Unavailable` if the table was replaced since, :class:`Superseded` if by a later run.
        """
        return self._write(table, rows, day=None, days=[None], note=note, seen=expected_version)

    def replace_days(
        self,
        table: str,
        rows: ibis.Table | pa.Table | Sequence[ibis.Table],
        *,
        days: Sequence[dt.date],
        undated: bool = False,
        by: str = BUSINESS_DATE,
    ) -> Commit:
        """Replace the days `days` (and, if `undated`, the rows without a day) in one commit; `rows` has no others.

        Rows in several tables of the same columns are computed and written one table after the other.
        `by` is the column of days that the table is partitioned by. Raises :class:`Unavailable` if another run has written
        one of the days since the fence, or this call, has seen them, :class:`Superseded` if a later run has.
        """
        return self._write(table, rows, day=by, days=[*days, *([None] if undated else [])])

    def rewrite(
        self, table: str, rows: ibis.Table | pa.Table, *, days: Collection[dt.date | None], note: Mapping[str, Any]
    ) -> Commit:
        """Replace those of `days` (None: the rows without one) or all of a table that has no days, in one commit.

        For whoever has the store :meth:`alone`. `note` is added to that of the commit before.
        """
        opened = self._open(table)
        day = day_column_of(opened)
        note = {**self.note(table), **note}
        return self._commit(table, rows, day=day, days=days if day else [None], note=note, seen=opened.version())

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes any table meanwhile: who begins to waits. Raises :class:`Unavailable` when somebody is writing."""
        with self._held():
            yield

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Nobody is :meth:`alone` with the tables meanwhile: who is, is waited for."""
        with self._held(is_shared=True, patience=None):
            yield

    @contextlib.contextmanager
    def _held(self, **how: Any) -> Iterator[None]:
        """The lock of all writers: of a folder that is used with a file of SQLite in it, else in the operations database."""
        file, database = (
            None if self.is_remote else Path(self.root, ".writers"),
            self.ledger.url if self.ledger else None,
        )
        try:
            with hold("writers", database=database, file=file, **how):
                yield
        except Held as error:
            raise Unavailable(
                f"Somebody is writing a table below {self.root}.", remedy="run it again when that is over."
            ) from error

    def _write(self, table: str, rows: ibis.Table | pa.Table | Sequence[ibis.Table], **how: Any) -> Commit:
        with self.together():
            return self._commit(table, rows, **how)

    def _commit(self, table: str, rows: ibis.Table | pa.Table | Sequence[ibis.Table], **how: Any) -> Commit:
        return Commit.of(table, Write(store=self, table=table, rows=rows, **how).commit())

    def writes_since(self, table: str, version: int | None = None) -> list[Written]:
        """The commits of a table after `version`, by default after what the fence has seen, the oldest first."""
        opened = self.load(table)
        return writes_since(opened, self.version(table) if version is None else version)

    def is_newest(self, table: str) -> bool:
        """Whether a table is still of the version that the fence has seen; one that it has not seen is."""
        if self.fence is None or (seen := self.fence.seen.get(table)) is None:
            return True
        if self.is_remote:
            filesystem, log = object_store.filesystem(f"{self.uri(table)}/{commits.LOG}")
            return not filesystem.exists(f"{log}/{seen.version() + 1:020}.json")
        newest = max(Path(self.uri(table), commits.LOG).glob("*.json"), default=None)
        return newest is not None and int(newest.stem) == seen.version()

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        """A table as of `version`, by default the one that the fence has seen, or else the newest."""
        if version is not None or self.fence is None:
            return self.load(table, version)
        opened = self.fence.seen.get(table) or self.load(table)
        self.fence.seen.setdefault(table, opened)
        return opened

    def load(self, table: str, version: int | None = None) -> DeltaTable:
        """A table as of `version`, by default the newest, whatever the fence has seen; raises as :meth:`read` does."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            opened = DeltaTable(self.uri(table), version=version, storage_options=object_store.delta_options(self.root))
        except TableNotFoundError as error:
            if version is not None and self.exists(table):
                raise Refused(
                    f"Version {version} of {table} cannot be read any more: its history was cut off, as the erasure of a "
                    "household does.",
                    remedy="ask for a newer day, or model.",
                ) from error
            raise Refused(
                f"The table {table} does not exist yet.",
                remedy=f"materialise {table.removesuffix('_quarantine')} first: `nightcart status` says what is missing.",
            ) from error
        except DeltaError as error:
            if self._was_cut(table):
                raise commits.were_cut(Path(self.root)) from error
            if version is not None or self.is_remote or of_the_machine(error):
                raise
            raise _no_log(table, Path(self.uri(table), commits.LOG)) from error
        if version is None and self._was_cut(table):
            raise commits.were_cut(Path(self.root))
        if (name := opened.metadata().name) not in (None, table):  # before tables had names, they had none
            raise _is_another(table, name, self.uri(table))
        return opened

    def _was_cut(self, table: str) -> bool:
        """Whether the newest commit is not whole; an object of a store is there whole or not at all."""
        return not self.is_remote and bool(commits.cut_off(Path(self.uri(table))))

    def _require_whole(self, table: str, parts: Sequence[Part], version: int | None) -> None:
        try:
            contents.require_whole(self, self.ledger, table, parts, verified=self._verified)
        except Damaged as error:
            if version is None or version == self.version(table) or not error.message.endswith(f"{contents.GONE}."):
                raise
            raise Refused(
                f"Version {version} of {table} cannot be read any more: files of it were removed, as `nightcart prune` does "
                "with what is older than the settings of `retention` say.",
                remedy="ask for a newer day, or model; or bring a backup of that time to another place (docs/runbooks.md).",
            ) from error


def _no_log(table: str, log: Path) -> Damaged:
    hint = log / "_last_checkpoint"  # which Delta believes, and can do without
    return Damaged(
        f"The log of {table}, {log}, cannot be read: a file of it is damaged, missing, or none of it.",
        remedy=(f"`rm {hint}`; if that does not help, " if hint.exists() else "") + BRING_BACK,
    )


def _is_another(table: str, name: str, folder: str) -> Damaged:
    return Damaged(
        f"{folder} holds {name}, and not {table}: it was copied or moved there.",
        remedy=BRING_BACK,
    )


def _is_among(name: str, values: Collection[str | None]) -> str:
    column, texts = engine.quoted_name(name), ", ".join(engine.quoted_text(each) for each in values if each is not None)
    is_null = f"{column} IS NULL" if None in values else "false"
    return f"({column} IN ({texts}) OR {is_null})" if texts else f"({is_null})"
