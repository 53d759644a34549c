"""When things run by themselves. A schedule is named for its job, and says why it skips."""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg

from assets.grocery.partitions import business_days
from assets.grocery.partitions import settings as configured
from orchestration.alerting.heartbeat import records_heartbeat, wake
from orchestration.alerting.job import alerting, why_not_due
from orchestration.environment import SCHEDULE_STATUS
from orchestration.jobs import nightly
from orchestration.runs.nights import is_left_to_arrival, night_request, night_so_far
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.errors import NightcartError
from resources.feeds.reader import FeedReader
from resources.feeds.sources import where
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


@dg.schedule(
    job=nightly,
    cron_schedule=configured.schedule.cron,
    execution_timezone=configured.timezone,
    default_status=SCHEDULE_STATUS,
    description="Runs the business day that has just closed, as soon as its feed is there; tries again at every tick "
    "of the night, and runs a day once. Without the training, once there is a champion: see `retraining_decision`.",
)
@records_heartbeat
def nightly_schedule(
    context: dg.ScheduleEvaluationContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.RunRequest | dg.SkipReason:
    ends = settings.transactions.business_day_ends
    local = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone))
    day = local.date() - (1 if local.time() >= ends else 2) * ONE_DAY
    if not business_days.has_partition_key(day.isoformat()):
        return dg.SkipReason(
            f"{day} is outside {settings.title}'s history, {settings.first_business_day} … "
            f"{settings.last_business_day or 'today'}. A finished data set is played with `nightcart replay`."
        )
    night = night_so_far(context.instance, day)
    if night.done:
        return dg.SkipReason(f"{day} is done: run {night.done[:8]}.")
    if night.under_way:
        return dg.SkipReason(f"{day} is under way: run {night.under_way[:8]}.")
    if is_left_to_arrival(day, settings=settings, operations=operations, now=dt.datetime.now(dt.UTC)):
        return dg.SkipReason(f"Files of {day} are in the landing place: ingest_on_arrival runs its night.")
    if night.failed:
        return dg.SkipReason(
            f"{day} failed: run {night.failed[:8]}. Mend what it names, then `nightcart nightly --date {day}` goes on "
            "where it stopped."
        )
    if why := feed_is_missing(day, settings=settings, feeds=feeds, tables=tables):
        return dg.SkipReason(why)
    return night_request(
        day,
        run_key=f"{nightly.name}:{day}",
        operations=operations,
        graph=context.repository_def.asset_graph,  # pyright: ignore[reportOptionalMemberAccess]
        now=dt.datetime.now(dt.UTC),
    )


@dg.schedule(
    job=alerting,
    cron_schedule="*/5 * * * *",
    default_status=SCHEDULE_STATUS,
    description="Has a look taken at all that may be wrong: missed nights, late feeds, drift, attempts used up, schedules "
    "and sensors that stopped or fail. Skips while nothing can have changed since the last look, for half an hour at most.",
)
def alert_schedule(
    context: dg.ScheduleEvaluationContext,
    settings: dg.ResourceParam[Settings],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.RunRequest | dg.SkipReason:
    now = dt.datetime.now(dt.UTC)
    wake(operations, now=now)
    why = why_not_due(context.instance, settings, operations, now=now)
    return dg.SkipReason(why) if why else dg.RunRequest()


def feed_is_missing(day: dt.date, *, settings: Settings, feeds: FeedReader, tables: TableStore) -> str | None:
    """Why the night of `day` cannot run yet, or None: a file of the day, or a line of it in the files, is there."""
    from assets.grocery.ingestion.cleaning import has_lines, source_columns

    if settings.is_closed(day):
        return None
    feed, landing = settings.transactions, settings.landing
    try:
        located = feeds.locate(feed, days=[day], landing_place=landing)
        if feed.is_dated or any(of for _, of in located):
            is_there = bool(located)
        else:
            lines, _ = feeds.read(feed, engine=tables.engine, columns=source_columns(feed))
            is_there = has_lines(lines, feed, day, timezone=settings.timezone)
    except NightcartError as error:
        return f"The feed of {day} cannot be read: {error}"
    return None if is_there else f"The feed of {day} is not there yet ({where(feed)})."
