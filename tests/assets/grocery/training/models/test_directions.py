"""What the fitted model must do whatever it has learnt: more of a habit is more of a score, and nothing else matters.

On a synthetic history in which buying makes a habit: each product of a basket is drawn by what the household bought so
far, decayed with a half-life of 60 days, beside what sells. So one purchase more truly speaks for the product, and
without a rhythm tomorrow is as likely as any other day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assets.grocery.candidates.candidates import candidates
from assets.grocery.features.definitions import build
from assets.grocery.training.metrics import LIST_KEY, top
from assets.grocery.training.models.two_stage import TwoStageRanker
from assets.lifecycle.estimates import calibration_error, reliability
from resources.config.retailer import RecommenderConfig
from tests.support.histories import CLOSE, examples, offers, products

HOUSEHOLDS, PRODUCTS, DAYS = 600, 60, 150
MODEL = RecommenderConfig(candidates=30, new_candidates=10)
SMALL = {"trees": 40, "leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 100}
CATALOGUE = [
    {"product_id": f"P{n:02}", "category": f"C{n % 8}", "subcategory": f"S{n % 24}"} for n in range(PRODUCTS - 4)
] + [{"product_id": f"P{n:02}"} for n in range(PRODUCTS - 4, PRODUCTS)]


def habits() -> pd.DataFrame:
    """The lines from `DAYS` before the close to a week after it."""
    random = np.random.default_rng(9)
    popularity = 1 / np.arange(5, PRODUCTS + 5)
    popularity /= popularity.sum()
    rows = []
    for household in range(HOUSEHOLDS):
        goes, takes, owned = random.uniform(0.03, 0.35), random.uniform(2, 6), np.zeros(PRODUCTS)
        for age in range(DAYS, -8, -1):
            owned *= 0.5 ** (1 / 60)
            if random.random() > goes:
                continue
            chances = owned + 10 * popularity
            basket = np.unique(random.choice(PRODUCTS, size=1 + random.poisson(takes), p=chances / chances.sum()))
            owned[basket] += 1
            rows += [(household, int(product), age) for product in basket]
    return lines(rows)


def lines(rows: Sequence[tuple[int, int, int]]) -> pd.DataFrame:
    """Lines of (household, product, days before the close)."""
    frame = pd.DataFrame(rows, columns=["household", "product", "age"])
    return pd.DataFrame(
        {
            "business_date": [CLOSE - dt.timedelta(days=int(age)) for age in frame["age"]],
            "household_id": [f"H{n:03}" for n in frame["household"]],
            "product_id": [f"P{n:02}" for n in frame["product"]],
            "quantity": 1.0,
            "sales_value": 2.0 + frame["product"],
        }
    )


def table(engine, frame: pd.DataFrame) -> ibis.Table:
    schema = pa.schema(
        {
            "business_date": pa.date32(),
            "household_id": pa.string(),
            "product_id": pa.string(),
            "quantity": pa.float64(),
            "sales_value": pa.float64(),
        }
    )
    return engine.create_table(
        ibis.util.gen_name("habits"), pa.Table.from_pandas(frame, schema=schema, preserve_index=False), temp=True
    )


def seen(engine, frame: pd.DataFrame) -> pd.DataFrame:
    """The candidates as of the close, as a night would score them."""
    planned = offers([("P01", -1, -7, 0, 0.5), ("P02", 6, 0, 7, 1.0)])
    built = build(table(engine, frame), products(CATALOGUE), planned, as_of=CLOSE)
    found = candidates(built, own=MODEL.candidates, new=MODEL.new_candidates)
    return found.order_by("household_id", "product_id").to_pandas()


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    return habits()


@pytest.fixture(scope="module")
def known(history: pd.DataFrame) -> pd.DataFrame:
    return history[history["business_date"] <= CLOSE].reset_index(drop=True)


@pytest.fixture(scope="module")
def weeks(engine, history: pd.DataFrame) -> pd.DataFrame:
    """Four labelled weeks, the newest that after the close."""
    lines_of_all, closes = table(engine, history), [CLOSE - dt.timedelta(days=7 * back) for back in range(4)]
    found = [
        examples(lines_of_all, products(CATALOGUE), offers(), as_of=as_of, model=MODEL)
        .order_by("household_id", "product_id")
        .to_pandas()
        .assign(as_of_date=as_of)
        for as_of in closes
    ]
    return pd.concat(found, ignore_index=True)


@pytest.fixture(scope="module")
def learnt_from(weeks: pd.DataFrame) -> pd.DataFrame:
    """The older weeks of two households in three."""
    return weeks[(weeks["as_of_date"] < CLOSE) & ~is_held_out(weeks)].reset_index(drop=True)


def is_held_out(frame: pd.DataFrame) -> pd.Series:
    return frame["household_id"].str[1:].astype(int) % 3 == 0


def fitted(learnt_from: pd.DataFrame, *, seed: int = 1) -> TwoStageRanker:
    model = TwoStageRanker(**SMALL)
    model.fit(learnt_from, seed=seed)
    return model


@pytest.fixture(scope="module")
def model(learnt_from: pd.DataFrame) -> TwoStageRanker:
    return fitted(learnt_from)


@pytest.fixture(scope="module")
def today(engine, known: pd.DataFrame) -> pd.DataFrame:
    return seen(engine, known)


def by_pair(frame: pd.DataFrame, scores: np.ndarray) -> pd.Series:
    return pd.Series(scores, index=pd.MultiIndex.from_frame(frame[["household_id", "product_id"]]))


class TestOnePurchaseMore:
    @pytest.fixture(scope="class")
    def changes(self, engine, known, today, model) -> pd.DataFrame:
        """The scores of a pair of every third household before and after it bought the product yesterday."""
        could = today[(today["days_since_last"] != 1) & is_held_out(today)]
        pairs = could.groupby(["household_id", "is_repeat"]).sample(1, random_state=2)
        pairs = pairs.groupby("household_id").sample(1, random_state=3)
        more = lines([(int(p.household_id[1:]), int(p.product_id[1:]), 1) for p in pairs.itertuples()])
        tomorrow = seen(engine, pd.concat([known, more], ignore_index=True))
        index = pd.MultiIndex.from_frame(pairs[["household_id", "product_id"]])
        before, after = by_pair(today, model.score(today)), by_pair(tomorrow, model.score(tomorrow))
        return pd.DataFrame(
            {
                "before": before[index],
                "after": after.reindex(index),
                "is_repeat": pairs["is_repeat"].to_numpy(),
                "others": (after - before).drop(index).groupby("household_id").mean().reindex(index, level=0),
            }
        )

    def test_pair_is_a_candidate_still(self, changes):
        assert len(changes) == HOUSEHOLDS / 3
        assert changes["is_repeat"].value_counts().min() > HOUSEHOLDS / 8
        assert changes["after"].notna().all()

    @pytest.mark.parametrize("is_repeat", [True, False])
    def test_score_is_not_lowered(self, changes, is_repeat):
        of_kind = changes[changes["is_repeat"] == is_repeat]
        assert (of_kind["after"] >= of_kind["before"]).mean() > 0.95

    @pytest.mark.parametrize(("is_repeat", "factor"), [(True, 1.25), (False, 4)])
    def test_score_is_raised_by_much(self, changes, is_repeat, factor):
        # Of what it owned one of several purchases is one more, of what was new to it the first is a habit's beginning.
        means = changes[changes["is_repeat"] == is_repeat][["before", "after"]].mean()
        assert means["after"] > factor * means["before"]

    def test_other_products_of_the_household_gain_nothing(self, changes):
        assert changes["others"].mean() == pytest.approx(0, abs=0.02)  # it shopped once more, too


class TestWhatDoesNotMatter:
    def test_the_future(self, engine, history, today):
        # Not what came, and not if everybody bought everything tomorrow.
        rush = lines([(household, product, -1) for household in range(HOUSEHOLDS) for product in range(PRODUCTS)])
        later = seen(engine, pd.concat([history, rush], ignore_index=True))
        pd.testing.assert_frame_equal(later, today, check_exact=True)

    def test_order_of_lines(self, engine, known, today, model):
        shuffled = seen(engine, known.sample(frac=1, random_state=4))
        assert shuffled[["household_id", "product_id"]].equals(today[["household_id", "product_id"]])
        assert model.score(shuffled).tolist() == model.score(today).tolist()

    def test_order_of_candidates(self, today, model):
        shuffled = today.sample(frac=1, random_state=5)
        scores = by_pair(shuffled, model.score(shuffled))
        assert scores.sort_index().equals(by_pair(today, model.score(today)).sort_index())

    def test_other_candidates(self, today, model):
        half = today[is_held_out(today)]
        assert model.score(half).tolist() == model.score(today)[is_held_out(today)].tolist()


class TestFitting:
    def files(self, model: TwoStageRanker, folder: Path) -> dict[str, bytes]:
        model.save(folder)
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    def test_again_gives_the_same_files_and_another_seed_does_not(self, learnt_from, model, tmp_path):
        one = self.files(model, tmp_path / "one")
        assert self.files(fitted(learnt_from), tmp_path / "again") == one
        other = self.files(fitted(learnt_from, seed=2), tmp_path / "other")
        assert {name for name in one if one[name] != other[name]} == {"ranker.lightgbm.txt", "calibration.json"}


class TestProbabilities:
    """Of households that it has not learnt from."""

    @pytest.fixture(scope="class")
    def unseen(self, weeks) -> pd.DataFrame:
        return weeks[is_held_out(weeks)].reset_index(drop=True)

    def test_scores_are_between_nothing_and_certainty(self, unseen, model):
        scores = model.score(unseen)
        assert ((scores > 0) & (scores < 1)).all()
        assert scores.min() < 0.02
        assert scores.max() > 0.6

    def test_what_is_said_comes_true(self, unseen, model):
        scores, weights = model.score(unseen), unseen["stands_for"].to_numpy()
        curve = reliability(scores, unseen["label"].to_numpy(), weights, bins=8)
        assert curve["share"].max() > 20 * curve["share"].min()  # there is something to tell
        assert calibration_error(curve) < 0.03  # forty households: which ones share a fold moves it by a hundredth
        assert np.average(scores, weights=weights) == pytest.approx(
            np.average(unseen["label"], weights=weights), rel=0.2
        )

    def test_also_of_the_products_that_are_listed(self, unseen, model):
        best = top(unseen, model.score(unseen), k=5, by=LIST_KEY)
        said, done = ((best[name] * best["stands_for"]).sum() for name in ("score", "label"))
        assert said == pytest.approx(done, rel=0.2)

    def test_lists_are_no_worse_than_habits_and_far_better_than_best_sellers(self, unseen, model):
        def hits(scores: np.ndarray) -> float:
            return top(unseen, scores, k=5, by=LIST_KEY)["label"].mean()

        ours = hits(model.score(unseen))
        assert ours > 0.97 * hits(unseen["decayed_60"].fillna(0).to_numpy())  # by which the history was made
        assert ours > 1.5 * hits(unseen["popularity"].to_numpy())
