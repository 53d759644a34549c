"""What is told, again, and over: over several looks, with the records of the operations database between them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace

import pytest

from orchestration.alerting.incidents import RETRY_AFTER, open_now, tell, text, to_tell
from orchestration.alerting.probes import nights
from resources.records.alerts import Alert
from resources.records.quality import Verdict
from resources.records.store import OperationsDatabase
from tests.support.notifier import RecordingNotifier

AT = dt.datetime(2024, 5, 7, 2, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR = dt.timedelta(seconds=1), dt.timedelta(minutes=1), dt.timedelta(hours=1)


def alert(key: str = "night 2024-05-06", kind: str = Alert.REFUSAL, **other) -> Alert:
    said = {"happened": f"{key}: something", "meaning": "The lists of … stay published.", "command": "`nightcart …`"}
    return Alert(key=key, kind=kind, told_at=AT, **said, **other)


class Story:
    """Looks at one thing after the other, at times since :data:`AT`."""

    def __init__(self, operations: OperationsDatabase) -> None:
        self.operations, self.notifier = operations, RecordingNotifier()

    def look(self, *raised: Alert, after: dt.timedelta, looked_at: tuple[str, ...] = ("night", "drift", "run")) -> list:
        due = to_tell(
            raised,
            self.operations.records(Alert),
            now=AT + after,
            repeat_after=24 * HOUR,
            looked_at=looked_at,
        )
        tell(due, title="Shop", operations=self.operations, notifier=self.notifier)
        return [("over " if each.is_over else "") + each.key for each in due]


@pytest.fixture
def story(operations: OperationsDatabase) -> Story:
    return Story(operations)


NIGHT, DRIFT = "night 2024-05-06", "drift volume"


def test_what_lasts_is_told_once_again_after_a_day_and_its_end_once(story: Story) -> None:
    ticks = [story.look(alert(), after=5 * n * MINUTE) for n in range(288)]
    assert ticks == [[NIGHT]] + [[]] * 287
    assert story.look(alert(), after=24 * HOUR) == [NIGHT]
    assert story.look(after=25 * HOUR) == [f"over {NIGHT}"]
    assert story.look(after=26 * HOUR) == []
    assert open_now(story.operations.records(Alert)) == []
    assert story.look(alert(), after=27 * HOUR) == [NIGHT]  # it is back
    assert len(story.notifier.messages) == 4


def test_what_is_found_together_is_told_in_one_message(story: Story) -> None:
    story.look(alert(), alert(DRIFT, Alert.DRIFT), alert("drift prices", Alert.DRIFT), after=MINUTE)
    ((title, said),) = story.notifier.messages
    assert title == "Shop: refusal, 2 × drift"
    assert said.count("Next: `nightcart …`") == 3


def test_what_turns_into_something_worse_is_told_again(story: Story) -> None:
    story.look(alert(kind=Alert.MISSED), after=MINUTE)
    assert story.look(alert(kind=Alert.FAILURE), after=10 * MINUTE) == [NIGHT]
    assert story.look(alert(kind=Alert.FAILURE), after=15 * MINUTE) == []


def test_an_event_is_told_once_and_has_no_end(story: Story) -> None:
    event = alert("run 1234", Alert.FAILURE, is_event=True)
    assert story.look(event, after=MINUTE) == ["run 1234"]
    assert story.look(event, after=30 * HOUR) == []
    assert story.look(after=31 * HOUR) == []
    assert open_now(story.operations.records(Alert)) == []


def test_an_alert_that_nobody_took_is_tried_again_until_somebody_does(story: Story) -> None:
    story.notifier.is_down = True
    assert story.look(alert(), after=0 * MINUTE) == [NIGHT]
    assert story.look(alert(), after=RETRY_AFTER - MINUTE) == []  # another process may be about to
    assert story.look(alert(), after=5 * MINUTE) == [NIGHT]
    story.notifier.is_down = False
    assert story.look(alert(), after=10 * MINUTE) == [NIGHT]
    assert story.look(alert(), after=15 * MINUTE) == []
    assert len(story.notifier.messages) == 1


@pytest.mark.parametrize("is_event", [False, True])
def test_an_alert_is_not_lost_when_it_ends_before_anybody_took_it(story: Story, is_event: bool) -> None:
    story.notifier.is_down = True
    story.look(alert(is_event=is_event), after=0 * MINUTE)
    story.look(after=5 * MINUTE)
    story.notifier.is_down = False
    story.look(after=10 * MINUTE)
    story.look(after=15 * MINUTE)
    ((_, said),) = story.notifier.messages
    assert "night 2024-05-06: something" in said


def test_what_could_not_be_looked_at_has_not_ended(story: Story) -> None:
    story.look(alert(), alert(DRIFT, Alert.DRIFT), after=MINUTE)
    assert story.look(after=5 * MINUTE, looked_at=("drift",)) == [f"over {DRIFT}"]
    assert story.look(after=10 * MINUTE) == [f"over {NIGHT}"]


def test_a_clock_that_jumps_ahead_and_back_silences_nothing(story: Story) -> None:
    assert story.look(alert(), after=1000 * HOUR) == [NIGHT]
    assert story.look(alert(), after=MINUTE) == [NIGHT]  # told again rather than in six weeks
    assert story.look(alert(), after=6 * MINUTE) == []
    assert story.look(after=11 * MINUTE) == [f"over {NIGHT}"]


def test_a_person_reads_what_happened_what_it_means_and_what_to_run() -> None:
    said = alert()
    assert text(said).splitlines() == [
        "night 2024-05-06: something",
        "The lists of … stay published.",
        "Next: `nightcart …`",
    ]
    long = Alert(**{**vars(said), "happened": "x" * 5_000})
    assert len(text(long)) < 800


def test_of_two_processes_that_find_the_same_at_once_one_tells(story: Story) -> None:
    first, second = ([replace(alert(), told_at=AT + n * SECOND)] for n in (0, 1))
    other = RecordingNotifier()

    class Meanwhile(RecordingNotifier):
        """While it delivers, the other process looks."""

        def tell(self, title: str, text: str) -> None:
            tell(second, title="Shop", operations=story.operations, notifier=other)
            super().tell(title, text)

    meanwhile = Meanwhile()
    tell(first, title="Shop", operations=story.operations, notifier=meanwhile)
    assert (len(meanwhile.messages), len(other.messages)) == (1, 0)
    assert story.look(alert(), after=5 * MINUTE) == []


def test_one_that_comes_late_with_what_is_told_leaves_nothing_to_be_told(story: Story) -> None:
    tell([alert()], title="Shop", operations=story.operations, notifier=story.notifier)
    late = [replace(alert(), told_at=AT + SECOND)]
    tell(late, title="Shop", operations=story.operations, notifier=story.notifier)
    assert len(story.notifier.messages) == 1
    assert story.look(alert(), after=5 * MINUTE) == []


def test_what_the_one_could_not_deliver_is_tried_again(story: Story) -> None:
    story.notifier.is_down = True
    tell([alert()], title="Shop", operations=story.operations, notifier=story.notifier)
    tell([replace(alert(), told_at=AT + SECOND)], title="Shop", operations=story.operations, notifier=story.notifier)
    story.notifier.is_down = False
    assert story.look(alert(), after=5 * MINUTE) == [NIGHT]
    assert len(story.notifier.messages) == 1


@pytest.mark.parametrize(
    ("subject", "partition", "command"),
    [
        ("transactions", dt.date(2024, 5, 6), "nightcart override transactions a_check 2024-05-06 --reason"),
        ("products", None, "nightcart override products a_check --reason"),
    ],
)
def test_override_is_told_as_the_command_takes_it(operations, monkeypatch, subject, partition, command):
    verdict = {"data_version": "v", "check": "a_check", "outcome": Verdict.FAILED, "reason": "", "run_id": "r"}
    operations.record(
        Verdict(subject=subject, partition=partition, decided_at=dt.datetime(2024, 5, 7, tzinfo=dt.UTC), **verdict)
    )
    monkeypatch.setattr(nights, "what_failed", lambda *_: ("It failed.", Alert.FAILURE, [(subject, "a_check")]))
    monkeypatch.setattr(nights, "_missing", lambda _: [])
    context = SimpleNamespace(
        instance=None,
        operations=operations,
        lost_nights={dt.date(2024, 5, 6): SimpleNamespace(run_id="r")},
        incident=lambda *_, command, **__: command,
    )
    (told,) = nights.look(context)  # pyright: ignore
    assert command in told
