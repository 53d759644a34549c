"""What a shop could do without learning anything: the bar that a challenger must clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.grocery.training.models.recommender import Recommender

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Breaks ties, and ranks what the household never bought behind what it did: no purchase count is as small.
TIE = 1e-9


class GlobalTop(Recommender):
    """The month's best sellers, the same for everybody."""

    title = "global top"
    features = ("popularity",)

    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        return candidates["popularity"].to_numpy(dtype=float)


class PersonalTopFrequency(Recommender):
    """What the household bought on most days, then best sellers: P-TopFreq of Li et al., "A Next Basket
    Recommendation Reality Check", TOIS 2023."""

    title = "P-TopFreq"
    features = ("purchases", "popularity")

    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        own = candidates["purchases"].fillna(0).to_numpy(dtype=float)
        return own + TIE * candidates["popularity"].to_numpy(dtype=float)


class DecayedPersonalFrequency(Recommender):
    """The same, a purchase weighing half for every 90 days since: hard to beat on the demo."""

    title = "90-day half-life"
    features = ("decayed_90", "popularity")

    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        own = candidates["decayed_90"].fillna(0).to_numpy(dtype=float)
        return own + TIE * candidates["popularity"].to_numpy(dtype=float)
