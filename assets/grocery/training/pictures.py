"""Pictures of what was learnt and how good it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FEATURES_SHOWN = 20


def quality(estimates: Mapping[str, Mapping[str, Sequence[float]]], *, k: int) -> Figure:
    """Each model's metrics (value, low, high) side by side; the last model is the one that is judged."""
    from matplotlib.figure import Figure

    metrics = list(next(iter(estimates.values())))
    figure = Figure(figsize=(9, 0.45 * len(estimates) + 1))
    for axes, metric in zip(figure.subplots(1, len(metrics), sharey=True), metrics, strict=True):
        for place, values in enumerate(estimates.values()):
            value, low, high = values[metric]
            colour = "#c0504d" if place == len(estimates) - 1 else "#1f4e79"
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour)
        axes.set_title(f"{metric}@{k}", fontsize=10, loc="left")
        axes.set_yticks(range(len(estimates)), list(estimates))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.3)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """What the model looks at: the share of its gain that each of the first 20 features brought."""
    from matplotlib.figure import Figure

    first = sorted(shares.items(), key=lambda item: item[1])[-FEATURES_SHOWN:]
    figure = Figure(figsize=(7, 0.25 * len(first) + 0.6))
    axes = figure.subplots()
    axes.barh([name for name, _ in first], [share for _, share in first], color="#1f4e79")
    axes.set_title("share of the gain by feature", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability(curve: pd.DataFrame) -> Figure:
    """What was said against what became of it, in bins of as many scores each; on the diagonal they agree."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4))
    axes = figure.subplots()
    end = float(max(curve["score"].max(), curve["share"].max())) * 1.05
    axes.plot([0, end], [0, end], color="#999999", linewidth=1)
    axes.plot(curve["score"], curve["share"], "o-", color="#1f4e79")
    axes.set_title("bought within seven days", fontsize=10, loc="left")
    axes.set_xlabel("score")
    axes.set_ylabel("share bought")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def slices(compared: Sequence[Mapping[str, Any]]) -> Figure:
    """The paired difference of recall in every slice, with its interval; what is worse by more than chance is red."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.22 * len(compared) + 0.8))
    axes = figure.subplots()
    for place, found in enumerate(reversed(compared)):
        value, low, high = found["difference"]
        colour = "#c0504d" if high < 0 else "#1f4e79"
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour, markersize=4)
    names = [f"{found['value']} ({found['households']:,})" for found in reversed(compared)]
    axes.set_yticks(range(len(compared)), names, fontsize=8)
    axes.axvline(0, color="#999999", linewidth=1)
    axes.set_title("recall, challenger less its opponent, by slice (households)", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
