"""A command's run in the queue: asked for once, followed to the end of what Dagster makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.partitions import PARTITION_TAG
from orchestration.runs import submission
from orchestration.runs.outcomes import WILL_RETRY_TAG
from orchestration.runs.submission import ask_for, end_of_all

LINES = dg.AssetKey("lines")
DAY = {PARTITION_TAG: "2024-05-06"}
LOCATION = """
import dagster as dg

days = dg.DailyPartitionsDefinition("2024-01-01")

@dg.asset(partitions_def=days)
def lines(): ...

@dg.asset(partitions_def=days, deps=[lines])
def lists(): ...

defs = dg.Definitions(assets=[lines, lists], jobs=[dg.define_asset_job("nightly", tags={"nightcart/slot": "work"})])
"""


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(submission, "EVERY", 0)
    monkeypatch.setattr(submission, "NOTED", 0.2)
    queue = {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}
    with dg.instance_for_test(overrides={"run_coordinator": queue}) as instance:
        yield instance


def on_record(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **known: object) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="nightly", status=status, **{"tags": DAY, "asset_selection": {LINES}, **known})  # pyright: ignore
    instance.run_storage.add_run(run)
    return run


def test_a_run_is_queued_at_the_code_location(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "location.py").write_text(LOCATION)
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: [{python_file: {relative_path: location.py, location_name: nightcart}}]")
    run = ask_for(instance, workspace, "nightly", assets={LINES}, checks=set(), tags=DAY)
    assert run.status == dg.DagsterRunStatus.QUEUED
    assert run.asset_selection == {LINES}
    assert run.tags.items() >= {**DAY, "nightcart/slot": "work"}.items()
    assert run.remote_job_origin
    # The same command typed again, because its pod was replaced: it follows the same run.
    assert ask_for(instance, workspace, "nightly", assets={LINES}, checks=set(), tags=DAY).run_id == run.run_id


@pytest.mark.parametrize("other", ["day", "assets"])
def test_only_the_very_same_is_joined(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    on_record(
        instance,
        dg.DagsterRunStatus.STARTED,
        tags={PARTITION_TAG: "2024-05-07"} if other == "day" else DAY,
        asset_selection={dg.AssetKey("lists")} if other == "assets" else {LINES},
    )
    asked: list[str] = []
    monkeypatch.setattr(submission, "submitted", lambda *_, **__: asked.append("asked"))
    ask_for(instance, Path("workspace.yaml"), "nightly", assets={LINES}, checks=set(), tags=DAY)
    assert asked == ["asked"]


def test_a_run_that_was_lost_is_followed_by_the_one_in_its_place(instance: dg.DagsterInstance) -> None:
    lost = on_record(instance, dg.DagsterRunStatus.FAILURE, tags={**DAY, WILL_RETRY_TAG: "true"})
    family = {"dagster/root_run_id": lost.run_id, "dagster/parent_run_id": lost.run_id}
    again = on_record(
        instance,
        dg.DagsterRunStatus.SUCCESS,
        root_run_id=lost.run_id,
        parent_run_id=lost.run_id,
        tags={**DAY, **family},
    )
    said: list[str] = []
    assert end_of_all(instance, lost, say=said.append).run_id == again.run_id
    assert said == [f"Run {lost.run_id[:8]} was lost; {again.run_id[:8]} goes on where it stopped."]


def test_whether_a_run_is_launched_again_is_noted_after_its_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = on_record(instance, dg.DagsterRunStatus.FAILURE)
    family = {"dagster/root_run_id": lost.run_id, "dagster/parent_run_id": lost.run_id}
    again = on_record(
        instance, dg.DagsterRunStatus.SUCCESS, root_run_id=lost.run_id, parent_run_id=lost.run_id, tags=family
    )
    noted = {WILL_RETRY_TAG: "true"}
    monkeypatch.setattr(submission.time, "sleep", lambda _: instance.add_run_tags(lost.run_id, noted))
    assert end_of_all(instance, lost, say=print).run_id == again.run_id


def test_a_run_that_is_not_launched_again_is_the_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = on_record(instance, dg.DagsterRunStatus.FAILURE)
    assert end_of_all(instance, failed, say=print).run_id == failed.run_id
    # Without a daemon nobody launches it, whatever the tag promises.
    monkeypatch.setattr(submission, "LAUNCHED_AGAIN", 0)
    promised = on_record(instance, dg.DagsterRunStatus.FAILURE, tags={**DAY, WILL_RETRY_TAG: "true"})
    assert end_of_all(instance, promised, say=print).run_id == promised.run_id
