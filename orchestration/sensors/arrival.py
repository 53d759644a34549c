"""`ingest_on_arrival`: new files in the landing place are taken in, and run their night."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import dagster as dg

from assets.grocery.partitions import business_days, last_day
from assets.grocery.tables import TRANSACTIONS
from assets.grocery.training.examples import first_night
from orchestration.alerting.heartbeat import beating
from orchestration.arrival.arrivals import (
    ARRIVAL_TAG,
    Attempt,
    Cursor,
    Known,
    Receiver,
    Step,
    changed_days,
    digest_of,
    plan,
    with_closed_days,
)
from orchestration.environment import SENSOR_STATUS
from orchestration.jobs import ingestion, nightly
from orchestration.runs.nights import ARRIVAL_SENSOR, days_under_way, night_request, nights_done
from orchestration.runs.outcomes import PARTITION_TAG
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.records.feeds import Arrival, Delivery
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed


@dg.sensor(
    name=ARRIVAL_SENSOR,
    jobs=[nightly, ingestion],
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
    description="Looks at the landing place: a new day whose files are complete has its night, a late or corrected file "
    "of an old day is taken in again, and the same file twice is nothing. A file that cannot be used is set aside, with "
    "the reason on record, and the next one is taken. The cursor may be deleted at any time.",
)
@beating
def ingest_on_arrival(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.SensorResult | dg.SkipReason:
    return _looked(context, settings, feeds, tables, operations, now=dt.datetime.now(dt.UTC))


def _looked(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    feeds: FeedReader,
    tables: TableStore,
    operations: OperationsDatabase,
    *,
    now: dt.datetime,
) -> dg.SensorResult | dg.SkipReason:
    """One look at the landing place at `now`: what is new is put on record, what is to be run is asked for."""
    if settings.landing is None:
        return dg.SkipReason(f"{settings.title} has no [landing] in its configuration: nothing arrives by itself.")
    receiver = Receiver(
        settings=settings,
        place=settings.landing,
        feeds=feeds,
        tables=tables,
        operations=operations,
        now=now,
        last_closed=last_day(settings, now=now),
        say=context.log.info,
    )
    stock = receiver.take_stock(Cursor.of(context.cursor))
    context.update_cursor(stock.cursor.as_json())
    files = {day: of_day for day, of_day in stock.files.items() if business_days.has_partition_key(day.isoformat())}
    if not files:
        return dg.SkipReason(f"No complete file at {settings.landing.path}.")
    deliveries = operations.records(Delivery)
    taken_in = {delivery.business_date for delivery in deliveries} | set(filter(None, tables.rows_by_day(TRANSACTIONS)))
    arrived = with_closed_days({day: digest_of(of_day) for day, of_day in files.items()}, settings, taken_in)
    known = Known(
        taken_in=taken_in,
        nights=nights_done(context.instance),
        under_way=days_under_way(context.instance),
        first_night=first_night(settings.first_business_day, holdout=settings.model.holdout_weeks),
        attempts=lambda day, job, digest: _attempts(context.instance, day, job, digest),
    )
    steps = plan(arrived, changed_days(arrived, files, operations), known, now=now)
    for step in steps:
        if step.is_given_up:
            _give_up(step, files.get(step.day, {}), operations, now=now)
    requests = [_request(step, context, operations, now=now) for step in steps if step.job]
    if requests:
        return dg.SensorResult(run_requests=requests)
    waiting = [f"{step.day}: {step.why}" for step in steps]
    return dg.SkipReason(listed(waiting) if waiting else "Every file that has arrived is taken in.")


def _attempts(instance: dg.DagsterInstance, day: dt.date, job: str, digest: str) -> list[Attempt]:
    """The runs that were launched for the files of a day, the newest first."""
    tags = {ARRIVAL_TAG: digest[:16], PARTITION_TAG: day.isoformat()}
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags), limit=20)
    return [
        Attempt(
            status=record.dagster_run.status,
            ended_at=dt.datetime.fromtimestamp(record.end_time, dt.UTC) if record.end_time else record.update_timestamp,
        )
        for record in records
    ]


def _request(
    step: Step, context: dg.SensorEvaluationContext, operations: OperationsDatabase, *, now: dt.datetime
) -> dg.RunRequest:
    # Attempts have a number and pauses of their own: Dagster must not add to them.
    tags = {ARRIVAL_TAG: step.digest[:16], "dagster/max_retries": "0"}
    if step.job == nightly.name:
        return night_request(
            step.day,
            run_key=step.run_key,
            operations=operations,
            graph=context.repository_def.asset_graph,  # pyright: ignore[reportOptionalMemberAccess]
            now=now,
            tags=tags,
        )
    return dg.RunRequest(job_name=step.job, partition_key=step.day.isoformat(), run_key=step.run_key, tags=tags)


def _give_up(step: Step, paths: Mapping[str, str], operations: OperationsDatabase, *, now: dt.datetime) -> None:
    """Put on record, once, that a person has to look at a day's files; `paths` with their digests."""
    remedy = f"see the failed run, mend what it names, then `nightcart nightly --date {step.day}`"
    for path, digest in paths.items():
        last = operations.records(Arrival, path=path, digest=digest, last=1)
        if last and last[0].outcome != Arrival.GIVEN_UP:
            reason = f"{step.why}: {remedy}"
            operations.record(replace(last[0], outcome=Arrival.GIVEN_UP, reason=reason, seen_at=now))
