"""Columns that are not read: one that said the same in every line so far, and says something else in some, is told.

So are a column of returns that was `N`, and a time of cancellation that was empty, until a till begins to use them.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.ingestion.cleaning import source_columns
from resources.feeds.files import own_columns
from resources.tables.engine import text_of
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis

    from resources.config.retailer import TransactionsConfig

SEVERAL, NOT_SURE = "", "?"  # what a column says as `Reading.alike` has it; of one day alone, a date is always the same
DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Unread:
    """What columns that are not read say in every line so far, as `Reading.alike` has it, and which of them no longer do so."""

    alike: Mapping[str, str]
    told: list[str]


def unread(lines: ibis.Table, feed: TransactionsConfig, known: Mapping[str, str], *, is_one_day: bool) -> Unread:
    """What the columns say of which `known` does not have that they say several things, in delivered `lines`."""
    read = source_columns(feed)
    texts = {
        name: text_of(lines, name).fill_null("")
        for name in own_columns(lines)
        if name not in read and known.get(name) != SEVERAL
    }
    first = lines.select(**texts).limit(1).to_pyarrow().to_pylist() if texts else []
    if not first:
        return Unread(alike=known, told=[])
    before = {name: known.get(name, "").removesuffix(NOT_SURE) or digest(text) for name, text in first[0].items()}
    is_other = {
        name: text != first[0][name] if digest(first[0][name]) == before[name]
        else text.hexdigest("sha256").substr(0, DIGITS) != before[name]
        for name, text in texts.items()
    }  # fmt: skip
    facts = lines.agg(lines.count(), **{name: other.sum() for name, other in is_other.items()})
    (n, *others) = facts.to_pyarrow().to_pylist()[0].values()
    alike, told = dict(known), []
    for name, other in zip(texts, others, strict=True):
        sure = before[name] + (NOT_SURE if is_one_day and name not in known else "")
        alike[name] = SEVERAL if other else sure
        if other and not known.get(name, NOT_SURE).endswith(NOT_SURE):
            what = "was empty" if before[name] == digest("") else "said the same"
            told.append(
                f"{name} {what} in every line so far, and says something else in {other:,} of {plural(n, 'line')}"
            )
    if not told:
        return Unread(alike=alike, told=[])
    says = (
        f"{listed(told)}. It is not read: if it says that lines are no purchases, or of another currency, name it in `unless` or "
        "`columns.currency` of [transactions], and take the days in again."
    )
    return Unread(alike=alike, told=[says])


def digest(said: str) -> str:
    """What may be somebody's name, and is not to be on record as it is."""
    return hashlib.sha256(said.encode()).hexdigest()[:DIGITS]
