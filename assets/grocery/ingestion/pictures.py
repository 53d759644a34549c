"""Pictures of what came in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.reporting import new_figure, over_days

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DAYS_SHOWN = 120


def lines_a_day(lines_by_day: Mapping[dt.date | None, int], *, until: dt.date) -> Figure:
    """Lines of each of the last 120 days up to `until`; Sundays are darker, so that a week can be seen."""
    days = [until - dt.timedelta(days=back) for back in range(DAYS_SHOWN - 1, -1, -1)]
    days = [day for day in days if day >= min((d for d in lines_by_day if d), default=until)]
    figure = new_figure(figsize=(9, 2.6))
    axes = figure.subplots()
    colours = ["#1f4e79" if day.weekday() == 6 else "#8fb8de" for day in days]
    axes.bar([*days], [lines_by_day.get(day, 0) for day in days], color=colours, width=0.9)  # pyright: ignore
    axes.set_title("lines a day (Sundays dark)", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    over_days(axes, days)
    return figure
