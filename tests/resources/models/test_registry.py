"""The registry on a real MLflow with a SQLite database: versions, aliases, and files that are what they were."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from assets.grocery.training.models.baselines import GlobalTop, PersonalTopFrequency
from assets.grocery.training.models.recommender import Recommender
from resources.errors import Damaged, Refused, Superseded, Unavailable
from resources.models import mlflow_tables
from resources.models.registry import CHAMPION, PREVIOUS, ModelRecord, ModelRegistry
from resources.models.version import digest

RECORD = ModelRecord(
    business_date="2024-03-01",
    identity="made of this",
    inputs=["popularity"],
    parameters={"family": "global top", "trees": 3},
    tables={"transactions": 7},
    metrics={"recall_at_10": 0.25},
    tags={"nightcart.title": "global top"},
    description="For a test.",
)
LATER = replace(
    RECORD,
    business_date="2024-03-02",
    identity="made of that",
    inputs=["purchases", "popularity"],
    documents={"reference.json": '{"é": 1}'},
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of two models."""
    folder = tmp_path_factory.mktemp("models")
    GlobalTop().save(folder / "first")
    PersonalTopFrequency().save(folder / "second")
    return folder / "first", folder / "second"


@pytest.fixture(scope="module")
def with_two(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, folders: tuple[Path, Path]) -> ModelRegistry:
    """A registry with two versions."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_mlflow, folder / "mlflow.db")
    registry = ModelRegistry(
        tracking_uri=f"sqlite:///{folder}/mlflow.db", artifacts=(folder / "models").as_uri(), name="recommender"
    )
    for number, (files, record) in enumerate(zip(folders, (RECORD, LATER), strict=True), start=1):
        assert registry.register(files, record).version == number
    return registry


def test_empty_registry_has_no_versions_and_no_champion(registry):
    assert registry.versions() == []
    assert registry.aliased(CHAMPION) is None
    with pytest.raises(Refused, match=r"No version of recommender was trained for 2024-03-01.*--partition 2024-03-01"):
        registry.challenger_of("2024-03-01")
    with pytest.raises(Refused, match=r"There is no version 1 of recommender.*`nightcart models` lists"):
        registry.version(1)


def test_a_server_that_is_mute_is_named_without_what_its_library_says(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        registry = ModelRegistry(name="shop", tracking_uri=f"http://ann:s3cr3t@127.0.0.1:{port}")
        with pytest.raises(Unavailable) as raised:
            registry.versions()
    assert str(raised.value).startswith(f"MLflow's server http://127.0.0.1:{port} does not answer. Remedy: see that")


def test_a_night_begins_although_the_experiment_was_deleted(registry):
    registry.set_mark(1)
    client = registry._client
    client.delete_experiment(client.get_experiment_by_name("recommender").experiment_id)
    registry.set_mark(2)
    assert registry.mark() == 2
    assert client.get_experiment_by_name("recommender").lifecycle_stage == "active"


def test_tables_of_another_mlflow_are_refused_with_what_brings_them_up_to_date(tmp_path, empty_mlflow):
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    registry = ModelRegistry(name="shop", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(Refused, match=r"another MLflow than the one that is installed.*`mlflow db upgrade URL`"):
        registry.set_mark(1)


def test_files_of_a_version_are_on_the_disk_before_there_is_one(tmp_path, empty_mlflow, folders, monkeypatch):
    synced: set[Path] = set()
    monkeypatch.setattr("os.fsync", lambda opened: synced.add(Path(f"/dev/fd/{opened}").resolve()))
    before: set[Path] = set()
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    registry = ModelRegistry(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=(tmp_path / "models").as_uri(), name="recommender"
    )
    registry.register(folders[0], RECORD, ask=lambda: before.update(synced))  # asked before the version is made
    files = {path for path in (tmp_path / "models").rglob("*") if path.is_file()}
    assert len(files) > 3
    assert files <= before


def test_version_has_all_that_was_recorded(with_two, folders):
    version = with_two.version(1)
    assert version.parameters == {"family": "global top", "trees": "3"}
    assert version.metrics == {"recall_at_10": 0.25}
    assert {name: version.tags[name] for name in version.tags if name.startswith("nightcart.")} == {
        "nightcart.title": "global top",
        "nightcart.business_date": "2024-03-01",
        "nightcart.identity": "made of this",
        "nightcart.digest": digest(folders[0]),
        "nightcart.table.transactions": "7",
    }


def test_tables_of_mlflow_say_what_its_client_says(with_two, monkeypatch):
    with_two.point(CHAMPION, 1)
    by_tables = (with_two.versions(), with_two.aliases())
    assert [version.version for version in by_tables[0]] == [2, 1]
    monkeypatch.setattr(mlflow_tables, "is_database", lambda uri: False)
    assert (with_two.versions(), with_two.aliases()) == by_tables
    with_two.point(CHAMPION, None)


def test_version_that_was_deleted_is_none_and_no_database_has_none(registry, folders, tmp_path):
    assert registry.register(folders[0], RECORD).version == 1
    registry._client.delete_model_version(registry.name, "1")
    assert registry.versions() == []
    assert mlflow_tables.versions(f"sqlite:///{tmp_path}/none.db", "recommender") == []
    assert not (tmp_path / "none.db").exists()


def test_same_identity_is_registered_once(with_two, folders):
    again = with_two.register(folders[0], replace(RECORD, metrics={"recall_at_10": 0.99}))
    assert (again.version, again.metrics["recall_at_10"]) == (1, 0.25)
    assert [version.version for version in with_two.versions()] == [2, 1]  # newest first


def test_a_run_that_was_overtaken_while_its_files_were_put_there_makes_no_version(registry, folders):
    def overtaken() -> None:
        raise Superseded("A later run is at work on it.", remedy="nothing is to be done.")

    with pytest.raises(Superseded):
        registry.register(folders[0], RECORD, ask=overtaken)
    assert registry.versions() == []


def test_challenger_is_the_version_of_its_day(with_two):
    assert with_two.challenger_of("2024-03-01").version == 1
    assert with_two.challenger_of("2024-03-02").version == 2


def test_unknown_version_is_refused(with_two):
    with pytest.raises(Refused, match=r"There is no version 99 .*`nightcart models`"):
        with_two.version(99)
    with pytest.raises(Damaged, match=r"Version 99 of recommender is not in the registry.*nightcart retrain --reason"):
        replace(with_two, sealed=lambda _: "a digest").version(99)


def test_alias_moves(with_two):
    with_two.point(CHAMPION, 1)
    assert (with_two.aliased(CHAMPION), with_two.version(1).aliases) == (1, [CHAMPION])
    with_two.point(CHAMPION, 2)
    with_two.point(PREVIOUS, 1)
    assert [(version.version, version.aliases) for version in with_two.versions()] == [(2, [CHAMPION]), (1, [PREVIOUS])]


def test_files_come_back_as_the_model_that_was_saved(with_two):
    with with_two.files(with_two.version(2)) as folder:
        assert isinstance(Recommender.load(folder), PersonalTopFrequency)
    assert not folder.exists()


def test_changed_byte_is_refused(with_two):
    version = with_two.version(1)
    stored = next(
        file
        for file in Path(with_two.artifacts.removeprefix("file://")).rglob("model.json")
        if "GlobalTop" in file.read_text()
    )
    before = stored.read_bytes()
    stored.write_bytes(before.replace(b'"popularity"', b'"Popularity"'))
    try:
        with pytest.raises(Refused, match="files of version 1 of recommender are not those that were registered"):
            with with_two.files(version):
                pass
    finally:
        stored.write_bytes(before)
    with with_two.files(version):
        pass


def test_nothing_is_pickled(with_two):
    files = [file for file in Path(with_two.artifacts.removeprefix("file://")).rglob("*") if file.is_file()]
    assert files
    assert [file.name for file in files if file.suffix in (".pkl", ".pickle", ".joblib")] == []


def test_version_can_be_served_by_mlflow(with_two):
    import mlflow

    mlflow.set_tracking_uri(with_two.tracking_uri)  # of the process: whichever test ran before set its own
    served = mlflow.pyfunc.load_model("models:/recommender/2")
    candidates = pd.DataFrame({"purchases": [0.0, 2.0], "popularity": [5.0, 1.0]}, dtype="float32")
    assert served.predict(candidates).tolist() == pytest.approx([5e-9, 2 + 1e-9])


def test_digest_is_of_names_and_bytes(tmp_path):
    for folder, name, content in (("a", "x", "1"), ("b", "x", "1"), ("c", "y", "1"), ("d", "x", "2")):
        (tmp_path / folder / "deeper").mkdir(parents=True)
        (tmp_path / folder / "deeper" / name).write_text(content)
    a, b, c, d = (digest(tmp_path / folder) for folder in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


def test_documents_are_kept_with_the_version_that_they_were_registered_with(with_two):
    assert with_two.document(with_two.version(2), "reference.json") == '{"é": 1}'
    assert with_two.document(with_two.version(2), "another.json") is None
    assert with_two.document(with_two.version(1), "reference.json") is None


def test_a_damaged_document_is_told_in_words(with_two):
    (file,) = Path(with_two.artifacts.removeprefix("file://")).rglob("reference.json")
    whole = file.read_bytes()
    for content in (whole[:-1], b"\xff" + whole):
        file.write_bytes(content)
        with pytest.raises(
            Damaged, match=r"reference\.json of version 2 of recommender is damaged.*nightcart rollback"
        ):
            with_two.document(with_two.version(2), "reference.json")
    file.write_bytes(whole)


def test_a_version_whose_files_are_lost_says_so_and_is_registered_again(
    tmp_path: Path, empty_mlflow: Path, folders: tuple[Path, Path]
) -> None:
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    registry = ModelRegistry(tracking_uri=uri, artifacts=(tmp_path / "models").as_uri(), name="recommender")
    lost = registry.register(folders[0], RECORD)
    shutil.rmtree(tmp_path / "models")
    with pytest.raises(Damaged, match=r"files of version 1 .* are gone.*nightcart retrain"), registry.files(lost):
        pass
    assert registry.register(folders[0], RECORD).version == 2
    assert registry.register(folders[0], RECORD).version == 2


def test_files_and_tag_changed_together_are_not_those_on_record(
    registry: ModelRegistry, folders: tuple[Path, Path]
) -> None:
    version = registry.register(folders[0], RECORD)
    sealed = replace(registry, sealed={1: digest(folders[0])}.get)
    with sealed.files(version):
        pass
    stored = next(Path(str(registry.artifacts).removeprefix("file://")).rglob("model.json"))
    stored.write_bytes(stored.read_bytes().replace(b'"popularity"', b'"Popularity"'))
    registry._client.set_model_version_tag(registry.name, "1", "nightcart.digest", digest(stored.parent))
    forged = registry.version(1)
    with registry.files(forged):
        pass  # the tag alone would let it pass
    with pytest.raises(Damaged, match="are not those that were registered"), sealed.files(forged):
        pass


def test_a_registry_of_yesterday_gives_no_number_twice(
    tmp_path: Path, registry: ModelRegistry, folders: tuple[Path, Path]
) -> None:
    registry.register(folders[0], RECORD)
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "yesterday.db")
    registry.register(folders[1], LATER)
    restored = replace(
        registry,
        tracking_uri=f"sqlite:///{tmp_path}/yesterday.db",
        sealed={1: digest(folders[0]), 2: digest(folders[1])}.get,
    )
    other = replace(LATER, identity="made of something else")
    assert restored.register(folders[1], other).version == 3
    assert [version.version for version in restored.versions()] == [3, 1]
    assert restored.register(folders[1], other).version == 3


def test_a_copied_state_has_files_of_its_own(tmp_path: Path, empty_mlflow: Path, folders: tuple[Path, Path]) -> None:
    def opened(state: Path) -> ModelRegistry:
        place = state / "mlflow"
        return ModelRegistry(
            tracking_uri=f"sqlite:///{place}/mlflow.db", artifacts=(place / "artifacts").as_uri(), name="recommender"
        )

    first, copy = tmp_path / "first", tmp_path / "copy"
    (first / "mlflow" / "artifacts").mkdir(parents=True)
    shutil.copy(empty_mlflow, first / "mlflow" / "mlflow.db")
    opened(first).register(folders[0], RECORD)
    shutil.copytree(first, copy)
    mine = opened(copy)
    mine.register(folders[1], LATER)
    mine.discard(mine.version(1))
    with opened(first).files(opened(first).version(1)) as files:  # is still there
        assert digest(files) == digest(folders[0])
    shutil.rmtree(first)
    with mine.files(mine.version(2)) as files:
        assert digest(files) == digest(folders[1])
