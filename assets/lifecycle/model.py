"""What a model is to the pipeline: fit, score, save, load. A new family is one class and one line of configuration.

A model scores candidates (`assets.grocery.candidates.candidates`): a frame with `household_id`, `product_id` and the features that
it names. Higher is better within a household. It is saved as files of a native format beside `model.json`, which says
what it is and which definition of the features it was made for; nothing is pickled.
"""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from assets.grocery.features import definitions
from resources.errors import MadeForOtherFeatures, Refused

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

INTERFACE = 1
CARD = "model.json"
# Where families lived before: models, recipes and configurations that name them so are still good.
MOVED = {"assets.training.models.": "assets.grocery.training.models."}


class Recommender(ABC):
    """A family of models. `parameters` are its keyword arguments, as they are recorded with a version."""

    title: ClassVar[str]
    features: ClassVar[Sequence[str]]
    scores_are_probabilities: ClassVar[bool] = False  # of being bought in the seven days after: evaluated as such

    def __init__(self, **parameters: Any) -> None:
        self.parameters: Mapping[str, Any] = parameters

    def fit(self, examples: pd.DataFrame, *, seed: int) -> None:  # noqa: B027 (a family may have nothing to learn)
        """Learn from labelled candidates, in a fixed order of rows: the features and the labels of
        :func:`assets.grocery.training.examples.examples`. Where `truth_size` is 0 the household did not shop at all."""

    @abstractmethod
    def score(self, candidates: pd.DataFrame) -> np.ndarray:
        """One float64 a row of `candidates`; a household's products are ranked by it."""

    def write(self, folder: Path) -> None:  # noqa: B027
        """Write what was learnt into `folder`, in a native format."""

    def restore(self, folder: Path) -> None:  # noqa: B027
        """Read what :meth:`write` wrote."""

    def importance(self) -> Mapping[str, float]:
        """What the model looks at: shares that sum to 1, by feature; empty for a family that cannot say."""
        return {}

    def contributions(self, candidates: pd.DataFrame) -> pd.DataFrame | None:
        """What each feature adds to the score of each of `candidates`, a column a feature, before any calibration.

        None for a family that cannot say.
        """
        return None

    @classmethod
    def family(cls) -> str:
        """The import path that the configuration and `model.json` name the class by."""
        return f"{cls.__module__}:{cls.__qualname__}"

    def save(self, folder: Path) -> None:
        """Write the whole model into `folder`, with its card."""
        folder.mkdir(parents=True, exist_ok=True)
        self.write(folder)
        card = {
            "interface": INTERFACE,
            "family": self.family(),
            "parameters": dict(self.parameters),
            "features": list(self.features),
            "feature_definition": definitions.VERSION,
        }
        (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")

    @classmethod
    def create(cls, family: str, parameters: Mapping[str, Any] | None = None) -> Self:
        """An unfitted model of a family; raises :class:`Refused` when there is no such class."""
        for before, now in MOVED.items():
            family = family.replace(before, now, 1) if family.startswith(before) else family
        module, _, name = family.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise Refused(
                f"There is no model family {family!r} ({error}).", remedy="correct `family` in the configuration."
            ) from error
        try:
            return found(**(parameters or {}))
        except TypeError as error:
            raise Refused(
                f"{family} does not take these parameters: {error}.",
                remedy="correct `parameters` in the configuration.",
            ) from error

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """The model that :meth:`save` wrote, of whatever family.

        Raises :class:`Refused` for a model of another interface, or made for other features than today's.
        """
        card = json.loads((folder / CARD).read_text())
        if card["interface"] != INTERFACE or card["feature_definition"] != definitions.VERSION:
            raise MadeForOtherFeatures(
                f"The model in {folder} was made for interface {card['interface']} and feature definition "
                f"{card['feature_definition']}; this code has {INTERFACE} and {definitions.VERSION}.",
                remedy="train a challenger with this code, or score with the code that made the model.",
            )
        model = Recommender.create(card["family"], card["parameters"])
        model.restore(folder)
        return model
