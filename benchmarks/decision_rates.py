"""How often the policy refuses a version that is better, and how often it lets a harmful one pass, by the retailer's size.

    python benchmarks/decision_rates.py TABLES FOLDER [--config FILE] [--every DAYS] [--report]

At closes through the year of a state's TABLES a version is trained as a night trains it and measured against the best simple
method, and against a champion of few trees. So is the same version with one thing ruined (`HARMS`), and with scores that rank
the same and mean nothing. Each measurement is a line of FOLDER/questions.jsonl and is not made again: stop it whenever, and start
it with the same words. The report asks the policy as it is now, so that a limit is changed in one place and its rates are
known at once. A smaller retailer is a draw of the households; of a larger one the differences are taken as they were measured, with
the intervals that so many households would have: what is chance here is overstated there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from assets.grocery.candidates.candidates import in_subcategories
from assets.grocery.domain import GROCERY
from assets.grocery.tables import PRODUCTS
from assets.grocery.training.examples import HISTORIES
from assets.grocery.training.label_weeks import make_missing, read_examples, read_holdout
from assets.lifecycle.domain import Lifecycle, Windows
from assets.lifecycle.evaluation import judge
from assets.lifecycle.model import Model
from assets.lifecycle.promotion import NIGHT, PACKAGE, Candidate, DataHealth, question
from resources import home
from resources.config.loader import load_settings
from resources.policy.client import Policy
from resources.tables.store import TableStore

HISTORY = 8  # weeks before the first week that is learnt from: its features look back on them
FEW, FEW_HOUSEHOLDS = 0.1, 250
TIMES = (1, 10, 100)
WEAK = {"trees": 60}
HOUSEHOLDS = GROCERY.subjects
DAY = dt.date(2017, 1, 1)  # of the question: all else is well
BETTER, NO_PROBABILITIES = "as trained", "scores that mean nothing"
HARMS = ("a department by lot", "a department at half its scores", "light households by lot")
LEAST_IN_SLICE = 50  # households: the policy says nothing of fewer
(_, NEW_UP_TO), (LIGHT, LIGHT_UP_TO), _ = HISTORIES


@dataclass(frozen=True, kw_only=True)
class Case:
    """A version that the policy is asked about: its scores on the holdout, and the slice that was ruined, if one was."""

    kind: str
    scores: np.ndarray
    ruined: tuple[str, str] | None = None


class Scored(Model):
    """A model that has scored the holdout already."""

    scores_are_probabilities = True

    def __init__(self, title: str, scores: np.ndarray) -> None:
        super().__init__()
        self.title, self._scores = title, scores  # pyright: ignore[reportAttributeAccessIssue]

    def score(self, examples: pd.DataFrame, /) -> np.ndarray:
        return self._scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="of a state")
    parser.add_argument("folder", type=Path, help="where label weeks and measurements are kept")
    parser.add_argument("--config", type=Path, help="the retailer's file, by default the one in use")
    parser.add_argument("--every", type=int, default=14, help="days between two closes (default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="only print the table of what is there")
    given = parser.parse_args()
    settings = load_settings(given.config)
    policy, nothing = Policy(folder=str(home.PROJECT / settings.policy.path)), cast("Any", None)
    questions = given.folder / "questions.jsonl"
    if not given.report:
        given.folder.mkdir(parents=True, exist_ok=True)
        work = Lifecycle(
            domain=GROCERY,
            settings=settings,
            tables=TableStore(root=str(given.tables.resolve())),
            policy=policy,
            registry=nothing,
            operations=nothing,
        )
        measure(work, TableStore(root=str(given.folder.resolve() / "tables")), questions, every=given.every)
    report([json.loads(line) for line in questions.read_text().splitlines()], policy)


def measure(work: Lifecycle, kept: TableStore, questions: Path, *, every: int) -> None:
    """Measure at every close that has no questions yet: every other one first, so that half of them is a year, too."""
    settings = work.settings
    last = max(GROCERY.days_with_data(work.tables))
    weeks = HISTORY + settings.model.label_weeks + settings.model.holdout_weeks
    first = settings.first_business_day + dt.timedelta(weeks=weeks)
    closes = [first + dt.timedelta(days=every * n) for n in range((last - first).days // every + 1)]
    known = {json.loads(line)["close"] for line in questions.read_text().splitlines()} if questions.exists() else set()
    for close in [*closes[::2], *closes[1::2]]:
        if str(close) in known:
            continue
        windows = GROCERY.windows(close, settings)
        make_missing(
            windows.all,
            sources=work.tables,
            kept_in=kept,
            model=settings.model,
            say=print,
            judging=windows.holdout,
        )
        lines = [json.dumps({"close": str(close), **each}) for each in measured(windows, kept, work)]
        with questions.open("a") as file:
            file.write("\n".join([*lines, ""]))
        print(close, len(lines), "questions", flush=True)


def measured(windows: Windows, kept: TableStore, work: Lifecycle) -> Iterator[dict[str, Any]]:
    """The question of each case of a close, against each opponent, with all households and with few."""
    config, products = work.settings.model, work.tables.read(PRODUCTS)
    examples = read_examples(kept, windows.train, households=config.households_a_week)
    trained = Model.create(config.family, config.parameters)
    weak = Model.create(config.family, {**config.parameters, **WEAK})
    for model in (trained, weak):
        model.fit(examples, seed=config.seed)
    del examples
    parts = read_holdout(kept, windows.holdout).each(lambda part: in_subcategories(part, products))
    holdout = pd.concat(list(parts), ignore_index=True)
    departments = products.select("product_id", "department").to_pyarrow().to_pandas().set_index("product_id")
    holdout["department"] = holdout["product_id"].map(departments["department"])
    households = holdout["household_id"].drop_duplicates().sample(frac=1.0, random_state=1)
    everybody, few = np.ones(len(holdout), bool), holdout["household_id"].isin(households[:FEW_HOUSEHOLDS]).to_numpy()
    baselines = {model.title: model.score(holdout) for model in map(Model.create, config.baselines)}
    champion = weak.score(holdout)
    for case in cases(holdout, trained.score(holdout), seed=windows.holdout[0].toordinal()):
        for (size, rows), opponent in itertools.product(((1.0, everybody), (FEW, few)), (None, champion)):
            judgement = judge(
                [holdout[rows]],
                windows.holdout,
                candidate=("candidate", Scored("candidate", case.scores[rows])),
                baselines={name: Scored(name, scores[rows]) for name, scores in baselines.items()},
                champion=None if opponent is None else ("champion", Scored("champion", opponent[rows])),
                work=work,
            )
            well = Candidate(version=1, made_on=DAY, newest_label=DAY)
            yield {
                "kind": case.kind,
                "against": "no champion" if opponent is None else "a champion of few trees",
                "size": size,
                "ruined": case.ruined,
                "question": question(NIGHT, DAY, well, GROCERY, judgement=judgement, health=DataHealth()),
            }


def cases(holdout: pd.DataFrame, scores: np.ndarray, *, seed: int) -> Iterator[Case]:
    """The version as it was trained; with one part ruined; with its scores stretched."""
    random = np.random.default_rng(seed)
    yield Case(kind=BETTER, scores=scores)
    yield Case(kind=NO_PROBABILITIES, scores=scores**0.5)
    bought = holdout[holdout["label"]]
    shoppers = bought.groupby("department")["household_id"].nunique()
    department = str(random.choice(sorted(shoppers[shoppers >= LEAST_IN_SLICE].index)))
    is_in = holdout["department"].eq(department).to_numpy()
    lot = scores.copy()
    lot[is_in] = random.permutation(lot[is_in])
    yield Case(kind=HARMS[0], scores=lot, ruined=("department", department))
    yield Case(kind=HARMS[1], scores=np.where(is_in, scores / 2, scores), ruined=("department", department))
    is_light = holdout["trips"].between(NEW_UP_TO + 1, cast("int", LIGHT_UP_TO)).to_numpy()
    lot = scores.copy()
    lot[is_light] = random.permutation(lot[is_light])
    yield Case(kind=HARMS[2], scores=lot, ruined=("history", LIGHT))


def at_size(asked: Mapping[str, Any], times: int) -> dict[str, Any]:
    """A question with the intervals, and the households, of so many times the retailer."""

    def narrowed(each: Mapping[str, Any]) -> dict[str, Any]:
        if each["difference"] is None:
            return dict(each)
        ends = {name: each["difference"] + (each[name] - each["difference"]) / times**0.5 for name in ("low", "high")}
        return {**each, **ends, **({HOUSEHOLDS: each[HOUSEHOLDS] * times} if HOUSEHOLDS in each else {})}

    found = dict(asked["measured"])
    found[HOUSEHOLDS] *= times
    for name in ("baselines", "slices"):
        found[name] = [narrowed(each) for each in found[name]]
    found["champion"] = found["champion"] and narrowed(found["champion"])
    return {**asked, "measured": found}


def report(measurements: Sequence[Mapping[str, Any]], policy: Policy) -> None:
    """Print how many versions of each kind are refused at each size, and by which rules."""
    closes = sorted({each["close"] for each in measurements})
    print(f"{len(closes)} closes, {closes[0]} … {closes[-1]}; refused of so many, and by which rules\n")
    refused: dict[tuple[str, str], dict[float, list[bool]]] = defaultdict(lambda: defaultdict(list))
    rules: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in measurements:
        key = each["kind"], each["against"]
        for times in TIMES if each["size"] == 1 else (1,):
            answer = policy.ask(PACKAGE, at_size(each["question"], times))
            refused[key][each["size"] * times].append(not answer.is_allowed)
            rules[key] |= {denial.rule for denial in answer.fired}
    sizes = [FEW, *TIMES]
    print(f"| version | against | {' | '.join(f'{size:g} ×' for size in sizes)} | rules that spoke |")
    print("|---|---|" + "---:|" * len(sizes) + "---|")
    for key, by_size in refused.items():
        cells = [f"{sum(by_size[size])} of {len(by_size[size])}" for size in sizes]
        print(f"| {' | '.join([*key, *cells, ', '.join(sorted(rules[key]))])} |")


if __name__ == "__main__":
    main()
