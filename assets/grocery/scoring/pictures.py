"""Pictures of what is recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.reporting import new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def scores(values: pd.Series, *, k: int) -> Figure:
    """How the scores of the recommended products are distributed."""
    figure = new_figure(figsize=(7, 2.4))
    axes = figure.subplots()
    axes.hist(values, bins=60, color="#1f4e79")
    axes.set_title(f"scores of the top {k}", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
