"""Gates that hold across runs: whoever reads a table in a run of its own is refused until its verdict is a good one."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from assets.failures import explained
from assets.grocery.partitions import business_days
from assets.partitions import days_of
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate, Gates, of_days
from resources.errors import Damaged
from resources.records.quality import Override, Verdict
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

DAY, NEXT = dt.date(2024, 2, 1), dt.date(2024, 2, 2)
FULL = Gate(subject="shelf", check="shelf_is_full", description="Nothing is sold out.")
CLEAN = Gate(subject="shelf", check="shelf_is_clean", description="Nothing was spilt.")

GATES = Gates([FULL, CLEAN])


@dataclass
class World:
    """A table `shelf` with two gates and a reader of it; `says` is what the first gate does when it looks."""

    tables: TableStore
    operations: OperationsDatabase
    instance: dg.DagsterInstance
    job: Any = None
    says: dict[str, Any] = field(default_factory=lambda: {"broken": {}, "crash": None, "silent": False})
    rows: list[int] = field(default_factory=lambda: [1, 2, 3])

    def run(self, *assets: str, day: dt.date = DAY, checks: list[str] | None = None) -> dg.ExecuteInProcessResult:
        """A run of its own; `checks` are those selected, by default all of the assets'."""
        chosen = None if checks is None else {dg.AssetCheckKey(dg.AssetKey("shelf"), name) for name in checks}
        return self.job.get_subset(
            asset_selection={dg.AssetKey(name) for name in assets}, asset_check_selection=chosen
        ).execute_in_process(instance=self.instance, partition_key=day.isoformat(), raise_on_error=False)

    def refusal(self) -> str:
        """Why a run of the reader alone is refused; empty when it is not."""
        result = self.run("reader")
        (failure,) = result.get_step_failure_events() or [None]
        assert result.success == (failure is None)
        return failure.step_failure_data.user_failure_data.description if failure else ""

    def verdict(self, check: str = FULL.check) -> Verdict:
        return self.operations.verdicts("shelf", since=DAY, until=DAY)[(DAY, check)]

    def override(self, verdict: Verdict, *, expires_at: dt.datetime) -> None:
        what = {name: getattr(verdict, name) for name in ("subject", "partition", "data_version", "check")}
        at = dt.datetime.now(dt.UTC)
        self.operations.record(Override(**what, reason="known", by="anna", expires_at=expires_at, decided_at=at))


@pytest.fixture
def world(tables: TableStore, operations: OperationsDatabase) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(tables, operations, instance)

        @dg.asset(partitions_def=business_days)
        def shelf(context: dg.AssetExecutionContext, tables: dg.ResourceParam[TableStore]) -> None:
            days = days_of(context)
            rows = pa.table({"business_date": pa.array(days * len(made.rows), pa.date32()), "items": made.rows})
            tables.replace_days("shelf", rows, days=days)

        @gate_checks([FULL, CLEAN])
        def shelf_is_fit_to_use(
            context: dg.AssetCheckExecutionContext,
            tables: dg.ResourceParam[TableStore],
            operations: dg.ResourceParam[OperationsDatabase],
        ) -> Iterator[GateResult]:
            """Look at the shelf."""
            if made.says["crash"]:
                raise made.says["crash"]
            yield GateResult(gate=CLEAN)
            if not made.says["silent"]:
                yield GateResult(gate=FULL, broken=made.says["broken"])

        @dg.asset(partitions_def=business_days, deps=[shelf])
        @explained
        def reader(
            context: dg.AssetExecutionContext,
            tables: dg.ResourceParam[TableStore],
            operations: dg.ResourceParam[OperationsDatabase],
            gates: dg.ResourceParam[Gates],
        ) -> dg.MaterializeResult:
            needs = {"shelf": of_days(tables, "shelf", days_of(context))}
            gates.require(operations, needs, now=dt.datetime.now(dt.UTC))
            return dg.MaterializeResult()

        defs = dg.Definitions(
            assets=[shelf, reader],
            asset_checks=[shelf_is_fit_to_use],
            jobs=[dg.define_asset_job("all", dg.AssetSelection.all())],
            resources={"tables": tables, "operations": operations, "gates": Gates.of([shelf_is_fit_to_use])},
            executor=dg.in_process_executor,
        )
        made.job = defs.resolve_job_def("all")
        yield made


def test_what_has_passed_is_read_in_the_same_run_and_in_any_other(world: World) -> None:
    assert world.run("shelf", "reader").success
    assert world.refusal() == ""
    assert [verdict.outcome for verdict in world.operations.records(Verdict)] == [Verdict.PASSED] * 2


def test_a_failed_check_refuses_every_later_run_by_name_with_what_to_do(world: World) -> None:
    world.says["broken"] = {DAY: "the milk is sold out"}
    together = world.run("shelf", "reader")
    assert not together.success
    assert "reader" not in {event.asset_key.to_user_string() for event in together.get_asset_materialization_events()}
    said = world.refusal()
    assert "shelf of 2024-02-01: shelf_is_full failed (the milk is sold out)" in said
    assert 'nightcart override shelf shelf_is_full 2024-02-01 --reason "…"' in said
    assert "shelf_is_clean" not in said


def test_a_check_that_was_deselected_has_never_looked(world: World) -> None:
    assert world.run("shelf", checks=[]).success
    said = world.refusal()
    assert "shelf of 2024-02-01: shelf_is_full has never looked at it" in said
    assert "nightcart check shelf --from 2024-02-01 --to 2024-02-01" in said


def test_a_day_that_was_written_past_dagster_has_never_been_looked_at(world: World) -> None:
    world.run("shelf", day=NEXT)
    world.tables.replace_days(
        "shelf", pa.table({"business_date": pa.array([DAY], pa.date32()), "items": [1]}), days=[DAY]
    )
    assert "has never looked at it" in world.refusal()


def test_a_day_that_is_not_there_is_to_be_made_and_not_to_be_looked_at(world: World) -> None:
    world.run("shelf", day=NEXT)
    said = world.refusal()
    assert "shelf of 2024-02-01: shelf_is_full has nothing to look at: there are no rows" in said
    assert "Remedy: `nightcart backfill --from 2024-02-01 --to 2024-02-01 --assets shelf --force`." in said
    assert "nightcart check" not in said


def test_a_day_that_was_made_again_without_its_checks_is_of_another_version(world: World) -> None:
    world.run("shelf")
    world.run("shelf", checks=[])
    said = world.refusal()
    assert "shelf_is_full was made for another version of it" in said
    assert "nightcart check shelf --from 2024-02-01 --to 2024-02-01" in said


def test_a_check_that_crashed_opens_nothing(world: World) -> None:
    world.says["crash"] = ZeroDivisionError("division by zero")
    assert not world.run("shelf").success
    said = world.refusal()
    assert "shelf_is_full crashed (ZeroDivisionError: division by zero)" in said
    assert "nightcart check shelf --from 2024-02-01 --to 2024-02-01" in said


def test_a_check_that_cannot_read_says_why_and_what_mends_it(world: World) -> None:
    world.says["crash"] = Damaged("A file of shelf is cut off.", remedy="make it again.")
    (failure,) = world.run("shelf").get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said
    assert said.description == "A file of shelf is cut off. Remedy: make it again."


def test_a_check_that_gave_no_result_opens_nothing(world: World) -> None:
    world.says["silent"] = True
    world.run("shelf")
    assert "shelf_is_full crashed (it gave no result)" in world.refusal()


def test_a_warning_that_let_its_own_run_go_on_opens_nothing_once_the_override_has_lapsed(world: World) -> None:
    world.says["broken"] = {DAY: "the milk is sold out"}
    world.run("shelf")
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    world.override(world.verdict(), expires_at=soon)
    looked_again = world.run(checks=[FULL.check, CLEAN.check])
    (full,) = [each for each in looked_again.get_asset_check_evaluations() if each.check_name == FULL.check]
    assert (full.passed, full.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert full.metadata["overridden_by"].value == [f"anna, until {soon:%Y-%m-%d %H:%M} UTC: known"]
    assert {name: full.metadata[name].value for name in ("partitions_judged", "partitions_failed")} == {
        "partitions_judged": 1,
        "partitions_failed": 1,
    }
    assert world.verdict().run_id == looked_again.run_id
    needs = {"shelf": of_days(world.tables, "shelf", [DAY])}
    assert GATES.closed(world.operations, needs, now=soon - dt.timedelta(seconds=1)) == []
    (shut,) = GATES.closed(world.operations, needs, now=soon)
    assert "shelf_is_full failed" in str(shut)


def test_an_override_opens_its_gate_until_it_lapses_and_for_its_version_alone(world: World) -> None:
    world.says["broken"] = {DAY: "the milk is sold out"}
    world.run("shelf")
    hour = dt.timedelta(hours=1)
    world.override(world.verdict(), expires_at=dt.datetime.now(dt.UTC) - hour)
    assert "shelf_is_full failed" in world.refusal()
    world.override(world.verdict(), expires_at=dt.datetime.now(dt.UTC) + hour)
    assert world.refusal() == ""
    world.rows = [4]
    world.run("shelf")  # made again, and still sold out: it is not what the person has seen
    assert "shelf_is_full failed" in world.refusal()


def test_an_override_of_one_check_leaves_the_other_shut(world: World) -> None:
    world.says["crash"] = ZeroDivisionError()
    world.run("shelf")
    world.override(world.verdict(), expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    said = world.refusal()
    assert "shelf_is_clean crashed" in said
    assert "shelf_is_full" not in said


@pytest.mark.parametrize("crash", [None, ZeroDivisionError()])
def test_a_look_at_what_is_stored_mends_a_verdict_that_is_missing_or_crashed(world: World, crash) -> None:
    world.says["crash"] = crash
    world.run("shelf", checks=None if crash else [])
    version = world.tables.version("shelf")
    world.says["crash"] = None
    assert world.refusal()
    assert world.run(checks=[FULL.check, CLEAN.check]).success  # what `nightcart check` launches
    assert world.refusal() == ""
    assert world.tables.version("shelf") == version


def test_the_verdict_of_another_day_opens_nothing(world: World) -> None:
    world.run("shelf", day=NEXT)
    world.run("shelf", checks=[])
    assert "shelf of 2024-02-01" in world.refusal()
    assert world.run("reader", day=NEXT).success
