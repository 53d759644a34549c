"""A clock that is behind: the night that it asks for is done already, and the one that is meant would be lost in silence."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from assets.partitions import PARTITION_TAG
from orchestration.runs.nights import require_later
from resources.errors import Refused


@dg.op
def work() -> None: ...


@dg.job
def nightly() -> None:
    work()


def test_a_night_that_is_done_is_not_asked_for_before_it_ended():
    with dg.DagsterInstance.ephemeral() as instance:
        run = nightly.execute_in_process(instance=instance, tags={PARTITION_TAG: "2024-05-06"}).dagster_run
        now = dt.datetime.now(dt.UTC)
        require_later(instance, run, now=now)
        says = r"The night of 2024-05-06 was done by run .* it is behind, or was ahead then\. Remedy: .*`nightcart replay --days 1`"
        with pytest.raises(Refused, match=says):
            require_later(instance, run, now=now - dt.timedelta(hours=24))
