"""Delivered lines of households that were forgotten: which they are, and what is left without them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from assets.privacy.personal_data import QuarantinedLines
from assets.privacy.suppression import SuppressionList
from resources.tables.engine import count_values

if TYPE_CHECKING:
    from assets.grocery.ingestion.cleaning import Cleaned
    from resources.config.retailer import TransactionsConfig


def quarantined_lines(feed: TransactionsConfig) -> QuarantinedLines:
    """How a line in quarantine names its household."""
    column, unreadable = feed.columns.household_id, "line_fits_the_header"
    return QuarantinedLines(column=column, delimiter=feed.delimiter, unreadable=unreadable, nothing=feed.empty_values)


def without_suppressed(cleaned: Cleaned, feed: TransactionsConfig, suppressed: SuppressionList) -> Cleaned:
    """What is left of cleaned lines without those of suppressed households, which are counted by day.

    After they were judged with all others: what a basket of two households did to the other's lines stays as it was.
    """
    if not suppressed:
        return cleaned
    import ibis

    transactions, quarantine = cleaned.transactions, cleaned.quarantine
    is_theirs = transactions.household_id.isin(suppressed.among(transactions, "household_id"))
    theirs = transactions.filter(is_theirs)
    erased = count_values(theirs.business_date)
    broken, source = Counter(cleaned.broken), ["source_file", "source_row"]
    rows = quarantine.select("business_date", "rule", "line", *source).to_pyarrow().to_pylist()
    lines = quarantined_lines(feed)
    aside = [row for row in rows if lines.names(row, suppressed.has)]
    for row in aside:
        erased[row["business_date"]] += 1
        broken[(row["business_date"], row["rule"])] -= 1
    if aside:
        quarantine = quarantine.anti_join(
            ibis.memtable([{name: row[name] for name in source} for row in aside]), source
        )
    return replace(
        cleaned,
        transactions=transactions.filter(~is_theirs.fill_null(False)),
        quarantine=quarantine,
        lines={day: n - erased[day] for day, n in cleaned.lines.items()},
        broken={key: n for key, n in broken.items() if n},
        erased=dict(erased),
    )
