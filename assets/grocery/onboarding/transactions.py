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
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.onboarding import contract, history, roles, times
from assets.grocery.onboarding.columns import (
    ColumnProfile,
    Given,
    given_column,
    one_row,
    profile_columns,
    refuse_unknown,
)
from assets.grocery.onboarding.files import SourceFiles
from assets.grocery.onboarding.history import TradingDays
from assets.grocery.onboarding.proposed import Note, ProposedSetting, of_files, under
from resources.config.retailer import TransactionColumnsConfig, TransactionContractConfig, TransactionsConfig
from resources.errors import Refused
from resources.text import listed

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True, kw_only=True)
class TransactionsProposal:
    """The proposed settings and notes, and what the rest of onboarding needs.

    `standard` are the lines under our names, `other_columns` those of the feed's columns that play no role.
    """

    proposed: tuple[ProposedSetting, ...]
    notes: tuple[Note, ...]
    feed: TransactionsConfig
    standard: ibis.Table
    other_columns: Mapping[str, ColumnProfile]
    history: TradingDays
    typical_day: dt.date


def propose(
    lines: ibis.Table,
    source: SourceFiles,
    *,
    timezone: str,
    today: dt.date,
    given: Given,
    given_format: str | None = None,
) -> TransactionsProposal:
    """The settings for `lines`, as `FeedReader` gives them; `given` and `given_format` are a person's own.

    Raises :class:`Refused` when a household, a product or a time cannot be found, naming what there is.
    """
    columns = profile_columns(lines, files=source.files)
    if not columns:
        raise Refused(f"{listed(source.files.path)} has no lines.", remedy="have it delivered again.")
    refuse_unknown(given.get("occurred_at", ()), columns)
    time, notes = times.find(
        lines, list(columns), given=given.get("occurred_at", ()), given_format=given_format, today=today
    )
    free = {name: column for name, column in columns.items() if name not in time.columns}
    occurred_at = time.columns[0] if len(time.columns) == 1 else list(time.columns)
    chosen = {"occurred_at": ProposedSetting("occurred_at", occurred_at, time.why, time.is_guess)}

    def choose(setting: str, by: Callable[[], ProposedSetting]) -> None:
        chosen[setting] = given_column(setting, free, given) or by()
        free.pop(chosen[setting].value, None)

    choose("household_id", lambda: roles.household(free))
    choose("product_id", lambda: roles.product(free))
    feed = TransactionsConfig(
        **source.files.model_dump(),
        columns=_columns(chosen),
        timestamps_in=time.zone,  # pyright: ignore[reportArgumentType]
        timestamp_format=time.format,
    )
    if source.days and not _is_of_the_files_days(lines, feed, timezone=timezone):
        import ibis

        says = (
            f"The dates in the files' names are not the days of their lines ({timezone}): every night reads all files."
        )
        notes.append(Note("guessed", says))
        lines = lines.mutate(file_date=ibis.null("date"))
        feed = feed.model_copy(update={"path": source.undated().files.path})

    choose("basket_id", lambda: roles.basket(free, lines, feed, timezone=timezone))
    choose("store_id", lambda: roles.store(free))
    choose("quantity", lambda: roles.quantity(free))
    feed = feed.model_copy(update={"columns": _columns(chosen)})
    choose("sales_value", lambda: roles.sales_value(free, lines, feed))
    feed = feed.model_copy(update={"columns": _columns(chosen)})
    if not time.has_time_of_day and feed.columns.basket_id is None:
        says = "There are dates without times and no baskets: what a household buys in a day is one basket."
        notes.append(Note("merged", says))

    standard = cleaning.standardise(lines, feed, timezone=timezone).cache()
    counted = standard.group_by("business_date").agg(n=standard.count()).to_pyarrow().to_pylist()
    days = history.trading_days(
        {row["business_date"]: row["n"] for row in counted if row["business_date"]}, today=today
    )
    of_lines = contract.of_lines(standard, feed)
    feed = feed.model_copy(
        update={"contract": TransactionContractConfig(**{each.setting: each.value for each in of_lines})}
    )
    of_days, notes_on_days, typical_day = contract.of_days(standard, feed, days, today=today)
    order = ("household_id", "basket_id", "product_id", "occurred_at", "quantity", "sales_value", "store_id")
    how = "ISO 8601" if time.format is None else "see occurred_at" * time.is_guess
    written = [
        ProposedSetting("timestamps_in", time.zone, "the retailer's own time" * (time.zone == "local")),
        ProposedSetting("timestamp_format", time.format, how, time.is_guess),
    ]
    return TransactionsProposal(
        proposed=(
            *history.proposed_days(days),
            *of_files(feed, "transactions"),
            *under("transactions", written),
            *under("transactions.columns", (chosen[setting] for setting in order)),
            *under("transactions.contract", [*of_lines, *of_days]),
        ),
        notes=(*source.notes, *notes, *history.notes_on(days), *notes_on_days),
        feed=feed,
        standard=standard,
        other_columns=free,
        history=days,
        typical_day=typical_day,
    )


def _columns(chosen: Mapping[str, ProposedSetting]) -> TransactionColumnsConfig:
    return TransactionColumnsConfig(**{setting: each.value for setting, each in chosen.items()})


def _is_of_the_files_days(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> bool:
    standard = cleaning.standardise(lines, feed, timezone=timezone)
    share = one_row(standard.agg(same=(standard.local_date == standard.file_date).mean()))["same"]
    return (share or 0) >= roles.NEARLY_ALL
