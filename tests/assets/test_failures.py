"""How an asset fails: with its remedy, and again only where that can help."""

from __future__ import annotations

import dagster as dg
import pytest

from assets.failures import RETRY_OUTSIDE, explained
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
        (RuntimeError(LOCKED), True, "or wait for it"),
    ],
    ids=["full", "full, says Rust", "read-only", "locked"],
)
def test_what_the_machine_does_is_told_with_a_remedy_and_is_no_refusal(error, is_tried_again, says):
    failure = failure_of(error)
    assert failure.allow_retries is is_tried_again
    assert failure.metadata["is_refusal"].value is False
    assert says in (failure.description or "")
    assert "INSERT" not in (failure.description or "")


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

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=RETRY_OUTSIDE.max_retries, delay=0))
    @explained
    def fails() -> None:
        tried.append(1)
        raise error

    assert not dg.materialize([fails], raise_on_error=False).success
    assert len(tried) == tries
