"""The corner shop with a state of its own, and the states that many tests begin from: each made once, then copied."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.grocery.domain import GROCERY
from assets.lifecycle.champion import serving
from assets.lifecycle.domain import Lifecycle
from assets.partitions import RANGE_TAGS
from orchestration.definitions import GATES, build_defs
from orchestration.jobs import night_selection
from orchestration.sensors.retraining import retrain_on_decision
from resources import home
from resources.config.loader import load_settings
from resources.days import ONE_DAY
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.policy.client import Policy
from resources.records.lifecycle import RetrainingDecision
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from tests.support.databases import NO_TELEMETRY, lay_out_dagster, move_mlflow
from tests.support.retailer import FIRST_DAY

NIGHT, TOMORROW = dt.date(2024, 5, 6), dt.date(2024, 5, 7)


@dataclass
class CornerShop:
    """The corner shop on a real instance, real tables and a real MLflow, all below `folder`.

    `feed` is its folder of delivered files, to be tampered with.
    """

    folder: Path
    feed: Path
    instance: dg.DagsterInstance
    tables: TableStore
    registry: ModelRegistry
    operations: OperationsDatabase
    defs: dg.Definitions

    def night(self, day: dt.date) -> dg.ExecuteInProcessResult:
        """The night as it runs by itself."""
        has_champion = serving(self.operations, day - ONE_DAY, now=dt.datetime.now(dt.UTC)) is not None
        selection, graph = night_selection(has_champion=has_champion), self.defs.resolve_asset_graph()
        job = self.defs.resolve_job_def("nightly").get_subset(
            asset_selection=selection.resolve(graph), asset_check_selection=selection.resolve_checks(graph)
        )
        return job.execute_in_process(instance=self.instance, partition_key=day.isoformat(), raise_on_error=False)

    def run(self, job: str, day: dt.date, **kwargs: Any) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=day.isoformat(), raise_on_error=False, **kwargs
        )

    def decide(self, day: dt.date) -> dg.ExecuteInProcessResult:
        return self.run("backfill", day, asset_selection=[dg.AssetKey("retraining_decision")])

    def decisions(self, day: dt.date) -> list[RetrainingDecision]:
        return self.operations.records(RetrainingDecision, business_date=day)

    def tick(self) -> dg.RunRequest | dg.SkipReason:
        """One tick of the sensor that carries decisions out."""
        resources = {"settings": load_settings(), "operations": self.operations}
        known = self.defs.get_repository_def()
        context = dg.build_sensor_context(instance=self.instance, resources=resources, repository_def=known)
        return retrain_on_decision(context)  # pyright: ignore

    def take_in(self, first: dt.date, last: dt.date) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def("backfill").execute_in_process(
            instance=self.instance,
            tags={RANGE_TAGS[0]: first.isoformat(), RANGE_TAGS[1]: last.isoformat()},
            asset_selection=[dg.AssetKey("transactions")],
            raise_on_error=False,
        )

    def rows(self, table: str, day: dt.date | None = None) -> list[dict[str, Any]]:
        rows = self.tables.read(table, since=day, until=day)
        return sorted(rows.to_pyarrow().to_pylist(), key=repr)

    def write(self, day: dt.date, change: Callable[[str], str]) -> None:
        """Deliver the file of `day` anew, with its text changed."""
        file = self.feed / f"{day}.csv"
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")

    def lifecycle(self) -> Lifecycle:
        return Lifecycle(
            domain=GROCERY,
            settings=load_settings(),
            tables=self.tables,
            registry=self.registry,
            operations=self.operations,
            policy=Policy(folder=str(home.PROJECT / "config" / "policy")),
            gates=GATES,
        )


def failures(result: dg.ExecuteInProcessResult) -> str:
    """What the failed steps of a run say."""
    messages = []
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        messages.append(data.user_failure_data.description if data.user_failure_data else str(data.error))
    return " ".join(filter(None, messages))


@contextlib.contextmanager
def open_shop(folder: Path, **overrides: Any) -> Iterator[CornerShop]:
    """The shop whose state is below `folder`, which has been laid out by :func:`lay_out` or :func:`copy_shop`."""
    settings, feed = load_settings(), folder / "sales"
    moved = settings.transactions.model_copy(update={"path": [f"{feed}/{{date}}.csv"]})
    operations = OperationsDatabase(url=f"sqlite:///{folder / 'operations.db'}")
    tables = TableStore(root=str(folder / "tables"), ledger=operations)
    registry = ModelRegistry(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifacts=(folder / "models").as_uri(),
        name="corner_shop",
        sealed=operations.sealed_digest,
    )
    resources: dict[str, Any] = {
        "settings": settings.model_copy(update={"transactions": moved}),
        "tables": tables,
        "registry": registry,
        "operations": operations,
        "feeds": FeedReader(raw=folder / "raw"),
        **overrides,
    }
    with dg.DagsterInstance.local_temp(str(folder / "dagster"), overrides=NO_TELEMETRY) as instance:
        yield CornerShop(folder, feed, instance, tables, registry, operations, build_defs(**resources))


def lay_out(folder: Path, empty_mlflow: Path) -> None:
    """A shop that has not run yet: its delivered files, and databases without anything in them."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(Path(load_settings().transactions.path[0]).parent, folder / "sales")
    lay_out_dagster(folder / "dagster")
    shutil.copy(empty_mlflow, folder / "mlflow.db")


def copy_shop(source: Path, folder: Path) -> None:
    """A closed shop's state once more; MLflow's database, which names its folder in full, is told the new one."""
    shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True)
    move_mlflow(folder / "mlflow.db", str(source), str(folder))


def _history(shop: CornerShop) -> None:
    assert shop.take_in(FIRST_DAY, NIGHT - ONE_DAY).success


def _weeks(shop: CornerShop) -> None:
    made = [dg.AssetKey(name) for name in ("transactions", "products", "offers", "training_examples")]
    assert shop.run("backfill", NIGHT, asset_selection=made).success


def _night(shop: CornerShop) -> None:
    assert shop.night(NIGHT).success


def _next_night(shop: CornerShop) -> None:
    assert shop.night(TOMORROW).success


@dataclass(frozen=True)
class PreparedShops:
    """Shops that were run to some point, below a folder that all workers share: whoever needs one first makes it."""

    folder: Path
    empty_mlflow: Path
    # Each state after the one before it: all days up to the eve of NIGHT, the first night, an ordinary one; what it
    # learns from.
    steps: Mapping[str, Callable[[CornerShop], None]]

    def copy(self, name: str, folder: Path) -> None:
        """The state `name` into an empty `folder`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make(name)
        copy_shop(self.folder / name, folder)

    def _make(self, name: str) -> None:
        made, state = self.folder / f"{name}.made", self.folder / name
        if made.exists():
            return
        shutil.rmtree(state, ignore_errors=True)  # of a worker that failed at it
        names = list(self.steps)
        if (place := names.index(name)) == 0:
            lay_out(state, self.empty_mlflow)
        else:
            self._make(names[place - 1])
            copy_shop(self.folder / names[place - 1], state)
        with open_shop(state) as shop:
            self.steps[name](shop)
        made.touch()


STEPS = {"history": _history, "label_weeks": _weeks, "night": _night, "two_nights": _next_night}
