"""`ingest_on_arrival`: new files in the landing place are taken in, and run their night. A tick opens no file."""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from assets.grocery.partitions import business_days, last_day
from assets.grocery.tables import TRANSACTIONS
from assets.grocery.training.examples import first_night
from assets.partitions import PARTITION_TAG
from orchestration.alerting.heartbeat import records_heartbeat
from orchestration.arrival.plan import (
    ARRIVAL_TAG,
    Launch,
    Situation,
    Step,
    changed_days,
    fingerprints,
    plan,
    with_closed_days,
)
from orchestration.arrival.receive import ArrivedFile, Cursor, fingerprint_of, take_stock
from orchestration.environment import SENSOR_STATUS
from orchestration.jobs import ingestion, nightly
from orchestration.runs.nights import ARRIVAL_SENSOR, days_under_way, newest_runs, night_request
from resources.config.retailer import Settings
from resources.feeds.landing import pattern_of
from resources.records.feeds import Arrival, Delivery
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed, without_secrets


@dg.sensor(
    name=ARRIVAL_SENSOR,
    jobs=[nightly, ingestion],
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
    description="Looks at the landing place: a new day whose files are complete has its night, a late or corrected file "
    "of an old day is taken in again, and the same file twice is nothing. It looks at names, sizes and times: the run reads "
    "the file, and sets one aside that cannot be used, with the reason on record. The cursor may be deleted at any time.",
)
@records_heartbeat
def ingest_on_arrival(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.SensorResult | dg.SkipReason:
    if settings.landing is None:
        return dg.SkipReason(f"{settings.title} has no [landing] in its configuration: nothing arrives by itself.")
    instance, now = context.instance, dt.datetime.now(dt.UTC)
    stock = take_stock(
        settings,
        settings.landing,
        operations,
        before=Cursor.of(context.cursor),
        now=now,
        last_closed=last_day(settings, now=now),
        say=context.log.info,
    )
    context.update_cursor(stock.cursor.as_json())
    files = {day: of_day for day, of_day in stock.files.items() if business_days.has_partition_key(day.isoformat())}
    if not files:
        return dg.SkipReason(f"No complete file at {without_secrets(pattern_of(settings.landing))}.")
    deliveries = operations.records(Delivery)
    taken_in = {delivery.business_date for delivery in deliveries} | set(filter(None, tables.rows_by_day(TRANSACTIONS)))
    arrived = with_closed_days(fingerprints(files), settings, taken_in)
    known = Situation(
        taken_in=taken_in,
        nights=newest_runs(instance, dg.DagsterRunStatus.SUCCESS),
        under_way=days_under_way(instance),
        first_night=first_night(settings.first_business_day, holdout=settings.model.holdout_weeks),
        launches=lambda day, job, fingerprint: _launches(instance, day, job, fingerprint),
    )
    steps = plan(arrived, changed_days(arrived, files, operations), known, reread=stock.reread, now=now)
    for step in steps:
        if step.is_given_up:
            _give_up(step, files.get(step.day, ()), settings, operations, now=now)
    requests = [_request(step, context, operations, now=now) for step in steps if step.job]
    if requests:
        return dg.SensorResult(run_requests=requests)
    waiting = [f"{step.day}: {step.why}" for step in steps]
    return dg.SkipReason(listed(waiting) if waiting else "Every file that has arrived is taken in.")


def _launches(instance: dg.DagsterInstance, day: dt.date, job: str, fingerprint: str) -> list[Launch]:
    """The runs that were launched for the files of a day, the newest first."""
    tags = {ARRIVAL_TAG: fingerprint[:16], PARTITION_TAG: day.isoformat()}
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags), limit=20)
    return [
        Launch(
            status=record.dagster_run.status,
            ended_at=dt.datetime.fromtimestamp(record.end_time, dt.UTC) if record.end_time else record.update_timestamp,
        )
        for record in records
    ]


def _request(
    step: Step, context: dg.SensorEvaluationContext, operations: OperationsDatabase, *, now: dt.datetime
) -> dg.RunRequest:
    # Attempts have a number and pauses of their own: Dagster must not add to them.
    tags = {ARRIVAL_TAG: step.fingerprint[:16], "dagster/max_retries": "0"}
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


def _give_up(
    step: Step, files: Sequence[ArrivedFile], settings: Settings, operations: OperationsDatabase, *, now: dt.datetime
) -> None:
    """Put on record, once, that a person has to look at a day's files, whether a run has read them or not."""
    reason = f"{step.why}: see the failed run, mend what it names, then `nightcart nightly --date {step.day}`"
    for file in files:
        last = operations.records(Arrival, path=file.path, digest=file.digest or "", last=1)
        if not last or last[0].outcome != Arrival.GIVEN_UP or last[0].stamp not in ("", file.stamp):
            operations.record(
                Arrival(
                    path=file.path,
                    digest=file.digest or "",
                    business_date=step.day,
                    event_id=last[0].event_id if last else f"{settings.name}/{step.day}/{fingerprint_of(file.stamp)}",
                    outcome=Arrival.GIVEN_UP,
                    reason=reason,
                    seen_at=now,
                    stamp=file.stamp,
                )
            )
