"""Remove a subject from everything that is ours; every step can be done again.

Each table that has it is written without it, in one commit that says what it did; what was on record of those days before
(verdicts, overrides, deliveries) holds of the rows that are left; and everything older than that commit goes, files and
log. The kept copies of delivered files lose its lines.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assets.privacy.find import TableHits, kept_copies, lines_aside, rows_of, set_aside
from assets.privacy.personal_data import RULE, ErasureScope, PersonalData
from assets.quality.gates import Partition, key_of, of_days, whole
from resources.feeds import converted, redaction
from resources.identifiers import identifier, identifiers, same_as
from resources.records.feeds import Delivery
from resources.tables import history
from resources.tables.engine import content_digests
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

NOTE = "erasure"  # under which the commit that removed the rows says of whom, how many, and instead of what


def remove_rows(store: TableStore, name: str, hits: TableHits, subject: str, hashed: str, data: PersonalData) -> None:
    """Write the days of a table that have rows of the subject (whose hash is `hashed`) without them, in one commit."""
    before = store.fingerprints(name)
    note = {
        "household": hashed,
        "rows": hits.rows,
        "instead_of": {day.isoformat() if day else "": before[day] for day in hits.days},
    }
    store.rewrite(name, _without(store, name, hits, subject, data), days=hits.days, note={NOTE: note})


def notes_of(store: TableStore, name: str, hashed: str) -> list[tuple[int, Mapping[str, Any]]]:
    """What the commits that removed the subject say, with their versions."""
    notes = ((version, note.get(NOTE) or {}) for version, note in store.notes(name))
    return [(version, note) for version, note in notes if note.get("household") == hashed]


def rekey_records(hashed: str, scope: ErasureScope, *, now: dt.datetime) -> None:
    """Let what is on record of the rewritten days hold of the rows that are left."""
    # Of every table: a command that was killed may have come no further than the commit.
    for name in history.names(scope.tables):
        rekey_verdicts(name, hashed, scope, now=now)
    rekey_deliveries(hashed, scope, now=now)
    for name, follow in scope.data.rewritten.items():
        if scope.tables.exists(name) and _rewritten_days(name, hashed, scope.tables):
            follow(scope.tables, scope.operations, now)


def rekey_verdicts(name: str, hashed: str, scope: ErasureScope, *, now: dt.datetime) -> None:
    """The rows that are left are those that were judged: verdicts and overrides hold of their new version."""
    gates, operations, tables = scope.data.gates.get(name), scope.operations, scope.tables
    if not gates or not (before := _rewritten_days(name, hashed, tables)):
        return
    if gates[0].has_days:
        after = of_days(tables, name, days := [day for day in before if day])
        verdicts = operations.verdicts(name, since=min(days), until=max(days)) if days else {}
    else:
        after, verdicts = whole(tables, name), operations.verdicts(name)
    rekeyed: list[Any] = [
        dataclasses.replace(verdict, data_version=after[day], decided_at=now)
        for (day, _), verdict in verdicts.items()
        if day in before and verdict.data_version == before[day]
    ]
    overrides = operations.overrides(now=now)
    known = {key_of(override) for override in overrides}
    for override in overrides:
        if override.subject == name and before.get(override.partition) == override.data_version:
            new = dataclasses.replace(override, data_version=after[override.partition])
            rekeyed += [new] if key_of(new) not in known else []
    operations.record(*rekeyed)


def rekey_deliveries(hashed: str, scope: ErasureScope, *, now: dt.datetime) -> None:
    """What was made from the days knows what is left of them: none of it is stale."""
    delivered, tables, operations = scope.data.deliveries, scope.tables, scope.operations
    table, day_column = delivered.table, delivered.day
    days = [day for day in _rewritten_days(table, hashed, tables) if day] if tables.exists(table) else []
    if not days:
        return
    lines = tables.read(table, since=min(days), until=max(days))
    contents = content_digests(lines.drop(*delivered.source), by=day_column)
    rows = tables.rows_by_day(table)
    broken: dict[Partition, dict[str, int]] = {}
    if tables.exists(delivered.quarantine):
        aside = tables.read(delivered.quarantine, since=min(days), until=max(days))
        for row in aside.group_by(day_column, RULE).agg(n=aside.count()).to_pyarrow().to_pylist():
            broken.setdefault(row[day_column], {})[row[RULE]] = row["n"]
    for day in days:
        content, newest = contents.get(day, Delivery.NO_LINES), operations.records(Delivery, business_date=day, last=1)
        if newest and newest[0].content != content:
            of_day = broken.get(day, {})
            left = {"rows": rows.get(day, 0) + sum(of_day.values()), "broken": of_day, "content": content}
            instead_of = newest[0].content
            operations.record(dataclasses.replace(newest[0], **left, instead_of=instead_of, run_id="", taken_in_at=now))


def redact_copies(subject: str, scope: ErasureScope) -> None:
    """Empty the subject's lines in the raw store, and in files that were set aside: in doubt, what has it anywhere.

    What is packed, and was set aside with a line of it, goes as a whole.
    """
    for copy, feed in kept_copies(scope):
        redaction.redact([copy], feed.files, feed.column, same_as(subject))
    for file, feed in set_aside(scope):
        if not file.exists():
            continue
        if converted.is_converted(file.name) and lines_aside(file, feed, same_as(subject)):
            file.unlink()
        elif not converted.is_converted(file.name):
            redaction.redact([file], feed.files, feed.column, same_as(subject), in_doubt=True)


def _without(store: TableStore, name: str, hits: TableHits, subject: str, data: PersonalData) -> ibis.Table | pa.Table:
    """The rows that stay, of the days that have rows to remove."""
    column, dated = store.day_column(name), [day for day in hits.days if day]
    span = {} if column is None or None in hits.days else {"since": min(dated), "until": max(dated)}
    rows = store.read(name, **span)
    if column:
        of_days = rows[column].isin(dated) if dated else rows[column].isnull()
        rows = rows.filter(of_days | rows[column].isnull() if None in hits.days else of_days)
    if data.column in rows.columns:
        return rows.filter(~(identifiers(rows[data.column]) == identifier(subject)).fill_null(False))
    import pyarrow as pa

    whole = rows.to_pyarrow()
    theirs = set(rows_of(whole, subject, data))
    return whole.filter(pa.array([place not in theirs for place in range(whole.num_rows)], pa.bool_()))


def _rewritten_days(name: str, hashed: str, store: TableStore) -> dict[Partition, str]:
    """The fingerprints before of the days that the subject was removed from, where nobody wrote them since."""
    days: dict[Partition, str] = {}
    now = store.fingerprints(name)
    for version, note in notes_of(store, name, hashed):
        left = store.fingerprints(name, version=version)
        for text, before in note["instead_of"].items():
            day = dt.date.fromisoformat(text) if text else None
            if left.get(day) == now.get(day):
                days[day] = before
    return days
