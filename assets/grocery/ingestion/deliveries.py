"""Deliveries of the transactions: read, put on record, and compared with the last good one in one sentence."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.doubles import LINE
from assets.grocery.ingestion.rules import expectations
from assets.grocery.tables import TRANSACTIONS
from assets.quality.gates import good_days
from resources.config.retailer import Settings, TransactionsConfig
from resources.days import ONE_DAY
from resources.errors import FeedMissing, FeedRefused, Refused, Unavailable
from resources.feeds.files import ColumnsMissing, FeedFile, name_of
from resources.feeds.lines import header_of, rows_of
from resources.feeds.sources import changed_at
from resources.records.feeds import Delivery
from resources.records.store import OperationsDatabase
from resources.tables.engine import count_values
from resources.text import listed

if TYPE_CHECKING:
    import ibis

    from assets.grocery.ingestion.cleaning import Cleaned
    from resources.feeds.reader import FeedReader

LOOKED_BACK = 7 * ONE_DAY  # for lines and files that came after the night of their day
ALIKE = 0.6  # difflib's own measure of a close match, from which a new name is taken for the old one
# Types that read as the same identifier or amount: a program that meets a gap in whole numbers writes decimals.
SAME = {"integer": "number"}


def columns_changed(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """What is different in a file's columns (types by name, in the file's order), a phrase a change.

    A column that is gone was renamed when a new one stands in its place, or has a name like it, and the same type.
    """
    gone, new = [name for name in before if name not in now], [name for name in now if name not in before]
    places = {name: place for place, name in enumerate(before)}, {name: place for place, name in enumerate(now)}
    phrases = []
    for name in gone:
        alike = [other for other in new if now[other] == before[name]]
        in_its_place = [other for other in alike if places[1][other] == places[0][name] and len(now) == len(before)]
        renamed = in_its_place or difflib.get_close_matches(name, alike, n=1, cutoff=ALIKE)
        if renamed:
            new.remove(renamed[0])
            phrases.append(f"{name} is called {renamed[0]}")
        else:
            phrases.append(f"{name} is gone")
    phrases += [f"{name} is new" for name in new]
    phrases += [
        f"{name} is {kind} and was {before[name]}" for name, kind in now.items() if before.get(name, kind) != kind
    ]
    return phrases


def _day_of(good: Delivery) -> str:
    """The day that others are compared with, in words."""
    return f"{good.business_date}, the last good day"


def new_columns(came: Iterable[Delivery], before: Iterable[Delivery]) -> list[str]:
    """Which columns none of the deliveries `before` had, in a sentence; none where nothing came before."""
    known = {name for delivery in before for name in delivery.columns}
    new: dict[str, dt.date] = {}
    for now in sorted(came, key=lambda delivery: delivery.business_date):
        for name in now.columns.keys() - known:
            new.setdefault(name, now.business_date)
    if not known or not new:
        return []
    return [
        f"No delivery before had the columns {listed([f'{name} (of {day})' for name, day in sorted(new.items())])}. They are not "
        "read: if they say that lines are no purchases, or of another currency, name them in `unless` or `columns.currency` of "
        "[transactions], and take the days in again."
    ]


def distinct_lines(delivered: ibis.Table, feed: TransactionsConfig, *, timezone: str, day: dt.date) -> Counter[dt.date]:
    """How many distinct lines files of many days have of `day`, and of each day of the week before it."""
    import ibis

    lines = cleaning.purchases(cleaning.standardise(delivered, feed, timezone=timezone))
    near = lines.filter(lines.occurred_at.between(day - LOOKED_BACK - ONE_DAY, day + 2 * ONE_DAY))
    near = near.filter(near.file_date.isnull() & near.local_date.between(day - LOOKED_BACK, day))
    line = near.select("business_date", line=ibis.struct({name: near[name] for name in LINE}).hash())
    return count_values(line.distinct().business_date)


def late_lines(
    distinct: Mapping[dt.date, int], files: Sequence[FeedFile], operations: OperationsDatabase, *, day: dt.date
) -> list[str]:
    """Of which days before `day` files of many days have more lines than when these were taken in, in a sentence."""
    late, names = {}, {file.name for file in files}
    for before in sorted(distinct.keys() - {day}):
        newest = operations.records(Delivery, business_date=before, last=1)
        known = newest[0].distinct_lines if newest and newest[0].files.keys() <= names else 0
        if known and distinct[before] > known:
            late[before] = f"{distinct[before] - known:,} of {before}"
    return _not_taken_in("Lines", late)


def late_files(feeds: FeedReader, settings: Settings, operations: OperationsDatabase, *, day: dt.date) -> list[str]:
    """Which files came, or were replaced, after their day of the week before `day` was taken in, in a sentence."""
    feed, late = settings.transactions, {}
    if feed.query is not None:
        return []
    # What cannot be read is no concern of tonight's: its day is over, and was not made of it. A server is asked no more.
    with contextlib.suppress(Unavailable):
        for before in (day - LOOKED_BACK + n * ONE_DAY for n in range(LOOKED_BACK.days)):
            for delivery in operations.records(Delivery, business_date=before, last=1):
                with contextlib.suppress(OSError, Refused):
                    if names := _younger(delivery, feeds, settings):
                        late[before] = listed(names)
    return _not_taken_in("Files", late)


def _younger(delivery: Delivery, feeds: FeedReader, settings: Settings) -> list[str]:
    """The feed's own files of a day that are younger than its delivery, and not of it."""
    feed, day = settings.transactions, delivery.business_date
    own = {name_of(path): path for path, _ in feeds.locate(feed, days=[day])}
    is_landed = settings.landing is not None and delivery.files.keys().isdisjoint(own)
    is_told = not delivery.files and not settings.is_closed(day)  # that it is no longer closed: `reading`
    if is_told or (delivery.files and is_landed):
        return []
    taken_in_at = delivery.taken_in_at.timestamp()
    young = {name: path for name, path in own.items() if (changed_at(path) or 0) > taken_in_at}
    return [name for name, path in young.items() if feeds.digest(path, day, feed) not in delivery.files.values()]


def _not_taken_in(what: str, late: Mapping[dt.date, str]) -> list[str]:
    if not late:
        return []
    return [
        f"{what} came after the night of their day, and are not taken in: {listed(list(late.values()))}. `nightcart backfill --from "
        f"{min(late)} --to {max(late)} --assets group:ingestion --force` takes them in."
    ]


def lacking(error: ColumnsMissing, good: Delivery | None) -> FeedRefused:
    """The refusal of a file without a needed column, with what changed since the last good day and in how many rows."""
    changes = columns_changed(error.file.columns, good.columns) if good else []
    if not good or not changes:
        return error
    return FeedRefused(
        f"{error.message.split('; it has')[0]}: since {_day_of(good)}, {listed(changes)}, in all {error.rows:,} rows.",
        remedy=error.remedy,
    )


def refuse_other_types(files: Sequence[FeedFile], feed: TransactionsConfig, good: Delivery | None) -> None:
    """Raise :class:`FeedRefused` for a file whose columns have other types than the contract says.

    Where it says nothing, columns that tell who, what or when must have the type of the last good day: as another one
    they would be read as other identifiers, or other times.
    """
    declared, before = feed.contract.columns, good.columns if good else {}
    columns = feed.columns
    telling = [columns.household_id, columns.product_id, *columns.occurred_at]
    telling += [name for name in (columns.basket_id, columns.store_id) if name]
    expected = {name: before[name] for name in telling if name in before} | declared
    for file in files:
        wrong = [
            name for name, kind in expected.items()
            if name in file.columns and not _is_read_alike(file.columns[name], kind)
        ]  # fmt: skip
        if wrong:
            name = wrong[0]
            by = "the contract" if name in declared else _day_of(good) if good else ""
            changed = [f"{name} is {file.columns[name]} and was {expected[name]}" for name in wrong]
            raise FeedRefused(
                f"{file.name} has columns of other types than {by}: {listed(changed)}, in all its rows.",
                remedy="have it delivered as before, or say in [transactions.contract.columns] what their types are now.",
            )


def refuse_cut_off(files: Sequence[FeedFile], feed: TransactionsConfig, good: Delivery | None) -> None:
    """Raise :class:`FeedRefused` for a text whose last line has no end, where the contract or the last good day has one."""
    told = feed.contract.ends_with_newline
    if told is False or not (told or (good and good.is_ended)):
        return
    by = f"the files of {_day_of(good)}, have" if good and not told else "the contract says"
    for file in files:
        if file.is_ended is False:
            row = rows_of(file, feed, header_of(file, feed))
            raise FeedRefused(
                f"{file.name} is truncated: its last line, row {row:,}, has no end, as {by}.",
                remedy="have it delivered again; if it is whole, write ends_with_newline = false into "
                "[transactions.contract] in the configuration.",
            )


def _is_read_alike(kind: str, expected: str) -> bool:
    return SAME.get(kind, kind) == SAME.get(expected, expected)


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """The lines of a day that broke a rule: how many by rule, and one that broke the commonest."""

    by_rule: Mapping[str, int]
    reason: str
    source_file: str
    source_row: int

    def __str__(self) -> str:
        """Most by which rule, and where to look."""
        rule, rows = max(self.by_rule.items(), key=lambda item: item[1])
        most = "all" if len(self.by_rule) == 1 else f"most ({rows:,})"
        return f"{most} by {rule}, such as {self.source_file}, row {self.source_row}: {self.reason}"


def set_aside(quarantine: ibis.Table) -> dict[dt.date | None, SetAside]:
    """What `transactions_quarantine` holds, by day."""
    import ibis

    first = ibis.window(group_by=["business_date", "rule"], order_by=["source_file", "source_row"])
    every = ibis.window(group_by=["business_date", "rule"])
    examples = quarantine.mutate(place=ibis.row_number().over(first), rows=quarantine.count().over(every))
    by_day: dict[dt.date | None, list[dict[str, Any]]] = {}
    for row in examples.filter(examples.place == 0).drop("line").to_pyarrow().to_pylist():
        by_day.setdefault(row["business_date"], []).append(row)
    result = {}
    for day, rows in by_day.items():
        rows.sort(key=lambda row: (-row["rows"], row["rule"]))
        example = {name: rows[0][name] for name in ("reason", "source_file", "source_row")}
        result[day] = SetAside(by_rule={row["rule"]: row["rows"] for row in rows}, **example)
    return result


def compared(now: Delivery | None, good: Delivery | None, *, unseen_stores: Mapping[str, int] | None = None) -> str:
    """What changed since the last good day: its columns, rows, rows set aside, and stores never seen before."""
    if good is None:
        return "there is no good day before it to compare with"
    if now is None:
        return f"{_day_of(good)}, had {good.rows:,} rows"
    changes = columns_changed(now.columns, good.columns)
    changes += [f"{now.rows:,} rows came instead of {good.rows:,}"]
    if now.broken or good.broken:
        changes += [f"{sum(now.broken.values()):,} were set aside instead of {sum(good.broken.values()):,}"]
    if stores := unseen_stores:
        rows = sum(stores.values())
        changes += [f"{rows:,} rows are of stores never seen before ({listed(sorted(stores), 3)})"]
    return f"since {_day_of(good)}, {', '.join(changes)}"


def last_good_delivery(operations: OperationsDatabase, feed: TransactionsConfig, *, before: dt.date) -> Delivery | None:
    """What came on the latest day before `before` that had lines and whose gates all passed."""
    for day in good_days(operations, TRANSACTIONS, expectations(feed), before=before):
        if (newest := operations.records(Delivery, business_date=day, last=1)) and newest[0].rows:
            return newest[0]
    return None


def refuse_days_without_lines(
    cleaned: Cleaned, days: Sequence[dt.date], *, feed_path: str, good: Delivery | None
) -> None:
    """Raise :class:`FeedMissing` for days to which no line came, and :class:`FeedRefused` for those of which none is usable."""
    empty = cleaned.days_without_good_lines(days)
    now = compared(None, good)
    if aside := [day for day, rules in empty.items() if not rules and cleaned.left_out.get(day)]:
        day = aside[0]
        raise FeedRefused(
            f"All {cleaned.left_out[day]:,} lines of {feed_path} for {day} are left out by `where` and `unless`; {now}.",
            remedy="look whether the feed writes other values than before, and correct [transactions] in the configuration.",
        )
    if missing := [day for day, rules in empty.items() if not rules]:
        raise FeedMissing(
            f"{feed_path} has no lines for {listed(missing)}; {now}.",
            remedy="have them delivered, or add the days to `closed_days` in the configuration if the stores were closed.",
        )
    if broken := [day for day, rules in empty.items() if rules]:
        day = broken[0]
        reasons = set_aside(cleaned.quarantine.filter(cleaned.quarantine.business_date == day))[day]
        raise FeedRefused(
            f"No line of {listed(broken)} is usable: of {cleaned.lines[day]:,} rows for {day} a rule was broken in "
            f"{reasons}; {now}.",
            remedy="correct the feed or its contract in the configuration; the lines wait in transactions_quarantine.",
        )


def as_delivered(
    days: Sequence[dt.date],
    files: Sequence[FeedFile],
    cleaned: Cleaned | None,
    contents: Mapping[object, str],
    *,
    distinct: Mapping[dt.date, int] | None = None,
    run_id: str,
) -> list[Delivery]:
    """What came for each of the days, to go on record; `distinct` are as of :func:`distinct_lines`, where they were counted."""
    now, records = dt.datetime.now(dt.UTC), []
    for day in days:
        own = [file for file in files if file.day == day] or [file for file in files if file.day is None]
        records.append(
            Delivery(
                business_date=day,
                files={file.name: file.digest for file in own},
                columns={name: kind for file in own for name, kind in file.columns.items()},
                rows=cleaned.lines.get(day, 0) if cleaned else 0,
                broken={rule: n for (of, rule), n in cleaned.broken.items() if of == day} if cleaned else {},
                content=contents.get(day, Delivery.NO_LINES),
                run_id=run_id,
                taken_in_at=now,
                is_ended=bool(own) and all(file.is_ended for file in own),
                distinct_lines=(distinct or {}).get(day, 0),
            )
        )
    return records
