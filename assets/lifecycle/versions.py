"""A version's model, loaded from the registry, and whether it scores as it did when it was registered.

With every version a small golden sample goes on record: made-up examples and their scores (:func:`golden_sample`). A
model that does not give the same scores again (:func:`load_verified`) is not the one that was judged, whatever its
files' digest says: the code that scores, or a library below it, has changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.lifecycle.model import Model
from resources.errors import Refused
from resources.models.registry import BUSINESS_DATE, DIGEST, IDENTITY, TABLE, ModelRecord
from resources.models.version import digest
from resources.provenance import code_version
from resources.records.lifecycle import Registration

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.domain import Lifecycle
    from resources.models.registry import ModelRegistry, ModelVersion

SAMPLE = "frozen_sample.json"
CODE = "nightcart.code"
RECIPE = "nightcart.recipe"  # the tag that has what a fit needs beside its tables, as JSON
ROWS, SUBJECTS = 64, 4
TOLERANCE = 1e-9  # another machine may add the same numbers in another order


def golden_sample(model: Model, examples: pd.DataFrame) -> str:
    """The sample of a model as JSON: rows whose every value is some example's, and no row any subject's; and their scores.

    `examples` have no labels.
    """
    import numpy as np

    random = np.random.default_rng(ROWS)
    numbers = examples.select_dtypes(["number", "bool"]).drop(columns=list(model.keys), errors="ignore")
    columns = {
        str(name): values.to_numpy()[random.integers(len(values), size=ROWS)] for name, values in numbers.items()
    }
    dtypes = {str(name): str(dtype) for name, dtype in numbers.dtypes.items()}
    return json.dumps(
        {
            "dtypes": dtypes,
            "columns": {name: values.tolist() for name, values in columns.items()},
            "scores": model.score(_rows(model, dtypes, columns)).tolist(),
        }
    )


def _rows(model: Model, dtypes: Mapping[str, str], columns: Mapping[str, Any]) -> pd.DataFrame:
    """The sample's rows, as examples of a few made-up subjects."""
    import pandas as pd

    subject, *others = model.keys
    keys = {subject: [f"{subject.removesuffix('_id')} {place % SUBJECTS + 1}" for place in range(ROWS)]}
    keys |= {key: [f"{key.removesuffix('_id')} {place + 1}" for place in range(ROWS)] for key in others}
    return pd.DataFrame(dict(columns)).astype(dict(dtypes)).assign(**keys)


def load(registry: ModelRegistry, version: ModelVersion) -> Model:
    """A version's model; the digest of its files is that on record, and its features are those of this code.

    Raises :class:`resources.errors.Refused` otherwise, and `MadeForOtherFeatures`, which is one, for the latter.
    """
    with registry.files(version) as folder:
        return Model.load(folder)


def load_verified(registry: ModelRegistry, version: ModelVersion) -> Model:
    """A version's model, when it scores its golden sample as it did once; raises :class:`Refused` when it does not."""
    import numpy as np

    model = load(registry, version)
    text = registry.document(version, SAMPLE)
    if text is None:
        raise Refused(
            f"Version {version.version} has no frozen sample on record: it cannot be seen whether it scores as it did.",
            remedy='`nightcart retrain --reason "…"` trains a version that has one.',
        )
    sample = json.loads(text)
    rows = _rows(model, sample["dtypes"], sample["columns"])
    difference = np.abs(model.score(rows) - np.asarray(sample["scores"])).max(initial=0.0)
    if not difference <= TOLERANCE:
        raise Refused(
            f"Version {version.version} does not score its frozen sample as it did: scores differ by up to {difference:.2g}.",
            remedy="look at what has changed in the code or its libraries since; or train and promote a new version.",
        )
    return model


def register(model: Model, day: dt.date, work: Lifecycle, *, made_from: Sequence[Any], **record: Any) -> ModelVersion:
    """Save a model and put it on record; a model with the same files, made from the same, is the same version.

    `record` are further fields of :class:`resources.models.registry.ModelRecord`.
    """
    work.operations.require_newest()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        model.save(folder)
        identity = hashlib.sha256(repr((day, *made_from, digest(folder))).encode()).hexdigest()
        version = work.registry.register(
            folder,
            ModelRecord(
                business_date=day.isoformat(),
                identity=identity,
                inputs=list(model.features),
                parameters={"family": model.family(), **model.parameters, **record.pop("parameters", {})},
                tags={
                    "nightcart.title": model.title,
                    CODE: code_version(),
                    "dagster.run_id": work.run_id,
                    **record.pop("tags", {}),
                },
                description=f"{model.title} of the night of {day}.",
                **record,
            ),
            ask=work.operations.require_newest,
        )
    # Not before it is registered: a run that died between the two finds the version again, and comes here.
    if not work.operations.records(Registration, version=version.version, last=1):
        work.operations.record(registration(version, run_id=work.run_id, now=dt.datetime.now(dt.UTC)))
    return version


def registration(version: ModelVersion, *, run_id: str, now: dt.datetime) -> Registration:
    """What goes on record of a version beside the registry's own: enough to make it a version again."""
    tables = {name.removeprefix(TABLE): int(of) for name, of in version.tags.items() if name.startswith(TABLE)}
    return Registration(
        version=version.version,
        business_date=dt.date.fromisoformat(version.tags[BUSINESS_DATE]),
        title=version.tags.get("nightcart.title", ""),
        identity=version.tags[IDENTITY],
        digest=version.tags[DIGEST],
        tables=tables,
        source=version.source,
        mlflow_run_id=version.run_id,
        tags={name: value for name, value in version.tags.items() if name.startswith("nightcart.")},
        run_id=run_id,
        registered_at=now,
    )
