"""The rule by which a challenger becomes champion: pure, so that it can be read and tested without a registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.training.metrics import Estimate, estimate
from assets.training.slices import SliceComparison

if TYPE_CHECKING:
    import pandas as pd

    from resources.settings import Promotion


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The challenger against one opponent on the same lists: the paired difference, and whether it is a win."""

    opponent: str
    difference: Estimate

    @property
    def is_won(self) -> bool:
        """Better by more than chance: the whole interval is above zero. A tie is not a win."""
        return self.difference.low > 0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether to promote, and why, in sentences."""

    is_promoted: bool
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def decide(
    challenger: pd.DataFrame,
    *,
    baselines: Mapping[str, pd.DataFrame],
    champion: tuple[str, pd.DataFrame] | None,
    rule: Promotion,
    seed: int,
    slices: Sequence[SliceComparison] = (),
) -> Decision:
    """Judge the challenger's lists (:func:`assets.training.metrics.by_list`) against the same lists of its opponents.

    It is promoted when it beats every baseline and, if there is one, the champion, in `rule.metric`, by a paired
    bootstrap over households whose interval lies above zero; with fewer than `rule.min_households` nothing is decided.
    `slices` do not decide; what is worse in one of them is said among the reasons.
    """
    households = challenger.index.get_level_values("household_id").nunique()
    if households < rule.min_households:
        reason = f"Not promoted: {households} households in the holdout are too few to judge (at least {rule.min_households})."
        return Decision(is_promoted=False, reasons=(reason,), comparisons=())
    opponents = dict(baselines) | ({champion[0]: champion[1]} if champion else {})
    comparisons = tuple(
        Comparison(
            opponent=name,
            difference=estimate(
                challenger[rule.metric] - lists[rule.metric],
                samples=rule.bootstrap_samples,
                confidence=rule.confidence,
                seed=seed,
            ),
        )
        for name, lists in opponents.items()
    )
    is_promoted = all(comparison.is_won for comparison in comparisons)
    verdict = "Promoted" if is_promoted else "Not promoted"
    summary = f"{verdict}: {rule.metric} over {households:,} households, paired interval of {rule.confidence:.0%}."
    return Decision(
        is_promoted=is_promoted,
        reasons=(summary, *(_says(c) for c in comparisons), *_says_of_slices(slices)),
        comparisons=comparisons,
    )


def best_of(lists: Mapping[str, pd.DataFrame], *, metric: str) -> str:
    """The name of the lists with the highest mean of `metric`."""
    return max(lists, key=lambda name: float(lists[name][metric].mean()))


def _says(comparison: Comparison) -> str:
    outcome = "beats" if comparison.is_won else "does not beat"
    d = comparison.difference
    return f"{outcome} {comparison.opponent} by {d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}]"


def _says_of_slices(slices: Sequence[SliceComparison]) -> list[str]:
    worse = [found for found in slices if found.is_worse]
    if slices and not worse:
        return [f"worse in none of {len(slices)} slices by history, department and weekday"]
    return [
        f"worse in {found.slice} {found.value} by {found.difference.value:+.4f} "
        f"[{found.difference.low:+.4f}, {found.difference.high:+.4f}] over {found.households:,} households"
        for found in worse
    ]
