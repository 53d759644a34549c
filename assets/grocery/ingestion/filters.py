"""Which lines of a feed count by configuration: `where` and `unless`, for every feed that has them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportCallIssue=false

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from resources.errors import FeedRefused
from resources.identifiers import identifier, identifiers
from resources.text import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis
    import ibis.expr.types as ir

    from resources.config.retailer import FilteredFeedConfig

MOST_KINDS = 50  # with more values a column says something else than of what kind a line is
LONGEST_KIND = 60
KIND = "kind_"  # and a number: what a column that is looked at says


def filter_columns(feed: FilteredFeedConfig) -> list[str]:
    """The columns of the file that are looked at."""
    return list(dict.fromkeys([*feed.where, *feed.unless]))


def counting(lines: ibis.Table, feed: FilteredFeedConfig) -> ir.BooleanValue:
    """Whether the configuration lets each line count; an empty value is none of any list."""
    import ibis

    wanted = [_is_one_of(lines, column, values) for column, values in feed.where.items()]
    unwanted = [~_is_one_of(lines, column, values) for column, values in feed.unless.items()]
    return ibis.and_(ibis.literal(True), *wanted, *unwanted)


def kinds(lines: ibis.Table, feed: FilteredFeedConfig) -> dict[str, ir.StringValue]:
    """What the columns that are looked at say of each line, the beginning of it."""
    return {
        f"{KIND}{place}": identifiers(lines[name]).substr(0, LONGEST_KIND)
        for place, name in enumerate(filter_columns(feed))
    }


def by_kind(lines: ibis.Table, feed: FilteredFeedConfig) -> Counter[tuple[str, str, bool]]:
    """How many lines (with :func:`kinds` and `counts`) there are by column, by what it says, and by whether they count."""
    counted: Counter[tuple[str, str, bool]] = Counter()
    for place, column in enumerate(filter_columns(feed)):
        said = lines.group_by("counts", kind=lines[f"{KIND}{place}"]).agg(n=lines.count()).limit(2 * MOST_KINDS + 1)
        rows = said.to_pyarrow().to_pylist()
        counted.update({(column, row["kind"] or "", row["counts"]): row["n"] for row in rows})
    return counted


def _is_one_of(lines: ibis.Table, column: str, values: Sequence[str]) -> ir.BooleanValue:
    if lines[column].type().is_boolean():
        values = [value.lower() for value in values]
        if wrong := sorted({*values} - {"true", "false"}):
            raise FeedRefused(
                f"{column} is a column of true and false: no line of it says {listed(wrong)}, as `where` or `unless` has it.",
                remedy='write "true" or "false" there.',
            )
    return identifiers(lines[column]).isin(list(map(identifier, values))).fill_null(False)
