"""From the ledger to runs: the sensor over many ticks, against a real instance, as stories.

A run is not executed here: what the daemon would launch is created in the instance, and reported as it ends.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import StepFailureData, UserFailureData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from assets.lifecycle import retraining_ledger as ledger
from assets.lifecycle.champion import CHAMPION_GATE
from orchestration.definitions import defs
from orchestration.jobs import TRAINING_GROUP, training_job
from orchestration.runs.attempts import ATTEMPT_TAG, LAUNCH_GRACE
from orchestration.runs.nights import UNDER_WAY
from orchestration.sensors import retraining as sensors
from orchestration.sensors.retraining import retrain_on_decision
from orchestration.tags import RETAILER
from resources.config.lifecycle import LifecycleSettings
from resources.config.loader import read_settings
from resources.records.lifecycle import Attempt, PromotionRecord, RetrainingDecision
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase
from tests.support import toy_domain

DAY = dt.date(2024, 5, 7)
MINUTE = dt.timedelta(minutes=1)
S = dg.DagsterRunStatus


@dataclass
class World:
    """A daemon's world: its instance, the ledger, and a clock that can be set."""

    instance: dg.DagsterInstance
    operations: OperationsDatabase
    settings: LifecycleSettings
    location: dg.Definitions = defs
    now: dt.datetime = dt.datetime(2024, 5, 8, 2, tzinfo=dt.UTC)
    launched: list[dg.DagsterRun] = field(default_factory=list)

    def decide(self, day: dt.date = DAY, *, is_retraining: bool = True) -> None:
        promotions = self.operations.numbered(PromotionRecord)
        self.operations.record(
            RetrainingDecision(
                business_date=day,
                is_retraining=is_retraining,
                reasons=["because"],
                numbers={"newest_promotion": promotions[-1][0] if promotions else 0},
                run_id="run",
                decided_at=self.now,
            )
        )

    def ask(self, *, cursor: str | None = None) -> dg.RunRequest | dg.SkipReason:
        """Evaluate the sensor: of its own it knows nothing."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=cursor,
            repository_def=self.location.get_repository_def(),
            resources={
                "settings": self.settings,
                "operations": self.operations,
            },
        )
        return retrain_on_decision(context)  # pyright: ignore[reportReturnType]

    def tick(self, *, after: dt.timedelta = MINUTE) -> dg.DagsterRun | str:
        """One tick of the daemon: the run that it launched, or why there is none."""
        self.now += after
        asked = self.ask()
        return self.launch(asked) if isinstance(asked, dg.RunRequest) else asked.skip_message or ""

    def launch(self, asked: dg.RunRequest, job: str = "retraining") -> dg.DagsterRun:
        assert not self.instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": asked.run_key or ""}))
        run = self.put_run(
            job,
            tags={**asked.tags, "dagster/run_key": asked.run_key or "", "dagster/partition": asked.partition_key or ""},
        )
        self.launched.append(run)
        return run

    def put_run(
        self, job: str, *, assets: list[str] | None = None, tags: dict[str, str] | None = None, status: S = S.STARTED
    ) -> dg.DagsterRun:
        selection = frozenset(dg.AssetKey(name) for name in assets) if assets else None
        # Without a plan of its steps, which would be an event for each of them: a second a run.
        return create_run_for_test(
            self.instance,
            job_name=job,
            asset_selection=selection,
            tags=tags,
            status=status,
            remote_job_origin=RemoteJobOrigin(
                RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nightcart"), "__repository__"), job
            ),
        )

    def end(self, run: dg.DagsterRun, how: str) -> None:
        if how == "succeeds":
            self.promote(dt.date.fromisoformat(run.tags["dagster/partition"]))
            self.instance.report_dagster_event(
                dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
            )
        elif how == "fails":
            self.instance.report_run_failed(run)
        elif how == "is cancelled":
            self.instance.report_run_canceling(run)
            self.instance.report_run_canceled(run)
        elif how == "is purged":
            self.instance.delete_run(run.run_id)

    def promote(self, day: dt.date, *, is_checked: bool = True) -> None:
        number = len(self.operations.promotions()) + 1
        record = PromotionRecord(
            business_date=day,
            challenger=number,
            champion_before=number - 1,
            champion_after=number,
            is_promoted=True,
            reasons=["better"],
            decided_at=self.now,
            run_id="run",
        )
        verdict = Verdict(
            subject=CHAMPION_GATE.subject,
            partition=day,
            data_version=str(number),
            check=CHAMPION_GATE.check,
            outcome=Verdict.PASSED,
            run_id="run",
            decided_at=self.now,
        )
        self.operations.record(record, *([verdict] if is_checked else []))

    @property
    def outcomes(self) -> list[str]:
        return [attempt.outcome for attempt in self.operations.records(Attempt)]

    @property
    def state(self) -> str | None:
        current = ledger.read(self.operations, now=self.now).current(rule=self.settings.retraining)
        return current.state if current else None


@pytest.fixture(scope="module")
def empty_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """To make one takes seconds, to empty it none; its runs share one log, where each would make a file of its own."""
    folder = str(tmp_path_factory.mktemp("dagster"))
    one_log = {
        "module": "dagster._core.storage.event_log",
        "class": "ConsolidatedSqliteEventLogStorage",
        "config": {"base_dir": folder},
    }
    overrides = {"telemetry": {"enabled": False}, "event_log_storage": one_log}
    with dg.DagsterInstance.local_temp(folder, overrides=overrides) as instance:
        yield instance


@pytest.fixture
def world(empty_instance, operations, settings, monkeypatch) -> World:
    for run in empty_instance.get_runs():
        empty_instance.delete_run(run.run_id)
    found = World(empty_instance, operations, settings)
    clock = SimpleNamespace(now=lambda zone: found.now.astimezone(zone))
    monkeypatch.setattr(sensors, "dt", SimpleNamespace(datetime=clock, UTC=dt.UTC))
    return found


def launched(found: dg.DagsterRun | str) -> dg.DagsterRun:
    assert isinstance(found, dg.DagsterRun), found
    return found


def skipped(found: dg.DagsterRun | str) -> str:
    assert isinstance(found, str), found
    return found


def test_a_decision_is_carried_out_once(world: World) -> None:
    assert skipped(world.tick()) == "No training is decided on."
    world.decide(is_retraining=False)
    assert skipped(world.tick()) == "No training is decided on."
    world.decide(DAY + dt.timedelta(days=1))
    run = launched(world.tick())
    assert run.job_name == "retraining"
    assert run.tags["dagster/partition"] == "2024-05-08"
    assert run.tags["dagster/run_key"] == "retraining:2024-05-08:2:1"
    assert "under way: retraining" in skipped(world.tick())
    world.end(run, "succeeds")
    assert "carried out" in skipped(world.tick())
    assert world.outcomes == [Attempt.ASKED, Attempt.SUCCEEDED]


def test_a_failed_run_is_tried_again_under_a_fresh_run_key_after_a_growing_pause_until_the_budget_is_spent(
    world: World,
) -> None:
    rule = world.settings.retraining
    world.decide()
    world.end(launched(world.tick()), "fails")
    for number in range(1, rule.attempts):
        assert "not before" in skipped(world.tick())
        assert "not before" in skipped(world.tick(after=rule.backoff(number) - 2 * MINUTE))
        world.end(launched(world.tick(after=2 * MINUTE)), "fails")
    for _ in range(3):
        assert "All 4 attempts" in skipped(world.tick(after=dt.timedelta(days=1)))
    assert [run.tags["dagster/run_key"] for run in world.launched] == [
        f"retraining:2024-05-07:1:{number}" for number in (1, 2, 3, 4)
    ]
    assert ledger.exhausted(world.operations, rule=rule, now=world.now)


def test_what_failed_is_on_record_in_words(world: World) -> None:
    world.decide()
    run = launched(world.tick())
    world.instance.report_dagster_event(
        dg.DagsterEvent(
            dg.DagsterEventType.STEP_FAILURE.value,
            run.job_name,
            step_key="challenger",
            event_specific_data=StepFailureData(
                error=None, user_failure_data=UserFailureData(label="full", description="the disk is full")
            ),
        ),
        run.run_id,
    )
    world.end(run, "fails")
    assert "challenger: the disk is full" in skipped(world.tick())


def test_a_tick_that_dies_before_it_launches_costs_an_attempt_and_no_run_is_doubled(world: World) -> None:
    world.decide()
    assert isinstance(world.ask(), dg.RunRequest)  # and the daemon dies here
    assert "no run is there yet" in skipped(world.tick())
    skipped(world.tick(after=LAUNCH_GRACE))  # it is seen to have vanished, and the pause begins
    assert world.outcomes == [Attempt.ASKED, Attempt.VANISHED]
    run = launched(world.tick(after=world.settings.retraining.backoff(1)))
    assert run.tags["dagster/run_key"] == "retraining:2024-05-07:1:2"


def test_a_daemon_that_goes_on_with_its_interrupted_tick_launches_the_run_that_it_asked_for(world: World) -> None:
    world.decide()
    asked = world.ask()
    assert isinstance(asked, dg.RunRequest)
    world.now += dt.timedelta(hours=3)  # the machine was off
    run = world.launch(asked)
    assert "under way" in skipped(world.tick())
    world.end(run, "succeeds")
    assert "carried out" in skipped(world.tick())


def test_what_a_person_cancels_is_not_tried_again(world: World) -> None:
    world.decide()
    world.end(launched(world.tick()), "is cancelled")
    assert "cancelled by a person" in skipped(world.tick(after=dt.timedelta(days=1)))
    world.decide()  # a person's wish
    launched(world.tick())


def test_a_purged_run_is_tried_again_unless_its_training_is_on_record(world: World) -> None:
    world.decide()
    run = launched(world.tick())
    world.end(run, "is purged")
    skipped(world.tick(after=LAUNCH_GRACE))
    run = launched(world.tick(after=world.settings.retraining.backoff(1)))
    world.end(run, "succeeds")
    world.end(run, "is purged")
    assert "carried out" in skipped(world.tick(after=dt.timedelta(days=2)))
    assert len(world.launched) == 2


def test_a_run_whose_end_is_on_record_may_be_purged(world: World) -> None:
    world.decide()
    run = launched(world.tick())
    world.end(run, "fails")
    skipped(world.tick())
    world.end(run, "is purged")
    assert "attempt 1 of 4" in skipped(world.tick())
    assert world.outcomes == [Attempt.ASKED, Attempt.FAILED]


@pytest.mark.parametrize(
    ("job", "assets", "waits"),
    [
        ("nightly", None, True),
        ("nightly", ["transactions", "recommendations"], False),
        ("nightly", ["recommendations", "champion"], True),
        ("retraining", None, True),
        ("backfill", ["challenger"], True),
        ("backfill", ["transactions"], False),
    ],
)
def test_it_waits_for_whatever_trains_whoever_launched_it(world: World, job, assets, waits) -> None:
    world.decide()
    by_hand = world.put_run(job, assets=assets)
    if waits:
        assert by_hand.run_id[:8] in skipped(world.tick())
        world.end(by_hand, "fails")
    launched(world.tick())


def test_another_domain_has_the_same_sensor_and_is_not_kept_waiting_by_this_ones_runs(world: World) -> None:
    its_attempt = {ATTEMPT_TAG: "retraining:2024-05-07:1:1", RETAILER: world.settings.name}
    of_this = world.put_run("retraining", tags=its_attempt)
    world.settings = read_settings(Path(toy_domain.__file__).with_name("power.toml"), LifecycleSettings)
    training = training_job(dg.AssetSelection.groups(TRAINING_GROUP))
    world.location = dg.Definitions(
        assets=dg.load_assets_from_modules([toy_domain]),
        jobs=[training],
        sensors=[retrain_on_decision],
        resources=dict.fromkeys(("settings", "tables", "registry", "operations", "policy", "gates"), "not asked"),
    )
    world.decide()
    run = launched(world.tick())
    assert run.tags[ATTEMPT_TAG] == of_this.tags[ATTEMPT_TAG]
    world.end(of_this, "fails")
    assert "under way: retraining, run" in skipped(world.tick())
    world.end(run, "is cancelled")
    assert "cancelled by a person" in skipped(world.tick())
    by_hand = world.put_run("night", assets=["readings", "champion"], tags={RETAILER: "power"})
    world.decide()
    assert by_hand.run_id[:8] in skipped(world.tick())


def test_a_run_is_under_way_from_the_queue_to_its_last_word(world: World) -> None:
    world.decide()
    for status in UNDER_WAY:
        run = world.put_run("retraining", status=status)
        assert run.run_id[:8] in skipped(world.tick())
        world.end(run, "is purged")


def test_a_training_by_hand_carries_the_decision_out(world: World) -> None:
    world.decide()
    world.put_run("retraining", status=S.SUCCESS)
    world.promote(DAY)
    assert "carried out" in skipped(world.tick())
    assert world.launched == []


def test_a_run_that_died_between_its_decision_on_the_champion_and_the_check_of_it_is_tried_again(world: World) -> None:
    world.decide()
    run = launched(world.tick())
    world.promote(DAY, is_checked=False)
    world.end(run, "fails")
    skipped(world.tick())
    launched(world.tick(after=world.settings.retraining.backoff(1)))


def test_a_newer_decision_takes_the_place_of_an_older_one_when_its_run_has_ended(world: World) -> None:
    world.decide()
    old = launched(world.tick())
    world.decide(DAY + dt.timedelta(days=3))
    assert old.run_id[:8] in skipped(world.tick())
    world.end(old, "fails")
    new = launched(world.tick())
    assert new.tags["dagster/partition"] == "2024-05-10"
    world.end(new, "succeeds")
    for _ in range(3):
        skipped(world.tick(after=dt.timedelta(days=1)))
    assert world.outcomes == [Attempt.ASKED, Attempt.FAILED, Attempt.ASKED, Attempt.SUCCEEDED]


def test_a_clock_that_was_set_back_does_not_stop_it_for_years(world: World) -> None:
    world.decide()
    world.now = world.now.replace(year=2099)
    world.end(launched(world.tick()), "fails")
    skipped(world.tick())
    world.now = world.now.replace(year=2024)
    launched(world.tick())


def test_the_command_line_and_the_daemon_do_not_both_carry_it_out(world: World, monkeypatch) -> None:
    world.decide()
    asked = world.ask()
    assert isinstance(asked, dg.RunRequest)
    # The other one has read the ledger before that, and asks now.
    attempt = world.operations.records(Attempt)[0]
    assert not world.operations.claim(attempt)
    assert isinstance(world.ask(), dg.SkipReason)


def test_a_thousand_ticks_launch_exactly_the_runs_that_they_should(world: World) -> None:
    """Restarts, failures, cancelled and purged runs, ticks that die, and a clock that jumps: weeks of them.

    The story keeps its own account of what became of every run that was asked for, and of what should follow on it.
    """
    chance, rule = random.Random(5), world.settings.retraining
    became: dict[dt.date, list[str]] = {}  # of the attempts at each day's decision
    day, running, states = DAY, None, []
    for number in range(1000):
        world.now += dt.timedelta(minutes=chance.choice([1, 5, 30, 120]))
        if chance.random() < 0.02:  # the clock jumps, forwards or backwards
            world.now += dt.timedelta(days=chance.choice([-40, -2, 1, 30]))
        if chance.random() < 0.05:  # another daemon
            world.operations = OperationsDatabase(url=world.operations.url)
        if number % 50 == 0:
            states.append(world.state)
            day += dt.timedelta(days=3)
            world.decide(day)
            became[day] = []
        if running and chance.random() < 0.3:
            how = chance.choices(["succeeds", "fails", "is cancelled", "is purged"], weights=[2, 12, 1, 2])[0]
            world.end(running, how)
            became[dt.date.fromisoformat(running.tags["dagster/partition"])].append(how)
            running = None
        asked = world.ask(cursor=chance.choice([None, "anything"]))
        if not isinstance(asked, dg.RunRequest):
            continue
        assert running is None, "two in flight"
        assert asked.partition_key == day.isoformat(), "an older decision"
        assert len(became[day]) < rule.attempts, "the budget is spent"
        assert not {"succeeds", "is cancelled"} & set(became[day]), "nothing was left to do"
        assert asked.run_key == f"retraining:{day}:{len(became)}:{len(became[day]) + 1}"
        if chance.random() < 0.15:  # the daemon dies before it launches
            became[day].append("never is")
        else:
            running = world.launch(asked)

    ends = {"succeeds": ledger.CARRIED_OUT, "is cancelled": ledger.CANCELLED}
    of_all = [how for each in became.values() for how in each]
    assert {*ends, "fails", "is purged", "never is"} == set(of_all)
    assert len(world.launched) == len(of_all) - of_all.count("never is") + bool(running)
    # Each decision was brought to its end before the next one came.
    for state, each in zip(states[1:], became.values(), strict=False):
        assert state == ends.get(each[-1], ledger.USED_UP)
        assert len(each) == rule.attempts or state != ledger.USED_UP
    assert set(states[1:]) == {ledger.CARRIED_OUT, ledger.CANCELLED, ledger.USED_UP}
