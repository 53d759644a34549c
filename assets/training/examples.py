"""Labelled weeks: candidates as they were known at a day's close, and what was bought in the seven days after."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.features import definitions
from assets.features.purchases import baskets_after, purchases
from assets.training.candidates import candidates, labelled
from resources.errors import Refused

if TYPE_CHECKING:
    import ibis

    from resources.settings import Model

VERSION = "1"
LABEL_DAYS = 7
HISTORY_NEEDED = 27  # days before the first close that is worth learning from: four weeks


@dataclass(frozen=True, kw_only=True)
class LabelWeeks:
    """The closes that a night's label weeks begin after, newest first: those to train on, and the holdout's."""

    train: tuple[dt.date, ...]
    holdout: tuple[dt.date, ...]

    @property
    def all(self) -> tuple[dt.date, ...]:
        """Both, newest first."""
        return (*self.holdout, *self.train)


def as_of_dates(day: dt.date, *, weeks: int, first_day: dt.date) -> list[dt.date]:
    """The closes whose label weeks are over by `day`'s own close, newest first: a week, two weeks … before `day`.

    At most `weeks` of them, and none before there are four weeks of history.
    """
    dates = [day - dt.timedelta(days=LABEL_DAYS * back) for back in range(1, weeks + 1)]
    return [date for date in dates if date >= first_day + dt.timedelta(days=HISTORY_NEEDED)]


def label_weeks(day: dt.date, *, train: int, holdout: int, first_day: dt.date) -> LabelWeeks:
    """The label weeks of the night of `day`: the newest `holdout` of them judge, the `train` before teach.

    Raises :class:`Refused` when the history that begins on `first_day` is too short to do both.
    """
    weeks = as_of_dates(day, weeks=holdout + train, first_day=first_day)
    if len(weeks) <= holdout:
        first_night = first_day + dt.timedelta(days=HISTORY_NEEDED + LABEL_DAYS * (holdout + 1))
        raise Refused(
            f"There is too little history before {day} to train on and to judge by: four weeks of it, a week to learn "
            f"from and {holdout} to judge by are the least.",
            remedy=f"begin the nights on {first_night}; take in the days before as one range with `nightcart backfill`.",
        )
    return LabelWeeks(train=tuple(weeks[holdout:]), holdout=tuple(weeks[:holdout]))


def examples(transactions: ibis.Table, products: ibis.Table, *, as_of: dt.date, model: Model) -> ibis.Table:
    """The candidates as of `as_of`'s close of every household that bought in the seven days after, labelled.

    Columns: those of :func:`assets.training.candidates.candidates`, `label` and `truth_size`.
    """
    truth = baskets_after(purchases(transactions, products), as_of=as_of, days=LABEL_DAYS).cache()
    tables = definitions.build(transactions, products, as_of=as_of, only=truth)
    found = candidates(tables, own=model.candidates, popular=model.popular_candidates)
    return labelled(found, truth)


def inputs_of(*, transactions: str, products: str, model: Model) -> str:
    """A digest of all that a labelled week is made from: the same inputs, the same examples.

    `transactions` and `products` are digests of the lines up to the end of the week, and of the catalogue.
    """
    parts = (VERSION, definitions.VERSION, transactions, products, model.candidates, model.popular_candidates)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
