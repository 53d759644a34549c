"""What a probe looks at, and the shape of what it finds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from assets.grocery.publication import publication
from assets.grocery.publication.publication import Published
from assets.grocery.publication.served import served_now
from orchestration.alerting.incidents import Incident
from orchestration.runs.dagster_internals import InstigatorState
from orchestration.runs.nights import lost_nights
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

ADAPTERS = ("settings", "feeds", "tables", "registry", "operations")


@dataclass(frozen=True, kw_only=True)
class ProbeContext:
    """One instance and one retailer at one moment; what several probes need of them is read once.

    The fields of :data:`ADAPTERS` are resources, under the names that assets know them by.
    """

    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    settings: Settings
    feeds: FeedReader
    tables: TableStore
    registry: ModelRegistry
    operations: OperationsDatabase
    now: dt.datetime

    @cached_property
    def served(self) -> Published | None:
        """What is served; None before the first good night."""
        return served_now(self.tables)

    @cached_property
    def lost_nights(self) -> dict[dt.date, dg.DagsterRun]:
        """The nights whose last run failed, after the last good one."""
        return lost_nights(self.instance, today=self.today)

    @cached_property
    def today(self) -> dt.date:
        """The day that is not over yet, of the retailer's zone."""
        return self.settings.local_day(self.now)

    @cached_property
    def instigator_states(self) -> Mapping[str, InstigatorState]:
        """Dagster's states of our schedules and sensors, by name."""
        ours = {each.name for each in (*self.repository.schedule_defs, *self.repository.sensor_defs)}
        return {state.name: state for state in self.instance.all_instigator_state() if state.name in ours}

    def incident(
        self,
        key: str,
        kind: str,
        happened: str,
        *,
        command: str,
        night: dt.date | None = None,
        is_event: bool = False,
    ) -> Incident:
        """An incident with what it means for the lists that are served, also when the tables are what has failed."""
        try:
            meaning = publication.standing(self.served, night=night)
        except Exception as error:
            meaning = f"Which lists are published cannot be read: {type(error).__name__}: {error}"
        said = {"happened": happened, "meaning": meaning, "command": command}
        return Incident(key=key, kind=kind, **said, is_event=is_event, night=night)
