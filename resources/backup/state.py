"""The parts of a state that must last, and how all of them go into a backup, and from one to where they are used.

A backup is a folder: the files of tables, raw copies and models as they are, each database as an SQLite file, and a
manifest. It is made while nothing runs; what is put on record meanwhile spoils it, and is noticed.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resources.backup import databases
from resources.backup.dagster_storage import DagsterStorage
from resources.backup.files import UNFINISHED, Folder, Manifest, require_whole
from resources.config.deployment import sqlite_url
from resources.errors import Damaged, Refused, Unavailable
from resources.models import mlflow_tables
from resources.models.mlflow_tables import quiet
from resources.parts import FILE, RESTORING, mark_of
from resources.records.marks import Mark
from resources.records.object_stores import ProvenStore
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase

if TYPE_CHECKING:
    import sqlalchemy as sa

RECORDS, MODELS, RUNS = "operations.db", "mlflow.db", "dagster.db"
KEY = "erasure.key"
Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the parts of a state are: folders or URLs of object stores, and URLs of databases, which may hold passwords."""

    tables: str
    raw: str
    models: str
    operations: str = field(repr=False)
    mlflow: str = field(repr=False)
    dagster: DagsterStorage

    @classmethod
    def of_files(cls, folder: Path) -> Places:
        """Those of a state that is in one folder, as it is on a laptop."""
        return cls(
            tables=str(folder / "tables"),
            raw=str(folder / "raw"),
            models=(folder / "mlflow" / "artifacts").as_uri(),
            operations=sqlite_url(folder / RECORDS),
            mlflow=sqlite_url(folder / "mlflow" / MODELS),
            dagster=DagsterStorage(folder=folder / "dagster"),
        )

    @property
    def folders(self) -> dict[str, Folder]:
        """The parts that are files, by their name in a backup."""
        return {"tables": Folder(self.tables), "raw": Folder(self.raw), "models": Folder(self.models)}

    def there_is(self, parts: Iterable[str]) -> list[str]:
        """What is there already of records and some parts; nothing in a place that nobody has used."""
        of_places = (ProvenStore.TABLE, Mark.TABLE)  # of where a state is, whoever's it will be
        records = [entry for entry in OperationsDatabase(url=self.operations).trail() if entry.kind not in of_places]
        return [*(["records"] if records else []), *(part for part in parts if self.folders[part].files())]


def back_up(
    places: Places,
    folder: Folder,
    *,
    retailer: str,
    key: bytes | None,
    versions: Mapping[str, str],
    say: Say,
    but: Collection[str] = (),
) -> Manifest:
    """Copy everything, `but` the files of some parts, into `folder`, which is a backup when this returns, and none before.

    For whoever holds the state, with no run under way. Raises :class:`Unavailable` if something was recorded meanwhile.
    """
    if folder.files() and not folder.has(UNFINISHED):
        raise Refused(
            f"{folder.url or 'The folder that this runs in'} is not empty.", remedy="name a new folder for each backup."
        )
    folder.write(UNFINISHED, b"")
    operations = OperationsDatabase(url=places.operations)
    head, files = operations.audit_head(), {}
    parts = {name: source for name, source in places.folders.items() if name not in but}
    for part, source in parts.items():
        say(f"Copying {part}")
        copied = source.copy_to(folder.below(part), source.files())
        files |= {f"{part}/{name}": content for name, content in copied.items()}
    with tempfile.TemporaryDirectory(prefix="nightcart-backup-") as scratch:
        say("Copying databases")
        rows, revisions = export(places, Path(scratch))
        if key:
            Path(scratch, KEY).write_bytes(key)
        files |= Folder(scratch).copy_to(folder, Folder(scratch).files())
    if operations.audit_head() != head:
        raise Unavailable(
            "Something was put on record while the backup was made: it is none.",
            remedy="see that nothing runs, and run it again.",
        )
    identity = _identity(places.operations)
    manifest = Manifest(
        id=uuid.uuid4().hex,
        made_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        retailer=retailer,
        state=identity,
        head=head,
        has_key=key is not None,
        parts=list(parts),
        models=places.models,
        revisions=revisions,
        versions=versions,
        rows=rows,
        files=files,
    )
    folder.to_disk()
    manifest.write(folder)
    return manifest


def restore(
    folder: Folder,
    manifest: Manifest,
    places: Places,
    *,
    is_told: bool,
    say: Say,
    now: dt.datetime,
    with_runs: bool = True,
) -> list[str]:
    """Put a backup in the place of what is there, and say whom the records there had forgotten since it was made.

    For whoever holds the state, with no run under way; the next marks (`resources.parts`) end it. Killed, it is done again. Raises
    :class:`Refused` where something is there, unless `is_told`, and :class:`Damaged` before anything is changed.
    """
    say("Reading the backup")
    if unknown := set(manifest.parts) - places.folders.keys():
        raise Refused(
            f"{folder.url} has parts that nobody knows: {', '.join(sorted(unknown))}.", remedy="take another backup."
        )
    require_whole(folder, manifest)
    begun = mark_of(places.tables)
    if begun.get(RESTORING) != manifest.id and not is_told and (found := places.there_is(manifest.parts)):
        raise Refused(
            f"The state is not empty: there are {', '.join(found)}.",
            remedy="the same command with `--overwrite` replaces all of it; or name other places: NIGHTCART_HOME, in production the databases and tables.",
        )
    forgotten: dict[str, str] = begun.get("forgotten", {}) | _forgotten(places)
    Folder(places.tables).write(FILE, json.dumps({RESTORING: manifest.id, "forgotten": forgotten}).encode())
    for part in manifest.parts:
        say(f"Bringing {part}")
        target = places.folders[part]
        content = {
            name.removeprefix(f"{part}/"): of for name, of in manifest.files.items() if name.startswith(f"{part}/")
        }
        target.remove(*(set(target.files()) - content.keys()))
        _require_same(target, content, folder.below(part).copy_to(target, content))
        target.to_disk()
    with tempfile.TemporaryDirectory(prefix="nightcart-restore-") as scratch:
        say("Bringing databases")
        content = {name: manifest.files[name] for name in (MODELS, RUNS, RECORDS)}
        _require_same(Folder(scratch), content, folder.copy_to(Folder(scratch), content))
        bring(Path(scratch), places, manifest, with_runs=with_runs)
    operations = OperationsDatabase(url=places.operations)
    if flaws := operations.flaws(head=manifest.head):
        raise Damaged(
            f"The records are not those of the backup: {'; '.join(str(flaw) for flaw in flaws[:5])}.",
            remedy="take another backup.",
        )
    known = {each.household for each in operations.records(Erasure)}
    again = [
        Erasure(household=who, key=of, step=Erasure.ASKED, by="", reason="on record again after a restore", at=now)
        for who, of in forgotten.items()
        if who not in known
    ]
    operations.record(*again)
    return [each.household for each in again]


def export(places: Places, scratch: Path) -> tuple[dict[str, dict[str, int]], dict[str, str | None]]:
    """Copy the databases into files below `scratch`: the rows of each by table, and the migration it is at."""
    if places.mlflow.startswith("http"):
        raise Refused(
            "MLflow is behind a server, whose database is its own.",
            remedy="name that database in MLFLOW_TRACKING_URI for this command.",
        )
    rows, revisions = {}, {}
    _make_records(scratch / RECORDS)
    _make_mlflow(places)
    with databases.opened(places.mlflow) as connection:
        databases.make_file(scratch / MODELS, _models(), databases.revision(connection))
    for name, url, tables in ((RECORDS, places.operations, _records()), (MODELS, places.mlflow, _models())):
        with databases.opened(url) as source, databases.opened(scratch / name) as target:
            revisions[name] = databases.revision(source)
            rows[name] = databases.copy(source, target, tables)
    revisions[RUNS] = places.dagster.version()
    rows[RUNS] = places.dagster.export(scratch / RUNS)
    return rows, revisions


def bring(scratch: Path, places: Places, manifest: Manifest, *, with_runs: bool) -> None:
    """Put the databases of files below `scratch` in the place of those that are there, the records last."""
    models, versions = manifest.models, manifest.versions
    _make_mlflow(places)
    of_models = _models()
    with databases.opened(scratch / MODELS) as source, databases.opened(places.mlflow) as target:
        _require_version("MLflow", databases.revision(source), databases.revision(target), versions)
        databases.empty(target, of_models)
        databases.copy(source, target, of_models)
        forms = {models, models.removeprefix("file://")}
        databases.move_texts(
            target, of_models, dict.fromkeys(sorted(forms), places.models) if models != places.models else {}
        )
    if with_runs:
        with databases.opened(scratch / RUNS) as source:
            _require_version("Dagster", databases.revision(source), places.dagster.version(), versions)
        places.dagster.bring(scratch / RUNS)
    from resources.records import database

    _make_records(scratch / RECORDS)
    with (
        databases.opened(scratch / RECORDS) as source,
        database.writing(database.connected(places.operations)) as target,
    ):
        databases.empty(target, _records())
        databases.copy(source, target, _records())


def _require_version(whose: str, found: str | None, wanted: str | None, versions: Mapping[str, str]) -> None:
    if found != wanted:
        made_by = versions.get(whose.lower())
        raise Refused(
            f"{whose}'s database in the backup was made by {whose} {made_by}, and this version has other tables "
            f"(migration {found}, here {wanted}).",
            remedy=f"install {whose.lower()}=={made_by}, restore, and install this version again: it brings them up to date.",
        )


def _require_same(folder: Folder, wanted: Mapping[str, object], copied: Mapping[str, object]) -> None:
    if wrong := [name for name, of in wanted.items() if copied.get(name) != of]:
        raise Damaged(
            f"{wrong[0]} has other bytes in {folder.url} than in the backup.", remedy="run the same command again."
        )


def _forgotten(places: Places) -> dict[str, str]:
    """Whom the records that are there have forgotten, as hashes, with the key of each."""
    return {each.household: each.key for each in OperationsDatabase(url=places.operations).records(Erasure)}


def _identity(url: str) -> str:
    from resources.records import database
    from resources.records.identity import StateIdentity

    table = database.TABLES[StateIdentity]
    with databases.opened(url) as connection:
        return connection.scalar(table.select().with_only_columns(table.c.identity).limit(1)) or ""


def _records() -> list[sa.Table]:
    from resources.records import database

    return databases.tables_of(database.METADATA)


def _make_records(file: Path) -> None:
    """Make the file's tables, or bring those of an earlier version to the newest migration."""
    from resources.records import database

    database.connected.__wrapped__(sqlite_url(file)).dispose()


def _models() -> list[sa.Table]:
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking.dbmodels import models  # noqa: F401 (it declares them)

    return databases.tables_of(Base.metadata)


def _make_mlflow(places: Places) -> None:
    """MLflow makes its tables where there are none."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if places.mlflow.startswith(sqlite := sqlite_url("")):
        Path(places.mlflow.removeprefix(sqlite)).parent.mkdir(parents=True, exist_ok=True)
    with quiet(), mlflow_tables.opening(places.mlflow):
        SqlAlchemyStore(places.mlflow, places.models).engine.dispose()
