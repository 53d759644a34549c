"""What of a domain's data is personal, as data: a domain fills in :class:`PersonalData`, and nothing here knows one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.quality.gates import Gates
from resources.config.feeds import FeedConfig, LandingConfig
from resources.feeds.redaction import tokens
from resources.identifiers import identifier
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

RULE, LINE = "rule", "line"


@dataclass(frozen=True, kw_only=True)
class PersonalFeed:
    """Delivered files whose `column` names a subject; `landing` is where more of them come in."""

    files: FeedConfig
    column: str
    landing: LandingConfig | None = None


@dataclass(frozen=True, kw_only=True)
class QuarantinedLines:
    """How a quarantined line names a subject: in `column`, unless its columns are not known (the rule `unreadable`).

    The words `nothing` name nobody.
    """

    column: str
    delimiter: str
    unreadable: str
    nothing: Sequence[str] = ()

    def names(self, row: Mapping[str, Any], matches: Callable[[str], bool]) -> bool:
        """Whether a row (`rule`, and `line` as it was delivered, as JSON) is a subject's.

        A line that does not say whose it is, is, if any value in it is the subject, or is glued to it.
        """
        values: Mapping[str, Any] = json.loads(row[LINE])
        named = identifier(values.get(self.column), nothing=self.nothing)
        if row[RULE] == self.unreadable:
            given = [next((value for value in values.values() if value is not None), "")]
        else:
            given = [named] if named else values.values()
        parts = (part for value in given if value is not None for part in tokens(str(value), self.delimiter))
        return any(map(matches, map(identifier, parts)))


@dataclass(frozen=True, kw_only=True)
class DeliveredTable:
    """The table and the quarantine of a feed whose deliveries are on record by `day`, without the columns `source`."""

    table: str
    quarantine: str
    day: str
    source: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """What a domain says of its personal data.

    `column` names the `subject` (what a person is called in sentences) in every table that has it; a value of
    `derived_columns` may be the subject with `@…` after it. The verdicts of `gates` hold of the rows that are left, and
    so do the records of `deliveries`; `rewritten` is called for a table whose commits are on record themselves.
    """

    subject: str
    column: str
    derived_columns: Sequence[str] = ()
    feeds: Sequence[PersonalFeed]
    quarantined: QuarantinedLines
    gates: Gates
    deliveries: DeliveredTable
    rewritten: Mapping[str, Callable[[TableStore, OperationsDatabase, dt.datetime], None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ErasureScope:
    """What an erasure reaches: `others` are table stores beside the domain's own, by name; `state` its folder.

    `raw_store` and `models` are URLs, where kept copies and the files of models are in an object store. `elsewhere` are places that are ours and are not searched, each with why.
    """

    data: PersonalData
    tables: TableStore
    operations: OperationsDatabase
    raw: Path
    state: Path
    key: Path | bytes = field(repr=False)
    raw_store: str | None = None
    models: str | None = None
    others: Mapping[str, TableStore] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def urls(self) -> list[str]:
        """What of it is in an object store."""
        places = (self.raw_store, self.models, *(store.root for _, store in self.stores()))
        return [place for place in places if place and place.startswith("s3:")]

    def stores(self) -> Iterator[tuple[str, TableStore]]:
        """Every store with what its tables' names begin with."""
        yield "", self.tables
        for name, store in self.others.items():
            yield f"{name}/", store
