"""The picture of the quality benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.grocery.evaluation.protocol import TRUTHS, Comparison
from assets.reporting import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def leads(compared: Sequence[Comparison], *, metric: str, k: int) -> Figure:
    """The model's lead over each rival in `metric`, on both truths, with its interval."""
    rivals = list(dict.fromkeys(found.method for found in compared if found.leads))
    figure = new_figure(figsize=(10, 0.32 * len(rivals) + 1), layout="constrained")
    for axes, truth in zip(figure.subplots(1, len(TRUTHS), sharey=True), TRUTHS, strict=True):
        for found in compared:
            if found.truth != truth or not found.leads:
                continue
            place, lead = len(rivals) - 1 - rivals.index(found.method), found.leads[metric]
            axes.errorbar(
                lead.value, place, xerr=[[lead.value - lead.low], [lead.high - lead.value]], fmt="o", color="#1f4e79"
            )
        axes.axvline(0, color="#999999", linewidth=1)
        axes.set_yticks(range(len(rivals)), list(reversed(rivals)))
        axes.set_title(f"lead in {metric}@{k}, {truth}", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.3)
    return figure
