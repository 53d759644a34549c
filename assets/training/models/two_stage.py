"""The nightly's model: candidates from the household's own history and the best sellers, ranked by LightGBM."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from assets.training.candidates import FEATURES
from assets.training.models.interface import Recommender

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np
    import pandas as pd

RANKER = "ranker.lightgbm.txt"


class TwoStageRanker(Recommender):
    """Gradient-boosted trees that learn whether a household buys a candidate in the next seven days.

    A positive weighs truth_size ** -weight_exponent: .5 makes the loss agree with Recall, in which a hit of a household
    that bought much counts little. It was worth 1.2 % of Recall@10 on the demo.
    """

    title = "two-stage LightGBM"
    features = tuple(FEATURES)

    def __init__(
        self,
        *,
        trees: int = 300,
        learning_rate: float = 0.05,
        leaves: int = 31,
        feature_fraction: float = 0.3,
        min_data_in_leaf: int = 100,
        weight_exponent: float = 0.5,
    ) -> None:
        super().__init__(
            trees=trees,
            learning_rate=learning_rate,
            leaves=leaves,
            feature_fraction=feature_fraction,
            min_data_in_leaf=min_data_in_leaf,
            weight_exponent=weight_exponent,
        )
        self._booster: lgb.Booster | None = None

    @property
    def booster(self) -> lgb.Booster:
        """The fitted trees."""
        if self._booster is None:
            raise RuntimeError("The model is neither fitted nor restored.")
        return self._booster

    def fit(self, examples: pd.DataFrame, *, seed: int) -> None:
        """Learn `label`; the same rows, seed and parameters give the same trees, whatever the number of cores."""
        import lightgbm as lgb
        import numpy as np

        given = self.parameters
        label = examples["label"].to_numpy()
        weight = np.where(label, examples["truth_size"].to_numpy(dtype=float) ** -given["weight_exponent"], 1.0)
        data = lgb.Dataset(self._matrix(examples), label, weight=weight, feature_name=list(self.features))
        settings = {
            "objective": "binary",
            "learning_rate": given["learning_rate"],
            "num_leaves": given["leaves"],
            "feature_fraction": given["feature_fraction"],
            "min_data_in_leaf": given["min_data_in_leaf"],
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": _threads(),
            "verbose": -1,
        }
        self._booster = lgb.train(settings, data, num_boost_round=given["trees"])

    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        """The learnt propensity to buy within seven days, between 0 and 1 (weighted as in training: no probability)."""
        import numpy as np

        return np.asarray(self.booster.predict(self._matrix(candidates), num_threads=_threads()))

    def write(self, folder: Path) -> None:
        # How many cores did it is no part of the model: the same training gives the same files on every machine.
        text = re.sub(r"\[num_threads: \d+\]\n", "", self.booster.model_to_string())
        (folder / RANKER).write_text(text, encoding="utf-8")

    def restore(self, folder: Path) -> None:
        import lightgbm as lgb

        self._booster = lgb.Booster(model_file=folder / RANKER)

    def importance(self) -> Mapping[str, float]:
        gains = self.booster.feature_importance("gain")
        return {name: float(gain / gains.sum()) for name, gain in zip(self.features, gains, strict=True)}

    def _matrix(self, frame: pd.DataFrame) -> np.ndarray:
        import numpy as np

        return frame[list(self.features)].to_numpy(dtype=np.float32)


def _threads() -> int:
    """The cores that this process may use: LightGBM's own guess oversubscribes a container, ten times slower."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
