"""Where things are kept and how they run: defaults, the environment's word, and a wrong word named."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.privacy.suppression import load_key
from resources import home
from resources.config import deployment
from resources.config.deployment import DeploymentConfig, load_deployment
from resources.errors import Refused
from resources.resources import build_resources

STATE = Path("/var/lib/corner")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")


PRODUCTION = {
    "NIGHTCART_ENVIRONMENT": "production",
    "NIGHTCART_OPERATIONS_URL": "postgresql+psycopg://user:secret@host/nightcart",
    "MLFLOW_TRACKING_URI": "postgresql+psycopg://user:secret@host/mlflow",
    "NIGHTCART_DAGSTER_URL": "postgresql+psycopg://user:secret@host/dagster",
    "NIGHTCART_TABLES": "s3://bucket/{name}/tables",
    "NIGHTCART_RAW": "/mnt/shared/{name}/raw",
    "NIGHTCART_MLFLOW_ARTIFACTS": "s3://bucket/{name}/models",
    "NIGHTCART_ERASURE_KEY": "/run/secrets/erasure_key",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def places(name: str = "corner") -> DeploymentConfig:
    return load_deployment().of(name=name, state=STATE)


def test_everything_is_in_the_state_folder_by_default():
    found = places()
    assert found.tables == "/var/lib/corner/tables"
    assert found.operations_url.get_secret_value() == "sqlite:////var/lib/corner/operations.db"
    assert found.mlflow_tracking_uri == "sqlite:////var/lib/corner/mlflow/mlflow.db"
    assert found.mlflow_artifacts == "file:///var/lib/corner/mlflow/artifacts"
    assert (found.executor, found.default_status) == ("in_process", "running")


def test_one_environment_serves_several_domains(monkeypatch):
    monkeypatch.setenv("NIGHTCART_TABLES", "s3://bucket/{name}/tables")
    assert [places(name).tables for name in ("corner", "bank")] == [
        "s3://bucket/corner/tables",
        "s3://bucket/bank/tables",
    ]


def test_mlflows_own_variable_is_honoured(monkeypatch, settings):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    registry = build_resources(settings).registry
    assert (registry.tracking_uri, registry.artifacts) == ("http://mlflow:5000", None)  # the server says where


def test_mlflows_variable_of_another_retailer_was_inherited(monkeypatch, settings):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home.root()}/other/mlflow/mlflow.db")
    assert build_resources(settings).registry.tracking_uri == f"sqlite:///{home.state()}/mlflow/mlflow.db"


def test_a_password_is_not_shown(monkeypatch, settings):
    monkeypatch.setenv("NIGHTCART_OPERATIONS_URL", "postgresql+psycopg://user:secret@host/db")
    assert "secret" not in repr(load_deployment())
    resources = build_resources(settings)
    assert "secret" in resources.operations.url
    assert "secret" not in repr(resources)


def test_a_wrong_value_is_one_sentence_that_names_it(monkeypatch):
    monkeypatch.setenv("NIGHTCART_EXECUTOR", "k9s")
    monkeypatch.setenv("NIGHTCART_MEMORY", "lots")
    with pytest.raises(
        Refused,
        match=r"^NIGHTCART_EXECUTOR is 'k9s': Input should be 'in_process', 'multiprocess' or 'kubernetes'; NIGHTCART_MEMORY is 'lots': it is a size such as 3GB, of at least 500MB",
    ):
        load_deployment()


@pytest.mark.parametrize("size", ["0MB", "499MB", "1.2.3GB", "GB", "3 gigabytes"])
def test_memory_that_no_night_can_work_with_is_refused(monkeypatch, size):
    monkeypatch.setenv("NIGHTCART_MEMORY", size)
    with pytest.raises(Refused, match="at least 500MB"):
        load_deployment()


def test_production_has_its_places_where_every_machine_reaches_them(production):
    found = places()
    assert (found.tables, found.raw) == ("s3://bucket/corner/tables", "/mnt/shared/corner/raw")
    assert found.mlflow_artifacts == "s3://bucket/corner/models"
    assert not [name for name in home.environment() if name.startswith("MLFLOW_T")]


@pytest.mark.parametrize("missing", sorted(PRODUCTION.keys() - {"NIGHTCART_ENVIRONMENT"}))
def test_in_production_a_place_that_is_missing_is_named(production, missing):
    production.delenv(missing)
    with pytest.raises(Refused, match=rf"^In production {missing} has to be [^;]*, and is not set\."):
        load_deployment()


@pytest.mark.parametrize(
    ("name", "value", "is_so"),
    [
        ("NIGHTCART_OPERATIONS_URL", "sqlite:////srv/secret.db", "is not"),
        ("NIGHTCART_DAGSTER_URL", "mysql://user:secret@host/dagster", "is not"),
        ("MLFLOW_TRACKING_URI", "sqlite:////srv/secret.db", "is not"),
        ("NIGHTCART_TABLES", "{state}/tables", "is in the state folder, with which no other pod begins"),
        ("NIGHTCART_RAW", "secret/raw", "is not"),
        ("NIGHTCART_TABLES", "file:///srv/tables", "is not"),
        ("NIGHTCART_ERASURE_KEY", "secret", "is not"),
    ],
)
def test_in_production_a_place_of_one_machine_is_refused_without_its_value(production, name, value, is_so):
    production.setenv(name, value)
    with pytest.raises(Refused, match=rf"^In production {name} has to be .*, and {is_so}\.") as refused:
        load_deployment()
    assert "secret" not in str(refused.value)


def test_a_server_of_mlflow_says_itself_where_models_are(production):
    production.setenv("MLFLOW_TRACKING_URI", "https://mlflow")
    production.delenv("NIGHTCART_MLFLOW_ARTIFACTS")
    assert places().mlflow_artifacts is None


def test_the_erasure_key_is_a_file_or_the_variables(monkeypatch, tmp_path):
    digits = "ab" * 32
    file = tmp_path / "key"
    file.write_text(f"{digits}\n")
    for named, found in ((str(file), file), (digits, bytes.fromhex(digits))):
        monkeypatch.setenv("NIGHTCART_ERASURE_KEY", named)
        assert home.erasure_key() == found
        assert load_key([], home.erasure_key()) == bytes.fromhex(digits)
    monkeypatch.setenv("NIGHTCART_ERASURE_KEY", "secret")
    with pytest.raises(Refused, match="NIGHTCART_ERASURE_KEY is neither") as refused:
        home.erasure_key()
    assert "is 'secret'" not in str(refused.value)


def test_in_production_no_key_is_made_that_only_one_machine_has(production, tmp_path):
    with pytest.raises(Refused, match="key is not there"):
        load_key([], tmp_path / "key")
    assert not (tmp_path / "key").exists()


def test_no_more_memory_is_granted_than_the_container_has(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(deployment, "LIMITS", (str(limit), str(tmp_path / "none")))
    monkeypatch.setenv("NIGHTCART_MEMORY", "2GB")
    for written, granted in ("max", 2_000_000_000), ("1000000000", 900_000_000):
        limit.write_text(written)
        assert load_deployment().memory_bytes == granted
