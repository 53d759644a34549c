"""The code that MLflow keeps with a version ("models from code"), so that `mlflow models serve` can score with it.

It loads whatever family `model.json` names; the project has to be installed where it runs.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import mlflow
import mlflow.pyfunc

from resources.models.families import split


class ServedModel(mlflow.pyfunc.PythonModel):  # pyright: ignore[reportPrivateImportUsage]
    """Scores candidates: one number a row, higher is better."""

    def load_context(self, context) -> None:
        folder = Path(context.artifacts["model"])
        module, name = split(json.loads((folder / "model.json").read_text())["family"])
        self.model = getattr(importlib.import_module(module), name).load(folder)

    def predict(self, context, model_input, params=None):
        return self.model.score(model_input)


mlflow.models.set_model(ServedModel())  # pyright: ignore[reportPrivateImportUsage]
