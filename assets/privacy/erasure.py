"""A household is forgotten: its rows go from every table and from their history, and it is proven that they have gone.

First it goes on record that this was asked for, from when on no feed brings the household back
(`assets.privacy.suppression`). Then each table that has it is written without it, in one commit that says what it did;
what was said of those days before (verdicts, overrides, what was made from them) is said of them still; and everything
older than that commit goes, files and log. The kept copies of delivered files lose its lines. At last everything is
looked through again, whatever the logs say, and that is on record too.

Every step can be done again: a command that was killed is typed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion.assets import NO_LINES
from assets.grocery.scoring.assets import record_publication
from assets.grocery.tables import PUBLISHED, QUARANTINE, TRANSACTIONS
from assets.privacy import suppression as erased
from assets.quality import gates
from resources.config.feeds import DATE_IN_PATH, FeedConfig
from resources.config.retailer import Settings
from resources.errors import Refused, Unavailable
from resources.feeds import landing
from resources.feeds import redaction as delivered_files
from resources.feeds.reader import reader as feeds
from resources.records.feeds import Delivery
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase
from resources.tables import history as table_history
from resources.tables.engine import content_digests
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

NOTE = "erasure"  # under which the commit that removed the rows says of whom, how many, and instead of what
HOUSEHOLD, RULE, LINE = "household_id", "rule", "line"
BASKET = "basket_id"
LEFT_SECONDS = 24 * 3600  # nothing that is at work leaves a file alone for so long
Day = dt.date | None


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What an erasure reaches: `others` are table stores beside the retailer's own, by name; `state` its folder."""

    settings: Settings
    tables: TableStore
    operations: OperationsDatabase
    raw: Path
    state: Path
    key: Path
    others: Mapping[str, TableStore] = field(default_factory=dict)

    def stores(self) -> Iterator[tuple[str, TableStore]]:
        """Every store with what its tables' names begin with."""
        yield "", self.tables
        for name, store in self.others.items():
            yield f"{name}/", store

    def delivered(self) -> Iterator[tuple[FeedConfig, str]]:
        """The feeds that name households, each with the column that does."""
        yield self.settings.transactions, self.settings.transactions.columns.household_id
        if self.settings.households:
            yield self.settings.households, self.settings.households.columns.household_id


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a table has of a household: rows now, rows in files that are of no newest version, and mentions in its log."""

    table: str
    rows: int
    days: frozenset[Day]
    old: int
    mentions: int
    files: int

    @property
    def found(self) -> int:
        """All of it."""
        return self.rows + self.old + self.mentions


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is there of a household: by table, in copies of delivered files, in texts, and where it is not ours.

    `records` counts the entries of the audit trail that quote it, `texts` are files of runs and models that do, and
    `not_ours` has the lines by file of the retailer.
    """

    tables: Sequence[Held]
    copies: int
    records: int
    texts: Sequence[str]
    not_ours: Mapping[str, int]

    @property
    def found(self) -> int:
        """What is there that can be removed."""
        return self.copies + sum(held.found for held in self.tables)


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What came of it: rows removed by table, and what was seen afterwards; `before` is of an earlier command."""

    removed: Mapping[str, int]
    seen: Seen
    before: Erasure | None = None


def look(household: str, reached: Reached) -> Seen:
    """Look for a household everywhere, and change nothing."""
    is_it = household.__eq__
    tables = [
        held
        for prefix, store in reached.stores()
        for name in table_history.names(store)
        if (held := _held(store, name, household, reached, prefix=prefix))
    ]
    quoted = naming(household)
    return Seen(
        tables=tables,
        copies=sum(
            delivered_files.count(content, copy.name, files, column, is_it)
            for copy, files, column in _copies(reached)
            for content in _open(copy)
        ),
        records=sum(bool(quoted.search(entry.payload)) for entry in reached.operations.trail()),
        texts=list(_texts_with(quoted, reached)),
        not_ours=_not_ours(is_it, reached),
    )


def naming(household: str) -> re.Pattern[str]:
    """What a text says that names a household. A number alone says nothing: it may be any other."""
    ways = {re.escape(household), re.escape(json.dumps(household)[1:-1])}
    name = f"(?:{'|'.join(sorted(ways))})"
    said = rf"""household_id(?:\\*"\s*:\s*\\*"| is '| of ){name}(?![\w-])"""
    return re.compile(said if household.isdigit() else rf"""{said}|["']{name}\\*["']""")


def forget(
    household: str,
    *,
    by: str,
    reason: str,
    now: dt.datetime,
    reached: Reached,
    under_way: Callable[[], str | None],
    say: Callable[[str], object] = lambda _: None,
) -> Forgotten:
    """Remove a household from everything that is ours, and prove it; done again, it finishes what was begun.

    `under_way` names a run that is under way. Raises :class:`Refused` for a household that is nowhere, without a
    reason, or while a run is under way, and :class:`Unavailable` when somebody writes a table.
    """
    operations = reached.operations
    refuse_while(under_way())
    records = operations.records(Erasure)
    key = erased.the_key(records, reached.key)
    stone = erased.hashed(household, key)
    own = [record for record in records if record.household == stone]
    with contextlib.ExitStack() as held_alone:
        for _, store in reached.stores():
            held_alone.enter_context(store.alone())
        say("Looking for it")
        there = look(household, reached)
        if not own:
            refuse_nobody(household, there)
            _refuse_reason(household, reason)
            asked = Erasure(
                household=stone, key=erased.name_of(key), step=Erasure.ASKED, by=by, reason=reason.strip(), at=now
            )
            operations.record(asked)
            own = [asked]
        for prefix, store in reached.stores():
            for held in there.tables:
                if held.found and held.table.startswith(prefix) and "/" not in held.table.removeprefix(prefix):
                    name = held.table.removeprefix(prefix)
                    say(f"Removing it from {held.table}")
                    if held.rows:
                        _remove(store, name, held, household, stone, reached)
                    if not prefix:
                        _keep_what_was_said(name, stone, reached, now=now)
                    table_history.cut_off(store, name)
        # Also where nothing was found: a command that was killed may have come no further than the commit.
        for name in table_history.names(reached.tables):
            _keep_what_was_said(name, stone, reached, now=now)
        _keep_deliveries(stone, reached, now=now)
        if reached.tables.exists(PUBLISHED) and _rewritten(PUBLISHED, stone, reached.tables):
            record_publication(reached.tables, operations, run_id="", now=now)
        say("Emptying its lines in the raw store")
        for copy, files, column in _copies(reached):
            delivered_files.blank([copy], files, column, household.__eq__)
        _remove_leftovers(reached, now=now)
        say("Looking through everything again")
        seen = look(household, reached)
        removed = _removed(stone, reached)
    again = "type the same command again when it is over"
    if seen.found:
        where = [held.table for held in seen.tables if held.found] + ["the raw store"] * bool(seen.copies)
        raise Unavailable(
            f"It is there again, in {', '.join(where)}: something wrote it meanwhile.", remedy=f"{again}."
        )
    if run := under_way():
        raise Unavailable(
            f"Run {run} began meanwhile, and may write what it read before.", remedy=f"{again}: `nightcart status`."
        )
    is_done = own[-1].step == Erasure.DONE
    if not is_done or there.found:
        operations.record(_done(own[0], removed, seen, reached, now=now))
    return Forgotten(removed=removed, seen=seen, before=own[-1] if is_done else None)


def refuse_while(run: str | None) -> None:
    """Raise :class:`Refused` while a run is under way."""
    if run:
        raise Refused(
            f"Run {run} is under way, and may write what it has read already.",
            remedy="type the same command again when it is over: `nightcart status` shows it.",
        )


def refuse_nobody(household: str, seen: Seen) -> None:
    """Raise :class:`Refused` for a household that nothing is known of, here or in the retailer's files."""
    if not seen.found and not seen.not_ours:
        raise Refused(
            f"There is no household {household!r}: no table and no delivered file has it.",
            remedy="give the identifier as it stands in the feed.",
        )


def pending(operations: OperationsDatabase) -> list[Erasure]:
    """The erasures that were asked for and are not done."""
    newest = {record.household: record for record in operations.records(Erasure)}
    return [record for record in newest.values() if record.step == Erasure.ASKED]


def _refuse_reason(household: str, reason: str) -> None:
    if not reason.strip():
        raise Refused("An erasure has a reason.", remedy='add --reason "…".')
    if re.search(rf"(?<!\w){re.escape(household)}(?!\w)", reason):
        raise Refused(
            "The reason names the household, and stays on record for ever.", remedy="say why without saying who."
        )


# ------------------------------------------------------------------------------------------------------------ looking


def _held(store: TableStore, name: str, household: str, reached: Reached, *, prefix: str) -> Held | None:
    """What a table has of a household; None for a table without households."""
    rows = old = 0
    days: set[Day] = set()
    files, knows = table_history.data_files(store, name), False
    for file in files:
        found = table_history.columns_of(store, file, [HOUSEHOLD, RULE, LINE])
        if found is None:  # a write that was cut off: nobody can say what is in it, so it goes with the rest
            old += 1
            continue
        is_quarantine = {RULE, LINE} <= set(found.column_names)
        knows = knows or is_quarantine or HOUSEHOLD in found.column_names
        n = len(_theirs(found, household, reached.settings))
        if file.is_live and n:
            rows += n
            days.add(file.day)
        elif n:
            old += n
    if not knows and HOUSEHOLD not in store.read(name).columns:
        return None
    said = table_history.log_texts(store, name)
    mentions = sum(_is_mention(field_, text, household, reached.settings) for field_, text in said)
    return Held(table=prefix + name, rows=rows, days=frozenset(days), old=old, mentions=mentions, files=len(files))


def _theirs(rows: pa.Table, household: str, settings: Settings) -> list[int]:
    """The places of the rows that are the household's."""
    if HOUSEHOLD in rows.column_names:
        import pyarrow.compute as pc

        return pc.indices_nonzero(pc.equal(rows[HOUSEHOLD], household)).to_pylist()
    if {RULE, LINE} <= set(rows.column_names):
        told = zip(rows[RULE].to_pylist(), rows[LINE].to_pylist(), strict=True)
        return [
            place
            for place, (rule, line) in enumerate(told)
            if erased.is_of({RULE: rule, LINE: line}, settings.transactions, household.__eq__)
        ]
    return []


def _is_mention(name: str, text: str, household: str, settings: Settings) -> bool:
    """Whether a text of a table's log names the household: its statistics hold the least and the greatest value."""
    if name in (HOUSEHOLD, BASKET):
        return text == household or text.startswith(f"{household}@")  # a basket that was made of household and time
    if name == LINE:
        key, value = json.dumps(settings.transactions.columns.household_id), json.dumps(household)
        return f"{key}:{value}" in text or bool(re.search(f"{re.escape(f'{key}:{household}')}[,}}]", text))
    return name in ("reason", "predicate") and f"'{household}'" in text


def _copies(reached: Reached) -> Iterator[tuple[Path, FeedConfig, str]]:
    """The kept copies of delivered files, with each feed that they may be of: one, where both are read alike."""
    ways = {(files.format, files.delimiter, files.encoding, column): files for files, column in reached.delivered()}
    for folder in sorted(reached.raw.iterdir()) if reached.raw.exists() else ():
        for copy in sorted(folder.iterdir()) if folder.is_dir() else ():
            for (*_, column), files in ways.items() if copy.is_file() else ():
                yield copy, files, column


def _open(path: Path) -> Iterator[Any]:
    with open(path, "rb") as content:
        yield content


def _texts_with(quoted: re.Pattern[str], reached: Reached) -> Iterator[str]:
    """Files of the runs' history and of the models that quote the household."""
    wanted = re.compile(quoted.pattern.encode())
    for folder in ("dagster", "mlflow"):
        for path in sorted((reached.state / folder).rglob("*")):
            if path.is_file() and path.stat().st_size:
                with open(path, "rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as text:
                    if wanted.search(text):
                        yield str(path)


def _not_ours(is_it: Callable[[str], bool], reached: Reached) -> dict[str, int]:
    """The lines of the household in the retailer's own files, by file: those of the feeds, and of the landing place."""
    found: dict[str, int] = {}
    for files, column in reached.delivered():
        paths = [path for pattern in files.path for path in feeds.expand(DATE_IN_PATH.sub("*", pattern))]
        if reached.settings.landing and files is reached.settings.transactions:
            paths += [file.path for file in landing.look(reached.settings.landing)]
        for path in dict.fromkeys(paths):
            with feeds.open_file(path) as content:
                n = delivered_files.count(content, path, files, column, is_it)
            if n:
                found[path] = n
    return found


# ----------------------------------------------------------------------------------------------------------- removing


def _remove(store: TableStore, name: str, held: Held, household: str, stone: str, reached: Reached) -> None:
    before = store.fingerprints(name)
    said = {
        "household": stone,
        "rows": held.rows,
        "instead_of": {day.isoformat() if day else "": before[day] for day in held.days},
    }
    store.rewrite(name, _without(store, name, held, household, reached), days=held.days, note={NOTE: said})


def _without(store: TableStore, name: str, held: Held, household: str, reached: Reached) -> ibis.Table | pa.Table:
    """The rows that stay, of the days that have rows to remove."""
    column, dated = store.day_column(name), [day for day in held.days if day]
    if column is None or None in held.days:
        rows = store.read(name)
    else:
        rows = store.read(name, since=min(dated), until=max(dated))
    if column:
        of_days = rows[column].isin(dated) if dated else rows[column].isnull()
        rows = rows.filter(of_days | rows[column].isnull() if None in held.days else of_days)
    if HOUSEHOLD in rows.columns:
        return rows.filter(~(rows.household_id == household).fill_null(False))
    import pyarrow as pa

    whole = rows.to_pyarrow()
    theirs = set(_theirs(whole, household, reached.settings))
    return whole.filter(pa.array([place not in theirs for place in range(whole.num_rows)], pa.bool_()))


def _remove_leftovers(reached: Reached, *, now: dt.datetime) -> None:
    """What processes that were killed left: half copies of files, and what the engine had put on disk."""
    for path in [*reached.raw.glob(".part-*"), *reached.raw.glob("*/.part-*"), *(reached.state / "spill").rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and now.timestamp() - path.stat().st_mtime > LEFT_SECONDS:
                path.unlink()


def _notes(name: str, stone: str, store: TableStore) -> list[tuple[int, Mapping[str, Any]]]:
    """What the commits that removed the household say, with their versions."""
    told = ((version, note.get(NOTE) or {}) for version, note in store.notes(name))
    return [(version, note) for version, note in told if note.get("household") == stone]


def _rewritten(name: str, stone: str, store: TableStore) -> dict[Day, str]:
    """The fingerprints before of the days that the household was removed from, where nobody wrote them since."""
    days: dict[Day, str] = {}
    now = store.fingerprints(name)
    for version, note in _notes(name, stone, store):
        left = store.fingerprints(name, version=version)
        for said, before in note["instead_of"].items():
            day = dt.date.fromisoformat(said) if said else None
            if left.get(day) == now.get(day):
                days[day] = before
    return days


def _keep_what_was_said(name: str, stone: str, reached: Reached, *, now: dt.datetime) -> None:
    """The rows that are left are those that were judged: what was said of them holds of them, and so do overrides."""
    if name not in gates.GATES or not (rewritten := _rewritten(name, stone, reached.tables)):
        return
    operations, tables = reached.operations, reached.tables
    if gates.GATES[name][0].has_days:
        after = gates.of_days(tables, name, [day for day in rewritten if day])
        days = [day for day in after if day]
        verdicts = operations.verdicts(name, since=min(days), until=max(days)) if days else {}
    else:
        after, verdicts = gates.whole(tables, name), operations.verdicts(name)
    verdicts = {key: each for key, each in verdicts.items() if key[0] in rewritten}
    said: list[Any] = [
        dataclasses.replace(verdict, data_version=after[day], decided_at=now)
        for (day, _), verdict in verdicts.items()
        if verdict.data_version == rewritten[day]
    ]
    overrides = operations.overrides(now=now)
    there = {gates.key_of(override) for override in overrides}
    for override in overrides:
        if override.subject == name and rewritten.get(override.partition) == override.data_version:
            new = dataclasses.replace(override, data_version=after[override.partition])
            said += [new] if gates.key_of(new) not in there else []
    operations.record(*said)


def _keep_deliveries(stone: str, reached: Reached, *, now: dt.datetime) -> None:
    """What was made from the days knows what is left of them: none of it is stale."""
    tables, operations = reached.tables, reached.operations
    days = [day for day in _rewritten(TRANSACTIONS, stone, tables) if day] if tables.exists(TRANSACTIONS) else []
    if not days:
        return
    lines = tables.read(TRANSACTIONS, since=min(days), until=max(days))
    contents = content_digests(lines.drop("source_file", "source_row"), by="business_date")
    rows = tables.rows_by_day(TRANSACTIONS)
    aside = tables.read(QUARANTINE, since=min(days), until=max(days)) if tables.exists(QUARANTINE) else None
    broken: dict[Day, dict[str, int]] = {}
    if aside is not None:
        for row in aside.group_by("business_date", RULE).agg(n=aside.count()).to_pyarrow().to_pylist():
            broken.setdefault(row["business_date"], {})[row[RULE]] = row["n"]
    left = []
    for day in days:
        content, newest = contents.get(day, NO_LINES), operations.records(Delivery, business_date=day, last=1)
        if newest and newest[0].content != content:
            of_day = broken.get(day, {})
            left.append(
                dataclasses.replace(
                    newest[0],
                    rows=rows.get(day, 0) + sum(of_day.values()),
                    broken=of_day,
                    content=content,
                    instead_of=newest[0].content,
                    run_id="",
                    taken_in_at=now,
                )
            )
    operations.record(*left)


def _removed(stone: str, reached: Reached) -> dict[str, int]:
    """The rows that were removed, by table, as the commits say."""
    found = {
        prefix + name: sum(note["rows"] for _, note in _notes(name, stone, store))
        for prefix, store in reached.stores()
        for name in table_history.names(store)
    }
    return {name: rows for name, rows in found.items() if rows}


def _done(asked: Erasure, removed: Mapping[str, int], seen: Seen, reached: Reached, *, now: dt.datetime) -> Erasure:
    first = {
        name: min(version for version, _ in reached.tables.notes(name))
        for name in table_history.names(reached.tables)
        if name in {held.table for held in seen.tables}
    }
    return dataclasses.replace(
        asked,
        step=Erasure.DONE,
        removed=removed,
        versions=first,
        proof={
            "files": {held.table: held.files for held in seen.tables},
            "rows": sum(held.rows + held.old for held in seen.tables),
            "mentions_in_logs": sum(held.mentions for held in seen.tables),
            "lines_in_copies": seen.copies,
            "records_that_quote_it": seen.records,
            "texts_that_quote_it": len(seen.texts),
            "files_of_others": len(seen.not_ours),
        },
        at=now,
    )
