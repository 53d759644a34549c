"""Feeds of more lines than fit into memory: which lines are looked at to tell what a column holds, and all of them in parts."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.in_parts import BYTES_A_LINE, PART
from assets.grocery.onboarding.proposed import Note
from resources.tables import engine
from resources.tables.slices import slices_for

if TYPE_CHECKING:
    import ibis

MOST_LINES = 1_500_000  # from which columns, their writing and their roles are told; the demo's year
STRETCH = 1_000  # lines that stay together, for baskets do


@dataclass(frozen=True, kw_only=True)
class Standard:
    """All lines under our names: as one table, and in `parts` that have all lines of their business days."""

    every: ibis.Table
    parts: Sequence[ibis.Table]

    def purchases(self) -> Standard:
        """The lines that count."""
        return Standard(every=cleaning.purchases(self.every), parts=[cleaning.purchases(each) for each in self.parts])


def some(lines: ibis.Table, *, total: int) -> tuple[ibis.Table, list[Note]]:
    """All of the `total` lines, or of many stretches of them, from the beginning of the files to the end; a note on that."""
    nth = -(-total // MOST_LINES)
    if nth <= 1:  # 0 where there are none
        return lines, []
    stretch = (lines.source_row - 1) // STRETCH + lines.source_file.hash() % nth
    says = (
        f"Columns, their writing and their roles were told from one stretch in {nth} of {STRETCH:,} lines each, of {total:,} "
        "lines in all; what is said of days, ranges and rules is of all lines."
    )
    return lines.filter(stretch % nth == 0).cache(), [Note("to know", says)]


def in_parts(standard: ibis.Table, *, total: int) -> Standard:
    """Lines of :func:`assets.grocery.ingestion.cleaning.standardise`, worked out once."""
    import ibis

    parts = slices_for(total, bytes_a_row=BYTES_A_LINE)
    if parts == 1:
        standard = standard.cache()
        return Standard(every=standard, parts=[standard])
    number = standard.business_date.delta(dt.date(1970, 1, 1), unit="day").abs() % parts
    folder = Path(
        tempfile.mkdtemp(dir=engine.scratch(ibis.get_backend(standard)), prefix="lines-")
    )  # goes with the engine
    engine.write_in_parts(standard.mutate(**{PART: number.fill_null(0).cast("int64")}), by=PART, folder=folder)
    return Standard(
        every=engine.read_files(folder, like=standard),
        parts=[engine.read_files(engine.part_of(folder, PART, place), like=standard) for place in range(parts)],
    )
