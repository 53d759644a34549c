"""A version's model, loaded from the registry, and whether it scores as it did when it was registered.

With every version a small frozen sample goes on record: made-up candidates and what the model said of them (:func:`frozen`). A model that does not say the same of them again (:func:`sound`) is not the one that was judged, whatever
its files' digest says: the code that scores, or a library below it, has changed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assets.grocery.training.label_weeks import LABELS
from resources.errors import Refused
from resources.models.registry import BUSINESS_DATE, DIGEST, IDENTITY, TABLE
from resources.records.lifecycle import Registration

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.model import Recommender
    from resources.models.registry import ModelRegistry, ModelVersion

SAMPLE = "frozen_sample.json"
ROWS, HOUSEHOLDS = 64, 4
TOLERANCE = 1e-9  # another machine may add the same numbers in another order


def frozen(recommender: Recommender, candidates: pd.DataFrame) -> str:
    """The sample of a model as JSON: rows whose every value is some candidate's, and no row any household's; and their scores."""
    import numpy as np

    random = np.random.default_rng(ROWS)
    numbers = candidates.select_dtypes(["number", "bool"]).drop(columns=set(LABELS) - {"is_repeat"}, errors="ignore")
    columns = {
        str(name): values.to_numpy()[random.integers(len(values), size=ROWS)] for name, values in numbers.items()
    }
    rows = _rows({name: str(dtype) for name, dtype in numbers.dtypes.items()}, columns)
    return json.dumps(
        {
            "dtypes": {name: str(dtype) for name, dtype in numbers.dtypes.items()},
            "columns": {name: values.tolist() for name, values in columns.items()},
            "scores": recommender.score(rows).tolist(),
        }
    )


def _rows(dtypes: Mapping[str, str], columns: Mapping[str, Any]) -> pd.DataFrame:
    """The sample's rows, as candidates of a few made-up households."""
    import pandas as pd

    places = range(ROWS)
    return (
        pd.DataFrame(dict(columns))
        .astype(dict(dtypes))
        .assign(
            household_id=[f"household {place % HOUSEHOLDS + 1}" for place in places],
            product_id=[f"product {place + 1}" for place in places],
        )
    )


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


def load(registry: ModelRegistry, version: ModelVersion) -> Recommender:
    """A version's model; the digest of its files is that on record, and its features are those of this code.

    Raises :class:`resources.errors.Refused` otherwise, and `MadeForOtherFeatures`, which is one, for the latter.
    """
    from assets.lifecycle.model import Recommender

    with registry.files(version) as folder:
        return Recommender.load(folder)


def sound(registry: ModelRegistry, version: ModelVersion) -> Recommender:
    """A version's model, when it scores its frozen sample as it did once; raises :class:`Refused` when it does not."""
    import numpy as np

    recommender = load(registry, version)
    text = registry.document(version, SAMPLE)
    if text is None:
        raise Refused(
            f"Version {version.version} has no frozen sample on record: it cannot be seen whether it scores as it did.",
            remedy='`nightcart retrain --reason "…"` trains a version that has one.',
        )
    sample = json.loads(text)
    rows = _rows(sample["dtypes"], sample["columns"])
    difference = np.abs(recommender.score(rows) - np.asarray(sample["scores"])).max(initial=0.0)
    if not difference <= TOLERANCE:
        raise Refused(
            f"Version {version.version} does not score its frozen sample as it did: scores differ by up to {difference:.2g}.",
            remedy="look at what has changed in the code or its libraries since; or train and promote a new version.",
        )
    return recommender
