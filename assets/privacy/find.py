"""Find a subject everywhere, and change nothing: in tables and their history, kept copies, records, and others' files."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.privacy.needles import Needles
from assets.privacy.personal_data import LINE, RULE, ErasureScope, PersonalData, PersonalFeed
from assets.quality.gates import Partition
from resources.config.feeds import DATE_IN_PATH, FeedConfig
from resources.errors import FeedRefused
from resources.feeds import databases, landing, redaction, remote_copies, sources
from resources.feeds.files import told
from resources.identifiers import identifier, is_one_of, same_as, ways_to_write
from resources.records.feeds import Delivery
from resources.tables import history
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class TableHits:
    """What a table has of a subject: rows now, rows in files that are of no newest version, and mentions in its log."""

    table: str
    rows: int
    days: frozenset[Partition]
    old: int
    mentions: int
    files: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.rows + self.old + self.mentions


@dataclass(frozen=True, kw_only=True)
class ErasureReport:
    """What is there of a subject: by table, in copies of delivered files, and where it is not ours.

    `records` counts the entries of the audit trail that quote it, and `not_ours` has the lines by file of the retailer.
    """

    tables: Sequence[TableHits]
    copies: int
    records: int
    not_ours: Mapping[str, int]

    @property
    def total(self) -> int:
        """What is there that can be removed."""
        return self.copies + sum(hits.total for hits in self.tables)


def find(subject: str, scope: ErasureScope) -> ErasureReport:
    """Look for a subject everywhere."""
    subject = identifier(subject)
    matches, needles = same_as(subject), Needles(subject=subject, columns=columns_of(scope.data))
    hits = (
        _hits(store, name, subject, scope.data, prefix)
        for prefix, store in scope.stores()
        for name in history.names(store)
    )
    return ErasureReport(
        tables=[each for each in hits if each],
        copies=sum(redaction.count_in(copy, feed.files, feed.column, matches) for copy, feed in kept_copies(scope))
        + sum(lines_aside(file, feed, matches) for file, feed in set_aside(scope)),
        records=sum(bool(needles.are_in(entry.payload.encode())) for entry in scope.operations.trail()),
        not_ours=_not_ours(matches, scope),
    )


def columns_of(data: PersonalData) -> tuple[str, ...]:
    """What the column that names a subject is called, by us and in the feeds."""
    return tuple(dict.fromkeys([data.column, *(feed.column for feed in data.feeds)]))


def kept_copies(scope: ErasureScope) -> Iterator[tuple[Path, PersonalFeed]]:
    """The kept copies of delivered files, with each feed that they may be of: one, where both are read alike."""
    of_reading = set(FeedConfig.model_fields) - {"path", "url_in", "query"}
    ways = {(f.files.model_dump_json(include=of_reading), f.column): f for f in scope.data.feeds}
    for copy in remote_copies.each(scope.raw_store) if scope.raw_store else sorted(scope.raw.glob("*/*")):
        for feed in ways.values() if copy.is_file() else ():
            yield copy, feed


def set_aside(scope: ErasureScope) -> Iterator[tuple[Path, PersonalFeed]]:
    """The files below the state folder that were set aside on arrival, with each feed that they may be of."""
    for folder in scope.state.rglob(landing.SET_ASIDE):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield from ((file, feed) for feed in scope.data.feeds)


def lines_aside(file: Path, feed: PersonalFeed, matches: Callable[[str], bool]) -> int:
    """How many lines of a file that was set aside name the subject, or have it anywhere where no column is of its name."""
    try:
        with sources.open_file(str(file), feed.files) as content:
            return redaction.count(
                content, sources.copy_name(file.name), feed.files, feed.column, matches, in_doubt=True
            )
    except FeedRefused:  # what cannot be read may still have it in its bytes
        return 0


def rows_of(rows: pa.Table, subject: str, data: PersonalData) -> list[int]:
    """The places of the rows that are the subject's."""
    if data.column in rows.column_names:
        import pyarrow.compute as pc

        return pc.indices_nonzero(is_one_of(rows, data.column, subject)).to_pylist()
    if _is_quarantine(rows):
        lines = rows.select([RULE, LINE]).to_pylist()
        return [place for place, row in enumerate(lines) if data.quarantined.names(row, same_as(subject))]
    return []


def _is_quarantine(rows: pa.Table) -> bool:
    return {RULE, LINE} <= set(rows.column_names)


def _hits(store: TableStore, name: str, subject: str, data: PersonalData, prefix: str) -> TableHits | None:
    """What a table has of a subject; None for a table without subjects."""
    rows = old = 0
    days: set[Partition] = set()
    files, is_personal = history.data_files(store, name), False
    for file in files:
        content = history.columns_of(store, file, [data.column, RULE, LINE])
        if content is None:  # a write that was cut off: nobody can say what is in it, so it goes with the rest
            old += 1
            continue
        is_personal = is_personal or data.column in content.column_names or _is_quarantine(content)
        n = len(rows_of(content, subject, data))
        if file.is_live and n:
            rows += n
            days.add(file.day)
        elif n:
            old += n
    if not is_personal and data.column not in store.read(name).columns:
        return None
    mentions = sum(_is_mention(field, text, subject, data) for field, text in history.log_texts(store, name))
    return TableHits(table=prefix + name, rows=rows, days=frozenset(days), old=old, mentions=mentions, files=len(files))


def _is_mention(field: str, text: str, subject: str, data: PersonalData) -> bool:
    """Whether a text of a table's log names the subject: its statistics hold the least and the greatest value."""
    if field in (data.column, *data.derived_columns):
        return any(text == way or text.startswith(f"{way}@") for way in ways_to_write(subject))
    if field == LINE:
        key, values = json.dumps(data.quarantined.column), map(json.dumps, ways_to_write(subject))
        number = f"{re.escape(f'{key}:{subject}')}(\\.0+)?[,}}]"
        return any(f"{key}:{value}" in text for value in values) or bool(re.search(number, text))
    return field in ("reason", "predicate") and f"'{subject}'" in text


def _not_ours(matches: Callable[[str], bool], scope: ErasureScope) -> dict[str, int]:
    """The lines of the subject in the retailer's own files, by file: those of the feeds, and of the landing place.

    A query of a day is asked for every day that was taken in.
    """
    lines: dict[str, int] = {}
    for path, day, feed in delivered(scope):
        try:
            with sources.open_file(path, feed.files, day) as content:
                n = redaction.count(content, sources.copy_name(path), feed.files, feed.column, matches)
        except FeedRefused:  # what cannot be read is no line of anybody
            continue
        if n:
            lines[told(path)] = n
    return lines


def delivered(scope: ErasureScope) -> Iterator[tuple[str, dt.date | None, PersonalFeed]]:
    """The retailer's own files that name subjects, and queries, with the day that they are for and the feed."""
    for feed in scope.data.feeds:
        paths: dict[str, dt.date | None] = {}
        if feed.files.query is None:
            for pattern in feed.files.path:
                paths |= dict.fromkeys(sources.expand(DATE_IN_PATH.sub("*", pattern)))
        else:
            days = (
                {each.business_date for each in scope.operations.records(Delivery)} if feed.files.is_dated else [None]
            )
            paths |= {databases.path_of(feed.files, day): day for day in days}
        if feed.landing:
            paths |= dict.fromkeys(file.path for file in landing.look(feed.landing) if not file.wrong)
        yield from ((path, day, feed) for path, day in paths.items())
