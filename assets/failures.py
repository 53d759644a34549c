"""How an asset fails: with what happened and what mends it, and retried only where that can help."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import dagster as dg

from resources.errors import NightcartError, Refused, chain, of_the_machine

P = ParamSpec("P")
R = TypeVar("R")

# For every step: all of them ask the records, in a database that may be restarted, moved or out of connections. Three tries over
# about a minute outlast that; jitter keeps many nights that failed together from trying again together.
RETRIES = dg.RetryPolicy(max_retries=3, delay=8, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


TOLD_TO_END = "The run was told to end, and ended here: a person ended it, or its pod was evicted, drained or deleted."


class Interrupted(dg.DagsterError, dg.DagsterExecutionInterruptedError):
    """The run was told to end, by a person or by the machine: no step of it is tried again, the run itself may be.

    Dagster retries a step that is interrupted and has a retry policy, in a process that is about to be killed or whose
    run is tried again elsewhere: two runs would write. An error of its own it passes on, and this is one.
    """


def raise_if_interrupted(error: BaseException) -> None:
    """Raise :class:`Interrupted` when an error is what a signal to end made of a query, or came of one."""
    for each in chain(error):
        # DuckDB hears the signal first, and says so in an error like any other.
        if isinstance(each, dg.DagsterExecutionInterruptedError | KeyboardInterrupt) or "Query interrupted" in str(
            each
        ):
            raise Interrupted(TOLD_TO_END) from error


def explained(body: Callable[P, R]) -> Callable[P, R]:
    """Turn an error of ours into a Dagster failure with its remedy; only one that is worth retrying is retried.

    A full disk, or a database that somebody holds, is told likewise; an interrupt ends the run (:class:`Interrupted`).
    Any other exception is a bug: it goes through with its own trace and is not retried.
    """

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except dg.DagsterError:
            raise
        except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt) as interrupt:
            raise_if_interrupted(interrupt)
            raise
        except Exception as error:
            raise_if_interrupted(error)
            told = error if isinstance(error, NightcartError) else of_the_machine(error)
            if told is None:  # a retry policy would otherwise retry a bug; the cause stays attached
                raise dg.Failure(description=f"{type(error).__name__}: {error}", allow_retries=False) from error
            raise dg.Failure(
                description=str(told),
                # `orchestration.runs.outcomes` tells by it whether the run was refused, or something outside is down.
                metadata={"remedy": told.remedy, "is_refusal": isinstance(told, Refused)},
                allow_retries=told.is_worth_retrying,
            ) from error

    return run
