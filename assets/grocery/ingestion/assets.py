"""The tables that a retailer delivers: `transactions` by business day; `products`, `households`, `offers` as snapshots."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.failures import RETRIES
from assets.grocery.ingestion import catalogue, cleaning, contract, deliveries, in_parts, pictures, reading
from assets.grocery.ingestion import offers as planned
from assets.grocery.ingestion.intake import Intake
from assets.grocery.ingestion.suppressed import without_suppressed
from assets.grocery.partitions import business_days, fresh_by, last_day, settings
from assets.grocery.tables import HOUSEHOLDS, OFFERS, PRODUCTS, QUARANTINE, TABLES, TRANSACTIONS
from assets.partitions import days_of
from assets.privacy.suppression import SuppressionList, suppression_list
from assets.quality.fence import fenced
from assets.reporting import OWNERS, WARNING, columns, picture, report_days, written
from resources import home
from resources.config.retailer import OffersConfig, Settings
from resources.errors import FeedRefused
from resources.feeds.files import FeedFile, as_long_as_sheets, not_read, taken_once, without_lines
from resources.feeds.reader import FeedReader
from resources.feeds.redaction import redact, redact_all
from resources.feeds.sources import where
from resources.models.registry import ModelRegistry
from resources.parts import Parts
from resources.records.feeds import Delivery
from resources.records.store import OperationsDatabase
from resources.tables.engine import combined, content_digest, content_digests
from resources.tables.slices import groups_of_days
from resources.tables.store import Commit, TableStore
from resources.text import listed, plural

if TYPE_CHECKING:
    import ibis

DELIVERIES_COMPARED = 60  # the latest, whose columns are no news
BYTES_A_WRITTEN_LINE = 200  # Delta's writer has all days of a commit open at once, each with its own columns

# Snapshots too are part of a range of days that is made in one run.
DELIVERED: dict[str, Any] = {
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "retry_policy": RETRIES,
    "kinds": {"deltalake", "duckdb"},
    "owners": OWNERS,
}


@dg.asset(
    partitions_def=business_days,
    code_version=cleaning.VERSION,
    metadata={
        "dagster/column_schema": columns(TABLES[TRANSACTIONS]),
        "contract": dg.MetadataValue.md(contract.as_markdown(settings)),
    },
    freshness_policy=fresh_by(6),
    **DELIVERED,
)
@fenced
def transactions(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    registry: dg.ResourceParam[ModelRegistry],
) -> dg.MaterializeResult:
    """Basket lines of a business day in the retailer's time zone, cleaned: the start of everything else.

    From the feed of the configuration, or from the landing place if the day has files there. A line that breaks the
    contract is not here but in the table `transactions_quarantine`, with the rule, the reason and the line as it came;
    the delivered files themselves stay in the raw store. A day, or a range of days in one run, is replaced in one
    commit, a very long range in a few of whole days each: made again, it is the same. A day without lines is refused
    unless the configuration declares it closed; the lines of a day that is declared closed are taken in, and a warning
    says so.
    """
    parts = Parts.of(
        operations=operations,
        tables=tables.root,
        raw=feeds.place,
        registry=registry,
        cursors=context.instance.daemon_cursor_storage,
    )
    parts.begin(is_night=context.run.job_name == "nightly", now=dt.datetime.now(dt.UTC))
    feed, days = settings.transactions, days_of(context)
    open_days = [day for day in days if not settings.is_closed(day)]
    good = deliveries.last_good_delivery(operations, feed, before=days[0])
    intake = Intake(
        settings=settings, feeds=feeds, tables=tables, operations=operations, good=good, say=context.log.info
    )
    suppressed = suppression_list(operations, key=home.erasure_key())
    try:
        return _take_in(context, days, open_days, intake, suppressed)
    finally:  # a day that is refused leaves copies too
        if suppressed:
            redact_all(intake.copied, feed, feed.columns.household_id, suppressed.has)
            feeds.put_back(intake.copied)


def _take_in(
    context: dg.AssetExecutionContext,
    days: Sequence[dt.date],
    open_days: Sequence[dt.date],
    intake: Intake,
    suppressed: SuppressionList,
) -> dg.MaterializeResult:
    settings, feed = intake.settings, intake.settings.transactions
    expected = intake.expected(days)
    if not expected:
        return _closed(context, days, intake.tables, intake.operations)
    delivered, files = intake.of_days(expected)
    told = (taken_once(files), without_lines(files), as_long_as_sheets(files), not_read(files, feed.path))
    for says in itertools.chain(*told):
        context.log.warning(says)
    context.log.info(f"Judging the lines of {listed([file.name for file in files])}")
    with in_parts.cleaned(
        delivered,
        feed,
        timezone=settings.timezone,
        first_day=settings.first_business_day,
        last_day=last_day(settings, now=dt.datetime.now(dt.UTC)),
        since=days[0],
        until=days[-1],
        landed=[file.day for file in files if file.day],
        currency=settings.currency,
    ) as cleaned:
        kept = without_suppressed(cleaned, feed, suppressed)
        return _replaced(context, days, open_days, delivered, files, kept, intake, suppressed)


def _replaced(
    context: dg.AssetExecutionContext,
    days: Sequence[dt.date],
    open_days: Sequence[dt.date],
    delivered: "ibis.Table",
    files: Sequence[FeedFile],
    cleaned: cleaning.Cleaned,
    intake: Intake,
    suppressed: SuppressionList,
) -> dg.MaterializeResult:
    """The days with the cleaned lines instead of those that they had."""
    settings, tables, operations, good = intake.settings, intake.tables, intake.operations, intake.good
    feed = settings.transactions
    cleaned.refuse_unaccounted()
    for says in cleaned.warnings():
        context.log.warning(says)
    # The quarantine first: when a day is refused, its lines can be looked at there.
    quarantine = tables.replace_days(QUARANTINE, cleaned.quarantine, days=days, undated=not feed.is_dated)
    deliveries.refuse_days_without_lines(cleaned, open_days, feed_path=where(feed), good=good)
    unexpected = {day: n for day in days if day not in open_days and (n := cleaned.lines.get(day, 0))}
    warnings = [
        f"{day} is declared closed and has {plural(n, 'line')}: taken in. If the stores were open, take the day out of "
        "`closed_days`; if not, have the lines corrected."
        for day, n in unexpected.items()
    ]
    before = operations.records(Delivery, last=DELIVERIES_COMPARED)
    distinct: Mapping[dt.date, int] = {}
    if len(days) == 1 and feed.is_dated:
        warnings += deliveries.late_files(intake.feeds, settings, operations, day=days[0])
    elif len(days) == 1:
        distinct = deliveries.distinct_lines(delivered, feed, timezone=settings.timezone, day=days[0])
        warnings += deliveries.late_lines(distinct, files, operations, day=days[0])
    context.log.info(f"Writing {sum(cleaned.lines.values()):,} lines of {len(days)} days")
    commit, contents, came = _write(days, files, cleaned, distinct, intake, run_id=context.run.run_id)
    warnings += deliveries.new_columns(came, before)
    others = set(filter(None, commit.rows_by_day)) - set(days)
    changed, says = reading.compared(
        delivered, cleaned, settings, operations, days=days, others=others, run_id=context.run.run_id
    )
    warnings += says
    for warning in warnings:
        context.log.warning(warning)

    report_days(
        context,
        commit,
        days,
        on_last={
            "quarantined_by_rule": {f"{day or 'no day'}: {rule}": n for (day, rule), n in cleaned.broken.items()},
            "source_files": {file.name: file.digest for file in files[:20]},
            "closed_days": [day.isoformat() for day in days if day not in open_days],
            **({WARNING: " ".join(warnings)} if warnings else {}),
            "switched_off": settings.switched_off(),
            "lines_a_day": picture(pictures.lines_a_day(commit.rows_by_day, until=days[-1])),
        },
    )
    operations.record(*changed)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(combined(contents.values())),
        metadata={
            **written(commit, tables),
            "delivered_rows": sum(cleaned.delivered.values()),
            "quarantined_rows": sum(cleaned.broken.values()),
            "left_out_rows": sum(cleaned.left_out.values()),
            "rows_delivered_again": cleaned.delivered_again,
            "quarantine_version": quarantine.version,
            **({"rows_of_forgotten_households": sum(cleaned.erased.values())} if suppressed else {}),
        },
    )


def _write(
    days: Sequence[dt.date],
    files: Sequence[FeedFile],
    cleaned: cleaning.Cleaned,
    distinct: Mapping[dt.date, int],
    intake: Intake,
    *,
    run_id: str,
) -> tuple[Commit, dict[dt.date, str], list[Delivery]]:
    """The last commit of the days, a digest of what each has, and what was delivered of each, which is on record."""
    commit, contents, came = None, {}, []
    groups = groups_of_days(days, cleaned.lines, bytes_a_row=BYTES_A_WRITTEN_LINE)
    for group in groups:
        of_all = cleaned.transactions
        lines = of_all if len(groups) == 1 else of_all.filter(of_all.business_date.between(group[0], group[-1]))
        commit = intake.tables.replace_days(TRANSACTIONS, lines, days=group)
        of_group = content_digests(lines.drop("source_file", "source_row"), by="business_date")
        # After the commit: who reads the table and then this list never takes new lines for old ones.
        of_days = deliveries.as_delivered(group, files, cleaned, of_group, distinct=distinct, run_id=run_id)
        intake.operations.record(*of_days)
        came += of_days
        contents |= of_group
    assert commit
    return commit, contents, came


def _closed(
    context: dg.AssetExecutionContext, days: Sequence[dt.date], tables: TableStore, operations: OperationsDatabase
) -> dg.MaterializeResult:
    """Nothing is expected of days that were declared closed: an empty partition, and a note that says why."""
    commit = tables.replace_days(TRANSACTIONS, cleaning.no_lines(tables.engine), days=days)
    operations.record(*deliveries.as_delivered(days, [], None, {}, run_id=context.run.run_id))
    report_days(context, commit, days)
    return dg.MaterializeResult(
        data_version=dg.DataVersion("closed"),
        metadata={**written(commit, tables), "note": f"No lines expected: {listed(days)} declared closed."},
    )


@dg.asset(
    # Without a catalogue, what was ever sold is one.
    deps=[] if settings.products else [TRANSACTIONS],
    code_version=catalogue.VERSION,
    metadata={"dagster/column_schema": columns(TABLES[PRODUCTS])},
    **DELIVERED,
)
@fenced
def products(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.MaterializeResult:
    """The catalogue as it is tonight, one row a product, and what of it is recommendable.

    From the catalogue file of the configuration, every night. A retailer without a catalogue has every product that
    was ever sold here, called by its identifier.
    """
    repeated = broken = 0
    if settings.products:
        wanted = settings.products.columns
        optional = [getattr(wanted, name) for name in catalogue.OPTIONAL]
        needed = [wanted.product_id, *wanted.name, *filter(None, optional)]
        delivered, _ = feeds.read(settings.products, engine=tables.engine, columns=needed)
        rows, repeated = (
            catalogue.products(delivered, settings.products),
            catalogue.repeated(delivered, wanted.product_id, settings.products),
        )
        broken = catalogue.broken(delivered)
    else:
        rows = catalogue.products_of(tables.read(TRANSACTIONS))
    rows = rows.cache()
    commit = tables.replace(PRODUCTS, rows)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(content_digest(rows)),
        metadata={
            **written(commit, tables),
            "recommendable": int(rows.is_recommendable.sum().execute() or 0),  # pyright: ignore[reportAttributeAccessIssue]
            "repeated_rows_left_out": repeated,
            "broken_lines_left_out": broken,
        },
    )


@dg.asset(code_version=catalogue.VERSION, **DELIVERED)
@fenced
def households(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.MaterializeResult:
    """What is known of households beside their baskets, one row a household, as it is tonight.

    From the household file of the configuration, every night; a household that stands here and never bought gets the
    fallback list. A retailer without such a file has an empty table.
    """
    repeated = broken = 0
    feed, kept, key = settings.households, [], ""
    suppressed = suppression_list(operations, key=home.erasure_key())
    if feed:
        key = feed.columns.household_id
        delivered, kept = feeds.read(feed, engine=tables.engine, columns=[key])
        rows, repeated = catalogue.households(delivered, feed), catalogue.repeated(delivered, key, feed)
        broken = catalogue.broken(delivered)
    else:
        rows = catalogue.no_households(tables.engine)
    rows = rows.cache()
    left_out = suppressed.among(rows, "household_id")
    rows = rows.filter(rows.household_id.notin(left_out)) if left_out else rows
    commit = tables.replace(HOUSEHOLDS, rows)
    if feed and suppressed:
        redact(copies := [file.copy for file in kept], feed, key, suppressed.has)
        feeds.put_back(copies)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(content_digest(rows)),
        metadata={
            **written(commit, tables),
            "repeated_rows_left_out": repeated,
            "broken_lines_left_out": broken,
            **({"rows_of_forgotten_households": len(left_out)} if suppressed else {}),
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, str(type_)) for name, type_ in rows.schema().items()]
            ),
        },
    )


@dg.asset(
    code_version=planned.VERSION,
    metadata={"dagster/column_schema": columns(TABLES[OFFERS])},
    **DELIVERED,
)
@fenced
def offers(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.MaterializeResult:
    """Planned offers, past ones included: which product is on offer from when to when, and in what part of the stores.

    From the offer file of the configuration, every night; while file and settings are the same, the table is left
    alone. Lines without a product or without readable days are left out and counted. A retailer without such a file
    has an empty table.
    """
    feed = settings.offers
    files = feeds.keep(feed) if feed else []
    note = tables.note(OFFERS)
    is_made = note.get("inputs") == planned.inputs_of(feed, [file.digest for file in files])
    if not is_made:
        context.log.info(f"Taking in {listed([file.name for file in files]) if files else 'no file of offers'}")
        note = _take_in_offers(feed, feeds, tables)
    commit = tables.newest(OFFERS)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(content_digest(tables.read(OFFERS))),
        metadata={**written(commit, tables), "is_unchanged": is_made, **note},
    )


def _take_in_offers(feed: OffersConfig | None, feeds: FeedReader, tables: TableStore) -> dict[str, Any]:
    """Replace the table; what is said of it is kept with it, for the nights that leave it alone."""
    if feed is None:
        rows, files, counts = planned.no_offers(tables.engine), [], {}
    else:
        delivered, files = feeds.read(feed, engine=tables.engine, columns=planned.source_columns(feed))
        tally = planned.tally(delivered, feed)
        if tally.lines and tally.lines == sum(tally.broken.values()):
            raise FeedRefused(
                f"No line of {where(feed)} is a usable offer: {dict(tally.broken)}.",
                remedy="correct the feed, or [offers] in the configuration.",
            )
        if tally.excluded_by_config and tally.lines == tally.excluded_by_config + sum(tally.broken.values()):
            raise FeedRefused(
                f"No line of {where(feed)} counts by `where` and `unless` of [offers] any more.",
                remedy="correct their values: the feed may call them otherwise now.",
            )
        rows = planned.offers(delivered, feed).order_by("product_id", "starts_on", "ends_on")
        counts = {
            "lines": tally.lines,
            "lines_left_out": dict(tally.broken),
            "lines_that_do_not_count": tally.excluded_by_config,
        }
    note = {"inputs": planned.inputs_of(feed, [file.digest for file in files]), **counts}
    tables.replace(OFFERS, rows, note=note)
    return note
