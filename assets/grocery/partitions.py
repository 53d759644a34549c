"""The business days of the retailer in use, as Dagster partitions.

The one module of the domain that asks the configuration loader: a decorator needs the days before a run exists.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from assets.partitions import daily, days_back
from resources.config.loader import load_settings
from resources.config.retailer import Settings

settings = load_settings()
# A feature reaches as far back as the history does; the lineage shows the last year of it. A champion serves until
# another one is decided on: most nights have none of their own.
HISTORY = days_back(364)
business_days = daily(
    settings.first_business_day,
    settings.last_business_day,
    timezone=settings.timezone,
    ends=settings.transactions.business_day_ends,
)


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
