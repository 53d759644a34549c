"""What a feed's columns hold, and the choice of a column that a person makes instead of the profiler."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion.numbers import number_of
from assets.grocery.onboarding.proposed import ProposedSetting
from resources.errors import Refused
from resources.feeds.files import own_columns
from resources.identifiers import identifiers, trimmed
from resources.tables.engine import count_values
from resources.text import listed

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from resources.config.feeds import FeedConfig

SAMPLE_LINES = 200_000  # enough to tell what a column holds
LOOKED_AT = 300_000  # lines, where baskets are looked at line by line
MOST_KINDS = 30  # a column with more values says no kind of a line, and no unit
MOSTLY = 0.9  # the least share of a column's values that must be of a kind for the column to be of it

# Columns that a person named, by our name for them; an empty list means that there is none.
Given = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """What a column holds; `given` is the share of lines that have a value, the other shares are of those."""

    name: str
    lines: int
    different: int
    given: float
    numbers: float
    wholes: float
    example: str

    @property
    def is_number(self) -> bool:
        """Whether nearly all of its values are numbers."""
        return self.numbers >= MOSTLY

    @property
    def is_measure(self) -> bool:
        """Whether it holds numbers with decimals, which identify nothing."""
        return self.is_number and self.wholes < MOSTLY

    @property
    def summary(self) -> str:
        """How many values it has, for people."""
        return f"{self.different:,} different" + f", {1 - self.given:.1%} of lines have none" * (self.given < 1)


def profile_columns(lines: ibis.Table, *, files: FeedConfig) -> dict[str, ColumnProfile]:
    """The profile of each of the feed's own columns by name, empty columns left out; most of it from a sample."""
    if "defect" in lines.columns:  # what does not fit the header says nothing of its columns
        lines = lines.filter(lines.defect.isnull())
    names = own_columns(lines)
    total = lines.count().to_pyarrow().as_py()
    sample = lines.filter(lines.source_row.hash() % max(total // SAMPLE_LINES, 1) == 0).select(*names).cache()
    read = sample.select(  # once: as often as it is named, the engine reads it
        **{f"value_{place}": identifiers(sample[name], nothing=files.empty_values) for place, name in enumerate(names)},
        **{f"number_{place}": number_of(sample, name, files) for place, name in enumerate(names)},
        **{f"text_{place}": sample[name] for place, name in enumerate(names) if sample[name].type().is_string()},
    )
    facts: dict[str, Any] = {"n": read.count()}
    for place in range(len(names)):
        value, number = read[f"value_{place}"], finite(read[f"number_{place}"])
        facts[f"given_{place}"] = value.count()
        facts[f"numbers_{place}"] = number.count()
        facts[f"wholes_{place}"] = (number % 1 == 0).sum()
        text = f"text_{place}"  # an example is as it is written: 3.000
        facts[f"example_{place}"] = read[text].max(where=value.notnull()) if text in read.columns else value.max()
    row = one_row(read.agg(**facts))
    return {
        name: ColumnProfile(
            name=name,
            lines=total,
            different=_different(lines, name, files),
            given=given / row["n"],
            numbers=row[f"numbers_{place}"] / given,
            wholes=(row[f"wholes_{place}"] or 0) / max(row[f"numbers_{place}"], 1),
            example=str(row[f"example_{place}"])[:30],
        )
        for place, name in enumerate(names)
        if (given := row[f"given_{place}"])
    }


def _different(lines: ibis.Table, name: str, files: FeedConfig) -> int:
    """How many identifiers a column has; each of its values is read once."""
    values = lines.select(name).distinct()
    return identifiers(values[name], nothing=files.empty_values).nunique().to_pyarrow().as_py()


def finite(number: ir.FloatingValue) -> ir.FloatingValue:
    """Numbers, null for infinity and for what is none."""
    return (number.isnan() | number.isinf()).ifelse(None, number)


def said_in(column: ir.StringColumn) -> tuple[dict[str, int], bool]:
    """How many lines have each value of a column, without the empty ones; and whether there are none of those."""
    counts = count_values(trimmed(column))
    given = {value: n for value, n in counts.items() if value}
    return given, len(given) == len(counts)


def shown(counts: Mapping[str, int]) -> str:
    """The values with most lines, and how many they are, for a message."""
    return listed([f"{value} {n:,}" for value, n in sorted(counts.items(), key=lambda item: -item[1])], 10)


def some_of(lines: ibis.Table, column: str) -> ibis.Table:
    """All lines of some values of a column: about :data:`LOOKED_AT` lines of many more."""
    times = max(lines.count().to_pyarrow().as_py() // LOOKED_AT, 1)
    return lines.filter(lines[column].cast("string").fill_null("").hash() % times == 0) if times > 1 else lines


def one_row(table: ibis.Table) -> dict[str, Any]:
    """The only row of a table of aggregates."""
    return table.to_pyarrow().to_pylist()[0]


def given_column(setting: str, columns: Mapping[str, ColumnProfile], given: Given) -> ProposedSetting | None:
    """The column that a person named for a setting, or the answer that there is none; None when nothing was said."""
    if setting not in given:
        return None
    refuse_unknown(given[setting], columns)
    return ProposedSetting(setting, next(iter(given[setting]), None), "as told")


def refuse_unknown(given: Iterable[str], columns: Mapping[str, ColumnProfile]) -> None:
    """Raise :class:`Refused` when a column that a person named is not among `columns`."""
    if unknown := [name for name in given if name not in columns]:
        raise Refused(
            f"There is no column {listed(unknown)} with values; there are {described(columns)}.",
            remedy="name one of those: --column SETTING=NAME.",
        )


def described(columns: Mapping[str, ColumnProfile]) -> str:
    """The columns with an example of each, for a message."""
    return listed([f"{column.name} ({column.example})" for column in columns.values()], 30)
