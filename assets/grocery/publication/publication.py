"""Which night's lists are served, and what is said of them: pure, so that it can be read and tested without a store."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from resources.days import ONE_DAY

VERSION = "1"  # of the rows that are made here; the assets carry it


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is served: the lists made at the close of `made_on`, for the day `published_for`.

    They are carried over when that is not the day after, because a night that should have followed could not be made
    good: `carried_over_because`.
    """

    made_on: dt.date
    published_for: dt.date
    is_carried_over: bool = False
    carried_over_because: str = ""


def after_a_good_night(served: Published | None, *, night: dt.date, today: dt.date) -> Published | None:
    """What is served once the lists of `night` are good; None when what is served is of a later night, and stays.

    Lists that follow a gap without closing it stay marked: the newest night is still one that could not be made good. One
    of a day that is not over `today` was never due: a clock that was ahead asked for it, and its mark goes.
    """
    if served and served.made_on > night:
        return None
    if served and night + ONE_DAY < served.published_for <= today:
        return replace(served, made_on=night)
    return Published(made_on=night, published_for=night + ONE_DAY)


def after_a_lost_night(served: Published | None, *, night: dt.date, because: str) -> Published | None:
    """What is served when `night` could not be made good: the same lists, marked. None when nothing changes.

    That is so when there are no lists, when those of `night` or of a later one are served, or when it has been said.
    """
    if served is None or served.made_on >= night or served.published_for > night + ONE_DAY:
        return None
    marked = replace(served, published_for=night + ONE_DAY, is_carried_over=True, carried_over_because=because)
    return None if marked == served else marked


def standing(served: Published | None, *, night: dt.date | None = None) -> str:
    """What households get, in a sentence; `night` is the one that something happened in."""
    if served is None:
        return "There are no lists yet: until a first night is good, nobody gets any."
    if night and served.made_on < night:
        return f"The lists of {served.made_on} stay published, {age(served.made_on, night)}."
    if served.is_carried_over:
        late = age(served.made_on, served.published_for - ONE_DAY)
        return f"The lists of {served.made_on} are published, carried over and {late}."
    return f"The lists of {served.made_on} are published; this does not touch them."


def age(made_on: dt.date, night: dt.date) -> str:
    """How much older than those of `night` lists are."""
    days = (night - made_on).days
    return "one day old" if days == 1 else f"{days} days old"
