"""Calibration: scores become the probabilities that made the labels, and a household's order stays as it was."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from assets.grocery.training.models.calibration import LEAST, SCORE_TERMS, Calibration

ROWS = 40_000


def households(rows: int = ROWS, *, products: int = 10, seed: int = 2) -> pd.DataFrame:
    """Candidates of households with habits; every `products` rows are one household's."""
    random = np.random.default_rng(seed)
    size = rows // products
    habits = pd.DataFrame(
        {
            "trips_month": random.integers(0, 20, size),
            "days_since_trip": random.integers(0, 40, size),
            "trip_gap": random.uniform(1, 20, size),
            "basket_products": random.uniform(1, 30, size),
        }
    )
    habits.loc[random.random(size) < 0.1, "trip_gap"] = np.nan  # shopped once
    frame = habits.loc[np.repeat(np.arange(size), products)].reset_index(drop=True)
    return frame.assign(household_id=np.repeat(np.arange(size), products), stands_for=1.0)


def raw_scores(rows: int = ROWS, *, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).beta(1, 4, rows)


def bought(chance: np.ndarray, *, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).random(len(chance)) < chance


# What a score is worth, and how likely each household is to shop at all: found nowhere but in the labels.
TRUTH = Calibration(
    {
        "intercept": 1.5,
        "score": 1.2,
        "complement": 0.6,
        "trips_month": 0.4,
        "days_since_trip": -0.3,
        "lateness": -0.2,
        "trip_gap": -0.1,
        "basket_products": 0.2,
    }
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return households()


def test_known_probabilities_are_found_again(frame):
    raw = raw_scores()
    chance = TRUTH.probabilities(raw, frame)
    assert chance.min() < 0.02 < 0.6 < chance.max()  # there is something to find
    calibration = Calibration.fitted(raw, frame.assign(label=bought(chance)))
    # of other households and scores
    others, scores = households(seed=5), raw_scores(seed=6)
    distance = np.abs(calibration.probabilities(scores, others) - TRUTH.probabilities(scores, others))
    assert distance.mean() < 0.005
    assert distance.max() < 0.06


def test_rows_count_for_as_many_as_they_stand_for(frame):
    raw = raw_scores()
    chance = TRUTH.probabilities(raw, frame)
    label = bought(chance)
    # one in five of those not bought is kept, and stands for five
    is_kept = label | (np.random.default_rng(7).random(ROWS) < 0.2)
    kept = frame.assign(label=label, stands_for=np.where(label, 1.0, 5.0))[is_kept]
    weighed = Calibration.fitted(raw[is_kept], kept).probabilities(raw, frame)
    assert np.abs(weighed - chance).mean() < 0.01
    unweighed = Calibration.fitted(raw[is_kept], kept.assign(stands_for=1.0)).probabilities(raw, frame)
    assert np.abs(unweighed - chance).mean() > 0.1


def test_order_within_a_household_is_the_rankers(frame):
    raw = raw_scores()
    calibration = Calibration.fitted(raw, frame.assign(label=bought(TRUTH.probabilities(raw, frame))))
    rows = frame.assign(raw=raw, said=calibration.probabilities(raw, frame))
    # Strictly: what the ranker tells apart stays apart.
    steps = rows.sort_values(["household_id", "raw"]).groupby("household_id")["said"].diff().dropna()
    assert (steps > 0).all()


@pytest.mark.parametrize("kind", ["against the score", "without regard to it"])
def test_order_is_never_turned_round(frame, kind):
    raw = raw_scores()
    label = bought(1 - raw if kind == "against the score" else np.full(ROWS, 0.3))
    calibration = Calibration.fitted(raw, frame.assign(label=label))
    assert all(calibration.coefficients.get(name, 0) >= 0 for name in SCORE_TERMS)
    rows = frame.assign(raw=raw, said=calibration.probabilities(raw, frame))
    steps = rows.sort_values(["household_id", "raw"]).groupby("household_id")["said"].diff().dropna()
    assert (steps >= 0).all()
    assert rows["said"].mean() == pytest.approx(label.mean(), abs=0.01)


def test_household_is_what_is_not_the_same_for_its_products(frame):
    raw = np.full(ROWS, 0.2)
    said = TRUTH.probabilities(raw, frame)
    assert pd.Series(said).groupby(frame["household_id"]).nunique().max() == 1
    assert len(np.unique(said)) > 3_000


def test_household_of_one_trip_has_a_gap_of_as_long_as_that_is_ago():
    habits = {"trips_month": [0.0] * 2, "days_since_trip": [9.0] * 2, "basket_products": [3.0] * 2}
    said = TRUTH.probabilities(np.full(2, 0.2), pd.DataFrame(habits | {"trip_gap": [np.nan, 10.0]}))
    assert said[0] == said[1]


def test_scores_of_nothing_and_of_certainty_are_numbers(frame):
    ends = TRUTH.probabilities(np.array([0.0, LEAST, 1 - LEAST, 1.0]), frame.iloc[[0] * 4])
    assert ends[0] == ends[1] < ends[2] == ends[3]
    assert ((ends > 0) & (ends < 1)).all()


def test_written_and_read_again_it_says_exactly_the_same(frame):
    raw = raw_scores()
    calibration = Calibration.fitted(raw, frame.assign(label=bought(TRUTH.probabilities(raw, frame))))
    again = Calibration(json.loads(json.dumps(calibration.coefficients)))
    assert again == calibration
    assert again.probabilities(raw, frame).tolist() == calibration.probabilities(raw, frame).tolist()


def test_fitting_again_gives_the_same(frame):
    raw = raw_scores()
    labelled = frame.assign(label=bought(TRUTH.probabilities(raw, frame)))
    assert Calibration.fitted(raw, labelled) == Calibration.fitted(raw, labelled)
