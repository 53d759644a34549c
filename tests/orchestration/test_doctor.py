"""`nightcart doctor`: what is well is said, what is not has its remedy, and no line has a secret."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
import typer

from orchestration.cli.doctor import doctor
from orchestration.reports.doctor import Finding, _feed, examine
from orchestration.reports.doctor_databases import require_session
from resources import home
from resources.config.retailer import Settings
from resources.errors import Refused
from resources.records.store import OperationsDatabase
from tests.support.object_store import served

SECRET = "hunter2"
LOCAL = ("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI", "MLFLOW_DEFAULT_ARTIFACT_ROOT", "DAGSTER_HOME")


@pytest.fixture
def production(
    tmp_path: Path, new_database: Callable[[str], str], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Databases on Postgres, tables in an object store, an empty state folder."""

    def url(what: str) -> str:
        return sa.make_url(new_database(what)).set(password=SECRET).render_as_string(hide_password=False)

    for name in LOCAL:
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "NIGHTCART_ENVIRONMENT": "production",
        "NIGHTCART_HOME": str(tmp_path / "state"),
        "NIGHTCART_OPERATIONS_URL": url("operations"),
        "MLFLOW_TRACKING_URI": url("mlflow"),
        "NIGHTCART_DAGSTER_URL": url("dagster"),
        "NIGHTCART_TABLES": f"{bucket}/tables",
        "NIGHTCART_RAW": str(tmp_path / "shared" / "raw"),
        "NIGHTCART_MLFLOW_ARTIFACTS": f"{bucket}/models",
        "NIGHTCART_ERASURE_KEY": "ab" * 32,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", home.environment()["DAGSTER_HOME"])  # so that it is put back
    home.enter()
    return monkeypatch


class Lent:
    """A connection of a pool that lends a session of the server's for a statement, or a transaction."""

    free: ClassVar[list[int]] = [1, 2]

    def __init__(self) -> None:
        self.session: int | None = None

    def execute(self, statement: sa.TextClause) -> int | None:
        self.session = self.session or self.free.pop(0)
        session, is_over = self.session, str(statement) == "ROLLBACK"
        if is_over:
            self.free.insert(0, session)  # the one that was used last is lent first
            self.session = None
        return session

    def scalar(self, statement: sa.TextClause) -> int | None:
        session = self.execute(statement)
        self.execute(sa.text("ROLLBACK"))
        return session


def test_a_pool_that_lends_a_connection_for_a_transaction_is_refused() -> None:
    Lent.free = [1, 2]
    lent: Any = Lent()
    other: Any = Lent()
    with pytest.raises(Refused, match="DATABASE leads to a pool that lends") as told:
        require_session(lent, other, "DATABASE")
    assert "pool_mode = session" in told.value.remedy


def test_a_server_keeps_a_connections_session(new_database: Callable[[str], str]) -> None:
    engine = sa.create_engine(new_database("sessions"), isolation_level="AUTOCOMMIT")
    with engine.connect() as one, engine.connect() as other:
        require_session(one, other, "DATABASE")


def findings() -> dict[str, Finding]:
    found = {finding.name: finding for finding in examine()}
    assert SECRET not in str(found)
    return found


def ill() -> dict[str, Finding]:
    return {name: finding for name, finding in findings().items() if not finding.is_well}


def test_a_laptop_is_well_without_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in LOCAL:
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setenv("NIGHTCART_HOME", str(tmp_path / "our shöp"))
    home.enter()
    doctor(json_=True)
    told = json.loads(capsys.readouterr().out)
    assert told["is_well"]
    assert [path.name for path in tmp_path.iterdir()] == ["our shöp"]  # nothing beside it, under a name with %20
    names = [finding["name"] for finding in told["findings"]]
    assert names[:6] == ["settings", "libraries", "disk", "records", "models", "runs"]


def test_production_is_well_and_then_is_told_all_that_is_not(
    production: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    OperationsDatabase(url=os.environ["NIGHTCART_OPERATIONS_URL"]).trail()
    found = findings()
    assert [each for each in found.values() if not each.is_well] == []
    assert "its clock 0.0 s off; at migration" in found["records"].says
    assert "promises of commits kept" in found["tables"].says

    gone = sa.make_url(os.environ["NIGHTCART_OPERATIONS_URL"]).set(database="gone")
    production.setenv("NIGHTCART_OPERATIONS_URL", gone.render_as_string(hide_password=False))
    production.setenv("MLFLOW_TRACKING_URI", f"postgresql+psycopg://a:{SECRET}@127.0.0.1:1/mlflow")
    production.setenv("NIGHTCART_RAW", "/proc/nightcart/raw")
    production.setenv("NIGHTCART_ERASURE_KEY", str(tmp_path / "key"))
    production.setenv("NIGHTCART_ALERT_URLS", f"nothing://{SECRET}")
    (tmp_path / "state" / "corner_shop" / "dagster" / "dagster.yaml").unlink()
    with served(lies=True) as liar:
        production.setenv("AWS_ENDPOINT_URL", liar)
        from tests.support.object_store import make_bucket

        make_bucket(os.environ["NIGHTCART_TABLES"].removeprefix("s3://").partition("/")[0])
        wrong = ill()
    assert {name: each.is_worth_retrying for name, each in wrong.items()} == {
        "records": False,
        "models": True,
        "runs": False,
        "tables": False,
        "raw copies": False,
        "erasure key": False,
        "alerts": False,
    }
    assert all(each.remedy for each in wrong.values())
    assert "NIGHTCART_OPERATIONS_URL is not on its server" in wrong["records"].says
    assert "mount deploy/dagster.yaml" in wrong["runs"].remedy
    assert "ignores the conditions of writes" in wrong["tables"].says
    production.setenv("NIGHTCART_TABLES", "tables")
    with pytest.raises(typer.Exit) as ended:
        doctor()
    assert ended.value.exit_code == 1
    printed = capsys.readouterr().out
    assert printed.startswith("✗ settings             In production NIGHTCART_TABLES has to be")
    assert printed.count("✗") == 1


def test_a_server_that_is_down_and_nothing_else_may_be_asked_again(
    production: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    production.setenv("MLFLOW_TRACKING_URI", f"http://a:{SECRET}@127.0.0.1:1")
    with pytest.raises(typer.Exit) as ended:
        doctor(json_=True)
    assert ended.value.exit_code == 75
    assert SECRET not in capsys.readouterr().out


def test_what_a_database_lacks_is_told(production: pytest.MonkeyPatch) -> None:
    url = os.environ["NIGHTCART_OPERATIONS_URL"]
    operations = OperationsDatabase(url=url)
    operations.trail()
    with operations._writing() as connection:
        connection.execute(sa.text("UPDATE operations_version SET version_num = '9999'"))
    real = time.time
    production.setattr("orchestration.reports.doctor_databases.time.time", lambda: real() + 60)
    engine = sa.create_engine(os.environ["MLFLOW_TRACKING_URI"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on"))
    engine.dispose()
    wrong = ill()
    assert "is 60 s behind this machine's" in wrong["records"].says
    assert "can only be read" in wrong["models"].says


def test_a_library_of_the_system_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def import_module(name: str) -> object:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert ill()["libraries"].remedy.startswith("`apt-get install libgomp1`")


def test_a_feed_whose_folder_is_not_mounted_is_named(settings: Settings) -> None:
    feed = settings.transactions.model_copy(update={"path": ["/not/mounted/{date}.csv"]})
    with pytest.raises(Refused, match="There is no folder /not/mounted"):
        _feed(feed)
