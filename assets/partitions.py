"""The business days of the retailer in use, as Dagster partitions.

The one module of `assets/` that asks the configuration loader: a decorator needs the days before a run exists.
"""

from __future__ import annotations

import datetime as dt
import warnings

import dagster as dg

from resources.config.loader import load_settings
from resources.config.retailer import Settings

# Beta features of Dagster that are used knowingly; any other is still announced.
for accepted in ("`backfill_policy`", "`pool`", "`freshness_policy`", "`allow_nonexistent_upstream_partitions`"):
    warnings.filterwarnings("ignore", message=f".*{accepted}", category=dg.BetaWarning)

ONE_DAY = dt.timedelta(days=1)

settings = load_settings()
business_days = dg.DailyPartitionsDefinition(
    start_date=settings.first_business_day.isoformat(),
    end_date=(settings.last_business_day + ONE_DAY).isoformat() if settings.last_business_day else None,
    timezone=settings.timezone,
)


def days_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[dt.date]:
    """The business days of a run, in order: one, or those of a range that is made in one run."""
    return [dt.date.fromisoformat(key) for key in context.partition_keys]


def fresh_by(hour: int) -> dg.FreshnessPolicy | None:
    """Made anew between midnight and `hour`, local time, every day; a finished data set is never late."""
    if settings.last_business_day:
        return None
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"0 {hour} * * *", timezone=settings.timezone, lower_bound_delta=dt.timedelta(hours=hour)
    )


def last_day(settings: Settings, *, now: dt.datetime) -> dt.date:
    """The last business day that there can be: the end of a finished data set, else the last day closed by `now`."""
    if settings.last_business_day:
        return settings.last_business_day
    keys = business_days.get_partition_keys(current_time=now)
    return dt.date.fromisoformat(keys[-1]) if keys else settings.first_business_day


def days_back(days: int) -> dg.TimeWindowPartitionMapping:
    """A day depends on itself and the `days` days before it; those before the retailer's first day are left out."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, end_offset=0, allow_nonexistent_upstream_partitions=True)
