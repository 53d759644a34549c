"""How the rivals' defaults were found: each parameter on its own around them, on four dates before November 2017.

For an as-of date D a rival knows what was bought before D. Its ten products are compared with what the household buys
in the week from D (week) and on its first shopping day of that week (next). No line after the last of these weeks is
read. Put the best value of a parameter into assets/grocery/evaluation/rivals.py and run again until none is better; leave
alone what differs by less than .7 %, which is noise on so few dates.

    python benchmarks/tune_rivals.py [--only EASE UPCF] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bare_night import take_in

from assets.grocery.evaluation.history import History
from assets.grocery.evaluation.protocol import TRUTHS, WEEK, judged, truths
from assets.grocery.evaluation.rival import Rival
from assets.grocery.evaluation.rivals import RIVALS
from assets.grocery.features.purchases import purchases, shopping_days
from resources import home
from resources.config.loader import load_settings
from resources.feeds.reader import FeedReader
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DATES = [dt.date(2017, 10, day) for day in (2, 9, 16, 23)]
LAST_DAY = DATES[-1] + dt.timedelta(days=WEEK - 1)
K = 10
SEED = 1

GRID: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "GlobalTop": {"days": [7, 14, 28, 56]},
    "ImplicitALS": {
        "factors": [64, 128, 256],
        "regularization": [5, 10, 15, 20],
        "alpha": [0.5, 1, 2],
        "iterations": [8, 15],
        "half_life": [None, 60, 90, 180],
    },
    "ImplicitItemItem": {
        "neighbours": [2, 3, 5, 20],
        "k1": [0.2, 0.5, 1.2],
        "b": [0, 0.1, 0.25, 0.75],
        "half_life": [None, 60, 90, 180],
    },
    "EASE": {"half_life": [None, 60, 75, 90, 120], "ridge": [10, 20, 30, 50, 200]},
    "PersonalThenGlobal": {"days": [7, 28, 56]},
    "UPCF": {
        "recency": [5, 15, 20, 25, 30, 50, 1000],
        "alpha": [0.25, 0.5, 0.75, 1],
        "locality": [1, 3, 5, 7, 10],
    },
    "HalfLife": {"half_life": [45, 60, 75, 90, 120, 180]},
    "TIFUKNN": {
        "groups": [3, 7, 12],
        "trip_decay": [0.95, 0.96, 0.97, 0.98, 1],
        "group_decay": [0.7, 0.8, 0.9, 1],
        "neighbours": [100, 300, 900],
        "alpha": [0.5, 0.6, 0.7, 0.8, 0.9],
    },
    "TIFUKNNCalendar": {
        "half_life": [60, 75, 90, 120],
        "neighbours": [50, 100, 200, 400],
        "alpha": [0.6, 0.7, 0.75, 0.8, 0.9],
    },
}


@dataclass(frozen=True, kw_only=True)
class Date:
    """What was known at a close, and what was bought after it (:func:`assets.grocery.evaluation.protocol.truths`)."""

    as_of: dt.date
    history: History
    truth: pd.DataFrame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [rival.__name__ for rival in RIVALS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="RIVAL", help=", ".join(names))
    parser.add_argument("--keep", type=Path, help="folder in which the tables are kept, and found the next time")
    given = parser.parse_args()
    with tables_of_the_demo(given.keep) as tables:
        dates = [known(tables, as_of=day - dt.timedelta(days=1)) for day in DATES]
    print(f"{'':<46}" + "".join(f"{truth:^16}" for truth in TRUTHS))
    print(f"{'':<46}" + f"{f'R@{K}':>8}{f'N@{K}':>8}" * len(TRUTHS) + f"{'fit s':>8}{'top s':>8}")
    for rival in RIVALS:
        if rival.__name__ in given.only:
            tune(rival, dates)


def tune(rival: type[Rival], dates: Sequence[Date]) -> None:
    """Print the defaults' row, and one for every value of every parameter that is not the default."""
    row(rival.__name__, rival(), dates)
    defaults = {field.name: field.default for field in dataclasses.fields(rival)}  # pyright: ignore[reportArgumentType]
    if defaults:
        print("  " + ", ".join(f"{name} {value}" for name, value in defaults.items()))
    for name, values in GRID.get(rival.__name__, {}).items():
        for value in values:
            if value != defaults[name]:
                row(f"  {name} {value}", rival(**{name: value}), dates)


def row(name: str, rival: Rival, dates: Sequence[Date]) -> None:
    """Print what a rival reaches over all dates, and its seconds a date."""
    import pandas as pd

    found: dict[str, list[pd.DataFrame]] = {truth: [] for truth in TRUTHS}
    fit = top = 0.0
    for date in dates:
        start = time.perf_counter()
        rival.fit(date.history, seed=SEED)
        fitted = time.perf_counter()
        lists = as_frame(rival.top(K), date)
        fit, top = fit + fitted - start, top + time.perf_counter() - fitted
        for truth, rows in date.truth.groupby("truth"):
            found[str(truth)].append(judged(lists, rows, k=K))
    means = [pd.concat(frames)[metric].mean() for frames in found.values() for metric in ("recall", "ndcg")]
    print(f"{name:<46}" + "".join(f"{mean:8.4f}" for mean in means) + f"{fit / len(dates):8.1f}{top / len(dates):8.1f}")


def as_frame(lists: np.ndarray, date: Date) -> pd.DataFrame:
    """A row for each product of each household's list, with its `rank` from 1."""
    import numpy as np
    import pandas as pd

    household, place = np.nonzero(lists >= 0)
    columns = {
        "as_of_date": date.as_of,
        "household_id": date.history.households[household],
        "product_id": date.history.products[lists[household, place]],
        "rank": place + 1,
    }
    return pd.DataFrame(columns)


def known(tables: TableStore, *, as_of: dt.date) -> Date:
    """The history up to a close, and the truth of the seven days after: no later basket is the next."""
    lines, products = tables.read("transactions", until=as_of + dt.timedelta(days=WEEK)), tables.read("products")
    return Date(
        as_of=as_of,
        history=History.of(shopping_days(purchases(lines, products), as_of=as_of)),
        truth=truths(lines, products, as_of=as_of).assign(as_of_date=as_of),
    )


@contextlib.contextmanager
def tables_of_the_demo(keep: Path | None) -> Iterator[TableStore]:
    """The demo's tables up to :data:`LAST_DAY`, taken in as a night takes them in."""
    with contextlib.ExitStack() as stack:
        folder = keep.resolve() if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["NIGHTCART_HOME"] = str(folder)  # nothing is written elsewhere
        tables = TableStore(root=str(home.state() / "tables"))
        if not tables.exists("households"):  # the last one that is written
            settings, feeds = load_settings(), FeedReader(raw=home.state() / "raw")
            take_in(settings, feeds, tables, since=settings.first_business_day, until=LAST_DAY)
        yield tables


if __name__ == "__main__":
    main()
