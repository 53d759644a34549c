"""Erase a subject and prove it: asked for on record, removed from everything that is ours, looked for again.

From when it is on record, no feed brings the subject back (`assets.privacy.suppression`). At the end everything is looked
through again, whatever the logs say, and that is on record too. Every step can be done again: a command that was killed
is typed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assets.privacy import remove
from assets.privacy.everywhere import Everywhere, look, needles_of, remove_leftovers, sweep
from assets.privacy.find import ErasureReport, find
from assets.privacy.needles import SHORTEST, Needles
from assets.privacy.personal_data import ErasureScope
from assets.privacy.suppression import key_id, load_key, subject_hash
from resources.errors import Refused, Unavailable
from resources.identifiers import identifier
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase
from resources.tables import history


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What came of it: rows removed by table, and the report afterwards; `before` is of an earlier command."""

    removed: Mapping[str, int]
    report: ErasureReport
    everywhere: Everywhere
    before: Erasure | None = None


def erase(
    subject: str,
    *,
    by: str,
    reason: str,
    now: dt.datetime,
    scope: ErasureScope,
    under_way: Callable[[], str | None],
    say: Callable[[str], object] = lambda _: None,
) -> Erased:
    """Remove a subject from everything that is ours, and prove it; done again, it finishes what was begun.

    `under_way` names a run that is under way. Raises :class:`Refused` for a subject that is nowhere, without a reason, or
    while a run is under way, and :class:`Unavailable` when somebody writes a table.
    """
    operations, data, subject = scope.operations, scope.data, identifier(subject)
    if run := under_way():
        raise Refused(
            f"Run {run} is under way, and may write what it has read already.",
            remedy="type the same command again when it is over: `nightcart status` shows it.",
        )
    records = operations.records(Erasure)
    key = load_key(records, scope.key)
    hashed = subject_hash(subject, key)
    own = [record for record in records if record.household == hashed]
    with contextlib.ExitStack() as locks:
        for _, store in scope.stores():
            locks.enter_context(store.alone())
        say("Looking for it")
        report = find(subject, scope)
        if not own:
            refuse_nobody(subject, report, data.subject, lambda: look(needles_of(subject, scope), scope, say=say))
            _refuse_reason(subject, reason, data.subject)
            asked = Erasure(household=hashed, key=key_id(key), step=Erasure.ASKED, by=by, reason=reason.strip(), at=now)
            operations.record(asked)
            own = [asked]
        stores = {prefix + name: (store, name) for prefix, store in scope.stores() for name in history.names(store)}
        for hits in (hits for hits in report.tables if hits.total):
            store, name = stores[hits.table]
            say(f"Removing it from {hits.table}")
            if hits.rows:
                remove.remove_rows(store, name, hits, subject, hashed, data)
            if store is scope.tables:
                remove.rekey_verdicts(name, hashed, scope, now=now)
            history.purge_history(store, name)
        remove.rekey_records(hashed, scope, now=now)
        say("Emptying its lines in the raw store")
        remove.redact_copies(subject, scope)
        remove_leftovers(scope, now=now)
        say("Looking through every file")
        everywhere = sweep(needles_of(subject, scope), scope, say=say)
        say("Looking through the tables again")
        left = find(subject, scope)
        removed = {
            table: sum(note["rows"] for _, note in notes)
            for table, (store, name) in stores.items()
            if (notes := remove.notes_of(store, name, hashed))
        }
    again = "type the same command again when it is over"
    if left.total:
        where = [hits.table for hits in left.tables if hits.total] + ["the raw store"] * bool(left.copies)
        raise Unavailable(
            f"It is there again, in {', '.join(where)}: something wrote it meanwhile.", remedy=f"{again}."
        )
    if run := under_way():
        raise Unavailable(
            f"Run {run} began meanwhile, and may write what it read before.", remedy=f"{again}: `nightcart status`."
        )
    is_done = own[-1].step == Erasure.DONE
    if not is_done or report.total:
        operations.record(proof(own[0], removed, left, everywhere, scope, now=now))
    return Erased(removed=removed, report=left, everywhere=everywhere, before=own[-1] if is_done else None)


def proof(
    asked: Erasure,
    removed: Mapping[str, int],
    left: ErasureReport,
    everywhere: Everywhere,
    scope: ErasureScope,
    *,
    now: dt.datetime,
) -> Erasure:
    """The record that an erasure is done: what was removed, what can still be read, what was looked through."""
    personal = {hits.table for hits in left.tables}
    return dataclasses.replace(
        asked,
        step=Erasure.DONE,
        removed=removed,
        versions={
            name: min(version for version, _ in scope.tables.notes(name))
            for name in history.names(scope.tables)
            if name in personal
        },
        proof={
            "files": {hits.table: hits.files for hits in left.tables},
            "rows": sum(hits.rows + hits.old for hits in left.tables),
            "mentions_in_logs": sum(hits.mentions for hits in left.tables),
            "lines_in_copies": left.copies,
            "records_that_quote_it": left.records,
            "files_searched": everywhere.searched.files,
            "bytes_searched": everywhere.searched.size,
            "files_that_have_it": len(everywhere.left),
            "files_not_searched": len(everywhere.closed),
            "files_of_others": len(left.not_ours),
        },
        at=now,
    )


def pending(operations: OperationsDatabase) -> list[Erasure]:
    """The erasures that were asked for and are not done."""
    newest = {record.household: record for record in operations.records(Erasure)}
    return [record for record in newest.values() if record.step == Erasure.ASKED]


def refuse_nobody(subject: str, report: ErasureReport, noun: str, look: Callable[[], Everywhere]) -> None:
    """Raise :class:`Refused` for a subject that nothing is known of, here or in the retailer's files.

    What tables and kept copies do not have is looked for everywhere, before that is said.
    """
    if not identifier(subject) or (not report.total and not report.not_ours and not look().left):
        raise Refused(
            f"There is no {noun} {subject!r}: no table and no delivered file has it.",
            remedy="give the identifier as it stands in the feed.",
        )


def _refuse_reason(subject: str, reason: str, noun: str) -> None:
    if not reason.strip():
        raise Refused("An erasure has a reason.", remedy='add --reason "…".')
    is_within = Needles(subject=subject, columns=()).are_in(reason.encode()) if len(subject) >= SHORTEST else False
    if is_within or re.search(rf"(?<!\w){re.escape(subject)}(?!\w)", reason):
        raise Refused(
            f"The reason names the {noun}, and stays on record for ever.", remedy="say why without saying who."
        )
