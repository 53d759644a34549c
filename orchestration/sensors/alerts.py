"""The night watch from within Dagster: at once when a run fails, and on the clock for all that does not announce itself.

Both take the same look (`orchestration.alerting.night_watch`), and so does `nightcart watch` from outside, which sees also when
Dagster's daemon has died.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from orchestration.alerting import heartbeat, night_watch
from orchestration.alerting.night_watch import Watchman
from orchestration.environment import SENSOR_STATUS
from orchestration.runs import hold
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.notifier import Notifier
from resources.records.alerts import Alert
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

# A missed night is told within minutes of its time. Each look is a dozen queries, and a tick on record.
EVERY_SECONDS = 5 * 60


@dg.run_failure_sensor(
    default_status=SENSOR_STATUS,
    description="Tells of a run that failed, and leaves the last good lists published, marked, when it was a night.",
)
def tell_on_failure(
    context: dg.RunFailureSensorContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    registry: dg.ResourceParam[ModelRegistry],
    operations: dg.ResourceParam[OperationsDatabase],
    notifier: dg.ResourceParam[Notifier],
) -> None:
    _look(context, settings, feeds, tables, registry, operations, notifier)


@dg.sensor(
    default_status=SENSOR_STATUS,
    minimum_interval_seconds=EVERY_SECONDS,
    description="Tells of missed nights, drift, attempts used up, and of schedules and sensors that stopped or fail.",
)
def watch_on_the_clock(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    feeds: dg.ResourceParam[FeedReader],
    tables: dg.ResourceParam[TableStore],
    registry: dg.ResourceParam[ModelRegistry],
    operations: dg.ResourceParam[OperationsDatabase],
    notifier: dg.ResourceParam[Notifier],
) -> dg.SkipReason:
    heartbeat.wake(operations, now=dt.datetime.now(dt.UTC))
    hold.close_runs_of_dead_workers(context.instance)
    raised = _look(context, settings, feeds, tables, registry, operations, notifier)
    return dg.SkipReason(" ".join(alert.happened for alert in raised) or "Everything is as it should be.")


def _look(
    context: dg.RunFailureSensorContext | dg.SensorEvaluationContext,
    settings: Settings,
    feeds: FeedReader,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
    notifier: Notifier,
) -> list[Alert]:
    assert context.repository_def
    watchman = Watchman(
        instance=context.instance,
        repository=context.repository_def,
        settings=settings,
        feeds=feeds,
        tables=tables,
        registry=registry,
        operations=operations,
        now=dt.datetime.now(dt.UTC),
    )
    return night_watch.watch(watchman, notifier=notifier)
