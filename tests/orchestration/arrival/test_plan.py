"""What the days that arrived need: worked out from what is known, without an instance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from orchestration.arrival.plan import (
    CLOSED,
    NIGHTS_CAUGHT_UP,
    RETRIES,
    Launch,
    Situation,
    fingerprints,
    plan,
    with_closed_days,
)
from orchestration.arrival.receive import ArrivedFile

NOW = dt.datetime(2024, 5, 10, 6, tzinfo=dt.UTC)
FIRST = dt.date(2024, 5, 1)
DAYS = [FIRST + dt.timedelta(days=n) for n in range(40)]
FAILED = dg.DagsterRunStatus.FAILURE


def planned(
    arrived: Collection[int],
    *,
    taken_in: Collection[int],
    nights: Collection[int] = (),
    changed: Collection[int] | None = None,
    under_way: Mapping[int, str] | None = None,
    attempts: Sequence[Launch] = (),
    first_night: int = 0,
) -> dict[int, str]:
    """The job, or else the reason for none, of each day that arrived; days are their places in DAYS."""
    known = Situation(
        taken_in={DAYS[n] for n in taken_in},
        nights={DAYS[n] for n in nights},
        under_way={DAYS[n]: job for n, job in (under_way or {}).items()},
        first_night=DAYS[first_night],
        launches=lambda day, job, fingerprint: attempts,
    )
    new = changed if changed is not None else [n for n in arrived if n not in taken_in]
    steps = plan({DAYS[n]: f"d{n}" for n in arrived}, {DAYS[n] for n in new}, known, now=NOW)
    return {DAYS.index(step.day): step.job or step.why for step in steps}


def test_a_new_day_has_its_night():
    assert planned([3], taken_in=range(3), nights=[2]) == {3: "nightly"}


def test_what_is_taken_in_and_had_its_night_needs_nothing():
    assert planned([2, 3], taken_in=range(4), nights=[2, 3]) == {}


def test_a_corrected_file_of_an_old_day_is_taken_in_alone_and_the_new_night_waits_for_it():
    assert planned([1, 3], taken_in=range(3), nights=[2], changed=[1, 3]) == {
        1: "ingestion",
        3: "its night waits for an earlier day",
    }


def test_a_correction_waits_while_a_night_is_under_way():
    found = planned([1], taken_in=range(4), nights=[2], changed=[1], under_way={3: "nightly"})
    assert found == {1: "another night is under way"}


def test_a_correction_of_the_last_night_is_taken_in_alone():
    assert planned([2], taken_in=range(3), nights=[2], changed=[2]) == {2: "ingestion"}


def test_a_day_after_a_gap_is_taken_in_alone_and_has_its_night_when_the_gap_is_closed():
    assert planned([4], taken_in=range(3), nights=[2]) == {4: "ingestion"}
    with_gap = planned([4], taken_in=[0, 1, 2, 4], nights=[2])
    assert with_gap == {4: f"its baskets are there, its night waits for {DAYS[3]}"}
    late = planned([3, 4], taken_in=[0, 1, 2, 4], nights=[2])
    assert late == {3: "nightly", 4: "another night is under way"}
    assert planned([3, 4], taken_in=range(5), nights=[2, 3]) == {4: "nightly"}


def test_several_new_days_have_their_nights_one_after_the_other():
    waits = "another night is under way"
    assert planned([3, 4, 5], taken_in=range(3), nights=[2]) == {3: "nightly", 4: waits, 5: waits}
    busy = planned([3, 4, 5], taken_in=range(3), nights=[2], under_way={3: "nightly"})
    assert busy == {3: "a run is at work on it", 4: waits, 5: waits}


def test_a_run_on_an_earlier_day_is_waited_for_whatever_it_is():
    assert planned([3], taken_in=range(3), nights=[2], under_way={1: "backfill"}) == {
        3: "its night waits for an earlier day"
    }
    assert planned([3], taken_in=range(3), nights=[2], under_way={7: "backfill"}) == {3: "nightly"}


def test_before_nights_are_possible_baskets_are_taken_in():
    assert planned([3], taken_in=range(3), first_night=4) == {3: "ingestion"}
    assert planned([0, 1], taken_in=[], first_night=30) == {0: "ingestion", 1: "ingestion"}


def test_days_that_are_long_past_have_no_night_of_their_own():
    last = 3 + NIGHTS_CAUGHT_UP.days
    found = planned([3, 4, last], taken_in=range(3), nights=[2])
    assert [found[3], found[4]] == ["ingestion", "its night waits for an earlier day"]


def test_a_file_of_before_the_history_would_leave_a_hole_and_is_left_to_a_person():
    assert "nightcart backfill --from 2024-05-01" in planned([0], taken_in=[5, 6])[0]


def ended(*minutes_ago: float, status: dg.DagsterRunStatus = FAILED) -> list[Launch]:
    return [Launch(status=status, ended_at=NOW - dt.timedelta(minutes=minutes)) for minutes in minutes_ago]


class TestAttempts:
    def test_a_failed_run_is_tried_again_after_growing_pauses_and_at_last_given_up(self):
        for number, pause in enumerate(RETRIES.pauses, start=1):
            minutes = pause.total_seconds() / 60
            earlier = [minutes + 999] * (number - 1)
            waiting = planned([3], taken_in=range(3), attempts=ended(minutes - 0.1, *earlier))
            assert waiting[3].startswith("its run failed, and is tried again after")
            assert planned([3], taken_in=range(3), attempts=ended(minutes, *earlier)) == {3: "nightly"}
        given_up = planned([3], taken_in=range(3), attempts=ended(*[999] * (len(RETRIES.pauses) + 1)))
        assert given_up == {3: f"its runs failed {len(RETRIES.pauses) + 1} times"}

    def test_each_attempt_has_a_fresh_run_key(self):
        keys = set()
        for failed in range(3):
            known = Situation(
                taken_in=DAYS[:3],
                nights=[],
                under_way={},
                first_night=FIRST,
                launches=lambda *_, failed=failed: ended(*[999] * failed),
            )
            (step,) = plan({DAYS[3]: "digest"}, {DAYS[3]}, known, now=NOW)
            keys.add(step.run_key)
        assert len(keys) == 3

    def test_what_a_person_has_ended_is_left_to_them(self):
        canceled = ended(999, status=dg.DagsterRunStatus.CANCELED)
        assert planned([3], taken_in=range(3), attempts=canceled) == {3: "a person has ended its run"}

    def test_a_day_that_was_given_up_is_not_waited_for(self):
        attempts = {3: ended(*[999] * 4), 4: []}
        known = Situation(
            taken_in=DAYS[:3],
            nights=[DAYS[2]],
            under_way={},
            first_night=FIRST,
            launches=lambda day, job, fingerprint: attempts[DAYS.index(day)],
        )
        steps = plan({DAYS[3]: "a", DAYS[4]: "b"}, {DAYS[3], DAYS[4]}, known, now=NOW)
        assert [(step.job, step.is_given_up) for step in steps] == [(None, True), ("ingestion", False)]


def test_the_closed_days_before_a_day_that_arrived_have_their_night_too(settings):
    # Easter Sunday, 2024-03-31, is closed.
    saturday, monday = dt.date(2024, 3, 30), dt.date(2024, 4, 1)
    assert with_closed_days({monday: "d"}, settings, {saturday}) == {monday: "d", dt.date(2024, 3, 31): CLOSED}
    assert with_closed_days({monday: "d"}, settings, {dt.date(2024, 3, 31)}) == {monday: "d"}


def test_a_days_fingerprint_is_that_of_its_files_whatever_they_are_called():
    def of(**identities: str) -> str:
        files = [ArrivedFile(path=path, stamp="now", identity=each) for path, each in identities.items()]
        return fingerprints({FIRST: files})[FIRST]

    assert of(a="1", b="2") == of(c="2", d="1") != of(a="1", b="3")


def test_a_day_that_has_come_before_is_taken_in_alone_until_its_bytes_are_known():
    known = Situation(taken_in=set(DAYS[:3]), nights=[DAYS[2]], under_way={}, first_night=FIRST, launches=lambda *_: [])
    for reread, job in (([DAYS[3]], "ingestion"), ([], "nightly")):
        (step,) = plan({DAYS[3]: "f"}, {DAYS[3]}, known, reread=reread, now=NOW)
        assert step.job == job
