"""What a run's tags claim of its days comes from outside: whoever launches it may write anything there."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st

from assets.partitions import RANGE_TAGS
from orchestration.runs.nights import MOST_DAYS, days_of_run


@given(st.text(max_size=12), st.text(max_size=12))
@example("2024-05-06", "../../etc")
@example("0001-01-01", "9999-12-31")
@example("2024-05-07", "2024-05-06")
def test_days_of_a_run_are_days_whatever_its_tags_claim(first: str, last: str) -> None:
    run = SimpleNamespace(tags={RANGE_TAGS[0]: first, RANGE_TAGS[1]: last})
    days = days_of_run(run)  # pyright: ignore[reportArgumentType]
    assert all(isinstance(day, dt.date) for day in days)
    assert len(days) <= MOST_DAYS
