"""Business days as Dagster partitions, of any domain; a domain's own days are in its `partitions.py`."""

from __future__ import annotations

import datetime as dt
import warnings

import dagster as dg

from resources.days import ONE_DAY

# Beta features of Dagster that are used knowingly; any other is still announced.
for accepted in ("`backfill_policy`", "`pool`", "`freshness_policy`", "`allow_nonexistent_upstream_partitions`"):
    warnings.filterwarnings("ignore", message=f".*{accepted}", category=dg.BetaWarning)


def daily(
    first_day: dt.date, last_day: dt.date | None, *, timezone: str, ends: dt.time = dt.time()
) -> dg.DailyPartitionsDefinition:
    """A partition a day from `first_day` on, up to and with `last_day` of a finished data set.

    A day is over at `ends`, local time, of the next.
    """
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(),
        end_date=(last_day + ONE_DAY).isoformat() if last_day else None,
        timezone=timezone,
        hour_offset=ends.hour,
        minute_offset=ends.minute,
    )


def days_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[dt.date]:
    """The business days of a run, in order: one, or those of a range that is made in one run."""
    return [dt.date.fromisoformat(key) for key in context.partition_keys]


def days_back(days: int) -> dg.TimeWindowPartitionMapping:
    """A day depends on itself and the `days` days before it; those before the first day are left out."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, end_offset=0, allow_nonexistent_upstream_partitions=True)
