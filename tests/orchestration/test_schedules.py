"""The nightly schedule over the ticks of a night."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from assets.lifecycle.champion import CHAMPION_GATE
from orchestration.definitions import defs
from orchestration.runs.nights import ARRIVAL_SENSOR, SILENCE
from orchestration.schedules import nightly_schedule
from resources.config.feeds import LandingConfig
from resources.config.retailer import Settings
from resources.records.alerts import Heartbeat
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import Verdict

DAY = dt.date(2024, 5, 7)


@pytest.fixture
def arriving(settings: Settings, tmp_path: Path) -> Settings:
    """The shop with an empty folder that files arrive in."""
    (tmp_path / "landing").mkdir()
    moved = settings.transactions.model_copy(update={"path": [f"{tmp_path}/landing/{{date}}.csv"]})
    return settings.model_copy(update={"transactions": moved})


@pytest.fixture
def world(settings: Settings, feeds, tables, operations, instance) -> dict[str, Any]:
    return {"settings": settings, "feeds": feeds, "tables": tables, "operations": operations, "instance": instance}


def tick(at: dt.datetime, *, instance: dg.DagsterInstance, **resources: Any):
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=at.replace(tzinfo=ZoneInfo(resources["settings"].timezone)),
        resources=resources,
        repository_def=defs.get_repository_def(),
    )
    return nightly_schedule(context)


def put_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    return instance.create_run_for_job(
        defs.resolve_job_def("nightly"), status=status, tags={"dagster/partition": DAY.isoformat()}
    )


def test_a_night_waits_for_its_feed_and_runs_once(arriving, settings, world, operations, instance) -> None:
    at = dt.datetime(2024, 5, 8, 1, 30)
    world["settings"] = arriving

    waiting = tick(at, **world)
    assert [beat.name for beat in operations.records(Heartbeat)] == ["nightly_schedule"]
    assert isinstance(waiting, dg.SkipReason)
    assert "2024-05-07 is not there yet" in waiting.skip_message

    feed = Path(settings.transactions.path[0].replace("{date}", DAY.isoformat()))
    shutil.copy(feed, Path(arriving.transactions.path[0]).parent)
    launched = tick(at.replace(hour=2), **world)
    assert isinstance(launched, dg.RunRequest)
    assert launched.partition_key == "2024-05-07"

    put_run(instance, dg.DagsterRunStatus.STARTED)
    assert "under way" in tick(at.replace(hour=3), **world).skip_message
    put_run(instance, dg.DagsterRunStatus.SUCCESS)
    assert "is done" in tick(at.replace(hour=4), **world).skip_message


def test_a_failed_night_is_left_to_a_person_with_the_command_that_goes_on(world, instance) -> None:
    put_run(instance, dg.DagsterRunStatus.FAILURE)
    skipped = tick(dt.datetime(2024, 5, 8, 1, 30), **world)
    assert "nightcart nightly --date 2024-05-07" in skipped.skip_message


def test_the_day_is_the_local_one_also_when_the_clocks_change(world) -> None:
    # At 01:30 on Easter Sunday, half an hour before the clocks change, Saturday has closed.
    assert tick(dt.datetime(2024, 3, 31, 1, 30), **world).partition_key == "2024-03-30"
    # The closed Sunday needs no feed.
    assert tick(dt.datetime(2024, 4, 1, 1, 30), **world).partition_key == "2024-03-31"


def test_after_the_last_day_of_a_finished_data_set_it_points_to_replay(world) -> None:
    skipped = tick(dt.datetime(2024, 6, 1, 1, 30), **world)
    assert "nightcart replay" in skipped.skip_message


def test_a_day_in_the_landing_place_is_left_to_the_sensor_while_that_is_at_work(settings, world, tmp_path) -> None:
    at, now = dt.datetime(2024, 5, 8, 1, 30), dt.datetime.now(dt.UTC)
    landing = LandingConfig.model_validate({"path": f"{tmp_path}/{{date}}.csv", "marker": ".done"})
    world["settings"] = settings.model_copy(update={"landing": landing})
    world["operations"].beat(ARRIVAL_SENSOR, now=now)
    assert isinstance(tick(at, **world), dg.RunRequest)  # nothing has landed: the feed's own file is there

    (tmp_path / "2024-05-07.csv").write_text("half a")  # not complete: neither's, yet
    assert "ingest_on_arrival runs its night" in tick(at, **world).skip_message
    world["operations"].beat(ARRIVAL_SENSOR, now=now - SILENCE - dt.timedelta(minutes=1))
    assert isinstance(tick(at, **world), dg.RunRequest)


def test_the_first_night_trains_and_the_others_leave_that_to_its_own_job(world, operations) -> None:
    training = {dg.AssetKey(name) for name in ("training_examples", "challenger", "champion")}
    at = dt.datetime(2024, 5, 8, 1, 30)
    first = set(tick(at, **world).asset_selection)
    assert training < first

    now = dt.datetime(2024, 5, 7, 2, tzinfo=dt.UTC)
    operations.record(
        PromotionRecord(
            business_date=DAY - dt.timedelta(days=1),
            challenger=1,
            champion_before=None,
            champion_after=1,
            is_promoted=True,
            reasons=["better"],
            decided_at=now,
            run_id="run",
        )
    )
    assert set(tick(at, **world).asset_selection) == first  # it died before its check: nobody can serve
    operations.record(
        Verdict(
            subject=CHAMPION_GATE.subject,
            partition=DAY - dt.timedelta(days=1),
            data_version="1",
            check=CHAMPION_GATE.check,
            outcome=Verdict.PASSED,
            run_id="run",
            decided_at=now,
        )
    )
    assert set(tick(at, **world).asset_selection) == first - training
    assert set(tick(at - dt.timedelta(days=1), **world).asset_selection) == first  # that night trained itself
