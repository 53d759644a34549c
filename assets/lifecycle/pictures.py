"""Pictures of what was learnt, how good it is, and what moved since the champion was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assets.reporting import new_figure, over_days
from resources.records.lifecycle import Signal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FEATURES_SHOWN = 20
COLOURS = {Signal.OK: "#1f4e79", Signal.WARN: "#d99a2b", Signal.ERROR: "#c0504d", Signal.UNKNOWN: "#999999"}
COLUMNS_SHOWN = 12


def quality(estimates: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Each model's metrics (value, low, high) side by side; the last model is the one that is judged."""
    metrics = list(next(iter(estimates.values())))
    figure = new_figure(figsize=(9, 0.45 * len(estimates) + 1))
    for axes, metric in zip(figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0], metrics, strict=True):
        for place, values in enumerate(estimates.values()):
            value, low, high = values[metric]
            colour = "#c0504d" if place == len(estimates) - 1 else "#1f4e79"
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour)
        axes.set_title(metric, fontsize=10, loc="left")
        axes.set_yticks(range(len(estimates)), list(estimates))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.3)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """What the model looks at: the share of its gain that each of the first 20 features brought."""
    first = sorted(shares.items(), key=lambda item: item[1])[-FEATURES_SHOWN:]
    figure = new_figure(figsize=(7, 0.25 * len(first) + 0.6))
    axes = figure.subplots()
    axes.barh([name for name, _ in first], [share for _, share in first], color="#1f4e79")
    axes.set_title("share of the gain by feature", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability(curve: pd.DataFrame, outcome: str) -> Figure:
    """What was predicted against what became of it (`outcome`), in bins of as many scores each; on the diagonal they agree."""
    figure = new_figure(figsize=(4, 4))
    axes = figure.subplots()
    end = float(max(curve["score"].max(), curve["share"].max())) * 1.05
    axes.plot([0, end], [0, end], color="#999999", linewidth=1)
    axes.plot(curve["score"], curve["share"], "o-", color="#1f4e79")
    axes.set_title(outcome, fontsize=10, loc="left")
    axes.set_xlabel("score")
    axes.set_ylabel("share")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def slices(compared: Sequence[Mapping[str, Any]], *, subjects: str, metric: str) -> Figure:
    """The paired difference of `metric` in every slice, with its interval; what is worse by more than chance is red."""
    figure = new_figure(figsize=(7, 0.22 * len(compared) + 0.8))
    axes = figure.subplots()
    for place, each in enumerate(reversed(compared)):
        value, low, high = each["difference"]
        colour = "#c0504d" if high < 0 else "#1f4e79"
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour, markersize=4)
    names = [f"{each['value']} ({each[subjects]:,})" for each in reversed(compared)]
    axes.set_yticks(range(len(compared)), names, fontsize=8)
    axes.axvline(0, color="#999999", linewidth=1)
    axes.set_title(f"{metric}, challenger less its opponent, by slice ({subjects})", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def drift(signals: Sequence[Signal]) -> Figure:
    """What moved, how far, since when: the newest of a watch's `signals`, which are one a night, and those before it.

    How far each column is from what is usual (1 is the limit), the worst one's shares then and now, and how far that
    column was on the nights before.
    """
    newest = signals[-1]
    findings = newest.details["findings"][:COLUMNS_SHOWN]
    figure = new_figure(figsize=(13, 0.24 * max(len(findings), 8) + 1))
    far, shares, nights = figure.subplots(1, 3, width_ratios=[1.2, 1, 1.2])
    figure.subplots_adjust(wspace=0.55)
    names = [f"{each['column']} ({each['statistic']})" for each in findings]
    far.barh(names, [max(each["far"], 0) for each in findings], color=[COLOURS[each["level"]] for each in findings])
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
        one.business_date: each["far"]
        for one in signals
        for each in one.details.get("findings", ())
        if (each["column"], each["statistic"]) == same
    }
    nights.plot(list(series), list(series.values()), "o-", markersize=3, color="#1f4e79")
    nights.axhline(1, color="#333333", linewidth=1)
    nights.set_title(f"{worst['column']} by night", fontsize=10, loc="left")
    over_days(nights, series)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    return figure
