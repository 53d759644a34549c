"""What a model is to the lifecycle: fit, score, save, load. A new family is one class and one line of configuration.

A model scores examples: a frame with the domain's keys and the features that it names. It is saved as files of a native
format beside `model.json`, which says what it is and which definition of the features it was made for; nothing is
pickled. What examples are, and how good a score is, is the domain's to say (`assets.lifecycle.domain`).
"""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from resources.errors import MadeForOtherFeatures, Refused
from resources.models.families import split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

INTERFACE = 1
CARD = "model.json"


class Model(ABC):
    """A family of models. `parameters` are its keyword arguments, as they are recorded with a version.

    A domain's families share `feature_version`, the definition that its features have in this code, and `keys`, the
    identifying columns of what is scored, the subject first.
    """

    title: ClassVar[str]
    features: ClassVar[Sequence[str]]
    feature_version: ClassVar[str]
    keys: ClassVar[Sequence[str]]
    scores_are_probabilities: ClassVar[bool] = False  # of the domain's outcome: evaluated as such

    def __init__(self, **parameters: Any) -> None:
        self.parameters: Mapping[str, Any] = parameters

    def fit(self, examples: pd.DataFrame, *, seed: int) -> None:  # noqa: B027 (a family may have nothing to learn)
        """Learn from labelled examples, in a fixed order of rows: the domain's features and labels, without its keys."""

    @abstractmethod
    def score(self, examples: pd.DataFrame, /) -> np.ndarray:
        """One float64 a row of `examples`, higher is better or more, as the domain's metrics take it."""

    def write(self, folder: Path) -> None:  # noqa: B027
        """Write what was learnt into `folder`, in a native format."""

    def restore(self, folder: Path) -> None:  # noqa: B027
        """Read what :meth:`write` wrote."""

    def importance(self) -> Mapping[str, float]:
        """What the model looks at: shares that sum to 1, by feature; empty for a family that cannot say."""
        return {}

    def contributions(self, examples: pd.DataFrame, /) -> pd.DataFrame | None:
        """What each feature adds to the score of each of `examples`, a column a feature, before any calibration.

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
            "feature_definition": self.feature_version,
        }
        (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")

    @classmethod
    def create(cls, family: str, parameters: Mapping[str, Any] | None = None) -> Model:
        """An unfitted model of a family; raises :class:`Refused` when there is no such class."""
        try:
            return _family(family)(**(parameters or {}))
        except TypeError as error:
            raise Refused(
                f"{family} does not take these parameters: {error}.",
                remedy="correct `parameters` in the configuration.",
            ) from error

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The model that :meth:`save` wrote, of whatever family.

        Raises :class:`Refused` for a model of another interface, or made for other features than today's.
        """
        card = json.loads((folder / CARD).read_text())
        features = _family(card["family"]).feature_version
        if card["interface"] != INTERFACE or card["feature_definition"] != features:
            raise MadeForOtherFeatures(
                f"The model in {folder} was made for interface {card['interface']} and feature definition "
                f"{card['feature_definition']}; this code has {INTERFACE} and {features}.",
                remedy="train a challenger with this code, or score with the code that made the model.",
            )
        model = Model.create(card["family"], card["parameters"])
        model.restore(folder)
        return model


def _family(family: str) -> type[Model]:
    module, name = split(family)
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Refused(
            f"There is no model family {family!r} ({error}).", remedy="correct `family` in the configuration."
        ) from error
