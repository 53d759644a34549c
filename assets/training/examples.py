"""Labelled weeks: candidates as they were known at a day's close, and what was bought in the seven days after."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from assets.features import definitions
from assets.features.purchases import baskets_after, purchases
from assets.training.candidates import candidates, labelled

if TYPE_CHECKING:
    import ibis

    from resources.settings import Model

VERSION = "1"
LABEL_DAYS = 7


def as_of_dates(day: dt.date, *, weeks: int, first_day: dt.date) -> list[dt.date]:
    """The closes whose label weeks are over by `day`'s own close, newest first: a week, two weeks … before `day`.

    At most `weeks` of them, and none before there are four weeks of history.
    """
    dates = [day - dt.timedelta(days=LABEL_DAYS * back) for back in range(1, weeks + 1)]
    return [date for date in dates if date >= first_day + dt.timedelta(days=HISTORY_NEEDED)]


HISTORY_NEEDED = 27  # days before the first close that is worth learning from: four weeks


def examples(transactions: ibis.Table, products: ibis.Table, *, as_of: dt.date, model: Model) -> ibis.Table:
    """The candidates as of `as_of`'s close of every household that bought in the seven days after, labelled.

    Columns: those of :func:`assets.training.candidates.candidates`, `label` and `truth_size`.
    """
    tables = definitions.build(transactions, products, as_of=as_of)
    found = candidates(tables, own=model.candidates, popular=model.popular_candidates)
    truth = baskets_after(purchases(transactions, products), as_of=as_of, days=LABEL_DAYS)
    return labelled(found, truth)


def inputs_of(*, transactions: str, products: str, model: Model) -> str:
    """A digest of all that a labelled week is made from: the same inputs, the same examples.

    `transactions` and `products` are digests of the lines up to the end of the week, and of the catalogue.
    """
    parts = (VERSION, definitions.VERSION, transactions, products, model.candidates, model.popular_candidates)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
