"""Tables: Delta tables below one folder, read as Ibis expressions and replaced atomically.

A table is replaced whole, or by days (`business_date`, or another date column that it is partitioned by), in one
commit: a reader sees it before or after. A commit has a version, and every version can be read again. The content
of a set of days has a fingerprint that changes when, and only when, one of their files changes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resources.config.deployment import load_deployment
from resources.days import ranges
from resources.errors import Damaged, Refused, Unavailable, of_the_machine
from resources.locks import Held, hold
from resources.tables import commits, contents, engine, object_store, spark_parts
from resources.tables.contents import Part
from resources.tables.fence import FENCE, Days, Fence, Written, require_untouched
from resources.tables.spark_parts import Parts

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from deltalake import DeltaTable

BUSINESS_DATE = "business_date"
NOTE = "nightcart.note"  # under which a commit's note stands among what Delta keeps with it
ATTEMPT = "nightcart.attempt"  # and a commit's own name, where it may have been made without that being told
ALL_DAYS: Days = (dt.date.min, dt.date.max)
# An opened table reads the commits since the last checkpoint, each twice: a request a commit, where it is remote.
CHECKPOINTS = {"delta.checkpointInterval": "10"}
BRING_BACK = (
    "bring the folder of the table back from the newest backup (docs/runbooks.md, Restore from a backup); without one, put it "
    "aside, and `nightcart audit verify --tables` names the commands that make the table again."
)
TRIES = 20  # at a commit: each that fails, another run has made one, of other days


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a write left behind: the table's version, its rows in all, and its rows by day (of a table with days)."""

    table: str
    version: int
    rows: int
    rows_by_day: Mapping[dt.date | None, int]


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
            fence.seen[table] = store._load(table) if store.exists(table) else None
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
        schema, parts = _schema(opened), _parts(opened, since=since, until=until)
        self._require_whole(table, parts, version)
        if self.is_remote and self.on == "duckdb":
            object_store.admit(self.engine.con)
        paths, day = [part.path for part in parts], _day_column(opened)
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
        parts, day = _parts(opened, since=since, until=until), _day_column(opened)
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
        return _commit_of(table, self._open(table))

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
        return _rows_by_day(self._open(table)) if self.exists(table) else {}

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
        return _day_column(self._open(table))

    def live(self, table: str) -> dict[str, dt.date | None]:
        """The files of the newest version, as its log names them, each with its day."""
        return {part.path: part.day for part in self.parts(table)}

    def parts(self, table: str, *, version: int | None = None) -> list[Part]:
        """The same, with the rows and bytes that its log says each has; of the newest or another `version`."""
        return _parts(self._open(table, version))

    def fingerprint(self, table: str, *, since: dt.date | None = None, until: dt.date | None = None) -> str:
        """A digest of the files that hold the days `since` … `until`: the same files, the same rows."""
        return _digest(_parts(self._open(table), since=since, until=until))

    def fingerprints(self, table: str, *, version: int | None = None) -> dict[dt.date | None, str]:
        """The fingerprint of each day that has rows, from one look at the table's log; no table, no days."""
        by_day: dict[dt.date | None, list[Part]] = {}
        for part in _parts(self._open(table, version)) if self.exists(table) else []:
            by_day.setdefault(part.day, []).append(part)
        return {day: _digest(parts) for day, parts in by_day.items()}

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
        return self._write(
            table, rows, day=None, predicate=None, days=[None], note=note, expected_version=expected_version
        )

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
        return self._write(
            table,
            rows,
            day=by,
            predicate=_condition(by, days, undated=undated),
            days=[*days, *([None] if undated else [])],
        )

    def rewrite(
        self, table: str, rows: ibis.Table | pa.Table, *, days: Collection[dt.date | None], note: Mapping[str, Any]
    ) -> Commit:
        """Replace those of `days` (None: the rows without one) or all of a table that has no days, in one commit.

        For whoever has the store :meth:`alone`. `note` is added to that of the commit before.
        """
        opened = self._open(table)
        day = _day_column(opened)
        dated = [each for each in days if each]
        return self._commit(
            table,
            rows,
            day=day,
            predicate=_condition(day, dated, undated=None in days) if day else None,
            days=days if day else [None],
            note={**self.note(table), **note},
            expected_version=opened.version(),
        )

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

    def _commit(
        self,
        table: str,
        rows: ibis.Table | pa.Table | Sequence[ibis.Table],
        *,
        day: str | None,
        predicate: str | None,
        days: Collection[dt.date | None],
        note: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Commit:
        import pyarrow as pa
        from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        fence, base, dated = self.fence, expected_version, [each for each in days if each]
        options, properties = object_store.delta_options(self.root), CHECKPOINTS if self.is_remote else None
        span = (min(dated), max(dated)) if dated else fence.days if fence else ALL_DAYS
        if fence and base is None:
            seen = fence.seen.get(table)
            base = seen.version() if seen else -1
        if isinstance(rows, Sequence) and len(rows) == 1:
            (rows,) = rows
        if self.on == "spark" and day and not isinstance(rows, pa.Table) and len(dated) == len(days):
            rows = spark_parts.written(rows, self.uri(table), day=day)  # pyright: ignore[reportArgumentType]
        for _ in range(TRIES):
            data: Any = rows if isinstance(rows, pa.Table | Parts) else engine.batches(rows)
            if day and not self.exists(table):
                # Only onto a version is a commit made that fails where another comes first; a table without days has none.
                with contextlib.suppress(CommitFailedError):  # another was first, or this one and was not told so
                    DeltaTable.create(
                        self.uri(table),
                        schema=data.schema,  # pyright: ignore[reportArgumentType]
                        mode="ignore",
                        name=table,
                        partition_by=[day],
                        configuration=properties,
                        storage_options=options,
                    )
                if not self.is_remote:
                    commits.to_disk(Path(self.uri(table)), since=-1, until=0)
            opened = self._load(table) if self.exists(table) else None
            if opened and base is not None:
                writes = _writes_since(opened, base)
                require_untouched(table, writes, days=span, has_days=bool(dated), fence=fence)
            base = opened.version() if opened else -1
            if fence:
                fence.ask()
            made = {ATTEMPT: uuid.uuid4().hex} if self.is_remote else {}
            notes = made | ({NOTE: json.dumps(note)} if note else {}) | ({FENCE: fence.says(span)} if fence else {})
            how = {
                "commit_properties": CommitProperties(custom_metadata=notes, max_commit_retries=0),
                # What is old is for `nightcart prune` to say: Delta would forget the versions of models after a month.
                "post_commithook_properties": PostCommitHookProperties(cleanup_expired_logs=False),
            }
            try:
                if isinstance(data, Parts):
                    assert opened
                    data.commit(opened, days=dated, **how)
                    opened = self._load(table, base + 1)
                else:
                    write_deltalake(
                        opened or self.uri(table),
                        data,
                        mode="overwrite" if opened else "error",  # pyright: ignore[reportArgumentType]
                        partition_by=[day] if day else None,
                        predicate=predicate,
                        schema_mode=("merge" if day else "overwrite") if opened else None,
                        name=None if opened else table,
                        configuration=None if opened else properties,
                        storage_options=None if opened else options,
                        **how,
                    )
            except DeltaError as error:
                if not isinstance(error, CommitFailedError) and (opened or not self.exists(table)):
                    raise
                # One that was made, and answered with an error, is asked for again: then the version is there already.
                if (mine := self._version_with(table, made, since=base)) is None:
                    continue
                opened = self._load(table, mine)
            opened = opened or self._load(table, 0)
            if not self.is_remote:
                commits.to_disk(Path(self.uri(table)), since=base, until=opened.version())
            if fence:
                fence.seen[table] = opened
            if self.ledger:
                contents.seal(self, self.ledger, table, opened.version(), _parts(opened), days)
            return _commit_of(table, opened)
        raise Unavailable(f"Other runs wrote {table} at the same moment, {TRIES} times.", remedy="run it again.")

    def _version_with(self, table: str, note: Mapping[str, str], *, since: int) -> int | None:
        """The version after `since` whose commit has the notes; None where none has, or there are no notes to look for."""
        history = self._load(table).history() if note and self.exists(table) else []
        return next((c["version"] for c in history if c["version"] > since and note.items() <= c.items()), None)

    def writes_since(self, table: str, version: int | None = None) -> list[Written]:
        """The commits of a table after `version`, by default after what the fence has seen, the oldest first."""
        opened = self._load(table)
        return _writes_since(opened, self.version(table) if version is None else version)

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
            return self._load(table, version)
        opened = self.fence.seen.get(table) or self._load(table)
        self.fence.seen.setdefault(table, opened)
        return opened

    def _load(self, table: str, version: int | None = None) -> DeltaTable:
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


def _writes_since(opened: DeltaTable, version: int) -> list[Written]:
    """The commits after `version` up to the one that is open; that a table was made is none, of itself.

    Where the log no longer has them all, as after an erasure, anybody may have made the first of them.
    """
    if (count := opened.version() - version) == 0:
        return []
    history = [commit for commit in opened.history(max(count, 1)) if count < 0 or commit["version"] > version]
    writes = [Written.of(commit) for commit in reversed(history) if commit["operation"] != "CREATE TABLE"]
    return writes if len(history) == count else [replace(writes[0], writer=None), *writes[1:]]


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


def _digest(parts: Iterable[Part]) -> str:
    return hashlib.sha256("\n".join(sorted(part.path for part in parts)).encode()).hexdigest()[:16]


def _day_column(opened: DeltaTable) -> str | None:
    columns = opened.metadata().partition_columns
    return columns[0] if columns else None


def _parts(opened: DeltaTable, *, since: dt.date | None = None, until: dt.date | None = None) -> list[Part]:
    """The live files of the days `since` … `until`; rows without a day are there only when no day is asked for."""
    adds = opened.get_add_actions(flatten=True)
    day = f"partition.{_day_column(opened)}"
    days = adds[day].to_pylist() if day in adds.column_names else [None] * adds.num_rows
    parts = map(Part, adds["path"].to_pylist(), days, adds["num_records"].to_pylist(), adds["size_bytes"].to_pylist())
    if since is None and until is None:
        return list(parts)
    return [part for part in parts if part.day and (since or part.day) <= part.day <= (until or part.day)]


def _commit_of(table: str, opened: DeltaTable) -> Commit:
    by_day = _rows_by_day(opened)
    return Commit(table=table, version=opened.version(), rows=sum(by_day.values()), rows_by_day=by_day)


def _rows_by_day(opened: DeltaTable) -> dict[dt.date | None, int]:
    rows: dict[dt.date | None, int] = {}
    for part in sorted(_parts(opened), key=lambda part: str(part.day)):
        rows[part.day] = rows.get(part.day, 0) + part.rows
    return rows


def _schema(opened: DeltaTable) -> ibis.Schema:
    import ibis
    import pyarrow as pa

    return ibis.Schema.from_pyarrow(pa.schema(opened.schema().to_arrow()))


def _is_among(name: str, values: Collection[str | None]) -> str:
    column, texts = engine.quoted_name(name), ", ".join(engine.quoted_text(each) for each in values if each is not None)
    is_null = f"{column} IS NULL" if None in values else "false"
    return f"({column} IN ({texts}) OR {is_null})" if texts else f"({is_null})"


def _condition(by: str, days: Sequence[dt.date], *, undated: bool) -> str:
    conditions = [f"({by} >= '{first}' AND {by} <= '{last}')" for first, last in ranges(days)]
    return " OR ".join([*conditions, *([f"{by} IS NULL"] if undated else [])])
