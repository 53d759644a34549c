"""A run carries the retailer that it was asked for, and what a person's launch claims to be is not believed."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from orchestration.definitions import build_defs, defs
from orchestration.environment import require_own
from orchestration.jobs import nightly
from orchestration.runs.attempts import ATTEMPT_TAG
from orchestration.runs.coordinator import NOT_BELIEVED, Coordinator
from orchestration.runs.orphans import LAUNCH_TAG
from orchestration.runs.outcomes import end_of
from orchestration.tags import NIGHT, RETAILER, SLOT
from resources import home
from resources.errors import Refused


@pytest.fixture
def deployed(tmp_path: Path) -> Any:
    """An instance with the project's own dagster.yaml."""
    shutil.copy(home.PROJECT / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def submitted(instance: dg.DagsterInstance, *, source: object, **tags: str) -> dg.DagsterRun:
    """A run as the web server (with a request as its `source`) or the daemon (without) submits it."""
    repository_origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nightcart"), "__repository__")
    run = dg.DagsterRun(
        job_name="ingestion", tags=tags, remote_job_origin=RemoteJobOrigin(repository_origin, "ingestion")
    )
    instance.run_storage.add_run(run)
    metadata = defs.get_repository_def().metadata
    repository = SimpleNamespace(repository_snap=SimpleNamespace(metadata=metadata))
    location = SimpleNamespace(get_repository=lambda name: repository)
    workspace: Any = SimpleNamespace(source=source, get_code_location=lambda name: location)
    instance.run_coordinator.submit_run(dg.SubmitRunContext(run, workspace))
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert found.status == dg.DagsterRunStatus.QUEUED
    return found


def test_the_instances_queue_is_ours_with_its_limits(deployed: dg.DagsterInstance) -> None:
    assert isinstance(deployed.run_coordinator, Coordinator)
    assert deployed.get_concurrency_config().run_queue_config.max_concurrent_runs == 3  # pyright: ignore


def test_a_run_says_whom_it_was_asked_for(deployed: dg.DagsterInstance) -> None:
    run = submitted(deployed, source=None, **{ATTEMPT_TAG: "retraining:2024-05-06:1:1"})
    assert run.tags[RETAILER] == "corner_shop"
    assert run.tags[ATTEMPT_TAG] == "retraining:2024-05-06:1:1"


@pytest.mark.parametrize(("source", "tags"), [(object(), {}), (None, {"dagster/backfill": "abc"})])
def test_what_a_launch_in_the_browser_claims_is_not_believed(
    deployed: dg.DagsterInstance, source: object, tags: dict[str, str]
) -> None:
    claimed = {
        LAUNCH_TAG: "a",
        ATTEMPT_TAG: "b",
        "nightcart/arrival": "c",
        RETAILER: "kiosk",
        SLOT: "work",
        "team": "data",
    }
    found = submitted(deployed, source=source, **claimed, **tags).tags
    assert {found[LAUNCH_TAG], found[ATTEMPT_TAG], found["nightcart/arrival"]} == {NOT_BELIEVED}
    assert (found[RETAILER], found[SLOT], found["team"]) == ("corner_shop", "work", "data")


@pytest.mark.parametrize("file", ["dagster.yaml", "deploy/base/dagster.yaml"])
def test_nights_wait_for_each_other_whoever_launches_them(deployed: dg.DagsterInstance, file: str) -> None:
    asked = nightly.tags[NIGHT]
    assert submitted(deployed, source=object(), **{NIGHT: asked}).tags[NIGHT] == asked
    queue = yaml.safe_load((home.PROJECT / file).read_text(encoding="utf-8"))["concurrency"]["runs"]
    one_each = {"key": NIGHT, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    assert one_each in queue["tag_concurrency_limits"]


def test_a_process_of_another_retailer_refuses_the_run(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    class Untouched:
        """An adapter that the run must not get."""

    job = build_defs(tables=Untouched()).resolve_job_def("ingestion")  # pyright: ignore
    done = job.execute_in_process(
        instance=instance, partition_key="2024-01-02", tags={RETAILER: "kiosk"}, raise_on_error=False
    )
    assert not done.success
    assert not done.get_step_failure_events()  # no step has begun
    assert "was asked for the retailer kiosk, and this process works for corner_shop" in end_of(instance, done.run_id)


def test_its_own_run_and_one_from_before_are_taken() -> None:
    for tags in ({RETAILER: "corner_shop"}, {}):
        require_own(dg.DagsterRun(job_name="a", tags=tags), "corner_shop")
    with pytest.raises(Refused, match="launch it again where that retailer is in use"):
        require_own(dg.DagsterRun(job_name="a", tags={RETAILER: NOT_BELIEVED}), "corner_shop")
