"""How an asset fails: with what happened and what mends it, and retried only where that can help."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import dagster as dg

from resources.errors import NightcartError, Refused, of_the_machine

P = ParamSpec("P")
R = TypeVar("R")

# For assets that touch the outside (feeds, the model registry), and only for them. Three tries over about a minute
# outlast a restart of a server; jitter keeps many nights that failed together from trying again together.
RETRY_OUTSIDE = dg.RetryPolicy(max_retries=3, delay=8, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def explained(body: Callable[P, R]) -> Callable[P, R]:
    """Turn an error of ours into a Dagster failure with its remedy; only one that is worth retrying is retried.

    A full disk, or a database that somebody holds, is told likewise. Any other exception is a bug: it goes through with
    its own trace and is not retried.
    """

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except dg.DagsterError:
            raise
        except Exception as error:
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
