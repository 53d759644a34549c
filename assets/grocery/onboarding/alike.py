"""Identifiers that may be one written in two ways, or several written in one: by zeros, capitals, blanks, and masks."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.grocery.onboarding.columns import one_row
from assets.grocery.onboarding.proposed import Note

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

MASKED = r"^[0-9]{0,6}[*xX•# -]*[*xX•#]{4}[*xX•# -]*[0-9]{0,4}$"  # what a receipt prints of a card's number


def notes_on(values: ibis.Table, column: str) -> list[Note]:
    """What a person is to know of the identifiers `values.text` of a column."""
    of_zeros = "stand with leading zeros and without", "have all files written with the zeros, or all without."
    of_signs = "are told apart by capitals or blanks alone", "have all files write them alike."
    return [
        *_of_several(values, values.text.re_replace("^0+([0-9]+)$", r"\1"), column, *of_zeros),
        *_of_several(values, values.text.re_replace(r"\s", "").lower(), column, *of_signs),
        *_masked(values, column),
    ]


def _of_several(values: ibis.Table, bare: ir.StringValue, column: str, what: str, remedy: str) -> list[Note]:
    """A note where several identifiers are the same when they are `bare`."""
    same = values.group_by(bare=bare).agg(n=values.count(), one=values.text.min(), other=values.text.max())
    same = same.filter(same.n > 1)
    row = one_row(same.agg(n=same.count(), one=same.one.min(), other=same.other.argmin(same.one)))
    if not row["n"]:
        return []
    says = f"{row['n']:,} of {column} {what} ({row['one']}, {row['other']}): each counts as two."
    return [Note("guessed", says, remedy)]


def _masked(values: ibis.Table, column: str) -> list[Note]:
    masked = values.filter(values.text.re_search(MASKED))
    row = one_row(masked.agg(n=masked.count(), example=masked.text.min()))
    if not row["n"]:
        return []
    says = (
        f"{row['n']:,} of {column} are masked ({row['example']}): different ones with the same end are taken for one."
    )
    return [Note("merged", says, "have a token or a customer's number delivered instead.")]
