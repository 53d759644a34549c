"""How an asset fails: with its remedy, and again only where that can help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.failures import RETRIES, explained
from resources import home
from resources.errors import FeedMissing, FeedRefused, Refused, Unavailable


def failure_of(error: Exception) -> dg.Failure:
    @explained
    def body() -> None:
        raise error

    with pytest.raises(dg.Failure) as raised:
        body()
    assert raised.value.__cause__ is error
    return raised.value


@pytest.mark.parametrize("kind", [Refused, FeedRefused, FeedMissing])
def test_refusal_is_not_tried_again_and_says_what_mends_it(kind):
    failure = failure_of(kind("There is no file.", remedy="deliver it."))
    assert failure.allow_retries is False
    assert failure.description == "There is no file. Remedy: deliver it."
    assert failure.metadata["remedy"].value == "deliver it."


def test_what_did_not_answer_is_tried_again():
    failure = failure_of(Unavailable("The registry does not answer.", remedy="see that it is up."))
    assert failure.allow_retries is True
    assert "Remedy: see that it is up." in (failure.description or "")


def test_a_bug_is_not_tried_again():
    failure = failure_of(ZeroDivisionError("division by zero"))
    assert failure.allow_retries is False
    assert failure.description == "ZeroDivisionError: division by zero"


LOCKED = "(sqlite3.OperationalError) database is locked\n[SQL: INSERT INTO verdicts …]"


@pytest.mark.parametrize(
    ("error", "is_tried_again", "says"),
    [
        (OSError(28, "No space left on device"), False, "make room on the disk"),
        (RuntimeError("Generic LocalFileSystem error: File too large (os error 27)"), False, "make room on the disk"),
        (RuntimeError("(sqlite3.OperationalError) attempt to write a readonly database"), False, "writable"),
        (RuntimeError("(sqlite3.OperationalError) unable to open database file"), False, "writable"),
        (RuntimeError(LOCKED), True, "or wait for it"),
    ],
    ids=["full", "full, says Rust", "read-only", "gone", "locked"],
)
def test_what_the_machine_does_is_told_with_a_remedy_and_is_no_refusal(error, is_tried_again, says):
    failure = failure_of(error)
    assert failure.allow_retries is is_tried_again
    assert failure.metadata["is_refusal"].value is False
    assert says in (failure.description or "")
    assert "INSERT" not in (failure.description or "")


def test_an_engine_with_too_little_memory_names_the_setting():
    failure = failure_of(RuntimeError("Out of Memory Error: could not allocate block of size 256.0 KiB\nPossible"))
    assert failure.allow_retries is False
    assert "NIGHTCART_MEMORY" in (failure.description or "")
    assert "Possible" not in (failure.description or "")


def test_dagsters_own_errors_pass_through():
    @explained
    def body() -> None:
        raise dg.DagsterInvalidInvocationError("not like this")

    with pytest.raises(dg.DagsterInvalidInvocationError, match="not like this"):
        body()


def test_what_goes_well_is_left_alone():
    @explained
    def body(first: int, *, second: int) -> int:
        """Its own words."""
        return first + second

    assert body(1, second=2) == 3
    assert (body.__name__, body.__doc__) == ("body", "Its own words.")


@pytest.mark.parametrize(
    ("error", "tries"),
    [(Refused("No.", remedy="none."), 1), (Unavailable("Not now.", remedy="wait."), 4), (KeyError("typo"), 1)],
    ids=["refused", "unavailable", "bug"],
)
def test_step_is_tried_as_often_as_that_can_help(error, tries):
    tried = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=RETRIES.max_retries, delay=0))
    @explained
    def fails() -> None:
        tried.append(1)
        raise error

    assert not dg.materialize([fails], raise_on_error=False).success
    assert len(tried) == tries


END = """
import os, signal, sys, threading
import dagster as dg
from assets.failures import RETRIES, explained

@dg.asset(retry_policy=RETRIES)
@explained
def lines():
    print("begun", flush=True)
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGTERM]).start()
    if sys.argv[2] == "query":
        import duckdb
        duckdb.sql("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3").fetchall()
    else:
        import time
        time.sleep(60)

@dg.asset(deps=[lines])
def after():
    print("went on", flush=True)

if __name__ == "__main__":
    with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
        if sys.argv[3] == "by a person":
            told = instance.get_run_by_id  # the run is marked before its process hears of it
            instance.get_run_by_id = lambda run_id: told(run_id).with_status(dg.DagsterRunStatus.CANCELING)
        dg.materialize([lines, after], instance=instance, raise_on_error=False)
        (run,) = instance.get_runs()
        print(run.status.value, run.tags.get("dagster/will_retry"))
        from orchestration.runs.outcomes import failures
        print(*(failed.message for failed in failures(instance, run.run_id)))
        print(*sorted({entry.dagster_event.event_type_value for entry in instance.all_logs(run.run_id) if entry.is_dagster_event}))
"""


@pytest.mark.parametrize("busy", ["query", "python"])
def test_an_interrupt_ends_the_run_which_may_be_tried_again(tmp_path: Path, busy: str) -> None:
    (tmp_path / "dagster.yaml").write_text(
        "run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}\ntelemetry: {enabled: false}\n"
    )
    said = _ended(tmp_path, busy, "by the machine")
    assert "FAILURE true" in said
    assert "lines: The run was told to end, and ended here: a person ended it, or its pod was evicted" in said
    assert "STEP_UP_FOR_RETRY" not in said  # neither by the step's own policy, in the process that is told to end
    assert "went on" not in said  # nor does what comes after it begin


def test_a_run_that_a_person_ends_is_not_tried_again(tmp_path: Path) -> None:
    said = _ended(tmp_path, "python", "by a person")
    assert "STEP_UP_FOR_RETRY" not in said
    assert "went on" not in said
    assert "PIPELINE_CANCELED" in said


def _ended(folder: Path, busy: str, by: str) -> str:
    (folder / "end.py").write_text(END)
    command = [sys.executable, "-W", "ignore", str(folder / "end.py"), str(folder), busy, by]
    environ = os.environ | {"PYTHONPATH": str(home.PROJECT)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120).stdout
