"""The night watch: what is wrong now, what it means for what is served, and who is told.

One look at the instance, the tables and the records (:func:`watch`) finds everything, so that it does not matter who
looks: the sensors of `orchestration.sensors.alerts`, the command line after a night, or cron outside of Dagster.
A night that turns out to be lost leaves the last good lists published, marked as carried over.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from assets.grocery.ingestion import contract
from assets.grocery.publication import publication
from assets.grocery.publication.publication import Published
from assets.grocery.scoring.assets import carry_over, served_now
from assets.grocery.tables import TRANSACTIONS
from assets.lifecycle import retraining_ledger as ledger
from assets.lifecycle.champion import sync_aliases
from assets.lifecycle.manual import differences
from orchestration.alerting import heartbeat
from orchestration.alerting import incidents as alerts
from orchestration.alerting.heartbeat import Clockwork
from orchestration.arrival.arrivals import ARRIVAL_TAG
from orchestration.jobs import nightly
from orchestration.runs import hold, outcomes
from orchestration.runs.attempts import ATTEMPT_TAG
from orchestration.runs.nights import night_so_far
from orchestration.runs.outcomes import PARTITION_TAG
from resources import home
from resources.config.retailer import Settings
from resources.feeds import landing
from resources.feeds.reader import FeedReader
from resources.models.registry import ModelRegistry
from resources.notifier import Notifier
from resources.records.alerts import Alert, Heartbeat
from resources.records.feeds import Arrival, Delivery
from resources.records.lifecycle import Attempt, Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed

log = logging.getLogger("nightcart.alerts")

ONE_DAY = dt.timedelta(days=1)
# How long after it failed a run that is no night is told, should the sensor that tells it at once not have been there.
LOOK_BACK = dt.timedelta(days=1)
MOST_RUNS = 200
MOST_ARRIVALS = 200
MOST_SIGNALS = 500  # a dozen watches for a month
SCHEDULE = "nightly_schedule"
FIRST_NIGHT = "night without any before"


@dataclass(frozen=True, kw_only=True)
class Watchman:
    """Who looks: at one instance and one retailer, at one moment."""

    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    settings: Settings
    feeds: FeedReader
    tables: TableStore
    registry: ModelRegistry
    operations: OperationsDatabase
    now: dt.datetime

    @cached_property
    def served(self) -> Published | None:
        return served_now(self.tables)

    def standing(self, night: dt.date | None = None) -> str:
        """What households get, in a sentence, also when the tables are what has failed."""
        try:
            return publication.standing(self.served, night=night)
        except Exception as error:
            return f"Which lists are published cannot be read: {type(error).__name__}: {error}"

    def alert(self, key: str, kind: str, happened: str, *, command: str, night: dt.date | None = None, **other: bool):
        meaning = self.standing(night)
        return Alert(key=key, kind=kind, happened=happened, meaning=meaning, command=command, told_at=self.now, **other)

    @cached_property
    def clockwork_states(self) -> Mapping[str, Any]:
        """Dagster's states of our schedules and sensors, by name."""
        ours = {each.name for each in (*self.repository.schedule_defs, *self.repository.sensor_defs)}
        return {state.name: state for state in self.instance.all_instigator_state() if state.name in ours}

    @cached_property
    def nights(self) -> dict[dt.date, dg.DagsterRun]:
        """The newest nightly run of each business day that came to an end of its own."""
        ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
        runs = self.instance.get_runs(dg.RunsFilter(job_name=nightly.name, statuses=ended), limit=MOST_RUNS)
        newest: dict[dt.date, dg.DagsterRun] = {}
        for run in runs:
            if (key := run.tags.get(PARTITION_TAG)) and not _is_retried(run):
                newest.setdefault(dt.date.fromisoformat(key), run)
        return newest

    @cached_property
    def lost(self) -> dict[dt.date, dg.DagsterRun]:
        """The nights whose last run failed, after the last night that did not."""
        good = max((day for day, run in self.nights.items() if run.is_success), default=dt.date.min)
        return {day: run for day, run in sorted(self.nights.items()) if day > good}


def watch(watchman: Watchman, *, notifier: Notifier) -> list[Alert]:
    """Look at everything, tell what is to be told, and return all that is wrong.

    A part that cannot be looked at is itself something wrong, and hides no other.
    """
    raised, looked_at = [], ["watch"]
    try:
        hold.close_runs_of_killed_commands(watchman.instance, home.state())
    except Exception:  # what cannot be closed is told of as not done
        log.warning("The runs of killed commands could not be closed", exc_info=True)
    for part, look in PARTS.items():
        try:
            for alert in look(watchman):
                raised.append(alert)  # at once: what is found before something goes wrong counts
            looked_at.append(part)
        except Exception as error:
            log.warning("The watch could not look at %s", part, exc_info=True)
            happened = f"The watch cannot look at {part}: {type(error).__name__}: {error}"
            raised.append(watchman.alert(f"watch {part}", Alert.FAILURE, happened, command="`nightcart --debug watch`"))
    settings, operations = watchman.settings, watchman.operations
    due = alerts.to_tell(
        raised,
        operations.records(Alert),
        now=watchman.now,
        repeat_after=dt.timedelta(hours=settings.alerts.repeat_after_hours),
        looked_at=looked_at,
    )
    alerts.tell(due, title=f"Nightcart, {settings.title}", operations=operations, notifier=notifier)
    return raised


# ------------------------------------------------------------------------------------------------------------- nights


def _nights(watchman: Watchman) -> Iterator[Alert]:
    """Nights that failed and nothing newer made good, and the one that is not done by its time."""
    for day, run in watchman.lost.items():
        yield _lost_night(watchman, day, run)
    if missing := _missing(watchman):
        last, days = missing[-1], " … ".join(str(day) for day in sorted({missing[0], missing[-1]}))
        what = f"The night of {days} was" if missing[0] == last else f"The nights of {days} were"
        by = f"{watchman.settings.alerts.night_is_due_by:%H:%M} ({watchman.settings.timezone})"
        happened = f"{what} not done by {by}: {_why_not_done(watchman, last)}"
        # One thing for as long as it goes on, and the same when its first night is tried and fails.
        key = f"night {missing[0]}" if watchman.served else FIRST_NIGHT
        yield _without_lists(
            watchman, last, Alert.MISSED, happened, key=key, command=f"`nightcart nightly --date {last}`."
        )


def _missing(watchman: Watchman) -> list[dt.date]:
    """The business days, in order, whose lists should be there, that are newer than what is served and did not fail."""
    due, served = due_night(watchman.settings, now=watchman.now), watchman.served
    if due is None:
        return []
    first = served.made_on + ONE_DAY if served else due
    days = [first + n * ONE_DAY for n in range((due - first).days + 1)]
    return [day for day in days if day not in watchman.lost]


def _lost_night(watchman: Watchman, day: dt.date, run: dg.DagsterRun) -> Alert:
    happened, kind, checks = _what_failed(watchman, run)
    command = f"mend what it names, then `nightcart nightly --date {day}` goes on where it stopped"
    if checks:
        subject, check = checks[0]
        command += f'; or let it through: `nightcart override {subject} {check} {day} --reason "…"`, then the same'
    return _without_lists(watchman, day, kind, happened, key=f"night {day}", command=f"{command}.")


def _without_lists(watchman: Watchman, night: dt.date, kind: str, happened: str, *, key: str, command: str) -> Alert:
    """The alert of a night that brought no lists; those that are published are marked as carried over."""
    alert = watchman.alert(key, kind, happened, command=command, night=night)
    try:
        carry_over(watchman.tables, watchman.operations, night=night, because=happened, now=watchman.now)
    except Exception as error:  # the alert is the more important of the two, and the next look marks them
        log.warning("The published lists could not be marked", exc_info=True)
        return replace(alert, meaning=f"{alert.meaning} They could not be marked as carried over: {error}")
    return alert


def due_night(settings: Settings, *, now: dt.datetime) -> dt.date | None:
    """The last business day whose lists should be there at `now`; a finished data set is played, and never late."""
    if settings.last_business_day:
        return None
    local = now.astimezone(ZoneInfo(settings.timezone))
    day = local.date() - (1 if local.time() >= settings.alerts.night_is_due_by else 2) * ONE_DAY
    return day if day >= settings.first_business_day else None


def _why_not_done(watchman: Watchman, day: dt.date) -> str:
    if run_id := night_so_far(watchman.instance, day).under_way:
        return f"run {run_id[:8]} is under way."
    state = watchman.clockwork_states.get(SCHEDULE)
    ticks = _ticks(watchman, state, most=1) if state else []
    # What the schedule says of that night, and not of the one before.
    if ticks and ticks[0].skip_reason and str(day) in ticks[0].skip_reason:
        return ticks[0].skip_reason
    return "no run of it has succeeded."


# -------------------------------------------------------------------------------------------------------------- feeds


def _feeds(watchman: Watchman) -> Iterator[Alert]:
    """The days whose feed is not there although its contract says by when: one thing for as long as it goes on."""
    settings, place = watchman.settings, watchman.settings.landing
    delivered = {delivery.business_date for delivery in watchman.operations.records(Delivery)}
    taken_in = delivered | set(filter(None, watchman.tables.rows_by_day(TRANSACTIONS)))
    late = contract.overdue(settings, taken_in=taken_in, now=watchman.now)
    # What is there and was not taken in is a night's business; of one file of many days nobody can tell without reading.
    landed = {file.day for file in landing.of_days(place, late)} if place and late else set()
    feed = settings.transactions
    late = [
        day for day in late if day not in landed and not (feed.is_dated and watchman.feeds.locate(feed, days=[day]))
    ]
    if not late:
        return
    first, last, served = late[0], late[-1], watchman.served
    where = place.path if place else " or ".join(feed.path)
    happened = (
        f"The feed of {listed(late)} is overdue: it was to be at {where} by {feed.contract.due_by:%H:%M} of the day after "
        f"({settings.timezone}). Until it is there, no later night can be good."
    )
    command = "have it delivered, or add the day to `closed_days` if the stores were closed; then "
    past = [day for day in late if served and day <= served.made_on]
    again = [f"`nightcart backfill --from {past[0]} --to {past[-1]}`"] if past else []
    again += [f"`nightcart nightly --date {last}`"] if last not in past else []
    yield watchman.alert(f"feed {first}", Alert.OVERDUE, happened, command=command + ", then ".join(again) + ".")


# --------------------------------------------------------------------------------------------------------------- runs


def _runs(watchman: Watchman) -> Iterator[Alert]:
    """Every other run that failed lately: events, each told once."""
    records = watchman.instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=watchman.now - LOOK_BACK), limit=MOST_RUNS
    )
    keys = set()
    for run in (record.dagster_run for record in records):
        if _is_retried(run) or (run.job_name == nightly.name and not _is_an_old_night(watchman, run)):
            continue
        key = _thing(watchman, run)
        if key not in keys:
            keys.add(key)
            happened, kind, _ = _what_failed(watchman, run)
            yield watchman.alert(key, kind, happened, command=_again(run), is_event=True)


def _is_an_old_night(watchman: Watchman, run: dg.DagsterRun) -> bool:
    """Whether it is the last try of a night that was made again although a later one is good."""
    newest = {each.run_id: day for day, each in watchman.nights.items()}
    return run.run_id in newest and newest[run.run_id] not in watchman.lost


def _is_retried(run: dg.DagsterRun) -> bool:
    """Whether Dagster itself starts it again, as it does when a worker died."""
    return run.tags.get(outcomes.WILL_RETRY_TAG) == "true"


def _thing(watchman: Watchman, run: dg.DagsterRun) -> str:
    """The key of what a run is a part or a try of: the days of a backfill, the attempts of a decision."""
    if backfill := run.tags.get(outcomes.BACKFILL_TAG):
        return f"run backfill {backfill}"
    if run_key := run.tags.get(ATTEMPT_TAG):
        for attempt in watchman.operations.records(Attempt, run_key=run_key, last=1):
            return f"run decision {attempt.decision_id}"
    if arrived := run.tags.get(ARRIVAL_TAG):
        return f"run arrival {arrived} {run.job_name}"
    return f"run {run.root_run_id or run.run_id}"


def _again(run: dg.DagsterRun) -> str:
    days = _days(run)
    if ATTEMPT_TAG in run.tags:
        return "mend what it names; it is tried again by itself, or with the next night: `nightcart decisions`."
    if run.job_name == nightly.name and days:
        return f"mend what it names, then `nightcart nightly --date {days[0]}`."
    if days and run.asset_selection:
        names = " or ".join(sorted(key.to_user_string() for key in run.asset_selection))
        return f'mend what it names, then `nightcart backfill --from {days[0]} --to {days[-1]} --assets "{names}"`.'
    return "`nightcart status`."


def _days(run: dg.DagsterRun) -> list[str]:
    tags = (PARTITION_TAG, *outcomes.RANGE_TAGS)
    return [run.tags[tag] for tag in tags if tag in run.tags]


def _what_failed(watchman: Watchman, run: dg.DagsterRun) -> tuple[str, str, list[tuple[str, str]]]:
    """What happened, in a sentence; its kind; and the checks that did not pass."""
    found = outcomes.failures(watchman.instance, run.run_id)
    is_refusal = bool(found) and all(each.is_refusal for each in found)
    days = " … ".join(_days(run))
    what = f"The night of {days}" if run.job_name == nightly.name else f"{run.job_name}{f' of {days}' if days else ''}"
    why = " | ".join(each.says for each in found) or outcomes.end_of(watchman.instance, run.run_id)
    said = f"{what} {'was refused' if is_refusal else 'failed'} (run {run.run_id[:8]}): {why}"
    return said, Alert.REFUSAL if is_refusal else Alert.FAILURE, [each.check for each in found if each.check]


# -------------------------------------------------------------------------------------------------------------- drift


def _drift(watchman: Watchman) -> Iterator[Alert]:
    found = drifting(
        watchman.operations.records(Signal, last=MOST_SIGNALS), nights=watchman.settings.alerts.drift_nights
    )
    for signal, said in found:
        yield watchman.alert(f"drift {signal.watch}", Alert.DRIFT, said, command="`nightcart drift`.")


def drifting(signals: Sequence[Signal], *, nights: int) -> list[tuple[Signal, str]]:
    """The newest signal of each watch that is to be told, with what to say of it.

    That is one of level error, or the last of `nights` in a row that were no better than warn. A night with too little
    to say is no night; a day that was looked at again has its last signal.
    """
    by_watch: dict[str, dict[dt.date, Signal]] = {}
    for signal in signals:
        by_watch.setdefault(signal.watch, {})[signal.business_date] = signal
    found = []
    for watch, by_day in by_watch.items():
        last = [by_day[day] for day in sorted(by_day, reverse=True) if by_day[day].level != Signal.UNKNOWN][:nights]
        if not last:
            continue
        if last[0].level == Signal.ERROR:
            found.append((last[0], f"{watch}, at the close of {last[0].business_date}: {last[0].says}"))
        elif len(last) == nights and all(signal.level in (Signal.WARN, Signal.ERROR) for signal in last):
            since = last[-1].business_date
            found.append((last[0], f"{watch}, {nights} nights in a row since {since}: {last[0].says}"))
    return found


# ---------------------------------------------------------------------------------------------- attempts and arrivals


def _attempts(watchman: Watchman) -> Iterator[Alert]:
    """The decision to retrain that nothing tries any more."""
    entry = ledger.exhausted(watchman.operations, rule=watchman.settings.retraining, now=watchman.now)
    if entry:
        decision, reasons = entry.decision, "; ".join(entry.decision.reasons)
        happened = (
            f"The training decided on {decision.business_date} ({reasons}) failed in all {len(entry.attempts)} attempts: "
            f"{entry.attempts[-1].reason}. The champion stays, and nothing tries again by itself."
        )
        command = "`nightcart decisions` shows each attempt; mend it, then `nightcart retrain`."
        yield watchman.alert(f"attempts {entry.number}", Alert.USED_UP, happened, command=command)


def _arrivals(watchman: Watchman) -> Iterator[Alert]:
    """Files that came lately and were set aside, or given up: events, each told once."""
    for found in watchman.operations.records(Arrival, last=MOST_ARRIVALS):
        is_bad = found.outcome in (Arrival.SET_ASIDE, Arrival.GIVEN_UP)
        if is_bad and abs(watchman.now - found.seen_at) < LOOK_BACK:
            key = f"arrival {found.outcome} {found.digest[:16]} {found.path}"
            happened = f"{found.path} was {found.outcome}: {found.reason}"
            command = "have it delivered again; `nightcart status` shows what is waited for."
            yield watchman.alert(key, Alert.REFUSAL, happened, command=command, is_event=True)


# ----------------------------------------------------------------------------------------------------------- registry


def _registry(watchman: Watchman) -> Iterator[Alert]:
    """What the model registry says otherwise than the ledger of promotions: somebody has moved or deleted something.

    What a run left that died between the two is made good on the spot, and nobody is told.
    """
    found = differences(watchman.registry, watchman.operations)
    if found and all(each.is_unfinished for each in found):
        sync_aliases(watchman.registry, watchman.operations)
        return
    for each in found:
        happened = f"MLflow's registry is not what was decided: {each.says}."
        yield watchman.alert(f"registry {each.says}", Alert.FAILURE, happened, command="`nightcart reconcile`.")


# ---------------------------------------------------------------------------------------------------------- clockwork


def clockwork(watchman: Watchman) -> Iterator[Alert]:
    """Schedules, sensors and daemons that have been at work and are not any more."""
    beats = {beat.name: beat.beat_at for beat in watchman.operations.records(Heartbeat)}
    seen_at, watch = beats.get(heartbeat.WATCH), watchman.clockwork_states.get(heartbeat.WATCH)
    is_silent = seen_at is not None and watchman.now - seen_at > heartbeat.LEAST_SILENCE
    if is_silent and (watch is None or watch.is_running):
        happened = (
            f"Nothing runs by itself: Dagster's daemon has not run a sensor since {seen_at:%Y-%m-%d %H:%M} UTC, "
            "neither a night nor an alert."
        )
        yield watchman.alert("clockwork daemon", Alert.SILENCE, happened, command=START_DAEMON)
        return
    found = [*_instigators(watchman, beats), *_daemons(watchman)]
    for each, said in heartbeat.faults(found, awake_since=beats.get(heartbeat.AWAKE)).items():
        start = f"`dagster {each.kind} start {each.name} -w workspace.yaml`, or its page in the UI (`make ui`)."
        command = START_DAEMON if each.kind == "daemon" else start
        yield watchman.alert(f"clockwork {each.name}", Alert.SILENCE, said, command=command)


START_DAEMON = "start it again: `make ui`, or the service that runs `dagster-daemon run`."


def _instigators(watchman: Watchman, beats: Mapping[str, dt.datetime]) -> list[Clockwork]:
    from dagster._core.scheduler.instigation import TickStatus  # what `get_ticks` returns has no public name
    from dagster._utils.schedules import reverse_cron_string_iterator

    found = []
    for each in (*watchman.repository.schedule_defs, *watchman.repository.sensor_defs):
        if (state := watchman.clockwork_states.get(each.name)) is None:
            continue
        ticks = [
            tick for tick in _ticks(watchman, state, most=2 * heartbeat.TICKS) if tick.status != TickStatus.STARTED
        ]
        good = [tick.timestamp for tick in ticks if tick.status != TickStatus.FAILURE]
        seen = [dt.datetime.fromtimestamp(at, dt.UTC) for at in good]
        seen += [beats[each.name]] if each.name in beats else []
        latest = watchman.now - heartbeat.LEAST_SILENCE
        if isinstance(each, dg.ScheduleDefinition):
            times = reverse_cron_string_iterator(latest.timestamp(), str(each.cron_schedule), each.execution_timezone)
            expected_since = [next(times) for _ in range(heartbeat.TICKS)][-1]
        else:
            seconds = each.minimum_interval_seconds or 0
            expected_since = min(latest, watchman.now - heartbeat.TICKS * dt.timedelta(seconds=seconds))
        found.append(
            Clockwork(
                name=each.name,
                kind="schedule" if isinstance(each, dg.ScheduleDefinition) else "sensor",
                is_stopped=not state.is_running,
                ticks=tuple(_why_it_failed(tick) for tick in ticks),
                seen_at=max(seen, default=None),
                expected_since=expected_since,
            )
        )
    return found


def _ticks(watchman: Watchman, state: Any, *, most: int) -> Sequence[Any]:
    """The last ticks, the newest first."""
    return watchman.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=most)


def _why_it_failed(tick: Any) -> str | None:
    return (tick.error.message.strip() if tick.error else "without a word") if tick.is_failure else None


def _daemons(watchman: Watchman) -> list[Clockwork]:
    """The daemon's threads, each by its own heartbeat: the scheduler can die and leave the sensors running."""
    return [
        Clockwork(
            name=kind,
            kind="daemon",
            seen_at=dt.datetime.fromtimestamp(status.last_heartbeat.timestamp, dt.UTC),
            expected_since=watchman.now - heartbeat.LEAST_SILENCE,
        )
        for kind, status in watchman.instance.get_daemon_statuses().items()
        if status.required and status.last_heartbeat
    ]


# By the first word of their alerts' keys.
PARTS: Mapping[str, Callable[[Watchman], Iterator[Alert]]] = {
    "night": _nights,
    "feed": _feeds,
    "run": _runs,
    "drift": _drift,
    "attempts": _attempts,
    "arrival": _arrivals,
    "registry": _registry,
    "clockwork": clockwork,
}
