"""What each part of the recommender is worth: variants of it, each against the one that is configured.

Uses October of the demo's year and nothing later, so that the weeks of `nightcart benchmark quality` stay unseen. Every
variant is fitted once, on the label weeks before October, and judged on the four that follow: the same households and
candidates for all, so that differences are paired. A difference under .3 % is noise: another seed moves the result by as much.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import arguments, run
from states import FIRST_DAY, ingestion_of, with_keep

from assets.grocery.candidates.candidates import FEATURES
from assets.grocery.training.label_weeks import make_missing, read_examples, read_holdout
from assets.grocery.training.metrics import by_list
from assets.grocery.training.models.two_stage import TwoStageRanker
from assets.lifecycle.estimates import Bootstrap

if TYPE_CHECKING:
    import pandas as pd

FIRST = dt.date(2017, 10, 1)  # the close before the first judged week, a Monday's to Sunday's
JUDGED = [FIRST + dt.timedelta(days=7 * n) for n in range(4)]
WEEKS = 16


def features(*, without: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(name for name in FEATURES if not without(name))


@dataclass(frozen=True)
class Variant:
    """A change: of the features looked at, of the parameters, or of how many label weeks are learnt from."""

    features: tuple[str, ...] = tuple(FEATURES)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weeks: int = 12
    seed: int = 20170101


VARIANTS = {
    "as configured": Variant(),
    "another seed": Variant(seed=7),
    "without offers": Variant(features(without=lambda n: "offer" in n)),
    "without what households do on offer": Variant(
        features(without=lambda n: "offer" in n and n not in ("offered_next", "offered_last"))
    ),
    "without paces": Variant(features(without=lambda n: "pace_" in n)),
    "without subcategories": Variant(features(without=lambda n: n.startswith("subcategory_"))),
    "without categories at all": Variant(features(without=lambda n: "category" in n)),
    "without ages of earlier purchases": Variant(
        features(without=lambda n: n[:11] == "days_since_" and n[11:].isdigit())
    ),
    "without prices": Variant(features(without=lambda n: "price" in n or n == "spend_month")),
    "without basket sizes": Variant(features(without=lambda n: n in ("decayed_share", "decayed_root_share"))),
    "without decays by trips": Variant(features(without=lambda n: n.startswith("decayed_trips"))),
    "label of the week alone": Variant(parameters={"next_share": 0.0}),
    "label of the next basket alone": Variant(parameters={"next_share": 1.0}),
    "positives all weigh the same": Variant(parameters={"weight_exponent": 0.0}),
    "4 label weeks": Variant(weeks=4),
    "8 label weeks": Variant(weeks=8),
    "16 label weeks": Variant(weeks=16),
    "31 leaves": Variant(parameters={"leaves": 31}),
    "all negatives": Variant(parameters={"negatives": 1.0}),
    "rate .03, 600 trees": Variant(parameters={"learning_rate": 0.03, "trees": 600}),
}


def main() -> None:
    parser = with_keep(arguments(__doc__, repeat=1))
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), help="these variants, beside the configured one")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep.resolve() if given.keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / "complete_journey").exists():
            run(ingestion_of(FIRST_DAY, JUDGED[-1] + dt.timedelta(days=7)), state=folder)
        compare(["as configured", *(given.only or list(VARIANTS)[1:])], folder / "complete_journey" / "tables")


def compare(names: Sequence[str], root: Path) -> None:
    """Fit and judge the variants, a line each."""
    import pandas as pd

    from resources.config.loader import load_settings
    from resources.tables.store import TableStore

    tables, model = TableStore(root=str(root)), load_settings().model
    train = [FIRST - dt.timedelta(days=7 * n) for n in range(1, WEEKS + 1)]
    make_missing([*JUDGED, *train], sources=tables, kept_in=tables, model=model, say=print)
    judged, reference = pd.concat(read_holdout(tables, JUDGED), ignore_index=True), None
    print(f"{'variant':36}{'week R':>18}{'week N':>18}{'next R':>18}{'next N':>18}{'fit s':>8}")
    for name in names:
        variant = VARIANTS[name]
        found, seconds = outcome(variant, read_examples(tables, train[: variant.weeks]), judged)
        reference = reference or found
        columns = [_cell(found[key], reference[key]) for key in found]
        print(f"{name:36}{''.join(f'{text:>18}' for text in columns)}{seconds:8.0f}", flush=True)


def outcome(variant: Variant, learn_from: pd.DataFrame, judged: pd.DataFrame) -> tuple[dict[str, pd.Series], float]:
    """Recall and nDCG at 10 of every list, on both truths, and the seconds of the fit."""
    ranker = TwoStageRanker(**variant.parameters)
    ranker.features = variant.features  # pyright: ignore[reportAttributeAccessIssue]
    begun = time.perf_counter()
    ranker.fit(learn_from, seed=variant.seed)
    seconds = time.perf_counter() - begun
    scores = ranker.score(judged)
    week = by_list(judged, scores, k=10)
    following = judged.assign(label=judged["label_next"], truth_size=judged["next_size"])
    basket = by_list(following, scores, k=10)
    return {
        f"{t} {m}": lists[m] for t, lists in (("week", week), ("next", basket)) for m in ("recall", "ndcg")
    }, seconds


def _cell(values: pd.Series, reference: pd.Series) -> str:
    """The mean where it is the reference, else the difference to it in per cent, with half its interval."""
    if values is reference:
        return f"{values.mean():.4f}"
    difference = Bootstrap(subject="household_id", samples=500, confidence=0.95, seed=1).mean(values - reference)
    scale = 100 / float(reference.mean())
    return f"{scale * difference.value:+.2f} ± {scale * (difference.high - difference.low) / 2:.2f}"


if __name__ == "__main__":
    main()
