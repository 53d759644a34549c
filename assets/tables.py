"""How a stored table is declared: its columns with types and descriptions, its key, and what it is partitioned by.

A domain declares each of its tables once (grocery: `assets.grocery.tables`); what the UI shows, what a writer writes and
what a check tests are derived from that. Reading and writing is `resources.tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# Delta's names of types, which the UI shows, as Ibis writes them.
IBIS_TYPES = {
    "string": "string",
    "date": "date",
    "timestamp": "timestamp(6)",
    "long": "int64",
    "double": "float64",
    "float": "float32",
    "boolean": "boolean",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A stored table. `columns` maps each name to its Delta type and what it holds."""

    name: str
    columns: Mapping[str, tuple[str, str]]
    key: Sequence[str] = ()
    partitioned_by: str | None = None

    @property
    def types(self) -> dict[str, str]:
        """The columns' types, as Ibis writes them."""
        return {name: IBIS_TYPES[type_] for name, (type_, _) in self.columns.items()}

    def arrow_schema(self) -> pa.Schema:
        """The columns as a writer's Arrow schema."""
        import ibis

        return ibis.schema(self.types).to_pyarrow()


def by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """The tables, each under its name."""
    return {table.name: table for table in tables}
