"""What a command does when a database that it needs goes away in the middle of its night."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import psycopg
import pytest
from rich.progress import Progress

from orchestration.cli import launch, runs
from resources.errors import NightcartError, Overtaken, Refused, Unavailable, Unwritable

DAY = dt.date(2024, 4, 2)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dt.date, str]]:
    """The nights that lists were marked for, with why."""
    marked: list[tuple[dt.date, str]] = []
    monkeypatch.setattr(launch, "mark_lists", lambda day, because: marked.append((day, because)))
    monkeypatch.setattr(runs, "require_days", lambda _: None)
    return marked


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def running() -> Iterator[None]:
        raise error
        yield

    monkeypatch.setattr(launch, "running", running)
    with pytest.raises(type(error)):
        runs.nightly(dt.datetime.combine(DAY, dt.time()))


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("The database of NIGHTCART_OPERATIONS_URL does not answer.", remedy="-"),
        Unwritable("Nothing more could be written.", remedy="-"),
        psycopg.OperationalError("connection refused"),  # as Dagster's own storage says it
    ],
)
def test_lists_of_a_night_that_lost_its_database_are_marked(error: Exception, marked, monkeypatch) -> None:
    fail_with(error, monkeypatch)
    ((day, because),) = marked
    assert day == DAY
    assert "answer" in because or "written" in because
    if isinstance(error, NightcartError):
        assert error.remedy == "-. Then `nightcart nightly --date 2024-04-02` goes on where it stopped."


@pytest.mark.parametrize("error", [Refused("Another nightcart is running.", remedy="-"), Overtaken("-", remedy="-")])
def test_lists_of_a_night_that_somebody_else_makes_are_not(error: Exception, marked, monkeypatch) -> None:
    fail_with(error, monkeypatch)
    assert marked == []


def test_no_list_is_marked_for_a_day_that_is_none(marked, monkeypatch) -> None:
    def refuse(_: dt.date) -> None:
        raise Refused("2034-04-02 is no business day.", remedy="-")

    monkeypatch.setattr(runs, "require_days", refuse)
    fail_with(Refused("-", remedy="-"), monkeypatch)
    assert marked == []


def test_steps_are_shown_again_when_the_history_of_runs_answers_again(capfd) -> None:
    is_over, asked = threading.Event(), []

    def get_runs(*_: object, **__: object) -> list[object]:
        asked.append(1)
        if len(asked) == 1:
            raise ConnectionError
        is_over.set()
        return []

    with Progress(disable=True) as progress:
        launch._follow(
            SimpleNamespace(get_runs=get_runs), "launch", "a night", progress, progress.add_task(""), is_over
        )  # pyright: ignore[reportArgumentType]
    assert len(asked) >= 2
    assert capfd.readouterr().err == ""
