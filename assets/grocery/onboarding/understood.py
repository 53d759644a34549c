"""What a feed of basket lines is understood as: when its lines were bought, which are purchases, and what each column says.

Columns are recognised by their names and confirmed by their values. One step after the other, each on what those before it found.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.filters import counting
from assets.grocery.onboarding import days, doubtful_ids, evidence, many, records, roles, services, telltales
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
from assets.grocery.onboarding.proposed import Note, ProposedSetting
from assets.grocery.onboarding.purchases import purchases
from assets.grocery.onboarding.times import TimeFormat, TimeSearch
from assets.grocery.onboarding.words import matching_columns
from resources.config.feeds import FILE_DATE, FeedConfig
from resources.config.retailer import TransactionColumnsConfig, TransactionsConfig
from resources.errors import Refused
from resources.feeds import sources
from resources.feeds.prepared import NOT_CLOSED, NOT_DOUBLED, ZERO_BYTES
from resources.text import plural

if TYPE_CHECKING:
    import ibis

LINES_OWN = 0.9  # the share of baskets of one line from which the times are those of lines
SEVERAL_A_DAY = 1.5  # so many such baskets a household has on a day if they are none
MEASURED_BY = ("timestamps_in", "business_day_ends", "baskets_are")  # what the lines are read by, if a person told it


@dataclass(kw_only=True)
class Understood:
    """What is understood of a feed so far.

    `lines` are all of it, `every` those that fit the header, `looked_at` as many of these as are looked at. `columns` are all of
    the feed's, `free` those without a role so far, `chosen` what the others say, by setting. `feed` has all that was found.
    """

    lines: ibis.Table
    every: ibis.Table
    looked_at: ibis.Table
    source: SourceFiles
    files: FeedConfig
    timezone: str
    given: Given
    own: Mapping[str, Any]
    columns: dict[str, ColumnProfile]
    total: int
    time: TimeFormat = field(init=False)
    free: dict[str, ColumnProfile] = field(init=False)
    feed: TransactionsConfig = field(init=False)
    chosen: dict[str, ProposedSetting] = field(default_factory=dict)
    baskets_are: ProposedSetting | None = None
    money: ProposedSetting | None = None
    notes: list[Note]

    def find_time(self, search: TimeSearch) -> None:
        """When a line was bought."""
        given = self.given.get("occurred_at", ())
        refuse_unknown([name for name in given if name != FILE_DATE or not self.source.days], self.columns)
        self.time, notes = search.find(list(self.columns), given=given)
        self.notes += notes
        self.free = {name: column for name, column in self.columns.items() if name not in self.time.columns}
        occurred_at = self.time.columns[0] if len(self.time.columns) == 1 else list(self.time.columns)
        self.chosen["occurred_at"] = ProposedSetting("occurred_at", occurred_at, self.time.why, self.time.is_guess)

    def find_purchases(self) -> None:
        """Which lines are purchases, who bought, and what."""
        found = purchases(self.every, self.free)
        self.notes += found.notes
        for name in found.columns:
            self.free.pop(name)
        self._choose("household_id", lambda: roles.household(self.free))
        self._choose("product_id", lambda: roles.product(self.free))
        if "product_id" not in self.given:
            evidence.refuse_side_by_side(self.chosen["product_id"].value, self.columns, self.files)
        self.feed = TransactionsConfig.model_validate(
            {
                **self.files.model_dump(),
                "where": found.where,
                "unless": found.unless,
                "columns": self._roles().model_dump(),
                "timestamps_in": self.time.zone,
                "timestamp_format": self.time.format,
                **self.own,
            }
        )
        self.notes += doubtful_ids.doubts(self.looked_at, self.feed, is_told="product_id" in self.given)
        self.looked_at = self.looked_at.filter(counting(self.looked_at, self.feed))

    def find_days(self) -> None:
        """What speaks against the times, when a business day ends, and whether the days in the files' names are those of their lines."""
        if FILE_DATE not in self.time.columns:
            self.notes += days.doubts(self.looked_at, self.feed, self.time.others, timezone=self.timezone)
        if not self.source.days:
            return
        if self.time.has_time_of_day and "business_day_ends" not in self.own:
            self.feed, notes = days.with_end(self.looked_at, self.feed, timezone=self.timezone)
            self.notes += notes
        if days.are_the_lines(self.looked_at, self.feed, timezone=self.timezone):
            return
        self.lines, self.looked_at = (
            _undated(each, self.feed, timezone=self.timezone) for each in (self.lines, self.looked_at)
        )
        self._set(path=self.source.undated().files.path)
        says = f"The dates in the files' names are not the days of their lines ({self.timezone}): every night reads all files."
        self.notes.append(Note("guessed", says))

    def find_baskets(self) -> None:
        """Which lines are of one basket, where it was bought, how many of each product, and for how much."""
        self._choose("basket_id", lambda: roles.basket(self.free, self.looked_at, self.feed, timezone=self.timezone))
        self._choose("store_id", lambda: roles.store(self.free))
        self._choose("quantity", lambda: roles.quantity(self.free))
        self._set(columns=self._roles())
        self.notes += evidence.units(self.every, self.feed, self.free)
        self._choose("sales_value", lambda: roles.sales_value(self.free, self.looked_at, self.feed))
        self._set(columns=self._roles())
        evidence.refuse_turned(self.looked_at, self.feed)
        self.notes += evidence.beside(self.looked_at, self.feed, self.free)
        if self.feed.columns.basket_id is not None:
            return
        if not self.time.has_time_of_day:
            says = "There are dates without times and no baskets: what a household buys in a day is one basket."
            self.notes.append(Note("merged", says))
        elif "baskets_are" not in self.own:
            standard = cleaning.standardise(self.looked_at, self.feed, timezone=self.timezone)
            self.baskets_are, notes = _baskets_are(standard)
            self.notes += notes
            if self.baskets_are:
                self._set(baskets_are=self.baskets_are.value)

    def find_currency(self) -> None:
        """What the amounts are in; and what the other columns say that the lines are."""
        lines = self.every.filter(counting(self.every, self.feed))
        self.money, column, of_currency, notes = evidence.currency(lines, self.feed, self.free)
        self.notes += notes
        if column:
            self.chosen["currency"] = ProposedSetting("currency", column, "names the currency of each line")
            self.free.pop(column)
            self._set(columns=self._roles(), where=self.feed.where | of_currency)
        self.notes += telltales.notes_on(self.looked_at, self.feed, self.free, timezone=self.timezone)
        self.notes += services.by_numbers(self.looked_at, self.feed, timezone=self.timezone)

    def _choose(self, setting: str, by: Callable[[], ProposedSetting]) -> None:
        """The column of a role: the one that a person gave, or that is found."""
        self.chosen[setting] = given_column(setting, self.free, self.given) or by()
        self.free.pop(self.chosen[setting].value, None)

    def _roles(self) -> TransactionColumnsConfig:
        return TransactionColumnsConfig(**{setting: each.value for setting, each in self.chosen.items()})

    def _set(self, **settings: object) -> None:
        self.feed = self.feed.model_copy(update=settings)


def understood(
    lines: ibis.Table,
    source: SourceFiles,
    *,
    timezone: str,
    today: dt.date,
    given: Given,
    given_format: str | None,
    told: Told,
) -> Understood:
    """What `lines` are understood as; `given`, `given_format` and `told` are a person's own.

    Raises :class:`Refused` when a household, a product or a time cannot be found, naming what there is.
    """
    total = lines.count().to_pyarrow().as_py()
    looked_at, notes_on_sample = many.some(lines, total=total)
    looked_at = looked_at.filter(looked_at.defect.isnull())
    files, notes_on_values = evidence.written_as(looked_at, source.files)
    columns = profile_columns(looked_at, files=files)
    if not columns:
        raise _without_values(lines, sources.where(source.files), total=total)
    plain = [name for name, column in columns.items() if not column.example.startswith(('{"', '[{"'))]
    if not all(matching_columns(role, plain) or f"{role}_id" in given for role in ("household", "product")):
        evidence.refuse_nested(looked_at, files)
    found = Understood(
        lines=lines,
        every=lines.filter(lines.defect.isnull()),
        looked_at=looked_at,
        source=source,
        files=files,
        timezone=timezone,
        given=given,
        own={name: told[f"transactions.{name}"] for name in MEASURED_BY if f"transactions.{name}" in told},
        columns=columns,
        total=total,
        notes=[*notes_on_sample, *notes_on_values],
    )
    try:
        found.find_time(TimeSearch(lines=looked_at, given_format=given_format, today=today, timezone=timezone))
        found.find_purchases()
    except Refused:
        records.refuse_several_kinds(lines)
        raise
    found.find_days()
    found.find_baskets()
    found.find_currency()
    return found


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
