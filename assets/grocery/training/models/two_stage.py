"""The nightly's model: candidates from the household's history and its needs, ranked by LightGBM, calibrated."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportArgumentType=false

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import FEATURES
from assets.grocery.training.models.calibration import Calibration
from assets.grocery.training.models.recommender import Recommender

if TYPE_CHECKING:
    import lightgbm as lgb
    import numpy as np
    import pandas as pd

UNSEEN_FOLD = 0  # of households: on its own examples a ranker is too sure of itself, by a sixth on the demo
LEAST_UNSEEN = 100  # purchases among them, for a calibration to stand on
LEAST_LEAVES = 7
LEARNT = ("label", "label_next", "truth_size", "next_size")  # of an example, beside its features
BLOCK = 200_000  # candidates that are scored at a time
RANKER, CALIBRATION = "ranker.lightgbm.txt", "calibration.json"


class TwoStageRanker(Recommender):
    """Gradient-boosted trees that learn what a household buys in the next seven days, and in the next basket.

    One model learns both at once: its target lies between the label of the week and that of the next basket
    (`next_share` is the part of the second), with cross-entropy for targets between 0 and 1. A positive weighs its truth's size **
    -weight_exponent: .5 makes the loss agree with Recall, in which a hit of a household that bought much counts little.
    `negatives` is the share of the products not bought that is learnt from, at a weight that makes up for the rest.
    A tree has at most `leaves`, and one for every `purchases_a_leaf` that there are to learn from: a small shop's trees
    are small, because large ones would learn its households by heart.
    The scores are probabilities of the week: see :class:`assets.grocery.training.models.calibration.Calibration`.
    """

    title = "two-stage LightGBM"
    features = tuple(FEATURES)
    scores_are_probabilities = True

    def __init__(
        self,
        *,
        trees: int = 450,
        learning_rate: float = 0.04,
        leaves: int = 63,
        purchases_a_leaf: int = 800,
        feature_fraction: float = 0.2,
        min_data_in_leaf: int = 200,
        l2: float = 10.0,
        weight_exponent: float = 0.5,
        next_share: float = 0.5,
        negatives: float = 0.4,
    ) -> None:
        super().__init__(
            trees=trees,
            learning_rate=learning_rate,
            leaves=leaves,
            purchases_a_leaf=purchases_a_leaf,
            feature_fraction=feature_fraction,
            min_data_in_leaf=min_data_in_leaf,
            l2=l2,
            weight_exponent=weight_exponent,
            next_share=next_share,
            negatives=negatives,
        )
        self._booster: lgb.Booster | None = None
        self._calibration: Calibration | None = None

    @property
    def booster(self) -> lgb.Booster:
        """The fitted trees."""
        if self._booster is None:
            raise RuntimeError("The model is neither fitted nor restored.")
        return self._booster

    def fit(self, examples: pd.DataFrame, *, seed: int) -> None:
        """Learn from the households that shopped, then calibrate on a tenth of all, which the trees have not seen.

        The same rows, seed and parameters give the same files, whatever the number of cores.
        """
        import lightgbm as lgb
        import numpy as np

        given = self.parameters
        random = np.random.default_rng(seed)
        label = examples["label"].to_numpy()
        is_unseen = examples["fold"].to_numpy() == UNSEEN_FOLD
        is_drawn = label | (random.random(len(label)) < given["negatives"])
        is_kept = (examples["truth_size"].to_numpy() > 0) & is_drawn & ~is_unseen
        kept = examples[list(LEARNT)][is_kept]
        target, weight = self._target(kept)
        matrix = self._matrix(examples, is_kept)
        data = lgb.Dataset(matrix, target, weight=weight, feature_name=list(self.features))
        del matrix  # the data set lets go of it once it has its own
        settings = {
            "objective": "cross_entropy",
            "learning_rate": given["learning_rate"],
            "num_leaves": self._leaves(purchases=int(kept["label"].sum())),
            "feature_fraction": given["feature_fraction"],
            "min_data_in_leaf": given["min_data_in_leaf"],
            "lambda_l2": given["l2"],
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": _threads(),
            "verbose": -1,
        }
        self._booster = lgb.train(settings, data, num_boost_round=given["trees"])
        # A shop too small to spare a tenth is calibrated on everything: too sure, but of the right order.
        unseen = examples[is_unseen] if label[is_unseen].sum() >= LEAST_UNSEEN else examples
        self._calibration = Calibration.fitted(self._raw(unseen), unseen)

    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        """The probability that the household buys the product in the seven days after."""
        if self._calibration is None:
            raise RuntimeError("The model is neither fitted nor restored.")
        return self._calibration.probabilities(self._raw(candidates), candidates)

    def write(self, folder: Path) -> None:
        assert self._calibration is not None
        # How many cores did it is no part of the model: the same training gives the same files on every machine.
        text = re.sub(r"\[num_threads: \d+\]\n", "", self.booster.model_to_string())
        (folder / RANKER).write_text(text, encoding="utf-8")
        (folder / CALIBRATION).write_text(json.dumps(self._calibration.coefficients, indent=2) + "\n")

    def restore(self, folder: Path) -> None:
        import lightgbm as lgb

        self._booster = lgb.Booster(model_file=folder / RANKER)
        self._calibration = Calibration(json.loads((folder / CALIBRATION).read_text()))

    def importance(self) -> Mapping[str, float]:
        gains = self.booster.feature_importance("gain")
        return {name: float(gain / gains.sum()) for name, gain in zip(self.features, gains, strict=True)}

    def contributions(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """In the trees' log-odds: LightGBM's own SHAP values (Lundberg et al. 2018, consistent attribution for trees)."""
        import numpy as np
        import pandas as pd

        added = np.asarray(self.booster.predict(self._matrix(candidates), pred_contrib=True, num_threads=_threads()))
        # The last column is what every candidate begins with.
        return pd.DataFrame(added[:, :-1], columns=list(self.features), index=candidates.index)

    def _leaves(self, *, purchases: int) -> int:
        """The leaves of a tree that learns from so many purchases."""
        allowed = purchases // self.parameters["purchases_a_leaf"]
        return min(self.parameters["leaves"], max(LEAST_LEAVES, allowed))

    def _target(self, examples: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """What is learnt, between 0 and 1, and its weight: the two labels, each with its own weight."""
        import numpy as np

        given = self.parameters
        total, hits = np.zeros(len(examples)), np.zeros(len(examples))
        for label, size, share in (
            ("label", "truth_size", 1 - given["next_share"]),
            ("label_next", "next_size", given["next_share"]),
        ):
            bought = examples[label].to_numpy()
            sizes = np.maximum(examples[size].to_numpy(dtype=float), 1)
            weight = share * np.where(bought, sizes ** -given["weight_exponent"], 1.0)
            total, hits = total + weight, hits + weight * bought
        return hits / total, total * np.where(examples["label"], 1.0, 1 / given["negatives"])

    def _raw(self, frame: pd.DataFrame) -> np.ndarray:
        """What the trees say, between 0 and 1: it ranks, but it is no probability."""
        import numpy as np

        booster, threads = self.booster, _threads()
        blocks = (frame.iloc[start : start + BLOCK] for start in range(0, max(len(frame), 1), BLOCK))
        scores = [np.asarray(booster.predict(self._matrix(block), num_threads=threads)) for block in blocks]
        return np.concatenate(scores)

    def _matrix(self, frame: pd.DataFrame, rows: np.ndarray | None = None) -> np.ndarray:
        """The features of the rows, column by column: a copy, and no second one of the frame."""
        import numpy as np

        count = len(frame) if rows is None else int(rows.sum())
        matrix = np.empty((count, len(self.features)), np.float32)
        for place, name in enumerate(self.features):
            column = frame[name].to_numpy()
            matrix[:, place] = column if rows is None else column[rows]
        return matrix


def _threads() -> int:
    """The cores that this process may use: LightGBM's own guess oversubscribes a container, ten times slower."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
