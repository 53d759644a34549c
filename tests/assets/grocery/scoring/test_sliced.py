import datetime as dt
from functools import partial

import pandas as pd
import pytest

from assets.grocery.features.definitions import build
from assets.grocery.scoring import lists, sliced
from assets.grocery.training.models.baselines import DecayedPersonalFrequency
from resources.config.retailer import RecommenderConfig
from tests.support.histories import CLOSE, Line, offers, products, transactions

HISTORY: list[Line] = [
    (f"H{household}", f"P{1 + (household * step) % 9}", step, 1, 1.0) for household in range(12) for step in range(8)
]


@pytest.fixture(scope="module")
def built(engine):
    return build(transactions(engine, HISTORY), products(), offers(), as_of=CLOSE)


@pytest.mark.parametrize("slices", [2, 9])
def test_lists_are_the_same_to_the_byte_for_any_number_of_slices(built, slices):
    def made(of: int):
        return sliced.personal_lists(
            built,
            DecayedPersonalFrequency(),
            RecommenderConfig.model_validate({"explore_places": 1}),
            kept_back=pd.DataFrame({"product_id": ["P3"], "is_repeat": [False], "says": ["no"]}),
            slices=of,
            as_rows=partial(lists.joined, business_date=dt.date(2024, 3, 31), model_version=1, is_probability=True),
        )

    whole = made(1)
    assert whole["household_id"].unique().to_pylist() == sorted({f"H{n}" for n in range(12)})
    assert made(slices).equals(whole)
