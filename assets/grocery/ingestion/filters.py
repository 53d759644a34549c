"""Which lines of a feed count by configuration: `where` and `unless`, for every feed that has them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportCallIssue=false

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.identifiers import identifier, identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis
    import ibis.expr.types as ir

    from resources.config.retailer import FilteredFeedConfig


def filter_columns(feed: FilteredFeedConfig) -> list[str]:
    """The columns of the file that are looked at."""
    return list(dict.fromkeys([*feed.where, *feed.unless]))


def counting(lines: ibis.Table, feed: FilteredFeedConfig) -> ir.BooleanValue:
    """Whether the configuration lets each line count; an empty value is none of any list."""
    import ibis

    wanted = [_is_one_of(lines, column, values) for column, values in feed.where.items()]
    unwanted = [~_is_one_of(lines, column, values) for column, values in feed.unless.items()]
    return ibis.and_(ibis.literal(True), *wanted, *unwanted)


def _is_one_of(lines: ibis.Table, column: str, values: Sequence[str]) -> ir.BooleanValue:
    return identifiers(lines[column]).isin(list(map(identifier, values))).fill_null(False)
