"""Whether rows are those that were recorded, before a night relies on them; what is gone or was changed comes back from the audit trail.

Whoever opens the database with `sqlite3` writes past the trail: a decision on the champion that is edited there is one that
nobody took. The trail has every record in full, so that a table can be made again from it as long as the chain holds.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from resources.errors import Damaged
from resources.records import audit
from resources.records.audit import Entry
from resources.records.base import RecordStore, _database
from resources.records.lifecycle import PromotionRecord, Registration
from resources.records.privacy import Erasure
from resources.records.quality import Override
from resources.text import listed

if TYPE_CHECKING:
    import sqlalchemy as sa

# What decides who serves, and who is forgotten: few rows, of which every field is compared. `nightcart audit verify` compares all.
DECISIVE = (PromotionRecord, Registration, Override, Erasure)


class Recorded(RecordStore):
    """Records held against the audit trail."""

    def require_recorded(self) -> None:
        """Raise :class:`Damaged` where rows are gone, or a decisive one was changed or put there past the trail."""
        import sqlalchemy as sa

        entries = self._table(Entry)
        with _database().snapshot(self._engine) as connection:
            of_kind = sa.select(entries.c.kind, sa.func.count()).group_by(entries.c.kind)
            recorded = dict(map(tuple, connection.execute(of_kind)))
            decisive = self._trail(connection, kinds=DECISIVE), self._payloads(connection, DECISIVE)
            flaws = [str(flaw) for flaw in audit.changed_records(*decisive)]
            for kind in (kind for kind in _database().KINDS if kind not in DECISIVE):
                rows = connection.scalar(sa.select(sa.func.count()).select_from(self._table(kind))) or 0
                if (gone := recorded.get(kind.TABLE, 0) - rows) > 0:
                    flaws.append(f"{gone} of {recorded[kind.TABLE]} {kind.TABLE} are gone from their table")
        if flaws:
            raise Damaged(
                f"The records are not what was recorded: somebody has changed the operations database by hand ({listed(flaws, 3)}).",
                remedy="`nightcart reconcile` puts back from the audit trail what is gone or was changed; what has no entry there "
                "is for you to remove, or bring operations.db back from a backup (docs/runbooks.md, The record does not verify).",
            )

    def put_back(self) -> list[str]:
        """Make rows that are gone, or were changed, what the trail says; in sentences. Nothing where the chain itself is broken."""
        done = []
        with self._writing() as connection:
            entries = self._trail(connection)
            if any(audit.broken_links(entries)):
                return []
            for kind in _database().KINDS:
                table, present = self._table(kind), self._payloads(connection, [kind])
                recorded = {each.record_id: each.payload for each in entries if each.kind == kind.TABLE}
                for number, payload in recorded.items():
                    if audit.is_alike(payload, present.get((kind.TABLE, number))):
                        continue
                    connection.execute(table.delete().where(table.c.id == number))
                    connection.execute(table.insert(), {"id": number, **_row(kind, table, json.loads(payload))})
                    done.append(f"{kind.TABLE} {number} is what was recorded again")
        return done


def _row(kind: type, table: sa.Table, recorded: dict[str, Any]) -> dict[str, Any]:
    """A record as its table takes it: days and instants are texts in the trail, and what came later than it is not there."""
    import sqlalchemy as sa

    values = dict(recorded)
    for name, value in recorded.items():
        if value and isinstance(table.c[name].type, sa.Date):
            values[name] = dt.date.fromisoformat(value)
        elif value and isinstance(table.c[name].type, _database().Instant):
            values[name] = dt.datetime.fromisoformat(value)
    return vars(kind(**values))
