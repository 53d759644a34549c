"""Slices of households: parts of the tables that fit into memory, each with all that is known of its households.

What is worked out household by household is the same in a slice as in all: how many there are changes no row. A household's
slice is by a hash of its identifier that every engine has (:func:`resources.tables.engine.sample_hash`).
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import datetime as dt
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from resources.config.deployment import load_deployment
from resources.tables import engine

if TYPE_CHECKING:
    import ibis

KEY, SLICE = "household_id", "household_slice"
PART_OF_MEMORY = 0.5  # for the rows of a slice in frames; the rest is the engine's, and the libraries'


T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class InParts(Sequence[T], Generic[T]):
    """So many things that follow one another, each made by its number when it is asked for, and kept by nobody."""

    parts: int
    make: Callable[[int], T]

    def __len__(self) -> int:
        return self.parts

    def __iter__(self) -> Iterator[T]:
        return map(self.make, range(self.parts))  # a sequence's own keeps each until the next is made

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self.parts))]
        if not 0 <= place < self.parts:
            raise IndexError(place)
        return self.make(place)

    def each(self, change: Callable[[T], U]) -> InParts[U]:
        """The same with `change` done to each."""
        return InParts(self.parts, lambda number: change(self.make(number)))


def slices_for(rows: int, *, bytes_a_row: int) -> int:
    """How many slices so many rows are cut into, that those of one take a part of the memory that is granted; 1 for few."""
    return max(1, math.ceil(rows * bytes_a_row / (PART_OF_MEMORY * granted())))


def slices_of(rows: ibis.Table, *, bytes_a_row: int) -> int:
    """The same of a table that is materialised; Spark cuts its own."""
    return 1 if engine.is_spark(rows) else slices_for(rows.count().to_pyarrow().as_py(), bytes_a_row=bytes_a_row)


def groups_of_days(
    days: Sequence[dt.date], rows: Mapping[dt.date | None, int], *, bytes_a_row: int
) -> list[list[dt.date]]:
    """`days` in groups that follow one another, so that the `rows` of one take a part of the memory that is granted."""
    groups: list[list[dt.date]] = []
    most, size = PART_OF_MEMORY * granted() / bytes_a_row, 0
    for day in days:
        size += rows.get(day, 0)
        if not groups or size > most:
            groups.append([])
            size = rows.get(day, 0)
        groups[-1].append(day)
    return groups


def granted() -> int:
    """The bytes that `NIGHTCART_MEMORY` grants."""
    return load_deployment().memory_bytes


def with_slice(rows: ibis.Table, *, of: int) -> ibis.Table:
    """`rows` with :data:`SLICE`, the number from 0 of their household's; each household is hashed once, which is dear."""
    households = rows.select(KEY).distinct()
    numbered = households.mutate(**{SLICE: engine.sample_hash(households[KEY]) % of}).cache()
    return rows.join(numbered, KEY)


@contextlib.contextmanager
def sliced(tables: Mapping[str, ibis.Table], *, of: int) -> Iterator[Iterator[dict[str, ibis.Table]]]:
    """The `tables` slice by slice; those without households whole in each.

    They are read once, whatever the number of slices: their rows lie where the engine spills meanwhile, a folder a slice.
    Rows without a household are in none of several slices.
    """
    if of == 1:
        yield iter([dict(tables)])
        return
    import ibis

    scratch = engine.scratch(ibis.get_backend(next(iter(tables.values()))))  # pyright: ignore[reportArgumentType]
    with tempfile.TemporaryDirectory(dir=scratch, prefix="slices-") as folder:
        parts = {name: Path(folder, str(place)) for place, name in enumerate(tables) if KEY in tables[name].columns}
        for name, part in parts.items():
            engine.write_in_parts(with_slice(tables[name], of=of), by=SLICE, folder=part)

        def each() -> Iterator[dict[str, ibis.Table]]:
            for number in range(of):
                yield {
                    name: engine.read_files(engine.part_of(parts[name], SLICE, number), like=table)
                    if name in parts
                    else table
                    for name, table in tables.items()
                }

        yield each()
