"""Pictures of how recommendations did, and of what moved since the champion was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resources.records.lifecycle import Signal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLOURS = {Signal.OK: "#1f4e79", Signal.WARN: "#d99a2b", Signal.ERROR: "#c0504d", Signal.UNKNOWN: "#999999"}
COLUMNS_SHOWN = 12


def series(rows: pd.DataFrame, *, k: int) -> Figure:
    """Each metric over time, by horizon, with its interval; `rows` are those of `realised_performance`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.6))
    metrics = sorted(rows["metric"].unique())
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for horizon, colour in (("day", "#8fb8de"), ("week", "#1f4e79")):
            part = rows[(rows["metric"] == metric) & (rows["horizon"] == horizon)].sort_values("business_date")
            axes.plot(part["business_date"], part["value"], marker="o", markersize=3, color=colour, label=horizon)
            axes.fill_between(part["business_date"], part["low"], part["high"], color=colour, alpha=0.25)
        axes.set_title(metric if metric.startswith("explore") else f"{metric}@{k}", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", rotation=45, labelsize=7)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def drift(signals: Sequence[Signal]) -> Figure:
    """What moved, how far, since when: the newest of a watch's `signals`, which are one a night, and those before it.

    How far each column is from what is usual (1 is the limit), the worst one's shares then and now, and how far that
    column was on the nights before.
    """
    from matplotlib.figure import Figure

    newest = signals[-1]
    findings = newest.details["findings"][:COLUMNS_SHOWN]
    figure = Figure(figsize=(13, 0.24 * max(len(findings), 8) + 1))
    far, shares, nights = figure.subplots(1, 3, width_ratios=[1.2, 1, 1.2])
    figure.subplots_adjust(wspace=0.55)
    names = [f"{found['column']} ({found['statistic']})" for found in findings]
    far.barh(names, [max(found["far"], 0) for found in findings], color=[COLOURS[found["level"]] for found in findings])
    far.axvline(1, color="#333333", linewidth=1)
    far.invert_yaxis()
    far.set_title("how far from usual; 1 is the limit", fontsize=10, loc="left")

    worst, values = findings[0], list(newest.details["now"])
    places = range(len(values))
    shares.barh(
        [p - 0.2 for p in places], list(newest.details["was"].values()), height=0.4, color="#999999", label="then"
    )
    shares.barh(
        [p + 0.2 for p in places], list(newest.details["now"].values()), height=0.4, color="#c0504d", label="now"
    )
    shares.set_yticks(list(places), values)
    shares.invert_yaxis()
    shares.legend(frameon=False, fontsize=8)
    shares.set_title(worst["column"], fontsize=10, loc="left")

    same = (worst["column"], worst["statistic"])
    series = {
        one.business_date: found["far"]
        for one in signals
        for found in one.details.get("findings", ())
        if (found["column"], found["statistic"]) == same
    }
    nights.plot(list(series), list(series.values()), "o-", markersize=3, color="#1f4e79")
    nights.axhline(1, color="#333333", linewidth=1)
    nights.set_title(f"{worst['column']} by night", fontsize=10, loc="left")
    nights.tick_params(axis="x", rotation=45)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    return figure
