"""The reference profile that is kept with a new version: read from the tables as they are at the close it is made for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import candidates, in_subcategories, reasons
from assets.grocery.features.definitions import FeatureTables
from assets.grocery.profiles import numbers
from assets.grocery.profiles.days import WEEKS_BEFORE, profiles
from assets.grocery.profiles.reference import Numbers, Reference, days_of_ages, reference_days
from assets.grocery.tables import FEATURES, HOUSEHOLD, PRODUCT, PRODUCTS, TRANSACTIONS
from assets.grocery.training.metrics import top
from resources.tables.slices import groups_of_days

if TYPE_CHECKING:
    import ibis

    from assets.lifecycle.model import Model
    from resources.config.retailer import Settings
    from resources.tables.store import TableStore

BYTES_A_LINE = 300  # with what is known of its product and household
# Nights whose features a reference has, if they are stored: some are of the weekday, such as the days since the last trip.
FEATURE_NIGHTS = 7


def reference(
    day: dt.date,
    recommender: Model,
    *,
    tables: TableStore,
    settings: Settings,
    promised: Mapping[str, Sequence[float]],
    may_be_used: Callable[[dt.date], bool],
) -> Reference:
    """What a version that is made at `day`'s close is made of, and the lists that it would give that night.

    Features and lists are those of stored nights that `may_be_used`; without any, they are left out.
    """
    days = reference_days(day, first_day=settings.first_business_day)
    seen = []
    for group in groups_of_days(days, tables.rows_by_day(TRANSACTIONS), bytes_a_row=BYTES_A_LINE):
        since = group[0] - dt.timedelta(weeks=WEEKS_BEFORE + 1)
        lines = tables.read(TRANSACTIONS, since=since, until=group[-1])
        seen += profiles(lines, tables.read(PRODUCTS), days=group, timezone=settings.timezone)
    last_week = [day - dt.timedelta(days=back) for back in range(FEATURE_NIGHTS)]
    nights = [night for night in last_week if features_are_there(tables, night) and may_be_used(night)]
    # As a night after a closed day is not compared, none is compared with it.
    usual = [night for night in nights if not any(map(settings.is_closed, days_of_ages(night)))]
    features = lists = Numbers(cuts={}, nights={})
    if usual:
        newest = features_of(tables, usual[0])
        cuts = numbers.feature_cuts(newest)
        features = Numbers(
            cuts=cuts,
            nights={night: numbers.feature_counts(features_of(tables, night), cuts) for night in usual},
        )
    if day in nights:
        lists = _lists(day, features_of(tables, day), recommender, settings=settings)
    return Reference(business_date=day, days=seen, features=features, lists=lists, promised=promised)


def features_are_there(tables: TableStore, night: dt.date) -> bool:
    """Whether the features of a night are stored."""
    return bool(tables.rows_by_day(HOUSEHOLD).get(night))


def features_of(tables: TableStore, night: dt.date) -> dict[str, ibis.Table]:
    """The stored features of a night, of the households that are looked at."""
    return numbers.drawn({name: tables.read(name, since=night, until=night).drop("business_date") for name in FEATURES})


def _lists(day: dt.date, features: Mapping[str, ibis.Table], recommender: Model, *, settings: Settings) -> Numbers:
    model = settings.model
    found = candidates(FeatureTables.of(features.__getitem__), own=model.candidates, new=model.new_candidates)
    frame = found.order_by("household_id", "product_id").to_pyarrow().to_pandas()
    best = top(
        in_subcategories(frame, features[PRODUCT]),
        recommender.score(frame),
        k=model.top_k,
        by=["household_id"],
        explore=model.explore_places,
        places=model.places_a_subcategory,
    )
    listed = best[["household_id", "score"]].assign(reason=reasons(best))
    cuts = numbers.list_cuts(listed)
    return Numbers(cuts=cuts, nights={day: numbers.list_counts(listed, cuts)})
