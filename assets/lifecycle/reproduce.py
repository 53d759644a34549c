"""A version made again from what is on record of it, and compared with what was registered."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.tables import AS_OF, EXAMPLES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.examples import LABEL_DAYS, examples
from assets.grocery.training.label_weeks import in_order, read_examples
from assets.lifecycle.model import Recommender
from assets.lifecycle.promotion import HOLDOUT
from resources.errors import Refused
from resources.models.registry import DIGEST, TABLE, digest
from resources.provenance import code_version
from resources.records.privacy import Erasure
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import pandas as pd

    from resources.config.retailer import RecommenderConfig
    from resources.models.registry import ModelRegistry, ModelVersion

RECIPE = "nightcart.recipe"  # the tag that has what a fit needs beside its tables, as JSON
CODE = "nightcart.code"


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What became of a version that was made again.

    `changed_files` are those that are not the same byte by byte, `largest_difference` is that of all scores of
    `rows` candidates of the version's holdout, and `other_code` says which code made the version, where it is not this.
    """

    version: int
    examples: int
    changed_files: Sequence[str]
    largest_difference: float
    rows: int
    other_code: str | None

    @property
    def is_identical(self) -> bool:
        """The same files and the same scores."""
        return not self.changed_files and self.largest_difference == 0


def rebuild(
    version: ModelVersion,
    *,
    registry: ModelRegistry,
    tables: TableStore,
    model: RecommenderConfig,
    from_lines: bool,
    say: Callable[[str], object],
    erasures: Sequence[Erasure] = (),
) -> Rebuilt:
    """Train a version again from its record: versions of tables, label weeks, family, parameters and seed.

    `from_lines` makes its label weeks again as well, from the lines, catalogue and offers in the versions on record,
    within today's `model` limits; otherwise they are read as they are stored. Raises :class:`Refused` for a version
    without a record, or whose tables' versions are gone; one of `erasures` may be why.
    """
    import numpy as np

    if RECIPE not in version.tags:
        raise Refused(
            f"Version {version.version} has no recipe on record.", remedy="choose a version that was trained."
        )
    _refuse_what_was_erased(version, [TRANSACTIONS] if from_lines else [EXAMPLES], erasures)
    recipe = json.loads(version.tags[RECIPE])
    weeks, holdout_weeks = (
        [dt.date.fromisoformat(day) for day in version.parameters[name].split()]
        for name in ("label_weeks_from_closes", HOLDOUT)
    )
    stored = _version_of(version, EXAMPLES)
    if from_lines:
        learn_from = _from_lines(version, weeks, tables=tables, model=model, say=say)
    else:
        learn_from = read_examples(tables, weeks, is_identified=False, version=stored)
    again = Recommender.create(recipe["family"], recipe["parameters"])
    say(f"Fitting {again.title} on {len(learn_from):,} examples")
    again.fit(learn_from, seed=recipe["seed"])
    holdout = read_examples(tables, holdout_weeks, version=stored)
    with registry.files(version) as registered, tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "model"
        again.save(made)
        names = {
            str(file.relative_to(folder))
            for folder in (registered, made)
            for file in folder.rglob("*")
            if file.is_file()
        }
        changed = (
            []
            if digest(made) == version.tags[DIGEST]
            else [n for n in sorted(names) if _bytes(registered / n) != _bytes(made / n)]
        )
        differences = np.abs(again.score(holdout) - Recommender.load(registered).score(holdout))
    code = version.tags.get(CODE)
    return Rebuilt(
        version=version.version,
        examples=len(learn_from),
        changed_files=changed,
        largest_difference=float(differences.max()),
        rows=len(holdout),
        other_code=code if code != code_version() else None,
    )


def _refuse_what_was_erased(version: ModelVersion, tables: Sequence[str], erasures: Sequence[Erasure]) -> None:
    for erasure in erasures:
        for table in [*tables, EXAMPLES]:  # the holdout is read as it is stored
            if _version_of(version, table) < erasure.versions.get(table, 0):
                raise Refused(
                    f"Version {version.version} was trained on version {_version_of(version, table)} of {table}, which is "
                    f"gone: a household was forgotten on {erasure.at:%Y-%m-%d} ({erasure.by}: {erasure.reason}), and what "
                    "was older than that with it.",
                    remedy="it cannot be made again; a version that was trained since then can.",
                )


def _from_lines(
    version: ModelVersion,
    weeks: Sequence[dt.date],
    *,
    tables: TableStore,
    model: RecommenderConfig,
    say: Callable[[str], object],
) -> pd.DataFrame:
    import ibis

    catalogue = tables.read(PRODUCTS, version=_version_of(version, PRODUCTS)).cache()
    offers = tables.read(OFFERS, version=_version_of(version, OFFERS)).cache()
    with tempfile.TemporaryDirectory() as scratch:
        kept = TableStore(root=scratch)
        for as_of in weeks:
            say(f"Labelling the week after {as_of}")
            end = as_of + dt.timedelta(days=LABEL_DAYS)
            lines = tables.read(TRANSACTIONS, until=end, version=_version_of(version, TRANSACTIONS))
            week = in_order(examples(lines, catalogue, offers, as_of=as_of, model=model))
            kept.replace_days(EXAMPLES, week.mutate(**{AS_OF: ibis.literal(as_of)}), days=[as_of], by=AS_OF)
        return read_examples(kept, weeks, is_identified=False)


def _version_of(version: ModelVersion, table: str) -> int:
    return int(version.tags[f"{TABLE}{table}"])


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
