"""What each step of each run used: for costs, and so no record that is sealed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar

from resources.metering import Used
from resources.records.base import RecordStore


@dataclass(frozen=True, kw_only=True)
class StepCost(Used):
    """What a step used, or, as :data:`AROUND`, what its process used outside of steps: start-up and orchestration.

    `business_date` is the run's last day; a run of no day has none.
    """

    TABLE: ClassVar = "costs"
    AROUND: ClassVar = "start-up and orchestration"
    NIGHTLY: ClassVar = "nightly"  # the job of nights

    run_id: str
    job: str
    step: str
    business_date: dt.date | None
    ended_at: dt.datetime


class CostStore(RecordStore):
    """Queries on costs."""

    def spent(self, *costs: StepCost) -> None:
        """Note what steps used."""
        with self._writing() as connection:
            connection.execute(self._table(StepCost).insert(), [vars(each) for each in costs])

    def costs(self, *, since: dt.date | None = None, until: dt.date | None = None, **equal: Any) -> list[StepCost]:
        """The costs of business days, of what is `equal` (run_id, job), in the order they were noted."""
        day = self._table(StepCost).c.business_date
        conditions = [*([day >= since] if since else []), *([day <= until] if until else [])]
        with self._engine.connect() as connection:
            return [cost for _, cost in self._read(connection, StepCost, *conditions, **equal)]

    def count_costs(self, *, before: dt.datetime) -> int:
        """How many steps that ended `before` then have costs on record."""
        import sqlalchemy as sa

        table = self._table(StepCost)
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).where(table.c.ended_at < before)) or 0

    def forget_costs(self, *, before: dt.datetime) -> None:
        """Remove the costs of steps that ended `before` then."""
        table = self._table(StepCost)
        with self._writing() as connection:
            connection.execute(table.delete().where(table.c.ended_at < before))

    def nights_with_costs(self, last: int, *, before: dt.date = dt.date.max) -> list[dt.date]:
        """The newest `last` business days `before` a day that have costs of a night, in order."""
        import sqlalchemy as sa

        table = self._table(StepCost)
        day = table.c.business_date
        query = sa.select(day).where(table.c.job == StepCost.NIGHTLY, day < before)
        with self._engine.connect() as connection:
            return sorted(connection.scalars(query.distinct().order_by(day.desc()).limit(last)))
