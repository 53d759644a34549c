"""Pictures of what was learnt and how good it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
