"""What of models and tables is needed, and what is old and may go: nothing that serves, can be rolled back to or be explained.

A table's older version is needed where a version of the model that stays was made from it, and where scores that are to be
explained were. Everything is counted back from the newest night, by business days.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.lifecycle.champion import champion_state, champions
from assets.lifecycle.promotion import HOLDOUT, TRAINED_ON
from resources.models.registry import BUSINESS_DATE, TABLE
from resources.records.lifecycle import Scoring
from resources.records.privacy import Erasure
from resources.tables import history

if TYPE_CHECKING:
    from assets.lifecycle.domain import Lifecycle
    from resources.models.registry import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """Something that is old: what it is, how many, their bytes, and how it is removed."""

    kind: str
    count: int
    size: int
    remove: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Needed:
    """The versions of the model that stay, those that go, the versions of tables that can be read, and the first days."""

    models: Sequence[ModelVersion]
    others: Sequence[ModelVersion]
    tables: Mapping[str, frozenset[int]]
    first_week: dt.date | None
    explained_since: dt.date

    def as_record(self) -> dict[str, Any]:
        """What goes on record of it."""
        tables = {table: sorted(versions) for table, versions in sorted(self.tables.items())}
        return {"models": sorted(each.version for each in self.models), "tables": tables}


def needed(work: Lifecycle, newest: dt.date) -> Needed:
    """What is needed as of the `newest` night."""
    keep, ledger = work.settings.retention, work.operations.promotions()
    state = champion_state(ledger)
    lasting = {state.champion, state.previous, *list(dict.fromkeys(reversed(champions(ledger))))[: keep.champions]}
    since = (newest - dt.timedelta(days=keep.versions_days)).isoformat()
    every = work.registry.versions()
    models = [each for each in every if each.version in lasting or each.tags.get(BUSINESS_DATE, since) >= since]
    tables: dict[str, set[int]] = {}
    for model in models:
        for tag, version in model.tags.items():
            if tag.startswith(TABLE):
                tables.setdefault(tag.removeprefix(TABLE), set()).add(int(version))
    explained_since = newest - dt.timedelta(days=keep.explained_days)
    for scoring in work.operations.records(Scoring):
        if scoring.business_date >= explained_since:
            for table, version in scoring.tables.items():
                tables.setdefault(table, set()).add(version)
    for erasure in work.operations.records(Erasure):  # of what was older, the first version since is read
        for table, first in erasure.versions.items():
            tables[table] = {max(version, first) for version in tables.get(table, set())}
    weeks = [
        dt.date.fromisoformat(day)
        for model in models
        for name in (TRAINED_ON, HOLDOUT)
        for day in model.parameters.get(name, "").split()
    ]
    return Needed(
        models=models,
        others=[each for each in every if each not in models],
        tables={name: frozenset(tables.get(name, ())) for name in history.names(work.tables)},
        first_week=min(weeks, default=None),
        explained_since=explained_since,
    )


def old_models(work: Lifecycle, need: Needed) -> Prunable:
    """The versions of the model that nobody goes back to, with their records."""

    def remove() -> None:
        for version in need.others:
            work.registry.discard(version)

    size = sum(work.registry.size(each) for each in need.others)
    return Prunable(kind="versions of the model", count=len(need.others), size=size, remove=remove)


def old_days(work: Lifecycle, need: Needed) -> Iterator[Prunable]:
    """Label weeks before the first one of a version of the model that stays, and features of days that nobody explains."""
    yield _days("label weeks", work, [work.domain.examples_table], need.first_week)
    yield _days("days of features", work, work.domain.feature_tables, need.explained_since)


def _days(kind: str, work: Lifecycle, tables: Sequence[str], first: dt.date | None) -> Prunable:
    """The days before the `first` that is needed; None needs all of them."""
    old = {
        table: parts
        for table in tables
        if first and work.tables.exists(table)
        if (parts := [part for part in work.tables.parts(table) if part.day and part.day < first])
    }

    def remove() -> None:
        for table, parts in old.items():
            days = sorted({part.day for part in parts if part.day})
            none = work.tables.read(table, since=days[0], until=days[0]).limit(0)
            work.tables.rewrite(table, none.to_pyarrow(), days=days, note={})

    every = [part for parts in old.values() for part in parts]
    # Their files go with those of older versions, as soon as no version that stays has them.
    return Prunable(
        kind=kind, count=len({part.day for part in every}), size=sum(part.size for part in every), remove=remove
    )


def old_files(work: Lifecycle, need: Needed) -> Prunable:
    """The files that no version of a table has that can be read, those of killed writes too."""
    files = [file for table, versions in need.tables.items() for file in history.unneeded(work.tables, table, versions)]
    size = sum(file.size for file in files)
    return Prunable(
        kind="files of tables", count=len(files), size=size, remove=lambda: history.remove(work.tables, files)
    )


def old_logs(work: Lifecycle, need: Needed) -> Prunable:
    """The logs of tables before the first version that can be read."""
    files = [
        file
        for table, versions in need.tables.items()
        for file in history.old_log(work.tables, table, min(versions, default=work.tables.version(table)))
    ]
    size = sum(file.size for file in files)
    return Prunable(
        kind="logs of tables", count=len(files), size=size, remove=lambda: history.remove(work.tables, files)
    )
