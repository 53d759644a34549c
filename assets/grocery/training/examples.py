"""Labelled weeks: candidates as they were known at a day's close, and what was bought in the seven days after."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import candidates, labelled
from assets.grocery.features import definitions
from assets.grocery.features.purchases import baskets_after, purchases
from assets.grocery.features.shared_days import SharedDays
from assets.lifecycle.domain import Windows
from resources.errors import Refused
from resources.tables.engine import sample_hash

if TYPE_CHECKING:
    import ibis

    from assets.grocery.features.definitions import FeatureTables
    from resources.config.retailer import RecommenderConfig
    from resources.tables.slices import InParts

VERSION = "5"
LABEL_DAYS = 7
# Households that did not shop tell only that: one in so many is enough to learn it from.
INACTIVE_SAMPLING_RATE = 5
FOLDS = 10
# How long a household is known: the most shopping days of each kind.
HISTORIES = (("new: up to 5 trips", 5), ("light: up to 40 trips", 40), ("heavy: more trips", None))
HISTORY_NEEDED = 27  # days before the first close that is worth learning from: four weeks


def as_of_dates(day: dt.date, *, weeks: int, first_day: dt.date) -> list[dt.date]:
    """The closes whose label weeks are over by `day`'s own close, newest first: a week, two weeks … before `day`.

    At most `weeks` of them, and none before there are four weeks of history.
    """
    dates = [day - dt.timedelta(days=LABEL_DAYS * back) for back in range(1, weeks + 1)]
    return [date for date in dates if date >= first_day + dt.timedelta(days=HISTORY_NEEDED)]


def first_night(first_day: dt.date, *, holdout: int) -> dt.date:
    """The first day whose night has enough history, begun on `first_day`, to learn from and to judge by."""
    return first_day + dt.timedelta(days=HISTORY_NEEDED + LABEL_DAYS * (holdout + 1))


def label_weeks(day: dt.date, *, train: int, holdout: int, first_day: dt.date) -> Windows:
    """The label weeks of the night of `day`: the newest `holdout` of them judge, the `train` before teach.

    Raises :class:`Refused` when the history that begins on `first_day` is too short to do both.
    """
    weeks = as_of_dates(day, weeks=holdout + train, first_day=first_day)
    if len(weeks) <= holdout:
        raise Refused(
            f"There is too little history before {day} to train on and to judge by: four weeks of it, a week to learn "
            f"from and {holdout} to judge by are the least.",
            remedy=f"begin the nights on {first_night(first_day, holdout=holdout)}; take in the days before as one range with `nightcart backfill`.",
        )
    return Windows(train=tuple(weeks[holdout:]), holdout=tuple(weeks[:holdout]))


def in_parts(
    transactions: ibis.Table,
    products: ibis.Table,
    offers: ibis.Table,
    *,
    as_of: dt.date,
    model: RecommenderConfig,
    days: SharedDays,
    households: int | None = None,
    parts: int | None = None,
) -> InParts[ibis.Table]:
    """The candidates of a label week, of parts of its households in the order of their names (:func:`definitions.build_of`).

    Of every household that bought in the seven days, and of one in :data:`INACTIVE_SAMPLING_RATE` of those that did not, drawn by
    a hash; at most `households` of both, by default the `model.households_a_week` that are learnt from. Columns: those of
    :func:`assets.grocery.candidates.candidates.labelled`, `draw`: the household's place among those drawn, from 0, `stands_for`: how
    many households it stands for among those that are learnt from, and `fold`: 0 … 9, the same for a household in every week,
    for what must not be fitted on the households that it is judged on. Several weeks share their shopping `days`.
    """
    truth = baskets_after(purchases(transactions, products), as_of=as_of, days=LABEL_DAYS).cache()
    learnt_from = model.households_a_week
    drawn = _drawn(days, truth, as_of=as_of, learnt_from=learnt_from, most=households or learnt_from).cache()

    def part(tables: FeatureTables) -> ibis.Table:
        found = candidates(tables, own=model.candidates, new=model.new_candidates)
        return labelled(found.join(drawn, "household_id"), _with_news(truth, tables.household_product))

    return definitions.build_of(days, offers, as_of=as_of, only=drawn, parts=parts).each(part)


def _with_news(truth: ibis.Table, history: ibis.Table) -> ibis.Table:
    """`truth` with `is_new`: whether the household had never bought the product before."""
    known = history.select("household_id", "product_id", "purchases")
    joined = truth.left_join(known, ["household_id", "product_id"])
    return joined.select("household_id", "product_id", "is_next", is_new=joined.purchases.isnull())


def truth_with_slices(transactions: ibis.Table, products: ibis.Table, *, as_of: dt.date) -> ibis.Table:
    """What each household bought in the seven days after `as_of`'s close, with what quality is told apart by.

    `household_id`, `product_id`, `department`, `weekday` (of the first time in the week, 0 is Monday) and `history`:
    how long the household is known, see :data:`HISTORIES`.
    """
    import ibis

    bought = purchases(transactions, products)
    known = bought.filter(bought.business_date <= as_of)
    trips = known.group_by("household_id").agg(trips=known.business_date.nunique())
    end = as_of + dt.timedelta(days=LABEL_DAYS)
    after = bought.filter((bought.business_date > as_of) & (bought.business_date <= end))
    truth = after.group_by("household_id", "product_id").agg(weekday=after.business_date.min().day_of_week.index())
    joined = truth.join(trips, "household_id").join(products.select("product_id", "department"), "product_id")
    (new, up_to), (light, at_most), (heavy, _) = HISTORIES
    history = ibis.cases((joined.trips <= up_to, new), (joined.trips <= at_most, light), else_=heavy)
    return joined.select("household_id", "product_id", "department", "weekday", history=history)


def _drawn(days: SharedDays, truth: ibis.Table, *, as_of: dt.date, learnt_from: int, most: int) -> ibis.Table:
    """At most so many households, of which the first are to learn from: `household_id`, `draw`, `stands_for` and `fold`."""
    import ibis

    known = days.named(days.households.filter(days.households.first_day <= as_of).select("household_id"))
    shopped = truth.select("household_id", has_shopped=ibis.literal(True)).distinct()
    both = known.left_join(shopped, "household_id").drop("household_id_right")
    sampling_key = sample_hash(both.household_id + as_of.isoformat())
    both = both.mutate(sampling_key=sampling_key, is_inactive=both.has_shopped.isnull())
    # The key's remainder draws the inactive ones, its order the rest: next to independent of each other.
    kept = both.filter(~both.is_inactive | (both.sampling_key % INACTIVE_SAMPLING_RATE == 0))
    in_order = ibis.window(order_by=["sampling_key", "household_id"])
    kept = kept.mutate(draw=ibis.row_number().over(in_order).cast("int32"), all=kept.count())
    share = ibis.least(ibis.literal(1.0), learnt_from / kept.all)
    stands_for = kept.is_inactive.ifelse(float(INACTIVE_SAMPLING_RATE), 1.0) / share
    fold = (sample_hash(kept.household_id) % FOLDS).cast("int8")
    chosen = kept.filter(kept.draw < most)
    return chosen.select("household_id", "draw", stands_for=stands_for.cast("float32"), fold=fold)


def inputs_of(*, transactions: str, products: str, offers: str, model: RecommenderConfig, households: int) -> str:
    """A digest of all that a labelled week is made from: the same inputs, the same examples.

    `transactions`, `products` and `offers` are digests of the lines up to the end of the week, of what the catalogue says of
    the products in them, and of the offers known at its beginning; `households` is how many are drawn at most.
    """
    limits = (model.candidates, model.new_candidates, model.households_a_week)
    limits += (households,) if households != model.households_a_week else ()
    parts = (VERSION, definitions.VERSION, transactions, products, offers, *limits)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
