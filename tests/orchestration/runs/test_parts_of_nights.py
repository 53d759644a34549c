"""A night that is done is one whose lists and decision were made: not some steps of it, made by hand in Dagster's UI."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from assets.partitions import PARTITION_TAG
from orchestration.runs.nights import newest_runs, night_so_far
from orchestration.runs.outcomes import PARENT_TAG

DAY = dt.date(2024, 4, 3)
STEPS = ("households", "published_recommendations", "retraining_decision")
ALL = [dg.AssetKey(name) for name in STEPS]
broken: set[str] = set()


def asset(name: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
    def made() -> None:
        if name in broken:
            raise dg.Failure

    return made


defs = dg.Definitions(assets=[asset(name) for name in STEPS], jobs=[dg.define_asset_job("nightly")])


def run(instance: dg.DagsterInstance, *steps: str, breaks: str = "", after: str = "") -> str:
    broken.clear()
    broken.update({breaks})
    return (
        defs.resolve_job_def("nightly")
        .execute_in_process(
            instance=instance,
            partition_key=str(DAY),
            asset_selection=[dg.AssetKey(name) for name in steps] or None,
            tags={PARENT_TAG: after} if after else {},
            raise_on_error=False,
        )
        .run_id
    )


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def done(instance: dg.DagsterInstance) -> str | None:
    night = newest_runs(instance, dg.DagsterRunStatus.SUCCESS).get(DAY)
    assert (night and night.run_id) == night_so_far(instance, DAY).done
    return night and night.run_id


def test_a_step_that_was_made_by_hand_is_no_night(instance) -> None:
    run(instance, "households")
    assert done(instance) is None
    whole = run(instance)
    assert done(instance) == whole
    run(instance, "households")
    assert done(instance) == whole


def test_a_run_that_goes_on_after_what_failed_is_one(instance) -> None:
    failed = run(instance, breaks="retraining_decision")
    assert (done(instance), night_so_far(instance, DAY).failed) == (None, failed)
    rest = run(instance, "retraining_decision", after=failed)
    assert done(instance) == rest


def test_the_failed_step_alone_is_none_where_others_followed_it(instance) -> None:
    failed = run(instance, "households", breaks="households")
    run(instance, "households", after=failed)
    assert done(instance) is None


@pytest.mark.parametrize(
    ("selection", "is_whole"), [({}, True), ({"asset_selection": {ALL[0]}}, False), ({"asset_selection": {*ALL}}, True)]
)
def test_a_run_that_was_launched_is_one_where_all_was_chosen(instance, selection, is_whole) -> None:
    tags = {PARTITION_TAG: str(DAY)}
    launched = dg.DagsterRun(job_name="nightly", status=dg.DagsterRunStatus.SUCCESS, tags=tags, **selection)
    instance.add_run(launched)
    assert (done(instance) == launched.run_id) == is_whole
