"""What the definitions of several features are written with."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir


def decayed(age: ir.IntegerValue, half_life: int) -> ir.FloatingValue:
    """The weight of a purchase of so many days ago: a half for every half-life."""
    import ibis

    return ibis.literal(0.5) ** (age / half_life)


def deviation(days: ir.IntegerValue) -> ir.FloatingValue:
    """The standard deviation of whole days, null below two: of sums that are exact."""
    n, total, squares = days.count(), days.sum(), (days * days).sum()
    return ratio(n * squares - total * total, n * (n - 1)).sqrt()


def ratio(above: ir.NumericValue, below: ir.NumericValue) -> ir.FloatingValue:
    """`above / below`, null where there is nothing below."""
    return above / below.nullif(0)


def as_floats(table: ibis.Table, keys: Iterable[str], features: Iterable[str]) -> ibis.Table:
    """The keys and the features, as float32: more digits than a habit has, in half the space."""
    return table.select(*keys, **{name: table[name].cast("float32") for name in features})
