"""From a feed's own lines to the cleaned table and the quarantine: one pass of set-based rules.

Each line gets the first rule that it breaks, or none. Good lines become `transactions`, the others
`transactions_quarantine`, with the rule, the reason and the line as it was delivered: together they are the feed.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assets.grocery.ingestion import instants, money, rules
from assets.grocery.ingestion.doubles import BASKET, SOURCE, once
from assets.grocery.ingestion.filters import by_kind, counting, filter_columns, kinds
from assets.grocery.ingestion.numbers import currency_of, number_of
from assets.grocery.tables import QUARANTINE, TABLES, TRANSACTIONS
from resources.config.feeds import FILE_DATE
from resources.days import ONE_DAY
from resources.errors import FeedRefused
from resources.feeds.files import own_columns
from resources.identifiers import identifiers
from resources.tables.engine import count_values, line_as_json, temporary_name, text_of

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

    from resources.config.retailer import TransactionsConfig

VERSION = "2"  # of the rows that are made here; the assets carry it

TYPES = TABLES[TRANSACTIONS].types
QUARANTINE_COLUMNS = tuple(TABLES[QUARANTINE].columns)


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What became of the lines of some business days.

    `transactions` and `quarantine` are tables with the columns :data:`TYPES` and :data:`QUARANTINE_COLUMNS`; `lines` counts
    the lines of both by day (None: of no day), `broken` the quarantined ones by day and rule. `left_out` are the lines by
    day that do not count by configuration, and `erased` those of households that were forgotten
    (`assets.privacy.suppression`): they count nowhere else. `delivered` are all of them, counted before anything is judged, and
    `kinds` the same by column of `where` and `unless`, by what it says, and by whether such lines count.
    """

    transactions: ibis.Table
    quarantine: ibis.Table
    lines: Mapping[dt.date | None, int]
    broken: Mapping[tuple[dt.date | None, str], int]
    erased: Mapping[dt.date | None, int] = field(default_factory=dict)
    left_out: Mapping[dt.date | None, int] = field(default_factory=dict)
    delivered: Mapping[dt.date | None, int] = field(default_factory=dict)
    kinds: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)

    @property
    def delivered_again(self) -> int:
        """How many lines came more than once, and are taken once."""
        return sum(
            n for (_, rule), n in self.broken.items() if rule in (rules.IN_ONE_FILE.name, rules.ONCE_IN_A_FILE.name)
        )

    def warnings(self) -> list[str]:
        """What a person should hear of lines that were delivered, and are not taken in."""
        again, left_out = self.delivered_again, sum(self.left_out.values())
        says = [
            f"{again:,} lines were delivered more than once, and are taken once: the others are in transactions_quarantine."
        ] * bool(again)
        return says + [f"{left_out:,} lines are left out by `where` and `unless` of [transactions]."] * bool(left_out)

    def refuse_unaccounted(self) -> None:
        """Raise :class:`FeedRefused` unless each delivered line is a row of one of the tables, left out, or erased."""
        rows = count_values(self.transactions.business_date) + count_values(self.quarantine.business_date)
        for day in sorted({*self.delivered, *rows}, key=str):
            accounted = rows[day] + self.left_out.get(day, 0) + self.erased.get(day, 0)
            if accounted != self.delivered.get(day, 0):
                raise FeedRefused(
                    f"{self.delivered.get(day, 0):,} lines were delivered for {day or 'no day'}, and {accounted:,} are "
                    "accounted for: taken in, quarantined, left out by configuration, or of forgotten households.",
                    remedy="this is a mistake of ours: keep the file, and report it.",
                )

    def days_without_good_lines(self, days: Sequence[dt.date]) -> dict[dt.date, dict[str, int]]:
        """Those of `days` that have no good line, with the lines that each rule took; none for a day without lines.

        A day whose lines were all of households that were forgotten has had its lines.
        """
        held_back = {day: {rule: n for (of, rule), n in self.broken.items() if of == day} for day in days}
        return {
            day: rules
            for day, rules in held_back.items()
            if self.lines.get(day, 0) == sum(rules.values()) and not self.erased.get(day)
        }


def source_columns(feed: TransactionsConfig) -> list[str]:
    """The columns that the feed's files must have."""
    columns = feed.columns
    optional = (columns.basket_id, columns.quantity, columns.sales_value, columns.store_id, columns.currency)
    times = [name for name in columns.occurred_at if name != FILE_DATE]
    needed = [columns.household_id, columns.product_id, *times, *(name for name in optional if name)]
    return [*needed, *filter_columns(feed)]


def clean(
    delivered: ibis.Table,
    feed: TransactionsConfig,
    *,
    timezone: str,
    first_day: dt.date,
    last_day: dt.date,
    since: dt.date,
    until: dt.date,
    landed: Collection[dt.date] = (),
    currency: str | None = None,
) -> Cleaned:
    """Clean the lines of the business days `since` … `until` of a retailer whose history is `first_day` … `last_day`.

    The days `landed` have files of their own: what a file of many days has of them does not count. Lines that say that
    they are in another `currency` break a rule.
    """
    standard = standardise(delivered, feed, timezone=timezone, currency=currency)
    if landed:
        is_of_others = standard.file_date.notnull() | standard.local_date.isnull() | standard.local_date.notin(landed)
        standard = standard.filter(is_of_others)
    if not feed.is_dated:  # else what is read is of these days, or nearly
        standard = _near(standard, first_day=first_day, last_day=last_day, since=since, until=until)
    near = standard.cache()
    # Cached, else the engine works the local day out anew wherever it is mentioned: 8 s.
    dated = of_days(near, first_day=first_day, last_day=last_day, since=since, until=until)
    delivered_by_day, counting_by_day = (count_values(each.business_date) for each in (dated, purchases(dated)))
    judged = judge(purchases(dated), feed).cache()
    counts = judged.group_by("business_date", "rule").agg(lines=judged.count()).to_pyarrow().to_pylist()
    lines = Counter[dt.date | None]()
    for row in counts:
        lines[row["business_date"]] += row["lines"]
    return Cleaned(
        transactions=judged.filter(judged.rule.isnull()).select(*TYPES),
        quarantine=quarantined(judged, delivered, feed).cache(),  # it is counted, written and compared
        lines=lines,
        broken={(row["business_date"], row["rule"]): row["lines"] for row in counts if row["rule"]},
        left_out=dict(delivered_by_day - counting_by_day),
        delivered=delivered_by_day,
        kinds=by_kind(dated.filter(dated.defect.isnull()), feed),  # a header again is no kind of line
    )


def purchases(lines: ibis.Table) -> ibis.Table:
    """The lines that count by configuration, and those of which nobody can say it."""
    return lines.filter(lines.counts | lines.defect.notnull())


def standardise(
    lines: ibis.Table, feed: TransactionsConfig, *, timezone: str, currency: str | None = None
) -> ibis.Table:
    """The feed's lines under our names and types; nothing is judged yet.

    Identifiers are text. `occurred_at` is an instant in UTC, without zone. Amounts are float64. What cannot be read is
    null. `local_date` is the business day of the purchase; `business_date` the day of the file, if it has one, else that.
    `counts` is false for lines that are none of the purchases by `where` and `unless`. `other_currency` is what a line says
    of its currency, where that is another than `currency`.
    """
    import ibis

    columns = feed.columns
    standard = lines.select(
        "source_file",
        "source_row",
        "file_date",
        "defect",
        counts=counting(lines, feed),
        household_id=_identifier(lines, columns.household_id, feed),
        basket_id=_identifier(lines, columns.basket_id, feed),
        product_id=_identifier(lines, columns.product_id, feed),
        store_id=_identifier(lines, columns.store_id, feed),
        occurred_at=instants.instant(lines, feed, timezone=timezone),
        quantity=number_of(lines, columns.quantity, feed) if columns.quantity else ibis.literal(1.0),
        sales_value=number_of(lines, columns.sales_value, feed),
        other_currency=_other_currency(lines, feed, currency),
        **kinds(lines, feed),
    )
    standard = standard.mutate(local_date=instants.business_day(standard.occurred_at, feed, timezone=timezone))
    standard = standard.mutate(business_date=standard.file_date.fill_null(standard.local_date))
    if columns.basket_id is not None:
        return standard
    if feed.baskets_are == "day":
        of_store = "@" + standard.store_id.fill_null("")
        return standard.mutate(basket_id=standard.household_id + "@" + standard.business_date.cast("string") + of_store)
    # A household's purchases of one instant are one basket; with dates alone, of one day.
    return standard.mutate(basket_id=standard.household_id + "@" + standard.occurred_at.cast("string"))


def business_date_of(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> ir.DateValue:
    """The day of each of the feed's own lines, as :func:`standardise` gives it."""
    at = instants.instant(lines, feed, timezone=timezone)
    return lines.file_date.fill_null(instants.business_day(at, feed, timezone=timezone))


def of_days(lines: ibis.Table, *, first_day: dt.date, last_day: dt.date, since: dt.date, until: dt.date) -> ibis.Table:
    """The lines of the business days `since` … `until`, and those of no day: without a time, or outside the history.

    The latter lose their `business_date`: they belong to the feed, and no day can be blamed for them. The retailer's
    history is `first_day` … `last_day`.
    """
    import ibis

    is_in_history = lines.business_date.between(first_day, last_day)
    dated = lines.mutate(business_date=is_in_history.ifelse(lines.business_date, ibis.null("date")))
    return dated.filter(dated.business_date.isnull() | dated.business_date.between(since, until))


def _near(lines: ibis.Table, *, first_day: dt.date, last_day: dt.date, since: dt.date, until: dt.date) -> ibis.Table:
    """The lines that may be those of :func:`of_days`.

    No zone is further than a day from UTC, and no business day ends later than the next noon, so most lines are told
    apart by their instant alone, which a Parquet file answers from its statistics; the day is worked out for the rest.
    """
    import ibis

    near = ibis.or_(
        lines.file_date.notnull(),
        lines.occurred_at.isnull(),
        lines.occurred_at.between(since - ONE_DAY, until + 3 * ONE_DAY),
        lines.occurred_at < first_day + 2 * ONE_DAY,
        lines.occurred_at > last_day - ONE_DAY,
    )
    return lines.filter(near)


def has_lines(delivered: ibis.Table, feed: TransactionsConfig, day: dt.date, *, timezone: str) -> bool:
    """Whether the feed has any line of a business day."""
    standard = standardise(delivered, feed, timezone=timezone)
    standard = purchases(standard)
    near = standard.filter(standard.occurred_at.between(day - ONE_DAY, day + 3 * ONE_DAY))
    return bool(near.filter(near.business_date == day).limit(1).count().execute())


def judge(lines: ibis.Table, feed: TransactionsConfig, *, among: ibis.Table | None = None) -> ibis.Table:
    """`lines` (of :func:`of_days`) with `rule`: the first of :data:`rules.RULES` that each breaks, or null.

    Rules of lines together are tried on few baskets: those of :func:`suspects`, or `among` others that hold them.
    """
    judged = by_line(lines, feed)
    among = suspects(judged) if among is None else among
    few = judged.filter(judged.rule.isnull()).semi_join(among, BASKET).cache()
    if not few.limit(1).count().to_pyarrow().as_py():
        return judged
    few = once(few, has_receipts=feed.columns.basket_id is not None)
    few = _judge_groups(few, rules.ONE_HOUSEHOLD)
    if feed.contract.is_product_once_a_basket:
        few = _judge_groups(few, rules.PRODUCT_ONCE)
    broken = few.filter(few.rule.notnull()).select(*SOURCE, broken_rule=few.rule).cache()
    joined = judged.left_join(broken, SOURCE)
    return joined.mutate(rule=joined.rule.coalesce(joined.broken_rule)).select(*judged.columns)


def by_line(lines: ibis.Table, feed: TransactionsConfig) -> ibis.Table:
    """`lines` with `rule`: the first of :data:`rules.LINE_RULES` that each breaks, or null."""
    import ibis

    cases = ((rule.is_broken(lines, feed), rule.name) for rule in rules.LINE_RULES)
    return lines.mutate(rule=ibis.cases(*((is_broken, name) for is_broken, name in cases if is_broken is not None)))


def suspects(judged: ibis.Table) -> ibis.Table:
    """The baskets that may break a rule of lines together, of those that break none so far.

    A product stands in them more than once, or they are of several households. (Two products of one hash let a basket in
    that need not be: it is looked at for nothing.)
    """
    good = judged.filter(judged.rule.isnull() & judged.basket_id.notnull())
    baskets = good.group_by(*BASKET).agg(
        lines=good.count(),
        products=good.product_id.hash().collect().unique().length(),
        first=good.household_id.min(),
        last=good.household_id.max(),
    )
    return (
        baskets.filter((baskets.products < baskets.lines) | (baskets.first != baskets["last"])).select(*BASKET).cache()
    )


def quarantined(judged: ibis.Table, delivered: ibis.Table, feed: TransactionsConfig) -> ibis.Table:
    """The broken lines of :func:`judge` with their reason, and the whole line as it was `delivered`, as JSON."""
    import ibis

    columns, ranges, texts = feed.columns, rules.ranges_of(feed), {}
    for rule in rules.RULES:
        if rule.quotes and (rule.quotes not in rules.AMOUNTS or rule.quotes in ranges):
            given = getattr(columns, rule.quotes)
            given = given if isinstance(given, list) else [given] if given else []
            texts[rule.name] = _says(rule.quotes, text_of(delivered, *given) if given else ibis.null("string"))
            if isinstance(rule, rules.LineRule) and rule.is_range:
                low, high = ranges[rule.quotes]
                texts[rule.name] += f", not in {low:,g} … {high:,g}"
    bad = judged.filter(judged.rule.notnull())
    strange = {
        "value_is_allowed": [(~is_so, _says(name, bad[name])) for name, is_so in rules.are_allowed(bad, feed).items()],
        "identifier_is_exact": [
            (
                ~is_so,
                ibis.literal("household_id is rounded, or several")
                if name == "household_id"
                else _says(name, bad[name]),
            )
            for name, is_so in rules.are_exact(bad).items()
        ],
        "value_is_in_the_currency": [(bad.other_currency.notnull(), _says("currency", bad.other_currency))],
    }
    said = [(bad.rule == rule, ibis.cases(*cases)) for rule, cases in strange.items() if cases]
    bad = bad.mutate(strange=ibis.cases(*said))
    bad = bad.select("business_date", "rule", "defect", "strange", "source_file", "source_row")
    as_delivered = delivered.select(
        "source_file", "source_row", line=line_as_json(delivered, own_columns(delivered)), **texts
    )
    joined = bad.join(as_delivered, ["source_file", "source_row"])
    reason = ibis.cases(
        (joined.rule.isin(["line_is_no_header", "line_fits_the_header"]), joined.defect),
        (joined.strange.notnull(), joined.strange),
        *((joined.rule == rule, joined[rule]) for rule in texts),
        else_=joined.rule.replace("_is_given", " is empty"),
    )
    return joined.mutate(reason=reason).select(*QUARANTINE_COLUMNS)


def _judge_groups(judged: ibis.Table, rule: rules.GroupRule) -> ibis.Table:
    """Give `rule` to the so far good lines whose group is bad: all of the group, or all but its first line.

    The bad groups are found by an aggregate and joined back: they are few, and a window would sort every line.
    """
    import ibis

    good = judged.filter(judged.rule.isnull())
    groups = good.group_by(*rule.key).agg(is_bad=rule.is_bad(good))
    broken = good.semi_join(groups.filter(groups.is_bad), list(rule.key))
    if rule.keeps_first:
        first = ibis.window(group_by=list(rule.key), order_by=["source_file", "source_row"])
        broken = broken.mutate(place=ibis.row_number().over(first)).filter(ibis._.place > 0)
    broken = broken.select("source_file", "source_row", broken_rule=ibis.literal(rule.name))
    joined = judged.left_join(broken, ["source_file", "source_row"])
    return joined.mutate(rule=joined.rule.coalesce(joined.broken_rule)).select(*judged.columns)


def _says(name: str, text: ir.StringValue) -> ir.StringValue:
    return name + " is '" + text.fill_null("").substr(0, 60) + "'"


def _identifier(lines: ibis.Table, column: str | None, feed: TransactionsConfig) -> ir.StringValue:
    import ibis

    return identifiers(lines[column], nothing=feed.empty_values) if column else ibis.null("string")


def _other_currency(lines: ibis.Table, feed: TransactionsConfig, currency: str | None) -> ir.StringValue:
    """What each line says of its currency, in its own column or around its amount, if it is not `currency`; else null."""
    import ibis

    said = [
        currency_of(lines, column, feed, is_amount=column == feed.columns.sales_value)
        for column in (feed.columns.currency, feed.columns.sales_value)
        if column and currency
    ]
    others = [each.isin(sorted(money.ways_to_write(currency or ""))).ifelse(None, each) for each in said]
    return ibis.coalesce(*others) if others else ibis.null("string")


def no_lines(engine: Backend) -> ibis.Table:
    """An empty `transactions`, for a closed day."""
    return engine.create_table(temporary_name("closed"), schema=TYPES, temp=True)
