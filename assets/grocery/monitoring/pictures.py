"""Pictures of how recommendations did."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportCallIssue=false

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.reporting import new_figure, over_days

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def series(rows: pd.DataFrame, *, k: int) -> Figure:
    """Each metric over time, by horizon, with its interval; `rows` are those of `realised_performance`."""
    figure = new_figure(figsize=(9, 2.6), layout="constrained")
    metrics = sorted(rows["metric"].unique())
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for horizon, colour in (("day", "#8fb8de"), ("week", "#1f4e79")):
            part = rows[(rows["metric"] == metric) & (rows["horizon"] == horizon)].sort_values("business_date")
            axes.plot(part["business_date"], part["value"], marker="o", markersize=3, color=colour, label=horizon)
            axes.fill_between(part["business_date"], part["low"], part["high"], color=colour, alpha=0.25)
        axes.set_title(metric if metric.startswith("explore") else f"{metric}@{k}", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", labelsize=7)
        over_days(axes, rows["business_date"])
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure
