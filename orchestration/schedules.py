"""When things run by themselves. A schedule is named for its job, and says why it skips."""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg

from assets.partitions import ONE_DAY, business_days
from assets.partitions import settings as configured
from assets.training.champions import serving
from orchestration.jobs import night_selection, nightly
from resources.errors import NightcartError
from resources.feeds import FeedReader
from resources.operations import OperationsDatabase
from resources.settings import Settings
from resources.table_store import TableStore

PARTITION_TAG = "dagster/partition"
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.schedule(
    job=nightly,
    cron_schedule=configured.schedule.cron,
    execution_timezone=configured.timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs the business day that has just closed, as soon as its feed is there; tries again at every tick "
    "of the night, and runs a day once. Without the training, once there is a champion: see `retraining_decision`.",
)
def nightly_schedule(
    context: dg.ScheduleEvaluationContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: OperationsDatabase,
) -> dg.RunRequest | dg.SkipReason:
    day = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date() - ONE_DAY
    if not business_days.has_partition_key(day.isoformat()):
        return dg.SkipReason(
            f"{day} is outside {settings.title}'s history, {settings.first_business_day} … "
            f"{settings.last_business_day or 'today'}. A finished data set is played with `nightcart replay`."
        )
    runs = context.instance.get_runs(
        dg.RunsFilter(job_name=nightly.name, tags={PARTITION_TAG: day.isoformat()}), limit=20
    )
    by_status = {run.status: run.run_id[:8] for run in reversed(runs)}
    if dg.DagsterRunStatus.SUCCESS in by_status:
        return dg.SkipReason(f"{day} is done: run {by_status[dg.DagsterRunStatus.SUCCESS]}.")
    if under_way := [by_status[status] for status in UNDER_WAY if status in by_status]:
        return dg.SkipReason(f"{day} is under way: run {under_way[0]}.")
    if dg.DagsterRunStatus.FAILURE in by_status:
        return dg.SkipReason(
            f"{day} failed: run {by_status[dg.DagsterRunStatus.FAILURE]}. Mend what it names, then "
            f"`nightcart nightly --date {day}` goes on where it stopped."
        )
    if why := feed_is_missing(day, settings=settings, feeds=feeds, tables=tables):
        return dg.SkipReason(why)
    champion = serving(operations, day - ONE_DAY, now=dt.datetime.now(dt.UTC))
    selected = night_selection(has_champion=champion is not None).resolve(context.repository_def.asset_graph)
    return dg.RunRequest(
        partition_key=day.isoformat(), run_key=f"{nightly.name}:{day}", asset_selection=sorted(selected)
    )


def feed_is_missing(day: dt.date, *, settings: Settings, feeds: FeedReader, tables: TableStore) -> str | None:
    """Why the night of `day` cannot run yet, or None: a file of the day, or a line of it in the files, is there."""
    from assets.ingestion.cleaning import has_lines, source_columns

    if settings.is_closed(day):
        return None
    feed = settings.transactions
    try:
        if feed.is_dated:
            is_there = bool(feeds.locate(feed, days=[day]))
        else:
            lines, _ = feeds.read(feed, engine=tables.engine, columns=source_columns(feed))
            is_there = has_lines(lines, feed, day, timezone=settings.timezone)
    except NightcartError as error:
        return f"The feed of {day} cannot be read: {error}"
    return None if is_there else f"The feed of {day} is not there yet ({' or '.join(feed.path)})."
