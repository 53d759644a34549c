"""Planned offers as a snapshot: one row for each product and period, with the part of the stores that it holds for.

"Offer" is what a leaflet promises; "promotion" is what happens to a model.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportCallIssue=false

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.grocery.ingestion.filters import counting, filter_columns
from assets.grocery.tables import OFFERS, TABLES
from resources.identifiers import identifiers
from resources.tables.engine import temporary_name, try_strptime

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

    from resources.config.retailer import OffersConfig

VERSION = "2"

TYPES = TABLES[OFFERS].types

# When a line is not what the rule says, in the order in which they are tried: a line is told the first that it breaks.
RULES: dict[str, Callable[[ibis.Table], ir.BooleanValue]] = {
    "line_fits_the_header": lambda lines: lines.defect.notnull(),
    "product_id_is_given": lambda lines: lines.product.isnull(),
    "days_can_be_read": lambda lines: lines["first"].isnull() | lines["last"].isnull(),  # days, or a week up to WEEKS
    "offer_ends_after_it_starts": lambda lines: lines["first"] > lines["last"],
}
WEEKS = 5_200  # a century: a larger number is a year with its week (202401) and no week of ours


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Where the file's lines went: `lines` in all, `broken` by rule, and `excluded_by_config` that do not count by configuration."""

    lines: int
    broken: Mapping[str, int]
    excluded_by_config: int


def source_columns(feed: OffersConfig) -> list[str]:
    """The columns that the feed's files must have."""
    columns = feed.columns
    optional = (columns.store_id, columns.starts_on, columns.ends_on, columns.week)
    return [columns.product_id, *(name for name in optional if name), *filter_columns(feed)]


def offers(lines: ibis.Table, feed: OffersConfig) -> ibis.Table:
    """One row for each product and period: the columns of :data:`TYPES`; lines that break a rule are left out.

    `reach` (above 0, up to 1) is the share of the stores of the period that have the offer: of those that any readable
    line of the period names, whether it counts or not. It is 1 when the feed has no stores, and for an offer with a
    line that names none. `known_from` is the day at whose close the offer is certain.
    """
    import ibis

    good = _judged(lines, feed).filter(ibis._.rule.isnull())
    period = ["first", "last"]
    # Both below count distinct stores by `distinct` and `count`: the demo's lines take 2.6 s so, 5.0 s by `nunique`.
    # The first is worked out at once: in one query with the second, the engine kept every line in memory for both.
    stores = good.select(*period, "store").distinct()
    stores = stores.group_by(period).agg(of=stores.store.count()).cache()
    places = good.filter(good.counts).select("product", *period, "store").distinct()
    planned = places.group_by("product", *period).agg(
        stores=places.store.count(), is_everywhere=places.store.isnull().any()
    )
    joined = planned.join(stores, period)
    dated = joined.select(
        **_days(joined, feed),
        product_id=joined.product.cast("string"),
        reach=joined.is_everywhere.ifelse(1.0, joined.stores / joined.of).cast("float32"),
    )
    known = dated.mutate(known_from=_later(dated.starts_on, ibis.literal(-feed.announced_days_before)))
    return known.select(*TYPES)


def tally(lines: ibis.Table, feed: OffersConfig) -> Tally:
    """How many of the file's lines became offers, and why not the others."""
    judged = _judged(lines, feed)
    counts = judged.group_by("rule", "counts").agg(lines=judged.count()).to_pyarrow().to_pylist()
    by_rule = Counter[str | None]()
    for row in counts:
        by_rule[row["rule"]] += row["lines"]
    return Tally(
        lines=by_rule.total(),
        broken={rule: by_rule[rule] for rule in RULES if by_rule[rule]},
        excluded_by_config=sum(row["lines"] for row in counts if not row["rule"] and not row["counts"]),
    )


def no_offers(engine: Backend) -> ibis.Table:
    """The offers of a retailer that has no file of them."""
    return engine.create_table(temporary_name("offers"), schema=TYPES, temp=True)


def inputs_of(feed: OffersConfig | None, digests: Sequence[str]) -> str:
    """A digest of all that the table is made of: the files (by `digests`), the settings and this module's version."""
    settings = feed.model_dump_json() if feed else ""
    return hashlib.sha256("\n".join([VERSION, settings, *digests]).encode()).hexdigest()[:16]


def _judged(lines: ibis.Table, feed: OffersConfig) -> ibis.Table:
    """Each line's keys (`product`, `store`, `first`, `last`), the `rule` that it breaks, and whether it `counts`.

    Keys are numbers where the file has numbers, and a period is its week where it has one: twenty million lines with
    keys of text take twice the time and memory.
    """
    import ibis

    columns = feed.columns
    product = _key(lines, columns.product_id, feed)
    first, last = _period(lines, feed)
    judged = lines.select(
        "defect",
        product=product,
        store=_key(lines, columns.store_id, feed) if columns.store_id else ibis.null("string"),
        first=first,
        last=last,
        counts=counting(lines, feed),
    )
    return judged.mutate(rule=ibis.cases(*((is_broken(judged), rule) for rule, is_broken in RULES.items()))).drop(
        "defect"
    )


def _period(lines: ibis.Table, feed: OffersConfig) -> tuple[ir.Value, ir.Value]:
    """The first and the last day of each line, or its week as both; null where they cannot be read."""
    import ibis

    columns = feed.columns
    if columns.week:
        week = lines[columns.week]
        if not week.type().is_integer():
            week = _text(week).try_cast("float64")  # where some are missing, many a program writes 12.0
        week = (week.between(1, WEEKS) & (week % 1 == 0)).ifelse(week, ibis.null(week.type()))
        return week, week
    return _date(lines[columns.starts_on], feed), _date(lines[columns.ends_on], feed)


def _days(planned: ibis.Table, feed: OffersConfig) -> dict[str, ir.DateValue]:
    """`starts_on` and `ends_on` of each period."""
    import ibis

    if not feed.columns.week:
        return {"starts_on": planned.first, "ends_on": planned.last}
    starts_on = _later(ibis.literal(feed.first_week_starts), 7 * (planned.first.cast("int32") - 1))
    return {"starts_on": starts_on, "ends_on": _later(starts_on, ibis.literal(6))}


def _date(value: ir.Value, feed: OffersConfig) -> ir.DateValue:
    """The dates of a column: of a date or a time its day, of text as ISO 8601 or `date_format` says."""
    if value.type().is_date() or value.type().is_timestamp():
        return value.cast("date")
    if feed.date_format:
        return try_strptime(_text(value), feed.date_format).date()
    return _text(value).try_cast("timestamp").date()


def _later(day: ir.DateValue, days: ir.IntegerValue) -> ir.DateValue:
    # Of a date and an interval DuckDB makes a time, which Ibis takes for a date.
    return (day.cast("timestamp") + days.cast("int32").as_interval("D")).date()


def _key(lines: ibis.Table, column: str, feed: OffersConfig) -> ir.Value:
    """A column by which lines are grouped: a number as it is, anything else as an identifier, null when empty."""
    value = lines[column]
    return value if value.type().is_integer() else identifiers(value, nothing=feed.empty_values)


def _text(value: ir.Value) -> ir.StringValue:
    return value.cast("string").strip().nullif("")
