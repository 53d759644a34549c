"""Every family of models: the same after it was saved, deterministic, and of native files alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assets.features import definitions
from assets.training.candidates import FEATURES
from assets.training.models.baselines import DecayedPersonalFrequency, GlobalTop, PersonalTopFrequency
from assets.training.models.interface import CARD, Recommender
from assets.training.models.two_stage import RANKER, TwoStageRanker
from resources.errors import Refused
from resources.settings import Model

FAMILIES = [*Model().baselines, Model().family]
SMALL = {"trees": 8, "leaves": 5, "min_data_in_leaf": 5}


def candidates(rows: int = 400) -> pd.DataFrame:
    """Labelled candidates; what was bought often is bought again, and nothing else tells."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({name: random.uniform(0, 10, rows).astype("float32") for name in FEATURES})
    frame.loc[random.random(rows) < 0.3, "gap_deviation"] = np.nan
    frame["purchases"] = random.integers(0, 8, rows).astype("float32")
    frame["label"] = frame["purchases"] > 4
    return frame.assign(
        household_id=[f"H{row // 10}" for row in range(rows)],
        product_id=[f"P{row % 10}" for row in range(rows)],
        truth_size=random.integers(1, 9, rows),
    )


def fitted(family: str, *, seed: int = 1) -> Recommender:
    model = Recommender.create(family, SMALL if "TwoStage" in family else None)
    model.fit(candidates(), seed=seed)
    return model


@pytest.mark.parametrize("family", FAMILIES)
class TestEveryFamily:
    def test_scores_the_same_after_it_was_saved_and_loaded(self, family, tmp_path):
        model = fitted(family)
        model.save(tmp_path / "deep" / "model")
        loaded = Recommender.load(tmp_path / "deep" / "model")
        assert (loaded.family(), loaded.parameters, loaded.features) == (family, model.parameters, model.features)
        assert loaded.score(candidates()).tolist() == model.score(candidates()).tolist()

    def test_saves_the_same_files_again(self, family, tmp_path):
        for folder in ("one", "two"):
            fitted(family).save(tmp_path / folder)
        assert files(tmp_path / "one") == files(tmp_path / "two")

    def test_saves_text_and_no_pickle(self, family, tmp_path):
        fitted(family).save(tmp_path)
        found = files(tmp_path)
        assert set(found) <= {CARD, RANKER}
        for content in found.values():
            content.decode("ascii")  # a pickle begins with a byte that is none

    def test_scores_with_the_features_that_it_names_alone(self, family):
        model = fitted(family)
        assert set(model.features) <= set(FEATURES)
        scores = model.score(candidates()[list(model.features)])
        assert (scores.dtype, scores.shape) == (np.float64, (400,))
        assert not np.isnan(scores).any()


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


class TestInterface:
    @pytest.mark.parametrize(
        "family", ["assets.training.models.nowhere:Model", "assets.training.models.two_stage:NoSuch", "nonsense"]
    )
    def test_unknown_family_is_refused_with_what_to_correct(self, family):
        with pytest.raises(Refused, match=f"no model family '{family}'.*correct `family`"):
            Recommender.create(family)

    def test_model_of_other_features_is_refused(self, tmp_path, monkeypatch):
        GlobalTop().save(tmp_path)
        monkeypatch.setattr(definitions, "VERSION", "next")
        with pytest.raises(Refused, match=r"feature definition 1; this code has 1 and next\..*train a challenger"):
            Recommender.load(tmp_path)

    def test_model_of_another_interface_is_refused(self, tmp_path):
        GlobalTop().save(tmp_path)
        card = json.loads((tmp_path / CARD).read_text())
        (tmp_path / CARD).write_text(json.dumps(card | {"interface": 0}))
        with pytest.raises(Refused, match="was made for interface 0"):
            Recommender.load(tmp_path)


class TestBaselines:
    # never bought but the best seller; bought often; bought lately; bought once, long ago
    FRAME = pd.DataFrame(
        {
            "popularity": [900.0, 10.0, 20.0, 30.0],
            "purchases": [np.nan, 5.0, 4.0, 1.0],
            "decayed_90": [np.nan, 1.0, 3.0, 0.1],
        }
    )

    @pytest.mark.parametrize(
        ("baseline", "order"),
        [
            (GlobalTop(), [0, 3, 2, 1]),
            (PersonalTopFrequency(), [1, 2, 3, 0]),
            (DecayedPersonalFrequency(), [2, 1, 3, 0]),
        ],
    )
    def test_order(self, baseline, order):
        assert np.argsort(-baseline.score(self.FRAME)).tolist() == order

    def test_ties_of_habit_are_broken_by_popularity(self):
        scores = PersonalTopFrequency().score(pd.DataFrame({"popularity": [1.0, 2.0], "purchases": [3.0, 3.0]}))
        assert scores[1] > scores[0]


class TestTwoStageRanker:
    def test_learns_what_there_is_to_learn(self):
        model = fitted(Model().family)
        frame = candidates()
        scores = model.score(frame)
        assert scores[frame["label"]].min() > scores[~frame["label"]].max()
        shares = model.importance()
        assert max(shares, key=lambda name: shares[name]) == "purchases"
        assert sum(shares.values()) == pytest.approx(1)

    def test_seed_matters(self, tmp_path):
        for seed in (1, 2):
            fitted(Model().family, seed=seed).save(tmp_path / str(seed))
        assert files(tmp_path / "1") != files(tmp_path / "2")

    def test_number_of_cores_does_not(self, tmp_path, monkeypatch):
        for cores in (1, 2):
            monkeypatch.setattr("assets.training.models.two_stage._threads", lambda cores=cores: cores)
            fitted(Model().family).save(tmp_path / str(cores))
        assert files(tmp_path / "1") == files(tmp_path / "2")

    def test_hit_of_a_household_that_bought_much_weighs_less(self):
        # what sets the two products apart is who bought them: a household of one product, or one of a hundred
        frame = candidates(200).assign(purchases=[0.0, 1.0] * 100, label=True, truth_size=[1, 100] * 100)
        frame.loc[frame.index % 4 >= 2, "label"] = False  # half of either were not bought
        frame[[name for name in FEATURES if name != "purchases"]] = 0.0
        model = TwoStageRanker(**SMALL)
        model.fit(frame, seed=1)
        small, large = model.score(frame)[:2]
        assert small > large
        indifferent = TwoStageRanker(**SMALL, weight_exponent=0.0)
        indifferent.fit(frame, seed=1)
        assert indifferent.score(frame)[0] == pytest.approx(indifferent.score(frame)[1])

    def test_scoring_before_fitting_is_an_error(self):
        with pytest.raises(RuntimeError, match="neither fitted nor restored"):
            TwoStageRanker().score(candidates())
