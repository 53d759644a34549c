"""One method in the quality benchmark: its lists for every close, and what they cost. Each runs in a process of its own."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import candidates, in_subcategories
from assets.grocery.evaluation import rivals
from assets.grocery.evaluation.history import History
from assets.grocery.evaluation.protocol import truths
from assets.grocery.features.definitions import build
from assets.grocery.features.purchases import purchases, shopping_days
from assets.grocery.scoring.lists import personal
from assets.grocery.tables import OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.examples import label_weeks
from assets.grocery.training.label_weeks import make_missing, read_examples
from assets.lifecycle.model import Model
from resources.config.loader import load_settings
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import pandas as pd

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """What a method brings: `lists` has `as_of_date`, `household_id`, `product_id`, `rank` and, from a model, `score`.

    `fit_seconds` and `score_seconds` are the means over the closes, `peak_mib` the most memory that the process held,
    its libraries included.
    """

    title: str
    lists: pd.DataFrame
    fit_seconds: float
    score_seconds: float
    peak_mib: float


def enter_model(as_of_dates: Sequence[dt.date], tables_root: str, kept_root: str, say: Say = print) -> Contestant:
    """The configured family, by the functions of the nightly: label weeks, fit, features, candidates, scores, lists."""
    import pandas as pd

    settings, tables, kept = load_settings(), TableStore(root=tables_root), TableStore(root=kept_root)
    model, catalogue, offers = settings.model, tables.read(PRODUCTS), tables.read(OFFERS)
    title, lists, fits, scorings = "", [], [], []
    for as_of in as_of_dates:
        weeks = label_weeks(
            as_of, train=model.label_weeks, holdout=model.holdout_weeks, first_day=settings.first_business_day
        )
        make_missing(weeks.train, sources=tables, kept_in=kept, model=model, say=say)
        begun = time.perf_counter()
        recommender = Model.create(model.family, model.parameters)
        recommender.fit(read_examples(kept, weeks.train), seed=model.seed)
        fitted = time.perf_counter()
        built = build(tables.read(TRANSACTIONS, until=as_of), catalogue, offers, as_of=as_of)
        found = candidates(built, own=model.candidates, new=model.new_candidates)
        frame = found.order_by("household_id", "product_id").to_pyarrow().to_pandas()
        best = personal(
            in_subcategories(frame, catalogue),
            recommender.score(frame),
            k=model.top_k,
            explore=model.explore_places,
            places=model.places_a_subcategory,
        )
        lists.append(best[["household_id", "product_id", "rank", "score"]].assign(as_of_date=as_of))
        fits.append(fitted - begun)
        scorings.append(time.perf_counter() - fitted)
        title = recommender.title
        say(
            f"{as_of} · {title}: fitted in {fits[-1]:.0f} s, {best['household_id'].nunique():,} lists in {scorings[-1]:.0f} s"
        )
    return _contestant(title, pd.concat(lists, ignore_index=True), fits, scorings)


def enter_rival(name: str, as_of_dates: Sequence[dt.date], tables_root: str, say: Say = print) -> Contestant:
    """One of :data:`assets.grocery.evaluation.rivals.RIVALS`, by its class name."""
    import numpy as np
    import pandas as pd

    settings, tables = load_settings(), TableStore(root=tables_root)
    k, catalogue = settings.model.ranked_places, tables.read(PRODUCTS)
    lists, fits, scorings, title = [], [], [], name
    for as_of in as_of_dates:
        bought = purchases(tables.read(TRANSACTIONS, until=as_of), catalogue)
        history = History.of(shopping_days(bought, as_of=as_of))
        begun = time.perf_counter()
        rival = getattr(rivals, name)()
        rival.fit(history, seed=settings.model.seed)
        fitted = time.perf_counter()
        best = rival.top(k)
        fits.append(fitted - begun)
        scorings.append(time.perf_counter() - fitted)
        household, place = np.nonzero(best >= 0)
        lists.append(
            pd.DataFrame(
                {
                    "as_of_date": as_of,
                    "household_id": history.households[household],
                    "product_id": history.products[best[household, place]],
                    "rank": place + 1,
                }
            )
        )
        title = rival.title
        say(f"{as_of} · {title}: fitted in {fits[-1]:.1f} s, lists in {scorings[-1]:.1f} s")
    return _contestant(title, pd.concat(lists, ignore_index=True), fits, scorings)


def truths_of(as_of_dates: Sequence[dt.date], tables: TableStore) -> pd.DataFrame:
    """The truths of all closes (:func:`assets.grocery.evaluation.protocol.truths`), with `as_of_date`."""
    import pandas as pd

    lines, catalogue = tables.read(TRANSACTIONS), tables.read(PRODUCTS)
    return pd.concat(
        [truths(lines, catalogue, as_of=as_of).assign(as_of_date=as_of) for as_of in as_of_dates], ignore_index=True
    )


def _contestant(title: str, lists: pd.DataFrame, fits: Sequence[float], scorings: Sequence[float]) -> Contestant:
    return Contestant(
        title=title,
        lists=lists,
        fit_seconds=sum(fits) / len(fits),
        score_seconds=sum(scorings) / len(scorings),
        peak_mib=_peak_mib(),
    )


def _peak_mib() -> float:
    """The most resident memory that this process held, as the operating system counts it."""
    import resource
    import sys

    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage, it does not count what the parent held before
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(held.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
