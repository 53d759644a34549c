"""Whether lists are still those of their inputs, to be asked before they are published, by whomever."""

from __future__ import annotations

import datetime as dt

from assets.grocery.staleness import LISTS, stale_now
from assets.grocery.tables import FEATURES, HOUSEHOLDS, PRODUCTS, RECOMMENDATIONS
from assets.quality.fence import superseded
from resources.errors import Refused
from resources.records.lifecycle import Scoring
from resources.records.store import OperationsDatabase
from resources.tables.engine import content_digest
from resources.tables.store import TableStore
from resources.text import listed


def require_newest_inputs(day: dt.date, tables: TableStore, operations: OperationsDatabase) -> None:
    """Raise :class:`Superseded` if baskets, features, catalogue or households of the lists of `day` were replaced since.

    A catalogue that was only taken in again, with the same rows, is none that replaces it. Of lists without a record, or
    of versions that an erasure has cut off, nothing is known beside the verdicts on them.
    """
    for stale in stale_now(operations):
        if stale.subject == LISTS and day in stale.days:
            raise superseded(f"transactions of {listed(stale.corrected, 3)}, which the lists of {day} are made of,", "")
    for scored in operations.records(Scoring, business_date=day, last=1):
        try:
            if _rows_of(day, RECOMMENDATIONS, tables, scored.tables[RECOMMENDATIONS]) != _rows_of(
                day, RECOMMENDATIONS, tables
            ):
                return
            changed = [
                name
                for name in (*FEATURES, PRODUCTS, HOUSEHOLDS)
                if (version := scored.tables.get(name)) not in (None, tables.version(name))
                and _rows_of(day, name, tables, version) != _rows_of(day, name, tables)
                and not _is_same_content(name, tables, version)
            ]
        except Refused:
            return
        if changed:
            writes = tables.writes_since(changed[0], scored.tables[changed[0]])
            what = f"{listed(changed)}, which the lists of {day} are made of,"
            raise superseded(what, f" ({listed(writes[-3:])})")


def _rows_of(day: dt.date, name: str, tables: TableStore, version: int | None = None) -> str | None:
    by_day = tables.fingerprints(name, version=version)
    return by_day.get(day) if tables.day_column(name) else by_day.get(None)


def _is_same_content(name: str, tables: TableStore, version: int | None) -> bool:
    return not tables.day_column(name) and content_digest(tables.read(name, version=version)) == content_digest(
        tables.read(name)
    )
