"""A state that is copied is the same state: into a backup and back, over another one, to Postgres; and what is no backup is none."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from hypothesis import given
from hypothesis import strategies as st

from orchestration.runs.old_logs import old_logs
from resources.backup import state
from resources.backup.dagster_storage import DagsterStorage
from resources.backup.files import MANIFEST, Folder, Manifest, is_below
from resources.backup.state import Places
from resources.errors import Damaged, Refused, Unavailable
from resources.models.registry import ModelRegistry
from resources.parts import RESTORING, mark_of
from resources.records.privacy import Erasure
from resources.records.store import OperationsDatabase
from tests.resources.records.every_kind import EVERY_KIND
from tests.support.databases import NO_TELEMETRY, lay_out_dagster

NOW = dt.datetime(2024, 5, 7, 12, tzinfo=dt.UTC)
HOW: dict[str, Any] = {"retailer": "corner_shop", "key": None, "versions": {}, "say": lambda _: None}
FILES = ("tables/t/_delta_log/0.json", "tables/t/day=1/a.parquet", "raw/ab/x.csv", "mlflow/artifacts/1/model.json")
BREAD = dg.AssetKey("bread")
SENSOR = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(
        ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="bakery.py")), "bakery"
    ),
    "on_failure",
)


@dg.asset
def bread(context) -> dg.MaterializeResult:
    context.log.info("baked")
    if "fails" in context.run.tags:
        raise dg.Failure("no flour")
    return dg.MaterializeResult(metadata={"loaves": 7})


@dg.asset_check(asset=bread)
def is_fresh() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def bake(instance: dg.DagsterInstance) -> None:
    """Two runs, of which the first fails, and a sensor that has seen that."""
    job = dg.Definitions(assets=[bread], asset_checks=[is_fresh]).resolve_implicit_global_asset_job_def()
    for tags in ({"fails": "yes"}, {}):
        job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    (failed,) = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=9).records
    cursor = RunStatusSensorCursor(record_id=failed.storage_id).to_json()
    seen = InstigatorState(SENSOR, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData(cursor=cursor))
    instance.add_instigator_state(seen)


def told(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What an instance knows, whatever numbers it gives to events."""
    (check,) = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(BREAD, "is_fresh")]
    ).values()
    made = instance.fetch_materializations(BREAD, limit=9).records
    assert check.event
    assert check.event.dagster_event
    evaluation = check.event.dagster_event.asset_check_evaluation_data
    (failed,) = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=9).records
    (sensor,) = instance.all_instigator_state()
    assert isinstance(sensor.instigator_data, SensorInstigatorData)
    assert RunStatusSensorCursor.from_json(sensor.instigator_data.cursor or "").record_id == failed.storage_id
    assert check.id
    runs = instance.get_runs()
    return {
        "runs": [(run.run_id, run.status, run.tags) for run in runs],
        "events": {run.run_id: [entry.to_json() for entry in instance.all_logs(run.run_id)] for run in runs},
        "made": [record.event_log_entry.to_json() for record in made],
        "check": (evaluation.passed, evaluation.check_name),
        "failed": failed.event_log_entry.run_id,
        "cursors": instance.daemon_cursor_storage.get_cursor_values({"k"}),
    }


def opened(places: Places) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(str(places.dagster.folder), overrides=NO_TELEMETRY)


def registry_of(places: Places) -> ModelRegistry:
    return ModelRegistry(name="corner_shop", tracking_uri=places.mlflow, artifacts=places.models)


def empty(folder: Path, empty_mlflow: Path) -> Places:
    """The places of a new machine, where Dagster and MLflow have made their databases."""
    lay_out_dagster(folder / "dagster")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_mlflow, folder / "mlflow" / "mlflow.db")
    return Places.of_files(folder)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Places:
    """A small state with something in every part, and a backup of it."""
    folder = tmp_path_factory.mktemp("filled")
    places = empty(folder, empty_mlflow)
    for file in FILES:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file, encoding="utf-8")
    OperationsDatabase(url=places.operations).record(*EVERY_KIND)
    registry_of(places).set_mark(7)
    with opened(places) as instance:
        bake(instance)
        instance.daemon_cursor_storage.set_cursor_values({"k": "v"})
    state.back_up(places, Folder(str(folder / "backup")), **HOW)
    return places


@pytest.fixture
def backup(filled: Places, tmp_path: Path) -> Folder:
    """A backup of its own for each test."""
    shutil.copytree(Path(filled.tables).parent / "backup", tmp_path / "backup")
    return Folder(str(tmp_path / "backup"))


@pytest.fixture
def machine(tmp_path: Path, empty_mlflow: Path) -> Places:
    return empty(tmp_path / "machine", empty_mlflow)


def bring(backup: Folder, places: Places, *, is_told: bool = False) -> list[str]:
    manifest = Manifest.read(backup)
    return state.restore(backup, manifest, places, is_told=is_told, say=lambda _: None, now=NOW)


def require_same(places: Places, filled: Places) -> None:
    for part, folder in filled.folders.items():
        names = folder.files()
        assert names
        assert dict(places.folders[part].contents(places.folders[part].files())) == dict(folder.contents(names))
    records, before = (OperationsDatabase(url=each.operations) for each in (places, filled))
    assert records.audit_head() == before.audit_head()
    assert records.flaws() == []
    assert registry_of(places).mark() == 7
    with opened(places) as instance, opened(filled) as old:
        assert told(instance) == told(old)


def test_a_backup_is_brought_to_an_empty_machine(backup: Folder, machine: Places, filled: Places) -> None:
    assert bring(backup, machine) == []
    assert RESTORING in mark_of(machine.tables)
    require_same(machine, filled)
    with sa.create_engine(machine.mlflow).connect() as connection:
        places = connection.execute(sa.text("SELECT artifact_location FROM experiments WHERE name = 'corner_shop'"))
        assert places.scalars().all() == [machine.models]
    # And on from there.
    OperationsDatabase(url=machine.operations).record(EVERY_KIND[0])
    with opened(machine) as instance:
        dg.materialize([bread], instance=instance)
        assert len(instance.fetch_materializations(BREAD, limit=9).records) == 2


def test_what_is_there_is_replaced_when_told(backup: Folder, machine: Places, filled: Places) -> None:
    gone = Erasure(household="f" * 64, key="k", step=Erasure.DONE, by="ann", reason="", at=NOW)
    OperationsDatabase(url=machine.operations).record(gone)
    for part in machine.folders.values():
        part.write("left over", b"")
    with pytest.raises(Refused, match=r"not empty: there are records, tables, raw, models.*--overwrite"):
        bring(backup, machine)
    assert bring(backup, machine, is_told=True) == [gone.household]
    records = OperationsDatabase(url=machine.operations)
    assert [each.step for each in records.records(Erasure, household=gone.household)] == [Erasure.ASKED]
    assert records.flaws(head=Manifest.read(backup).head) == []
    assert [folder.has("left over") for folder in machine.folders.values()] == [False] * 3


@pytest.mark.parametrize("dies_at", ["models", "records"])
def test_a_killed_restore_is_done_again(
    backup: Folder, machine: Places, filled: Places, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    gone = Erasure(household="f" * 64, key="k", step=Erasure.DONE, by="ann", reason="", at=NOW)
    OperationsDatabase(url=machine.operations).record(gone)

    def die(line: str) -> None:
        if dies_at in line:
            raise KeyboardInterrupt

    manifest = Manifest.read(backup)
    with monkeypatch.context() as patched:
        if dies_at == "records":
            patched.setattr(OperationsDatabase, "flaws", lambda _, head: die("records"))
        with pytest.raises(KeyboardInterrupt):
            state.restore(backup, manifest, machine, is_told=True, say=die, now=NOW)
    assert RESTORING in mark_of(machine.tables)
    assert bring(backup, machine) == [
        gone.household
    ]  # who was forgotten is remembered, and nobody has to be told again


@pytest.mark.parametrize("file", ["operations.db", "tables/t/day=1/a.parquet", "models/1/model.json"])
def test_a_damaged_backup_changes_nothing(backup: Folder, machine: Places, file: str) -> None:
    path = Path(backup.url, file)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=f"{file} has other bytes"):
        bring(backup, machine)
    path.unlink()
    with pytest.raises(Damaged, match=f"{file} is gone"):
        bring(backup, machine)
    assert machine.there_is(machine.folders) == []


def test_a_backup_is_one_when_it_is_on_the_disk(
    filled: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("os.fsync", lambda opened: synced.append(Path(f"/dev/fd/{opened}").resolve()))
    folder = Folder(str(tmp_path / "another"))
    state.back_up(filled, folder, **HOW)
    files = {tmp_path / "another" / name for name in folder.files()} - {tmp_path / "another" / "manifest.json"}
    assert len(files) > 5
    last = max(synced.index(file) for file in files)
    assert any("manifest.json" in path.name for path in synced[last:])


def test_what_was_not_finished_is_no_backup(filled: Places, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "backup"))

    def die(line: str) -> None:
        if "databases" in line:
            raise KeyboardInterrupt

    with pytest.raises(Refused, match=r"no backup: it has no manifest.json"):
        Manifest.read(folder)
    with pytest.raises(KeyboardInterrupt):
        state.back_up(filled, folder, **HOW | {"say": die})
    with pytest.raises(Refused, match="no backup: one was begun there, and never finished"):
        Manifest.read(folder)
    state.back_up(filled, folder, **HOW)  # the same command again
    assert Manifest.read(folder).parts == ["tables", "raw", "models"]
    with pytest.raises(Refused, match="is not empty"):
        state.back_up(filled, folder, **HOW)
    Path(folder.url, MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(Damaged, match=r"manifest.json of .* is damaged"):
        Manifest.read(folder)


def test_a_record_that_is_made_meanwhile_spoils_a_backup(machine: Places, tmp_path: Path) -> None:
    operations = OperationsDatabase(url=machine.operations)

    def record(line: str) -> None:
        if "databases" in line:
            operations.record(EVERY_KIND[0])

    with pytest.raises(Unavailable, match="Something was put on record while"):
        state.back_up(machine, Folder(str(tmp_path / "backup")), **HOW | {"say": record})


@given(st.text(alphabet="a./\\\0é", min_size=1, max_size=8))
def test_no_name_in_a_manifest_leads_out(name: str) -> None:
    place = Path("/backup/tables")
    if is_below(name):
        assert place in Path(os.path.normpath(place / name)).parents
        assert os.path.normpath(place / name) == str(place / name)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "tables/../../x", "tables//x", "models/\0"])
def test_a_manifest_that_leads_out_is_refused(backup: Folder, machine: Places, name: str) -> None:
    manifest = json.loads(backup.read(MANIFEST))
    manifest["files"][name] = [0, ""]
    backup.write(MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(Refused, match="which is no file of a backup"):
        bring(backup, machine)


def test_a_database_of_another_version_of_its_library_is_named(backup: Folder, machine: Places) -> None:
    with sa.create_engine(machine.mlflow).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'abc'"))
    with pytest.raises(Exception, match="abc"):
        bring(backup, machine)


def test_to_postgres_and_back(filled: Places, postgres: sa.Engine, tmp_path: Path, empty_mlflow: Path) -> None:
    """One move each way: the audit chain is whole, and what is given numbers gets the next one."""
    with postgres.connect() as connection:
        for name in ("operations", "mlflow", "dagster"):
            connection.execute(sa.text(f"CREATE DATABASE moved_{name}"))
    url = {
        name: postgres.url.set(database=f"moved_{name}", drivername=f"postgresql+{driver}").render_as_string(False)
        for name, driver in (("operations", "psycopg"), ("mlflow", "psycopg"), ("dagster", "psycopg2"))
    }
    server = replace(
        Places.of_files(tmp_path / "server"),
        operations=url["operations"],
        mlflow=url["mlflow"],
        dagster=DagsterStorage(url=url["dagster"]),
    )
    storage = {"storage": {"postgres": {"postgres_url": url["dagster"]}}} | NO_TELEMETRY
    back = empty(tmp_path / "back", empty_mlflow)
    backup = Folder(str(Path(filled.tables).parent / "backup"))
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=storage) as instance, opened(filled) as before:
        bring(backup, server)
        assert told(instance) == told(before)
        records = OperationsDatabase(url=server.operations)
        assert records.audit_head() == Manifest.read(backup).head
        assert records.flaws() == []
        state.back_up(server, Folder(str(tmp_path / "backup")), **HOW)
        bring(Folder(str(tmp_path / "backup")), back)
        require_same(back, filled)
        records.record(EVERY_KIND[0], *EVERY_KIND[-3:])
        assert records.flaws() == []
        registry_of(server).set_mark(8)
        assert dg.materialize([bread], instance=instance).success
        assert len(instance.fetch_materializations(BREAD, limit=9).records) == 2
        # And what the steps of old runs said goes, and nothing else.
        known, lines = told(instance), len(instance.all_logs(instance.get_runs()[0].run_id))
        count, _, remove = old_logs(instance, before=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
        assert count == 3
        remove()
        assert {name: of for name, of in told(instance).items() if name != "events"} == {
            name: of for name, of in known.items() if name != "events"
        }
        assert 0 < len(instance.all_logs(instance.get_runs()[0].run_id)) < lines
        assert old_logs(instance, before=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))[0] == 0


def test_by_way_of_an_object_store(filled: Places, bucket: str, backup: Folder, machine: Places) -> None:
    """Files to a store, a backup of that in the store, and back to a disk."""
    remote = replace(machine, tables=f"{bucket}/tables", raw=f"{bucket}/raw", models=f"{bucket}/models")
    bring(backup, remote)
    assert Folder(remote.tables).files() == Folder(filled.tables).files()
    assert RESTORING in mark_of(remote.tables)
    Folder(remote.raw).write("left over", b"")
    with pytest.raises(Refused, match="The state is not empty"):
        state.restore(
            backup, replace(Manifest.read(backup), id="another"), remote, is_told=False, say=lambda _: None, now=NOW
        )
    kept = Folder(f"{bucket}/backups/1")
    Folder(remote.raw).remove("left over")
    state.back_up(remote, kept, **HOW)
    assert bring(kept, machine, is_told=True) == []
    require_same(machine, filled)
    with pytest.raises(Refused, match=r"no backup: it has no manifest.json"):
        Manifest.read(Folder(f"{bucket}/backups/2"))
