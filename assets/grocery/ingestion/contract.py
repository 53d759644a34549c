"""A feed's contract as people read it, and when a day's feed is overdue: both from the settings alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.markdown import Markdown, code, table
from resources.text import listed

VALUES_SHOWN = 20


def as_markdown(settings: Settings) -> str:
    """The contract of the transactions as a table, a row a clause."""
    feed = settings.transactions
    columns, contract = feed.columns, feed.contract
    mapped = {name: own for name, own in columns.model_dump().items() if own}
    clauses: list[tuple[str, str]] = [
        (code(", ".join(own) if isinstance(own, list) else own), Markdown(f"is there: it is our {code(name)}"))
        for name, own in mapped.items()
    ]
    clauses += [(code(name), f"is there, of type {kind}") for name, kind in contract.columns.items()]
    keys = "product, household and basket" if contract.is_household_required else "product"
    clauses += [("every line", f"names its {keys}")]
    for name in ("quantity", "sales_value"):
        if name in mapped:
            low, high = getattr(contract, name)
            clauses += [(code(name), f"is a number from {low:,g} to {high:,g}")]
    clauses += [
        (code(name), f"is one of {len(values):,} values: {listed(values, VALUES_SHOWN)}")
        for name, values in contract.allowed.items()
    ]
    if contract.is_product_once_a_basket:
        clauses += [("a basket", "has a product once, and one household")]
    else:
        clauses += [("a basket", "has one household")]
    low, high = contract.volume_against_weekday
    clauses += [
        ("a day", f"has {low:g} to {high:g} times the lines of the same weekday (median of eight weeks)"),
        ("a day", f"has at most {contract.max_quarantined_share:.1%} lines that break a rule of these"),
    ]
    if contract.due_by:
        clauses += [("a day", f"is there by {contract.due_by:%H:%M} of the day after, {settings.timezone}")]
    if settings.closed_days:
        clauses += [("closed days", listed(settings.closed_days, VALUES_SHOWN))]
    return table(["what", "must hold"], clauses)


def overdue(settings: Settings, *, taken_in: Collection[dt.date], now: dt.datetime) -> list[dt.date]:
    """The open business days that are not among those `taken_in` and whose feed was due before `now`, in order.

    Counted from the first day that was taken in (without one nothing is awaited); none without `due_by` in the contract,
    nor of a finished data set, which is played.
    """
    due_by = settings.transactions.contract.due_by
    if due_by is None or not taken_in or settings.last_business_day:
        return []
    zone = ZoneInfo(settings.timezone)
    last = now.astimezone(zone).date()
    days = (min(taken_in) + n * ONE_DAY for n in range((last - min(taken_in)).days + 1))
    return [
        day
        for day in days
        if day not in taken_in
        and not settings.is_closed(day)
        and dt.datetime.combine(day + ONE_DAY, due_by, tzinfo=zone) < now
    ]
