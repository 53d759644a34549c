"""What the whole history of a feed gives away: identifiers that all end on a day, days of one time, quantities in thousandths."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from assets.grocery.onboarding.columns import MOSTLY, one_row
from assets.grocery.onboarding.proposed import Note
from resources.config.retailer import TransactionsConfig
from resources.tables.engine import count_values
from resources.text import plural

if TYPE_CHECKING:
    import ibis

FEWEST_IDS = 20  # before a day and after it, from which it is no chance that none is in both
IN_BOTH = 0.01  # of the fewer of them, those that may be: a product that is called by its name
HALF = 0.5
LINES_TO_TELL = 10  # of a day
HOUSEHOLDS_TO_TELL = 3  # of a day, from which its lines are no single basket


def notes_on(standard: ibis.Table, feed: TransactionsConfig, *, has_time_of_day: bool) -> Iterator[Note]:
    """Notes on lines under our names."""
    known = standard.filter(standard.business_date.notnull())
    for ours, column in (("household_id", feed.columns.household_id), ("product_id", feed.columns.product_id)):
        yield from _ended(known, ours, column)
    if has_time_of_day:
        yield from _of_one_time(known, feed)
    yield from _hundreds(known, feed)


def _ended(standard: ibis.Table, ours: str, column: str) -> Iterator[Note]:
    """That no identifier from before a day comes again after it: from then on, another program wrote them."""
    known = standard.filter(standard[ours].notnull())
    spans = known.group_by(ours).agg(first=known.business_date.min(), last=known.business_date.max()).cache()
    if not one_row(spans.agg(comes_again=(spans["last"] > spans["first"]).mean() > HALF))["comes_again"]:
        return  # receipts' numbers, of which none does
    begun, ended = count_values(spans["first"]), count_values(spans["last"])
    days, total = sorted({*begun, *ended}), begun.total()
    so_far = accumulate(begun[day] for day in days)
    over = accumulate(ended[day] for day in days)
    for (_, after), before, gone in zip(pairwise(days), so_far, over, strict=False):
        fewer = min(before, total - before)
        if fewer >= FEWEST_IDS and before - gone <= IN_BOTH * fewer:
            says = (
                f"Of {before:,} of {column} before {after}, {before - gone:,} come again from then on, and {total - before:,} others begin: "
                "they look re-keyed, and what was known of each ends there."
            )
            yield Note(
                "guessed", says, "if so, have all of the history delivered with the new ones, or begin with that day."
            )
            return


def _of_one_time(standard: ibis.Table, feed: TransactionsConfig) -> Iterator[Note]:
    """That all lines of a day have one time, in the feed's column of times: it is when they were booked."""
    days = standard.group_by("business_date").agg(
        n=standard.count(), whose=standard.household_id.nunique(), times=standard.occurred_at.nunique()
    )
    told = days.filter((days.n >= LINES_TO_TELL) & (days.whose >= HOUSEHOLDS_TO_TELL) & (days.times == 1))
    found = sorted(told.to_pyarrow()["business_date"].to_pylist())
    if found:
        says = f"All lines of {plural(len(found), 'day')}, {found[0]} to {found[-1]}, have one time a day: a household's lines of such a day are bought at once"
        says += "." if feed.columns.basket_id else ", and one basket."
        yield Note("merged", says, "have the times of the purchases delivered, not of their booking.")


def _hundreds(standard: ibis.Table, feed: TransactionsConfig) -> Iterator[Note]:
    """That quantities are hundreds: a till counts in thousandths, so that it needs no decimals."""
    sold = standard.filter(standard.quantity > 0)
    row = one_row(sold.agg(n=sold.count(), share=(sold.quantity % 100 == 0).mean()))
    if row["n"] >= LINES_TO_TELL and row["share"] >= MOSTLY:
        says = f"{feed.columns.quantity} is a multiple of 100 in {row['share']:.1%} of lines: hundredths or thousandths, taken for as many items."
        yield Note("to know", says, "if so, have it delivered with decimals, or leave it out: --column quantity=.")
