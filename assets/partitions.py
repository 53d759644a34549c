"""Business days as Dagster partitions, of any domain; a domain's own days are in its `partitions.py`."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping

import dagster as dg

from resources.days import ONE_DAY

PARTITION_TAG = "dagster/partition"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")

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


def first_and_last(tags: Mapping[str, str]) -> tuple[dt.date, dt.date] | None:
    """The first and the last business day of a run, by its tags; None where they have none."""
    try:
        first, last = (dt.date.fromisoformat(tags.get(tag, tags.get(PARTITION_TAG, ""))) for tag in RANGE_TAGS)
    except ValueError:
        return None
    return first, last


def days_back(days: int) -> dg.TimeWindowPartitionMapping:
    """A day depends on itself and the `days` days before it; those before the first day are left out."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, end_offset=0, allow_nonexistent_upstream_partitions=True)
