"""A step that is overtaken while it is at work: asked again at the commit, refused in words, and not tried again."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from assets.failures import RETRIES
from assets.partitions import days_of
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.fence import begin, fenced
from assets.quality.gates import Gate, Gates, of_days
from resources.errors import Superseded
from resources.records.privacy import Erasure
from resources.records.quality import DerivedFrom, Verdict
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

DAY, BEFORE = dt.date(2024, 3, 2), dt.date(2024, 3, 1)
NOW = dt.datetime(2024, 3, 3, tzinfo=dt.UTC)
DAYS = dg.DailyPartitionsDefinition("2024-03-01")
BASKETS = Gate(subject="baskets", check="is_good", description="")
LISTS = Gate(subject="lists", check="is_good", description="")

MADE = DerivedFrom(subject="lists", business_date=DAY, deliveries=0, run_id="", made_at=NOW)


def rows(day: dt.date, value: int) -> pa.Table:
    return pa.table({"business_date": pa.array([day], pa.date32()), "value": pa.array([value], pa.int64())})


@dg.asset(name="baskets", partitions_def=DAYS)
def baskets_asset() -> None: ...


class Shop:
    """Baskets that are good, and lists that are made of them; `meanwhile` is what happens while they are."""

    def __init__(self, tables: TableStore, operations: OperationsDatabase) -> None:
        self.tables, self.operations = tables, operations
        self.context: Any = None  # of the run that makes lists
        for day in (BEFORE, DAY):
            self.bring(day, 1)

    def bring(self, day: dt.date, value: int, *, outcome: str = Verdict.PASSED) -> None:
        self.tables.replace_days("baskets", rows(day, value), days=[day])
        self.judge(day, outcome)

    def judge(self, day: dt.date, outcome: str) -> None:
        version = of_days(self.tables, "baskets", [day])[day]
        self.operations.record(
            Verdict(
                subject="baskets", partition=day, data_version=version, check="is_good", outcome=outcome, run_id="r",
                decided_at=NOW,
            )
        )  # fmt: skip

    def make(self, meanwhile: Callable[[], object] = lambda: None, *, day: dt.date = DAY) -> dg.ExecuteInProcessResult:
        """Lists of a day, as a run of Dagster's makes them."""

        @dg.asset(partitions_def=DAYS, retry_policy=RETRIES)
        @fenced
        def lists(
            context: dg.AssetExecutionContext,
            tables: dg.ResourceParam[TableStore],
            operations: dg.ResourceParam[OperationsDatabase],
            gates: dg.ResourceParam[Gates],
        ) -> None:
            (day,) = days_of(context)
            self.context = context
            gates.require(operations, {"baskets": of_days(tables, "baskets", [day])}, now=NOW)
            meanwhile()
            (read,) = tables.read("baskets", since=day, until=day).value.to_pyarrow().to_pylist()
            tables.replace_days("lists", rows(day, 10 * read), days=[day])
            operations.record(replace(MADE, run_id=context.run.run_id))

        return self.run([lists], day)

    def run(self, what: list[Any], day: dt.date) -> dg.ExecuteInProcessResult:
        resources = {"tables": self.tables, "operations": self.operations, "gates": Gates([BASKETS, LISTS])}
        return dg.materialize(what, partition_key=day.isoformat(), resources=resources, raise_on_error=False)

    def lists(self) -> list[int]:
        return self.tables.read("lists", since=DAY, until=DAY).value.to_pyarrow().to_pylist()


@pytest.fixture
def shop(tables: TableStore, operations: OperationsDatabase) -> Shop:
    return Shop(tables, operations)


def said(result: dg.ExecuteInProcessResult) -> str:
    """Why the one step failed; it was not tried again."""
    kinds = [event.event_type for event in result.all_events]
    assert not result.success
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
    (event,) = result.get_step_failure_events()
    failure = event.step_failure_data.user_failure_data
    return str(failure and failure.description)


def test_nothing_comes_between(shop: Shop) -> None:
    assert shop.make(lambda: shop.bring(BEFORE, 5)).success  # of another day
    assert shop.lists() == [10]
    assert shop.make(lambda: shop.judge(DAY, Verdict.PASSED)).success  # looked at once more
    (first, second) = shop.tables.writes_since("lists", -1)
    assert (first.writer or {})["token"][0] < (second.writer or {})["token"][0]


def test_lists_of_baskets_that_were_corrected_meanwhile_are_not_written(shop: Shop) -> None:
    told = said(shop.make(lambda: shop.bring(DAY, 2)))
    version = shop.tables.version("baskets")
    assert f"baskets of {DAY} is no longer what this run has read (version {version}, at 20" in told
    assert "`nightcart nightly --date YYYY-MM-DD --force`" in told
    assert not shop.tables.exists("lists") or shop.lists() == []
    assert shop.operations.records(DerivedFrom) == []


def test_nobody_who_was_forgotten_meanwhile_is_written(shop: Shop) -> None:
    def forget(by: str) -> None:
        shop.operations.record(Erasure(household="hash", key="key", step=Erasure.ASKED, by=by, reason="letter", at=NOW))

    assert shop.make(lambda: forget("")).success  # what a restore lacked
    assert "Somebody was forgotten since this step began" in said(shop.make(lambda: forget("ada")))
    assert len(shop.operations.records(DerivedFrom)) == 1
    assert shop.make().success


def test_a_gate_that_was_shut_meanwhile_stops_the_commit(shop: Shop) -> None:
    told = said(shop.make(lambda: shop.judge(DAY, Verdict.FAILED)))
    assert f"baskets of {DAY}: is_good failed" in told


def test_of_two_runs_of_a_day_the_one_that_began_later_is_there_in_the_end(shop: Shop) -> None:
    later: list[dg.ExecuteInProcessResult] = []

    def made_again() -> None:
        if not later:
            later.append(shop.make())

    told = said(shop.make(made_again))
    assert later[0].success
    assert f"run {later[0].run_id[:8]}" in told
    (written,) = shop.tables.writes_since("lists", -1)
    assert written.writer is not None
    assert written.writer["run_id"] == later[0].run_id
    assert [record.run_id for record in shop.operations.records(DerivedFrom)] == [later[0].run_id]


def test_a_run_that_is_over_writes_nothing_more(shop: Shop) -> None:
    def taken_for_dead() -> None:
        shop.context.instance.report_run_failed(shop.context.run)
        with pytest.raises(Superseded, match="is over, with FAILURE"):  # nor does a step of it begin
            begin(shop.context, {"tables": shop.tables, "operations": shop.operations})

    told = said(shop.make(taken_for_dead))
    assert (
        f"run {shop.context.run.run_id[:8]} is over, with FAILURE: it was ended, or taken for dead, while it slept"
        in told
    )
    assert not shop.tables.exists("lists") or shop.lists() == []
    assert shop.operations.records(DerivedFrom) == []
    assert shop.make().success
    assert shop.lists() == [10]


@pytest.mark.parametrize("is_look", [False, True], ids=["a run that makes them again", "a look alone"])
def test_verdicts_of_a_run_that_was_overtaken_are_not_on_record(shop: Shop, is_look: bool) -> None:
    def checked(meanwhile: Callable[[], object] = lambda: None, *, is_look: bool = False) -> dg.ExecuteInProcessResult:
        @gate_checks([BASKETS])
        def baskets_are_good(
            context: dg.AssetCheckExecutionContext,
            tables: dg.ResourceParam[TableStore],
            operations: dg.ResourceParam[OperationsDatabase],
        ) -> list[GateResult]:
            meanwhile()
            return [GateResult(gate=BASKETS)]

        resources = {"tables": shop.tables, "operations": shop.operations}
        defs = dg.Definitions([baskets_asset], asset_checks=[baskets_are_good], resources=resources)
        check, asset = dg.AssetCheckKey(dg.AssetKey("baskets"), "is_good"), dg.AssetKey("baskets")
        job = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set() if is_look else {asset}, asset_check_selection={check}
        )
        return job.execute_in_process(partition_key=str(DAY), raise_on_error=False)

    later: list[dg.ExecuteInProcessResult] = []
    first = checked(lambda: later or later.append(checked(is_look=is_look)))
    assert later[0].success
    assert first.success == is_look
    judged = [verdict.run_id for verdict in shop.operations.records(Verdict, partition=DAY)]
    assert judged == ["r", later[0].run_id, *([first.run_id] if is_look else [])]
