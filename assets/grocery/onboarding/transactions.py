"""The settings of a feed of basket lines, proposed from the lines themselves.

Columns are recognised by their names and confirmed by their values; days and ranges are measured on the whole history.
All work on lines is done by the engine, in sets.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.filters import counting
from assets.grocery.onboarding import contract, days, doubtful_ids, evidence, history, many, roles, services, telltales
from assets.grocery.onboarding.answers import Told
from assets.grocery.onboarding.columns import (
    ColumnProfile,
    Given,
    given_column,
    one_row,
    profile_columns,
    refuse_unknown,
)
from assets.grocery.onboarding.files import SourceFiles, remedy_of
from assets.grocery.onboarding.history import TradingDays
from assets.grocery.onboarding.proposed import SEE_TIME, Note, ProposedSetting, of_files, under
from assets.grocery.onboarding.purchases import purchases
from assets.grocery.onboarding.times import TimeFormat, TimeSearch
from assets.grocery.onboarding.words import matching_columns
from resources.config.feeds import FILE_DATE
from resources.config.retailer import TransactionColumnsConfig, TransactionContractConfig, TransactionsConfig
from resources.errors import Refused
from resources.feeds import sources
from resources.feeds.prepared import NOT_CLOSED, NOT_DOUBLED, ZERO_BYTES
from resources.identifiers import identifiers
from resources.tables.engine import count_values
from resources.text import plural

if TYPE_CHECKING:
    import ibis


LINES_OWN = 0.9  # the share of baskets of one line from which the times are those of lines
SEVERAL_A_DAY = 1.5  # so many such baskets a household has on a day if they are none


MEASURED_BY = ("timestamps_in", "business_day_ends", "baskets_are")  # what the lines are read by, if a person told it


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
    total = lines.count().to_pyarrow().as_py()
    every, (looked_at, notes_on_sample) = lines.filter(lines.defect.isnull()), many.some(lines, total=total)
    whole = looked_at.filter(looked_at.defect.isnull())
    files, notes_on_values = evidence.written_as(whole, source.files)
    columns = profile_columns(whole, files=files)
    if not columns:
        raise _without_values(lines, sources.where(source.files), total=total)
    plain = [name for name, column in columns.items() if not column.example.startswith(('{"', '[{"'))]
    if not all(matching_columns(role, plain) or f"{role}_id" in given for role in ("household", "product")):
        evidence.refuse_nested(whole, files)
    refuse_unknown([name for name in given.get("occurred_at", ()) if name != FILE_DATE or not source.days], columns)
    search = TimeSearch(lines=whole, given_format=given_format, today=today, timezone=timezone)
    time, notes = search.find(list(columns), given=given.get("occurred_at", ()))
    free = {name: column for name, column in columns.items() if name not in time.columns}
    occurred_at = time.columns[0] if len(time.columns) == 1 else list(time.columns)
    chosen = {"occurred_at": ProposedSetting("occurred_at", occurred_at, time.why, time.is_guess)}

    def choose(setting: str, by: Callable[[], ProposedSetting]) -> None:
        chosen[setting] = given_column(setting, free, given) or by()
        free.pop(chosen[setting].value, None)

    notes = [*notes_on_sample, *notes_on_values, *notes]
    bought_by = purchases(every, free)
    notes += bought_by.notes
    for name in bought_by.columns:
        free.pop(name)
    choose("household_id", lambda: roles.household(free))
    choose("product_id", lambda: roles.product(free))
    if "product_id" not in given:
        evidence.refuse_side_by_side(chosen["product_id"].value, columns, files)
    feed = TransactionsConfig(
        **files.model_dump(),
        where=bought_by.where,
        unless=bought_by.unless,
        columns=_columns(chosen),
        timestamps_in=time.zone,  # pyright: ignore[reportArgumentType]
        timestamp_format=time.format,
    )
    own = {name: told[f"transactions.{name}"] for name in MEASURED_BY if f"transactions.{name}" in told}
    feed = TransactionsConfig.model_validate({**feed.model_dump(), **own})
    notes += doubtful_ids.doubts(whole, feed, is_told="product_id" in given)
    whole = whole.filter(counting(whole, feed))
    if source.days and time.has_time_of_day and "business_day_ends" not in own:
        feed, notes_on_ends = days.with_end(whole, feed, timezone=timezone)
        notes += notes_on_ends
    if source.days and not days.are_the_lines(whole, feed, timezone=timezone):
        lines, whole = (_undated(each, feed, timezone=timezone) for each in (lines, whole))
        feed = feed.model_copy(update={"path": source.undated().files.path})
        says = (
            f"The dates in the files' names are not the days of their lines ({timezone}): every night reads all files."
        )
        notes.append(Note("guessed", says))
    choose("basket_id", lambda: roles.basket(free, whole, feed, timezone=timezone))
    choose("store_id", lambda: roles.store(free))
    choose("quantity", lambda: roles.quantity(free))
    feed = feed.model_copy(update={"columns": _columns(chosen)})
    notes += evidence.units(every, feed, free)
    choose("sales_value", lambda: roles.sales_value(free, whole, feed))
    feed = feed.model_copy(update={"columns": _columns(chosen)})
    baskets_are = None
    if time.has_time_of_day and feed.columns.basket_id is None and "baskets_are" not in own:
        baskets_are, notes_on_baskets = _baskets_are(cleaning.standardise(whole, feed, timezone=timezone))
        notes += notes_on_baskets
        feed = feed.model_copy(update={"baskets_are": baskets_are.value}) if baskets_are else feed
    if not time.has_time_of_day and feed.columns.basket_id is None:
        says = "There are dates without times and no baskets: what a household buys in a day is one basket."
        notes.append(Note("merged", says))

    money_is, money_column, of_currency, notes_on_money = evidence.currency(
        every.filter(counting(every, feed)), feed, free
    )
    notes += notes_on_money
    if money_column:
        chosen["currency"] = ProposedSetting("currency", money_column, "names the currency of each line")
        free.pop(money_column)
        feed = feed.model_copy(update={"columns": _columns(chosen), "where": feed.where | of_currency})
    notes += telltales.notes_on(whole, feed, free, timezone=timezone)
    currency = money_is.value if money_is else None
    of_all = many.in_parts(cleaning.standardise(lines, feed, timezone=timezone, currency=currency), total=total)
    delivered = one_row(of_all.every.agg(files=of_all.every.source_file.nunique(), lines=of_all.every.count()))
    bought = of_all.purchases()
    standard = bought.every
    lines_by_day = count_values(standard.business_date)
    trading = history.trading_days({day: n for day, n in lines_by_day.items() if day}, today=today)
    empty = [day for day in source.days if feed.is_dated and day < today and not lines_by_day[day]]
    of_lines, among = contract.of_lines(of_all.parts, feed)
    if not source.are_ended:
        of_lines.append(
            ProposedSetting("ends_with_newline", False, "the last lines of its files have no end, or not always")
        )
    feed = feed.model_copy(
        update={"contract": TransactionContractConfig(**{each.setting: each.value for each in of_lines})}
    )
    notes += [Note("to know", f"{each.setting} {each.why}.") for each in of_lines if contract.RETURNS in each.why]
    of_days, notes_on_days, typical_day, outcomes = contract.of_days(
        bought.parts, feed, trading, today=today, among=among
    )
    if unfinished := lines_by_day.total() - outcomes.total():
        says = f"{plural(unfinished, 'line')} of days after {trading.last} are left out, for that day is not over."
        notes.append(Note("left out", f"{says} They are taken in with their night."))
    order = ("household_id", "basket_id", "product_id", "occurred_at", "quantity", "sales_value", "store_id")
    order += ("currency",) * ("currency" in chosen)
    return TransactionsProposal(
        proposed=(
            *([money_is] if money_is else []),
            *history.proposed_days(trading),
            *of_files(feed, "transactions"),
            *under("transactions", [*_how_read(feed, time), *([baskets_are] if baskets_are else [])]),
            *under("transactions.columns", (chosen[setting] for setting in order)),
            *under("transactions.contract", [*of_lines, *of_days]),
        ),
        notes=(
            *(*source.notes, *notes, *history.notes_on(trading, empty=empty), *notes_on_days),
            *(
                *evidence.jumps(standard),
                *services.note_on(standard.filter(standard.defect.isnull()), _names(whole, feed, free)),
            ),
        ),
        feed=feed,
        lines=lines,
        standard=standard,
        other_columns=free,
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


def _columns(chosen: Mapping[str, ProposedSetting]) -> TransactionColumnsConfig:
    return TransactionColumnsConfig(**{setting: each.value for setting, each in chosen.items()})


def _without_values(lines: ibis.Table, where: str, *, total: int) -> Refused:
    """The refusal of files of which no line has a value."""
    if not total:
        return Refused(f"{where} has no lines.", remedy="have it delivered again.")
    defect = lines.defect.min().to_pyarrow().as_py()
    if defect in (NOT_CLOSED, NOT_DOUBLED, ZERO_BYTES):
        return Refused(f"{where} has no line that can be read: {defect}.", remedy=remedy_of(defect))
    return Refused(
        f"{where} has {plural(total, 'line')} without a value under its header: {defect}.",
        remedy="have it delivered with a header of as many names as its lines have values, and with values. R writes it "
        'so by write.csv(sales, "sales.csv", row.names = FALSE), for instance.',
    )


def _undated(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> ibis.Table:
    """Lines without the day of their file, which is not theirs; :class:`Refused` for those of a query of a day."""
    import ibis

    if feed.query is not None:
        raise Refused(
            f"The rows of the query for a day are not those of that day ({timezone}).",
            remedy="compare the local day in the query, or name the time zone: --timezone Europe/Berlin, for instance.",
        )
    return lines.mutate(file_date=ibis.null("date"))


def _how_read(feed: TransactionsConfig, time: TimeFormat) -> list[ProposedSetting]:
    """The settings of how times are read, which lines count, and when a day ends."""
    how = "ISO 8601" if time.format is None else SEE_TIME * time.is_guess
    proposed = [
        ProposedSetting("timestamps_in", feed.timestamps_in, "the retailer's own time" * (time.zone == "local")),
        ProposedSetting("timestamp_format", time.format, how, time.is_guess),
    ]
    if feed.where:
        proposed.append(ProposedSetting("where", dict(feed.where), "the lines that are purchases; others are left out"))
    if feed.unless:
        proposed.append(ProposedSetting("unless", dict(feed.unless), "the lines that are none"))
    if feed.business_day_ends != dt.time():
        why = "later lines of a day's file are of the day after"
        proposed.append(ProposedSetting("business_day_ends", feed.business_day_ends, why, is_guess=True))
    return proposed


def _baskets_are(standard: ibis.Table) -> tuple[ProposedSetting | None, list[Note]]:
    """How baskets are told where no column does: by the day when the times are the lines' own."""
    known = standard.filter(standard.household_id.notnull() & standard.occurred_at.notnull())
    instants = known.group_by("household_id", "occurred_at", "business_date").agg(n=known.count())
    days = instants.group_by("household_id", "business_date").agg(
        instants=instants.count(), of_one=(instants.n == 1).sum()
    )
    row = one_row(days.agg(days=days.count(), baskets=days.instants.sum(), of_one=days.of_one.sum()))
    if not row["days"]:
        return None, []
    of_one, a_day = row["of_one"] / row["baskets"], row["baskets"] / row["days"]
    if of_one < LINES_OWN or a_day < SEVERAL_A_DAY:
        return None, []
    why = f"{of_one:.0%} of baskets of one instant have one line: the times are the lines' own"
    says = f"{why}. A household's lines of a business day and store are taken as one basket."
    remedy = "have a number of the basket or receipt delivered; or baskets_are = 'instant'."
    return ProposedSetting("baskets_are", "day", why, is_guess=True), [Note("merged", says, remedy)]


def _names(lines: ibis.Table, feed: TransactionsConfig, free: Mapping[str, ColumnProfile]) -> ibis.Table | None:
    """What the lines call their products, as `product_id` and `name`; None where no column does."""
    column = next((name for name in matching_columns("name", free) if lines[name].type().is_string()), None)
    if column is None:
        return None
    product = identifiers(lines[feed.columns.product_id], nothing=feed.empty_values)
    return lines.select(product_id=product, name=lines[column])
