"""How lines are read, on record: a setting that was changed since, a kind of lines and a way to write identifiers that are new, are told once."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import datetime as dt
import json
import string
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from assets.grocery.ingestion.filters import MOST_KINDS
from assets.grocery.ingestion.unread import digest, unread
from resources.config.retailer import Settings
from resources.records.feeds import Delivery, Reading
from resources.records.store import OperationsDatabase
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis

    from assets.grocery.ingestion.cleaning import Cleaned
    from resources.config.retailer import TransactionsConfig

# Where the lines are and how they may be packed, and what must hold of them: neither changes what one means.
NO_MEANING = {"path", "url_in", "most_unpacked", "contract"}
WRITTEN = "the writing of "  # and a column: beside those of `where` and `unless`
IDENTIFIERS = ("household_id", "product_id", "store_id")  # a new number of a receipt is none of another's
ANY = string.ascii_lowercase + string.ascii_uppercase + string.digits, "a" * 26 + "A" * 26 + "9" * 10
LONGEST_WAY, SAMPLE_LINES = 20, 50_000
RARE, RAREST = 5.0, 0.5  # percent of the lines: what is rarer is a slip, or somebody's; and so in the first delivery
Kinds = Mapping[tuple[str, str, bool], int]  # as of `Cleaned`


def compared(
    delivered: ibis.Table,
    cleaned: Cleaned,
    settings: Settings,
    operations: OperationsDatabase,
    *,
    days: Collection[dt.date],
    others: Collection[dt.date],
    run_id: str,
) -> tuple[list[Reading], list[str]]:
    """How the lines of `days` are read, to go on record where it is otherwise than before, and what a person should hear of it.

    `others` are the days that are there and were not taken in now.
    """
    before = next(iter(operations.records(Reading, last=1)), None)
    # A total, or a header in the middle, says nothing in most columns, or their names.
    good = delivered.filter(delivered.defect.isnull()).anti_join(cleaned.quarantine, ["source_file", "source_row"])
    columns = unread(good, settings.transactions, before.alike if before else {}, is_one_day=len(days) == 1)
    taken_in = sum(cleaned.lines.values()) - sum(cleaned.broken.values())
    ways = ways_to_write(cleaned.transactions, settings.transactions, total=taken_in, rare=RARE if before else RAREST)
    kinds = {**cleaned.kinds, **ways}
    now = of(settings, kinds, columns.alike, before=before, run_id=run_id)
    says = [*columns.told, *no_longer_closed(settings, operations, taken_in={*others, *days})]
    if not before:
        return [now], says
    is_same = (now.settings, now.kinds, now.alike) == (before.settings, before.kinds, before.alike)
    says = [
        *read_otherwise(now, before, others=others),
        *new_kinds(now, before, kinds),
        *new_ways(now, before, kinds),
        *says,
    ]
    return [now] * (not is_same), says


def of(
    settings: Settings, kinds: Kinds, alike: Mapping[str, str] | None = None, *, before: Reading | None, run_id: str
) -> Reading:
    """What the settings say of a line, and all that its columns have said so far: of `where` and `unless`, and those not read."""
    of_feed = settings.transactions.model_dump(mode="json", exclude=NO_MEANING, exclude_defaults=True)
    if query := of_feed.get("query"):
        of_feed["query"] = digest(query)  # it may have a password in it
    columns = {f"columns.{name}": column for name, column in of_feed.pop("columns").items()}
    says = {**of_feed, **columns, "timezone": settings.timezone, "currency": settings.currency}
    known = {name: set(digests) for name, digests in before.kinds.items()} if before else {}
    for column, said, _ in kinds:
        if known.setdefault(column, {digest(said)}):
            known[column].add(digest(said))
    return Reading(
        settings={name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in says.items()},
        kinds={name: sorted(digests) if len(digests) <= MOST_KINDS else [] for name, digests in sorted(known.items())},
        alike=alike or {},
        run_id=run_id,
        read_at=dt.datetime.now(dt.UTC),
    )


def read_otherwise(now: Reading, before: Reading, *, others: Collection[dt.date]) -> list[str]:
    """What the settings say otherwise, with the command that makes it good for the days `others`, in a sentence."""
    names = sorted(now.settings.keys() | before.settings.keys())
    both = {name: tuple(each.settings.get(name, "not set") for each in (now, before)) for name in names}
    changed = [f"{name} is {new:.200} and was {old:.200}" for name, (new, old) in both.items() if new != old]
    if not changed or not others:
        return []
    return [
        f"Lines are read otherwise than before: {listed(changed)}. The days that are there keep theirs as they were read, so that "
        f"lines at their borders may be lacking, or there twice: `nightcart backfill --from {min(others)} --to {max(others)} "
        "--assets group:ingestion --force` takes them in as the settings are now."
    ]


def new_kinds(now: Reading, before: Reading, kinds: Kinds) -> list[str]:
    """What columns of `where` and `unless` say that they never said before, and what became of such lines, in a sentence."""
    new = [
        f"{column} is {said or 'empty'} in {plural(lines, 'line')}, {'taken in' if counts else 'left out'}"
        for (column, said, counts), lines in sorted(kinds.items())
        if not column.startswith(WRITTEN) and _is_new(column, said, now, before)
    ]
    return [
        f"What no delivery said before: {listed(new)}. If it is not as it should be, correct `where` and `unless` of "
        "[transactions], and take the days in again."
    ] * bool(new)


def ways_to_write(lines: ibis.Table, feed: TransactionsConfig, *, total: int, rare: float) -> Kinds:
    """How the identifiers of `total` good lines are written, by the feed's columns, in percent of a sample; without what is `rare`.

    9 is any digit, a any letter. With nothing beside, for all ways are rare where each identifier is written otherwise.
    """
    columns = {name: column for name in IDENTIFIERS if (column := getattr(feed.columns, name))}
    sample = lines.filter(lines.source_row.hash() % max(total // SAMPLE_LINES, 1) == 0).select(*columns).cache()
    found: dict[tuple[str, str, bool], int] = {}
    for name, column in columns.items():
        written = sample.select(way=sample[name].substr(0, LONGEST_WAY).translate(*ANY)).drop_null()
        ways = written.group_by("way").agg(n=written.count())
        ways = ways.mutate(percent=100 * ways.n / ways.n.sum().over())
        rows = ways.filter(ways.percent >= rare).to_pyarrow().to_pylist()
        ways_of_column = {row["way"]: round(row["percent"]) for row in rows}
        found |= {(WRITTEN + column, way, True): percent for way, percent in ({"": 0} | ways_of_column).items()}
    return found


def new_ways(now: Reading, before: Reading, kinds: Kinds) -> list[str]:
    """Identifiers that are written as in no delivery before, in a sentence."""
    new = [
        f"{column.removeprefix(WRITTEN)} as {said} in {percent}% of lines"
        for (column, said, _), percent in sorted(kinds.items())
        if column.startswith(WRITTEN) and _is_new(column, said, now, before)
    ]
    return [
        f"Written as in no delivery before: {listed(new)} (9 is any digit, a any letter). Who and what is written otherwise counts as "
        "another: if it is the same, have it delivered as before, and take the days in again."
    ] * bool(new)


def _is_new(column: str, said: str, now: Reading, before: Reading) -> bool:
    return bool(now.kinds[column] and before.kinds.get(column)) and digest(said) not in before.kinds[column]


def no_longer_closed(settings: Settings, operations: OperationsDatabase, *, taken_in: Collection[dt.date]) -> list[str]:
    """The days without lines that were declared closed when they were taken in and are not any more, in a sentence."""
    empty = {delivery.business_date for delivery in operations.records(Delivery, content=Delivery.NO_LINES)}
    if not (days := sorted(day for day in empty if day not in taken_in and not settings.is_closed(day))):
        return []
    return [
        f"{listed(days)} has no lines: it was declared closed, and is not any more. "
        f"`nightcart backfill --from {days[0]} --to {days[-1]} --assets group:ingestion --force` takes in what there is."
    ]
