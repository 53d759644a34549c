"""What is served: the table of the published lists, which says of itself of which night they are and whether they are carried over."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from assets.grocery.publication.publication import Published, after_a_lost_night
from assets.grocery.tables import PUBLISHED
from assets.quality.gates import whole
from resources.records.publication import Publication
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import ibis.expr.types as ir


def served_now(tables: TableStore) -> Published | None:
    """What is served; None before the first good night."""
    return served_version(tables)[1]


def carry_over(
    tables: TableStore, operations: OperationsDatabase, *, night: dt.date, because: str, now: dt.datetime
) -> Published | None:
    """Leave what is served where it is, marked with why `night` brought nothing newer; returns what is served.

    To be called wherever a night turns out to be lost, as often as one likes. Raises :class:`Unavailable` when
    something else was published at the same moment.
    """
    version, served = served_version(tables)
    marked = after_a_lost_night(served, night=night, because=because)
    if served is None or marked is None:
        return served
    before = whole(tables, PUBLISHED)[None]
    lists = tables.read(PUBLISHED, version=version)
    publish(lists.drop(*vars(served)), marked, tables, expected_version=version)
    after = whole(tables, PUBLISHED)[None]
    # The rows are those that were judged: what was said of them holds of them.
    said = [verdict for verdict in operations.verdicts(PUBLISHED).values() if verdict.data_version == before]
    operations.record(*(dataclasses.replace(verdict, data_version=after, decided_at=now) for verdict in said))
    record_publication(tables, operations, run_id="", now=now)
    return marked


def record_publication(tables: TableStore, operations: OperationsDatabase, *, run_id: str, now: dt.datetime) -> None:
    """Put what is served on record, unless it is."""
    commit, (version, served) = tables.newest(PUBLISHED), served_version(tables)
    if version is None or served is None or operations.records(Publication, table_version=version, last=1):
        return
    models = tables.read(PUBLISHED, version=version).model_version.max().to_pyarrow().as_py()
    operations.record(
        Publication(
            made_on=served.made_on,
            published_for=served.published_for,
            is_carried_over=served.is_carried_over,
            because=served.carried_over_because,
            table_version=version,
            model_version=models,
            rows=commit.rows,
            run_id=run_id,
            published_at=now,
        )
    )


def served_version(tables: TableStore) -> tuple[int | None, Published | None]:
    """The version of the table and what it says of itself."""
    if not tables.exists(PUBLISHED):
        return None, None
    version = tables.version(PUBLISHED)
    said = [each.name for each in dataclasses.fields(Published)]
    # The list for anybody is short; where it is missing, all rows say the same.
    for_anybody = tables.rows(PUBLISHED, said, version=version, household_id=[None])
    return version, Published(**(for_anybody or tables.rows(PUBLISHED, said, version=version))[0])


def publish(lists: ir.Table, published: Published, tables: TableStore, *, expected_version: int | None) -> None:
    """Serve `lists` from now on, if what is served is still of `expected_version`; raises :class:`Unavailable` if not."""
    import ibis

    said = {name: ibis.literal(value) for name, value in vars(published).items()}
    tables.replace(PUBLISHED, lists.mutate(**said).select(*said, *lists.columns), expected_version=expected_version)
