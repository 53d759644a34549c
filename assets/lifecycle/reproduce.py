"""A version made again from what is on record of it, and compared with what was registered."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.lifecycle.model import Model
from assets.lifecycle.promotion import HOLDOUT, TRAINED_ON
from assets.lifecycle.versions import CODE, RECIPE
from resources.errors import Refused
from resources.models.registry import DIGEST, TABLE
from resources.models.version import digest
from resources.provenance import code_version
from resources.records.privacy import Erasure

if TYPE_CHECKING:
    from assets.lifecycle.domain import Lifecycle
    from resources.models.registry import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What became of a version that was made again.

    `changed_files` are those that are not the same byte by byte, `largest_difference` is that of all scores of
    `rows` examples of the version's holdout, and `other_code` says which code made the version, where it is not this.
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


def rebuild(version: ModelVersion, work: Lifecycle, *, from_lines: bool, erasures: Sequence[Erasure] = ()) -> Rebuilt:
    """Train a version again from its record: versions of tables, label windows, family, parameters and seed.

    `from_lines` makes its examples again as well, from their input tables in the versions on record, within today's
    limits; otherwise they are read as they are stored. Raises :class:`Refused` for a version without a record, or whose
    tables' versions are gone; one of `erasures` may be why.
    """
    import numpy as np

    domain, registry = work.domain, work.registry
    if RECIPE not in version.tags:
        raise Refused(
            f"Version {version.version} has no recipe on record.", remedy="choose a version that was trained."
        )
    # The holdout is read as it is stored.
    sources = [table for table in domain.input_tables if from_lines or table == domain.examples_table]
    subject = f"a {domain.keys[0].removesuffix('_id')}"
    _refuse_what_was_erased(version, sources, erasures, subject=subject)
    recipe = json.loads(version.tags[RECIPE])
    windows, holdout_windows = (
        [dt.date.fromisoformat(day) for day in version.parameters[name].split()] for name in (TRAINED_ON, HOLDOUT)
    )
    stored = _version_of(version, domain.examples_table)
    anew = domain.examples_again(windows, lambda table: _version_of(version, table), work) if from_lines else None
    learn_from = domain.examples(windows, work, version=stored) if anew is None else anew
    again = Model.create(recipe["family"], recipe["parameters"])
    work.say(f"Fitting {again.title} on {len(learn_from):,} examples")
    again.fit(learn_from, seed=recipe["seed"])
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
        model = Model.load(registered)
        holdout = domain.holdout(holdout_windows, work, version=stored)
        differences = np.concatenate([np.abs(again.score(part) - model.score(part)) for part in holdout])
    code = version.tags.get(CODE)
    return Rebuilt(
        version=version.version,
        examples=len(learn_from),
        changed_files=changed,
        largest_difference=float(differences.max()),
        rows=len(differences),
        other_code=code if code != code_version() else None,
    )


def _refuse_what_was_erased(
    version: ModelVersion, tables: Sequence[str], erasures: Sequence[Erasure], *, subject: str
) -> None:
    for erasure in erasures:
        for table in tables:
            if _version_of(version, table) < erasure.versions.get(table, 0):
                raise Refused(
                    f"Version {version.version} was trained on version {_version_of(version, table)} of {table}, which is "
                    f"gone: {subject} was forgotten on {erasure.at:%Y-%m-%d} ({erasure.by}: {erasure.reason}), and what "
                    "was older than that with it.",
                    remedy="it cannot be made again; a version that was trained since then can.",
                )


def _version_of(version: ModelVersion, table: str) -> int:
    return int(version.tags[f"{TABLE}{table}"])


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
