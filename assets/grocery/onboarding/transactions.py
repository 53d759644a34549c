"""The settings of a feed of basket lines, proposed from the lines themselves.

What its columns say is in `understood`; days and ranges are measured on the whole history here.
All work on lines is done by the engine, in sets.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.onboarding import changes, contract, evidence, history, many, services
from assets.grocery.onboarding.answers import Told
from assets.grocery.onboarding.columns import ColumnProfile, Given, one_row
from assets.grocery.onboarding.files import SourceFiles
from assets.grocery.onboarding.history import TradingDays
from assets.grocery.onboarding.proposed import SEE_TIME, Note, ProposedSetting, of_files, under
from assets.grocery.onboarding.times import TimeFormat
from assets.grocery.onboarding.understood import Understood, understood
from assets.grocery.onboarding.words import matching_columns
from resources.config.retailer import TransactionContractConfig, TransactionsConfig
from resources.identifiers import identifiers
from resources.tables.engine import count_values
from resources.text import plural

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What becomes of every line of the files: taken in, set aside by rule, or left out.

    Left out are lines that are no purchases, and those of a day that is not over.
    """

    files: int
    lines: int
    taken: int
    set_aside: Mapping[str, int]
    left_out: int


@dataclass(frozen=True, kw_only=True)
class TransactionsProposal:
    """The proposed settings and notes, and what the rest of onboarding needs.

    `lines` are those of the feed, `standard` the same under our names, `other_columns` those of the feed's columns that play no role.
    """

    proposed: tuple[ProposedSetting, ...]
    notes: tuple[Note, ...]
    feed: TransactionsConfig
    lines: ibis.Table
    standard: ibis.Table
    other_columns: Mapping[str, ColumnProfile]
    history: TradingDays
    typical_day: dt.date
    delivered: Delivered


def propose(
    lines: ibis.Table,
    source: SourceFiles,
    *,
    timezone: str,
    today: dt.date,
    given: Given,
    given_format: str | None = None,
    told: Told = MappingProxyType({}),
) -> TransactionsProposal:
    """The settings for `lines`, as `FeedReader` gives them; `given`, `given_format` and `told` are a person's own.

    Raises :class:`Refused` when a household, a product or a time cannot be found, naming what there is.
    """
    found = understood(lines, source, timezone=timezone, today=today, given=given, given_format=given_format, told=told)
    feed, currency = found.feed, found.money.value if found.money else None
    standard = cleaning.standardise(found.lines, feed, timezone=timezone, currency=currency)
    of_all = many.in_parts(standard, total=found.total)
    delivered = one_row(of_all.every.agg(files=of_all.every.source_file.nunique(), lines=of_all.every.count()))
    bought = of_all.purchases()
    lines_by_day = count_values(bought.every.business_date)
    trading = history.trading_days({day: n for day, n in lines_by_day.items() if day}, today=today)
    empty = [day for day in source.days if feed.is_dated and day < today and not lines_by_day[day]]
    of_lines, among = contract.of_lines(of_all.parts, feed)
    if not source.are_ended:
        why = "the last lines of its files have no end, or not always"
        of_lines.append(ProposedSetting("ends_with_newline", False, why))
    limits = TransactionContractConfig(**{each.setting: each.value for each in of_lines})
    feed = feed.model_copy(update={"contract": limits})
    no_purchases = (contract.RETURNS, contract.NOTHING)
    notes = [
        Note("to know", f"{each.setting} {each.why}.")
        for each in of_lines
        if any(words in each.why for words in no_purchases)
    ]
    if not limits.is_product_once_a_basket:
        why = next(each.why for each in of_lines if each.setting == "is_product_once_a_basket")
        remedy = "if they are no scans of their own, but corrections or a join's, have each line delivered once."
        notes.append(Note("to know", f"{why}: each counts as a purchase of its own.", remedy))
    of_days, notes_on_days, typical_day, outcomes = contract.of_days(
        bought.parts, feed, trading, today=today, among=among
    )
    if unfinished := lines_by_day.total() - outcomes.total():
        says = f"{plural(unfinished, 'line')} of days after {trading.last} are left out, for that day is not over."
        notes.append(Note("left out", f"{says} They are taken in with their night."))
    order = ("household_id", "basket_id", "product_id", "occurred_at", "quantity", "sales_value", "store_id")
    order += ("currency",) * ("currency" in found.chosen)
    return TransactionsProposal(
        proposed=(
            *([found.money] if found.money else []),
            *history.proposed_days(trading),
            *of_files(feed, "transactions"),
            *under("transactions", [*_how_read(feed, found.time), *([found.baskets_are] if found.baskets_are else [])]),
            *under("transactions.columns", (found.chosen[setting] for setting in order)),
            *under("transactions.contract", [*of_lines, *of_days]),
        ),
        notes=(
            *(*source.notes, *found.notes, *notes, *history.notes_on(trading, empty=empty), *notes_on_days),
            *(
                *evidence.lacking(source.kept, cleaning.source_columns(feed)),
                *evidence.jumps(bought.every),
                *changes.notes_on(bought.every, feed, has_time_of_day=found.time.has_time_of_day),
                *services.note_on(bought.every.filter(bought.every.defect.isnull()), _names(found)),
            ),
        ),
        feed=feed,
        lines=found.lines,
        standard=bought.every,
        other_columns=found.free,
        history=trading,
        typical_day=typical_day,
        delivered=Delivered(
            files=delivered["files"],
            lines=delivered["lines"],
            taken=outcomes[None],
            set_aside={str(rule): n for rule, n in outcomes.most_common() if rule},
            left_out=delivered["lines"] - outcomes.total(),
        ),
    )


def _how_read(feed: TransactionsConfig, time: TimeFormat) -> list[ProposedSetting]:
    """The settings of how times are read, which lines count, and when a day ends."""
    how = "ISO 8601" if time.format is None else SEE_TIME * time.is_guess
    proposed = [
        ProposedSetting("timestamps_in", feed.timestamps_in, "the retailer's own time" * (time.zone == "local")),
        ProposedSetting("timestamp_format", time.format, how, time.is_guess and time.format is not None),
    ]
    if feed.where:
        proposed.append(ProposedSetting("where", dict(feed.where), "the lines that are purchases; others are left out"))
    if feed.unless:
        proposed.append(ProposedSetting("unless", dict(feed.unless), "the lines that are none"))
    if feed.business_day_ends != dt.time():
        why = "later lines of a day's file are of the day after"
        proposed.append(ProposedSetting("business_day_ends", feed.business_day_ends, why, is_guess=True))
    return proposed


def _names(found: Understood) -> ibis.Table | None:
    """What the lines call their products, as `product_id` and `name`; None where no column does."""
    lines, feed = found.looked_at, found.feed
    column = next((name for name in matching_columns("name", found.free) if lines[name].type().is_string()), None)
    if column is None:
        return None
    product = identifiers(lines[feed.columns.product_id], nothing=feed.empty_values)
    return lines.select(product_id=product, name=lines[column])
