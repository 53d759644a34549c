"""What is used of Dagster beyond its public API is there, and does what it did."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from orchestration.runs.dagster_internals import AssetGraph, latest_evaluations, scheduled_before


@dg.schedule(cron_schedule="30 1-3 * * *", job_name="nightly", execution_timezone="Europe/Berlin")
def some_schedule() -> None: ...


def test_the_last_times_of_a_schedule_are_counted_back_in_its_own_zone() -> None:
    noon = dt.datetime(2024, 5, 7, 12, tzinfo=dt.UTC)
    assert scheduled_before(some_schedule, noon, ticks=1) == dt.datetime(2024, 5, 7, 1, 30, tzinfo=dt.UTC)
    assert scheduled_before(some_schedule, noon, ticks=4) == dt.datetime(2024, 5, 6, 1, 30, tzinfo=dt.UTC)


def test_the_newest_evaluation_of_a_check_is_the_one_that_was_reported_last(instance: dg.DagsterInstance) -> None:
    check = dg.AssetCheckKey(dg.AssetKey("champion"), "is_well")
    assert latest_evaluations(instance, [check]) == {}
    for passed in (False, True):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=check.asset_key, check_name=check.name, passed=passed)
        )
    assert latest_evaluations(instance, [check])[check].passed


def test_the_graph_of_a_repository_is_the_one_that_nights_are_selected_from() -> None:
    from orchestration.definitions import defs

    assert isinstance(defs.get_repository_def().asset_graph, AssetGraph)
