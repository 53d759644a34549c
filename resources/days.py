"""Days, and ranges of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

ONE_DAY = dt.timedelta(days=1)


def ranges(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """The first and the last of each run of consecutive days, in order: however long it is, it is asked for at once."""
    found: list[tuple[dt.date, dt.date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == ONE_DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
