"""What probes find, what repairs mend, and who is told: stories over several looks at a real instance."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from assets.grocery.publication.served import served_now
from assets.grocery.tables import PUBLISHED
from orchestration.alerting.heartbeat import AWAKE, WATCH
from orchestration.alerting.probes import ProbeContext, drift
from orchestration.alerting.probes.drift import drifting
from orchestration.alerting.probes.nights import due_night
from orchestration.alerting.watch import watch
from orchestration.runs import attempts
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.parts import FILE, RESTORING, Parts
from resources.records.alerts import Alert
from resources.records.feeds import Arrival, Delivery
from resources.records.lifecycle import Attempt, RetrainingDecision, Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from tests.support.jobs import job_of
from tests.support.notifier import RecordingNotifier

MAY = [dt.date(2024, 5, day) for day in range(1, 20)]
BERLIN = ZoneInfo("Europe/Berlin")
REFUSED = dg.Failure("The feed is cut off. Remedy: deliver it.", metadata={"remedy": "deliver it.", "is_refusal": True})
DOWN = dg.Failure("The registry is down.", metadata={"remedy": "wait.", "is_refusal": False})


class Watched:
    """A retailer that is watched: runs are put into its instance, lists into its tables."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        tables: TableStore,
        registry: ModelRegistry,
        operations: OperationsDatabase,
    ) -> None:
        from orchestration.definitions import defs

        self.settings, self.instance, self.tables, self.operations = settings, instance, tables, operations
        self.registry = registry
        self.repository, self.told = defs.get_repository_def(), RecordingNotifier()

    def run(
        self,
        day: dt.date,
        error: Exception | None = None,
        *,
        job: str = "nightly",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """A run of a job of that name that ends with `error`, or well."""

        @dg.op
        def work() -> None:
            if error:
                raise error

        made = job_of(job, work)
        tags = {"dagster/partition": day.isoformat(), **(tags or {})}
        return made.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False).run_id

    def publish(self, made_on: dt.date) -> None:
        rows = {
            "made_on": [made_on],
            "published_for": [made_on + dt.timedelta(days=1)],
            "is_carried_over": [False],
            "carried_over_because": [""],
            "household_id": ["A"],
            "model_version": [1],
        }
        self.tables.replace(PUBLISHED, pa.table(rows))

    def context(self, at: dt.datetime | None = None) -> ProbeContext:
        return ProbeContext(
            instance=self.instance,
            repository=self.repository,
            settings=self.settings,
            feeds=FeedReader(raw=Path(self.tables.root).with_name("raw")),
            tables=self.tables,
            registry=self.registry,
            operations=self.operations,
            now=at or dt.datetime.now(dt.UTC),
        )

    def look(self, at: dt.datetime | None = None) -> list[str]:
        """Look, and return the text that was told, if any."""
        watch(self.context(at), notifier=self.told)
        return [text for _, text in self.told.take()]


@pytest.fixture
def shop(settings: Settings, instance, tables, registry, operations) -> Watched:
    """The corner shop with a feed that goes on."""
    return Watched(settings.model_copy(update={"last_business_day": None}), instance, tables, registry, operations)


@pytest.fixture
def finished(settings: Settings, instance, tables, registry, operations) -> Watched:
    """The corner shop as it is: a data set with a last day."""
    return Watched(settings, instance, tables, registry, operations)


# Nights


def test_a_refused_night_is_told_once_with_what_it_means_and_its_end(finished: Watched) -> None:
    finished.publish(MAY[5])
    run_id = finished.run(MAY[6], REFUSED)
    (said,) = finished.look()
    assert said.splitlines() == [
        f"The night of 2024-05-07 was refused (run {run_id[:8]}): work: The feed is cut off. Remedy: deliver it.",
        "The lists of 2024-05-06 stay published, one day old.",
        "Next: mend what it names, then `nightcart nightly --date 2024-05-07` goes on where it stopped.",
    ]
    served = served_now(finished.tables)
    assert served
    assert (served.made_on, served.published_for, served.is_carried_over) == (MAY[5], MAY[7], True)
    assert "The feed is cut off" in served.carried_over_because
    assert [alert.kind for alert in finished.operations.records(Alert)] == [Alert.REFUSAL] * 2  # told, and delivered
    assert finished.look() == []
    version = finished.tables.version(PUBLISHED)
    assert finished.look() == []
    assert finished.tables.version(PUBLISHED) == version
    finished.run(MAY[6])
    (over,) = finished.look()
    assert over.startswith("Over: The night of 2024-05-07 was refused")
    assert finished.look() == []


def test_a_night_tried_again_in_vain_is_the_same_night(finished: Watched) -> None:
    finished.publish(MAY[5])
    finished.run(MAY[6], REFUSED)
    assert len(finished.look()) == 1
    finished.run(MAY[6], REFUSED)
    assert finished.look() == []
    finished.run(MAY[6], DOWN)  # something else
    (said,) = finished.look()
    assert "failed" in said


@pytest.mark.parametrize(
    ("error", "kind"), [(REFUSED, Alert.REFUSAL), (DOWN, Alert.FAILURE), (OSError(28), Alert.FAILURE)]
)
def test_a_refusal_is_told_from_a_failure(finished: Watched, error: Exception, kind: str) -> None:
    finished.run(MAY[6], error)
    finished.look()
    assert {alert.kind for alert in finished.operations.records(Alert)} == {kind}


def test_what_the_machine_did_to_a_check_is_told_in_one_line_with_a_remedy(finished: Watched) -> None:
    finished.run(MAY[6], RuntimeError("(sqlite3.OperationalError) database is locked\n[SQL: INSERT INTO verdicts]"))
    (said,) = finished.look()
    assert "Another process holds the database for too long: " in said
    assert "INSERT" not in said


def test_a_killed_night_is_told(finished: Watched) -> None:
    from orchestration.definitions import defs

    run = finished.instance.create_run_for_job(
        defs.resolve_job_def("nightly"), tags={"dagster/partition": MAY[6].isoformat()}
    )
    finished.instance.report_run_failed(run, message="The nightcart process that ran this was killed.")
    (said,) = finished.look()
    assert "The nightcart process that ran this was killed." in said


def test_on_the_very_first_night_it_says_that_there_is_nothing(finished: Watched) -> None:
    finished.run(MAY[6], REFUSED)
    (said,) = finished.look()
    assert "There are no lists yet" in said
    assert not finished.tables.exists(PUBLISHED)


def test_an_old_night_that_fails_when_made_again_changes_nothing_that_is_served(finished: Watched) -> None:
    finished.run(MAY[8])
    finished.publish(MAY[8])
    finished.run(MAY[2], REFUSED)
    (said,) = finished.look()
    assert "The lists of 2024-05-09 are published" in said
    assert "nightcart nightly --date 2024-05-03" in said
    assert finished.look() == []
    served = served_now(finished.tables)
    assert served
    assert not served.is_carried_over


def test_two_lost_nights_are_two_alerts_and_the_lists_grow_older(finished: Watched) -> None:
    finished.publish(MAY[4])
    finished.run(MAY[5], REFUSED)
    finished.look()
    finished.run(MAY[6], DOWN)
    (said,) = finished.look()
    assert "The lists of 2024-05-05 stay published, 2 days old." in said
    served = served_now(finished.tables)
    assert served
    assert (served.made_on, served.published_for) == (MAY[4], MAY[7])
    finished.run(MAY[6])
    (over,) = finished.look()
    assert over.count("Over: ") == 2  # a newer night is good


def test_a_night_that_a_clock_asked_for_too_early_is_over_once_the_clock_is_right(finished: Watched) -> None:
    finished.publish(MAY[5])
    finished.run(MAY[7], REFUSED)
    assert len(finished.look(dt.datetime(2024, 5, 9, 6, tzinfo=BERLIN))) == 1
    finished.publish(MAY[6])
    (over,) = finished.look(dt.datetime(2024, 5, 8, 6, tzinfo=BERLIN))
    assert "Over: " in over
    assert "was refused" not in over.partition("Over: ")[0]
    served = served_now(finished.tables)
    assert served
    assert not served.is_carried_over


def test_lists_that_cannot_be_marked_do_not_keep_the_alert_back(finished: Watched, monkeypatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    finished.publish(MAY[5])
    finished.run(MAY[6], REFUSED)
    monkeypatch.setattr(TableStore, "replace", full)
    (said,) = finished.look()
    assert "The lists of 2024-05-06 stay published, one day old. They could not be marked as carried over" in said


def test_the_day_that_is_due_is_the_local_one(shop: Watched, finished: Watched) -> None:
    def due(*at: int) -> dt.date | None:
        return due_night(shop.settings, now=dt.datetime(*at, tzinfo=BERLIN))

    assert due(2024, 5, 8, 6, 59) == MAY[5]
    assert due(2024, 5, 8, 7, 0) == MAY[6]
    assert due(2024, 3, 31, 7, 0) == dt.date(2024, 3, 30)  # an hour shorter
    assert due(2024, 1, 1, 12, 0) is None
    assert due_night(finished.settings, now=dt.datetime(2024, 5, 8, 7, tzinfo=BERLIN)) is None


def test_a_night_that_never_began_is_missed_at_its_time(shop: Watched) -> None:
    shop.publish(MAY[5])
    assert shop.look(dt.datetime(2024, 5, 8, 6, 55, tzinfo=BERLIN)) == []
    (said,) = shop.look(dt.datetime(2024, 5, 8, 7, 0, tzinfo=BERLIN))
    assert said.splitlines() == [
        "The night of 2024-05-07 was not done by 07:00 (Europe/Berlin): no run of it has succeeded.",
        "The lists of 2024-05-06 stay published, one day old.",
        "Next: `nightcart nightly --date 2024-05-07`.",
    ]
    served = served_now(shop.tables)
    assert served
    assert "was not done by 07:00" in served.carried_over_because
    assert shop.look(dt.datetime(2024, 5, 8, 7, 5, tzinfo=BERLIN)) == []
    shop.publish(MAY[6])
    (over,) = shop.look(dt.datetime(2024, 5, 8, 9, 0, tzinfo=BERLIN))
    assert over.startswith("Over: The night of 2024-05-07 was not done")


def test_night_after_night_that_is_missed_is_one_thing_told_once_a_day(shop: Watched) -> None:
    def at(day: int, hour: int) -> list[str]:
        return shop.look(dt.datetime(2024, 5, day, hour, tzinfo=BERLIN))

    shop.publish(MAY[5])
    assert len(at(8, 7)) == 1
    assert at(8, 12) == at(9, 6) == []
    (said,) = at(9, 7)
    assert said.startswith("The nights of 2024-05-07 … 2024-05-08 were not done by 07:00")
    assert "The lists of 2024-05-06 stay published, 2 days old." in said
    shop.run(MAY[7], REFUSED)  # the second is tried, the first is not
    (said,) = at(9, 8)
    assert "The night of 2024-05-08 was refused" in said
    assert "Over" not in said
    shop.run(MAY[7])
    shop.publish(MAY[7])
    (over,) = at(9, 9)
    assert over.count("Over: ") == 2
    assert at(9, 10) == []


def test_without_any_lists_every_missed_night_is_the_same_thing(shop: Watched) -> None:
    (said,) = shop.look(dt.datetime(2024, 5, 8, 7, tzinfo=BERLIN))
    assert "There are no lists yet" in said
    (said,) = shop.look(dt.datetime(2024, 5, 9, 7, tzinfo=BERLIN))
    assert "Over" not in said


def test_a_missed_night_that_then_fails_is_told_as_that_and_not_as_over(shop: Watched) -> None:
    shop.publish(MAY[5])
    shop.look(dt.datetime(2024, 5, 8, 7, 0, tzinfo=BERLIN))
    shop.run(MAY[6], REFUSED)
    (said,) = shop.look(dt.datetime(2024, 5, 8, 8, 0, tzinfo=BERLIN))
    assert "was refused" in said
    assert "Over" not in said


def test_a_missed_night_says_what_the_schedule_is_waiting_for(shop: Watched) -> None:
    shop.publish(MAY[5])
    put_ticks(shop, "nightly_schedule", [("SKIPPED", "The feed of 2024-05-07 is not there yet (sales/{date}.csv).")])
    (said,) = shop.look(dt.datetime(2024, 5, 8, 7, 0, tzinfo=BERLIN))
    assert "The feed of 2024-05-07 is not there yet" in said


# Feeds


def test_a_feed_that_is_not_there_by_its_hour_is_told_before_the_night_is_missed(shop: Watched, tmp_path: Path) -> None:
    contract = shop.settings.transactions.contract.model_copy(update={"due_by": dt.time(4)})
    feed = {"contract": contract, "path": [f"{tmp_path}/{{date}}.csv"]}
    feed = shop.settings.transactions.model_copy(update=feed)
    shop.settings = shop.settings.model_copy(update={"transactions": feed})
    shop.publish(MAY[5])
    taken_in = {"files": {}, "columns": {}, "rows": 1, "broken": {}, "content": "", "run_id": ""}
    for day in (MAY[3], MAY[5]):  # one is missing before what is served
        now = dt.datetime.now(dt.UTC)
        shop.operations.record(Delivery(business_date=day, taken_in_at=now, **taken_in))
    (tmp_path / f"{MAY[4]}.csv").touch()  # it was late, and nobody has taken it in: not the deliverer's fault
    assert shop.look(dt.datetime(2024, 5, 8, 4, 0, tzinfo=BERLIN)) == []
    (tmp_path / f"{MAY[4]}.csv").unlink()
    (said,) = shop.look(dt.datetime(2024, 5, 8, 4, 1, tzinfo=BERLIN))
    assert said.splitlines() == [
        f"The feed of 2024-05-05, 2024-05-07 is overdue: it was to be at {tmp_path}/{{date}}.csv by 04:00 of the day after "
        "(Europe/Berlin). Until it is there, no later night can be good.",
        "The lists of 2024-05-06 are published; this does not touch them.",
        "Next: have it delivered, or add the day to `closed_days` if the stores were closed; then `nightcart backfill "
        "--from 2024-05-05 --to 2024-05-05`, then `nightcart nightly --date 2024-05-07`.",
    ]
    for day in (MAY[4], MAY[6]):
        (tmp_path / f"{day}.csv").touch()
    (over,) = shop.look(dt.datetime(2024, 5, 8, 5, tzinfo=BERLIN))
    assert over.startswith("Over: The feed of 2024-05-05, 2024-05-07 is overdue")


# Other runs


def test_another_run_that_fails_is_an_event(finished: Watched) -> None:
    finished.publish(MAY[5])
    finished.run(MAY[3], DOWN, job="retraining")
    (said,) = finished.look()
    assert "retraining of 2024-05-04 failed" in said
    assert "The lists of 2024-05-06 are published; this does not touch them." in said
    assert finished.look() == []
    assert finished.look(dt.datetime.now(dt.UTC) + dt.timedelta(days=2)) == []


def test_the_days_of_a_backfill_are_one_thing(finished: Watched) -> None:
    for day in MAY[:3]:
        finished.run(day, REFUSED, job="backfill", tags={"dagster/backfill": "abcd"})
    (said,) = finished.look()
    assert said.count("Next: ") == 1


def test_what_dagster_starts_again_by_itself_is_not_told(finished: Watched) -> None:
    finished.run(MAY[6], DOWN, tags={"dagster/will_retry": "true"})
    assert finished.look() == []


# Drift, and attempts


def signal(watch: str, level: str, day: int, says: str = "volume halved") -> Signal:
    now = dt.datetime.now(dt.UTC)
    return Signal(
        business_date=MAY[day], watch=watch, level=level, value=0.5, says=says, model_version=1, run_id="", seen_at=now
    )


OK, WARN, ERROR, UNKNOWN = Signal.OK, Signal.WARN, Signal.ERROR, Signal.UNKNOWN


@pytest.mark.parametrize(
    ("levels", "is_told"),
    [
        ([ERROR], True),
        ([OK, OK, ERROR], True),
        ([ERROR, OK], False),
        ([WARN], False),
        ([WARN, WARN], False),
        ([WARN, WARN, WARN], True),
        ([ERROR, WARN, WARN], True),
        ([WARN, OK, WARN, WARN], False),
        ([WARN, WARN, UNKNOWN, WARN], True),
        ([UNKNOWN] * 5, False),
        ([], False),
    ],
)
def test_drift_is_told_at_level_error_or_when_a_warning_lasts(levels: list[str], is_told: bool) -> None:
    found = drifting([signal("volume", level, day) for day, level in enumerate(levels)], nights=3)
    assert bool(found) == is_told


def test_a_day_that_was_looked_at_again_has_its_last_signal() -> None:
    assert not drifting([signal("volume", ERROR, 3), signal("volume", OK, 3)], nights=3)


def test_each_watch_that_drifts_is_told_until_it_is_well_again(finished: Watched) -> None:
    finished.publish(MAY[5])
    finished.operations.record(signal("volume", ERROR, 5), signal("prices", OK, 5))
    (said,) = finished.look()
    assert "volume, at the close of 2024-05-06: volume halved" in said
    assert "`nightcart drift`" in said
    finished.operations.record(signal("volume", OK, 6))
    assert finished.look() == ["Over: volume, at the close of 2024-05-06: volume halved"]


def test_attempts_that_are_used_up_are_told_beside_the_first_of_their_failures(finished: Watched) -> None:
    now = dt.datetime.now(dt.UTC)
    decision = RetrainingDecision(
        business_date=MAY[5], is_retraining=True, reasons=["decay"], run_id="", decided_at=now
    )
    finished.operations.record(decision)
    ((number, _),) = finished.operations.numbered(RetrainingDecision)
    told = []
    for each in range(1, finished.settings.retraining.attempts + 1):
        attempt = Attempt(decision_id=number, number=each, run_key=f"retraining {each}", asked_at=now)
        finished.operations.record(attempt)
        finished.run(MAY[5], DOWN, job="retraining", tags=attempts.tags(attempt, of="corner_shop"))
        told += finished.look()
        finished.operations.record(replace(attempt, outcome=Attempt.FAILED, reason="the registry is down"))
    assert len(told) == 1  # the attempts of a decision are one thing
    (said,) = finished.look()
    assert "failed in all 4 attempts: the registry is down. The champion stays" in said
    assert "`nightcart decisions`" in said
    assert finished.look() == []


def test_a_file_that_was_set_aside_is_reported_with_the_reason(finished: Watched) -> None:
    now = dt.datetime.now(dt.UTC)
    bad = Arrival(
        path="landing/2024-05-07.csv", digest="abcd", business_date=MAY[6], event_id="1", outcome=Arrival.SET_ASIDE,
        reason="it has no lines.", seen_at=now,
    )  # fmt: skip
    finished.operations.record(bad, replace(bad, path="landing/2024-05-08.csv", outcome=Arrival.TAKEN, reason=""))
    (said,) = finished.look()
    assert said.startswith("landing/2024-05-07.csv was set aside: it has no lines.")
    assert said.count("Next: ") == 1
    assert finished.look() == []


# Clockwork


def put_ticks(shop: Watched, name: str, ticks: list[tuple[str, str]], *, status: str = "DECLARED_IN_CODE") -> None:
    """Let Dagster know of a schedule or sensor, and of its ticks, a minute apart up to now: status, and what it says."""
    from dagster._core.remote_origin import (
        RegisteredCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.scheduler.instigation import (
        InstigatorState,
        InstigatorStatus,
        InstigatorType,
        ScheduleInstigatorData,
        TickData,
        TickStatus,
    )
    from dagster._utils.error import SerializableErrorInfo

    kind = InstigatorType.SCHEDULE if name.endswith("_schedule") else InstigatorType.SENSOR
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nightcart"), "__repository__"), name
    )
    data = ScheduleInstigatorData("30 1-6 * * *") if kind == InstigatorType.SCHEDULE else None
    state = InstigatorState(origin, kind, InstigatorStatus[status], data)
    shop.instance.add_instigator_state(state)
    now = dt.datetime.now(dt.UTC).timestamp()
    for number, (how, says) in enumerate(ticks):
        shop.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=kind,
                status=TickStatus[how],
                timestamp=now - 60 * (len(ticks) - number),
                selector_id=state.selector_id,
                skip_reason=says if how == "SKIPPED" else None,
                error=SerializableErrorInfo(says, [], None) if how == "FAILURE" else None,
            )
        )


@pytest.fixture
def ticking(finished: Watched) -> Watched:
    """A shop whose watch has been at work for a month."""
    now = dt.datetime.now(dt.UTC)
    finished.operations.beat(AWAKE, now=now - dt.timedelta(days=30))
    finished.operations.beat(WATCH, now=now)
    put_ticks(finished, WATCH, [("SKIPPED", "")])
    return finished


def test_where_nothing_ever_ran_by_itself_nothing_has_stopped(finished: Watched) -> None:
    assert finished.look() == []


def test_a_sensor_that_somebody_stopped_is_told(ticking: Watched) -> None:
    put_ticks(ticking, "tell_on_failure", [("SKIPPED", "")], status="STOPPED")
    (said,) = ticking.look()
    assert said.startswith("The sensor tell_on_failure has been stopped.")
    assert "`python -m resources.home dagster sensor start tell_on_failure -w workspace.yaml`" in said


def test_a_sensor_that_fails_at_every_tick_is_told(ticking: Watched) -> None:
    put_ticks(ticking, "tell_on_failure", [("SKIPPED", ""), *[("FAILURE", "database is locked")] * 3])
    (said,) = ticking.look()
    assert "The sensor tell_on_failure failed 3 times in a row: database is locked" in said


def test_a_sensor_and_a_schedule_that_do_not_tick_are_told(ticking: Watched) -> None:
    put_ticks(ticking, "tell_on_failure", [("SKIPPED", "")])
    put_ticks(ticking, "nightly_schedule", [("SKIPPED", "")])
    assert ticking.look() == []
    now = dt.datetime.now(dt.UTC)
    for hours, names in ((1, ["tell_on_failure"]), (30, ["nightly_schedule"])):
        later = now + dt.timedelta(hours=hours)
        ticking.operations.beat(WATCH, now=later)
        (said,) = ticking.look(later)
        assert [line.split()[2] for line in said.splitlines() if "has not been at work" in line] == [
            *names, *["tell_on_failure"] * (hours > 24)
        ]  # fmt: skip


def test_a_dead_daemon_is_one_alert_and_its_return_wakes_nobody(ticking: Watched) -> None:
    put_ticks(ticking, "tell_on_failure", [("SKIPPED", "")])
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    (said,) = ticking.look(later)
    assert said.startswith("Nothing runs by itself")
    assert said.count("Next: ") == 1
    back = later + dt.timedelta(minutes=1)
    ticking.operations.beat(AWAKE, now=back)
    ticking.operations.beat(WATCH, now=back)
    (over,) = ticking.look(back)
    assert over.startswith("Over: Nothing runs by itself")


# The parts of the state


def test_a_part_of_yesterday_and_a_restore_that_was_killed_are_told_before_the_night(finished: Watched) -> None:
    context, now = finished.context(), dt.datetime.now(dt.UTC)
    parts = Parts.of(
        operations=finished.operations,
        tables=finished.tables.root,
        raw=context.feeds.place,
        registry=finished.registry,
        cursors=finished.instance.daemon_cursor_storage,
    )
    for _ in range(2):
        parts.set_marks(now=now)
    assert finished.look() == []
    parts.parts[0].write(1)
    (said,) = finished.look()
    assert "of different times: raw copies, restored from a backup" in said
    assert "`nightcart reconcile`" in said
    parts.set_marks(now=now)
    assert finished.look()[0].startswith("Over: Parts of the state")
    Path(finished.tables.root, FILE).write_text(json.dumps({RESTORING: "a backup"}), encoding="utf-8")
    (said,) = finished.look()
    assert "is being restored, or was until the restore was killed" in said
    assert "the same `nightcart restore` again" in said


def test_tables_and_records_that_a_hand_changed_are_told(finished: Watched) -> None:
    finished.tables = replace(finished.tables, ledger=finished.operations)
    for day in MAY[:2]:
        rows = pa.table({"business_date": [day] * 2, "household_id": ["A", "B"], "quantity": [1, 2]})
        finished.tables.replace_days("transactions", rows, days=[day])
    assert finished.look() == []
    DeltaTable(finished.tables.uri("transactions")).update({"quantity": "7"}, predicate=f"business_date = '{MAY[0]}'")
    (said,) = finished.look()
    assert f"transactions has not what was written last of {MAY[0]}: it was changed by hand" in said
    assert f"`nightcart backfill --from {MAY[0]} --to {MAY[0]} --assets transactions`" in said
    with contextlib.closing(sqlite3.connect(finished.operations.url.removeprefix("sqlite:///"))) as opened:
        opened.execute("DELETE FROM contents")
        opened.commit()
    assert any("contents are gone from their table" in said for said in finished.look())


# The watch itself


def test_a_part_that_cannot_be_looked_at_is_told_and_hides_no_other(finished: Watched, monkeypatch) -> None:
    finished.operations.record(signal("volume", ERROR, 5))
    finished.look()
    finished.run(MAY[6], REFUSED)

    def broken(*args: Any, **kwargs: Any) -> list:
        raise OSError("disk I/O error")

    monkeypatch.setattr(drift, "drifting", broken)
    (said,) = finished.look()
    assert "The night of 2024-05-07 was refused" in said
    assert "The watch cannot look at drift: OSError: disk I/O error" in said
    assert "Over" not in said  # what cannot be looked at has not ended
    monkeypatch.undo()
    assert finished.look() == ["Over: The watch cannot look at drift: OSError: disk I/O error"]
