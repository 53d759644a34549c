"""Every family of models: the same after it was saved, deterministic, and of native files alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assets.grocery.candidates.candidates import FEATURES
from assets.grocery.training.models.baselines import DecayedPersonalFrequency, GlobalTop, PersonalTopFrequency
from assets.grocery.training.models.recommender import Recommender
from assets.grocery.training.models.two_stage import CALIBRATION, RANKER, TwoStageRanker
from assets.lifecycle.model import CARD
from resources.config.retailer import RecommenderConfig
from resources.errors import MadeForOtherFeatures, Refused

FAMILIES = [*RecommenderConfig().baselines, RecommenderConfig().family]
SMALL = {"trees": 8, "leaves": 5, "min_data_in_leaf": 5, "feature_fraction": 1.0}


def candidates(rows: int = 400) -> pd.DataFrame:
    """Labelled candidates; what was bought often is bought again, and nothing else tells."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({name: random.uniform(0, 10, rows).astype("float32") for name in FEATURES})
    frame.loc[random.random(rows) < 0.3, "gap_deviation"] = np.nan
    frame["purchases"] = random.integers(0, 8, rows).astype("float32")
    frame["label"] = frame["purchases"] > 4
    truth_size = random.integers(1, 9, rows)
    return frame.assign(
        household_id=[f"H{row // 10}" for row in range(rows)],
        product_id=[f"P{row % 10}" for row in range(rows)],
        truth_size=truth_size,
        label_next=frame["label"] & (random.random(rows) < 0.5),
        next_size=(truth_size + 1) // 2,
        stands_for=1.0,
        fold=np.arange(len(frame)) // 20 % 10,
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
        assert set(found) == ({CARD, RANKER, CALIBRATION} if "TwoStage" in family else {CARD})
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
        "family",
        ["assets.grocery.training.models.nowhere:Model", "assets.grocery.training.models.two_stage:NoSuch", "nonsense"],
    )
    def test_unknown_family_is_refused_with_what_to_correct(self, family):
        with pytest.raises(Refused, match=f"no model family '{family}'.*correct `family`"):
            Recommender.create(family)

    def test_model_of_other_features_is_refused(self, tmp_path, monkeypatch):
        GlobalTop().save(tmp_path)
        monkeypatch.setattr(Recommender, "feature_version", "next")
        made_for = json.loads((tmp_path / CARD).read_text())["feature_definition"]
        message = rf"feature definition {made_for}; this code has 1 and next\..*train a challenger"
        with pytest.raises(MadeForOtherFeatures, match=message):
            Recommender.load(tmp_path)

    def test_model_of_another_interface_is_refused(self, tmp_path):
        GlobalTop().save(tmp_path)
        card = json.loads((tmp_path / CARD).read_text())
        (tmp_path / CARD).write_text(json.dumps(card | {"interface": 0}))
        with pytest.raises(MadeForOtherFeatures, match="was made for interface 0"):
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
        model = fitted(RecommenderConfig().family)
        frame = candidates()
        scores = model.score(frame)
        assert scores[frame["label"]].min() > scores[~frame["label"]].max()
        shares = model.importance()
        assert max(shares, key=lambda name: shares[name]) == "purchases"
        assert sum(shares.values()) == pytest.approx(1)

    def test_seed_matters(self, tmp_path):
        for seed in (1, 2):
            fitted(RecommenderConfig().family, seed=seed).save(tmp_path / str(seed))
        assert files(tmp_path / "1") != files(tmp_path / "2")

    @pytest.mark.parametrize(
        ("part", "parameters"), [("negatives", {}), ("trees", {"negatives": 1.0, "feature_fraction": 0.3})]
    )
    def test_seed_draws_the_negatives_and_the_features_of_a_tree(self, part, parameters):
        frame = candidates()
        frame["label"] = np.random.default_rng(4).random(len(frame)) < 0.3  # which nothing tells: what is drawn shows
        one, other = (TwoStageRanker(**SMALL | parameters) for _ in range(2))
        one.fit(frame, seed=1)
        other.fit(frame, seed=2)
        assert one._raw(frame).tolist() != other._raw(frame).tolist()

    def test_number_of_cores_does_not(self, tmp_path, monkeypatch):
        for cores in (1, 2):
            monkeypatch.setattr("assets.grocery.training.models.two_stage._threads", lambda cores=cores: cores)
            fitted(RecommenderConfig().family).save(tmp_path / str(cores))
        assert files(tmp_path / "1") == files(tmp_path / "2")

    @pytest.mark.parametrize(("purchases", "leaves"), [(0, 7), (8_000, 10), (50_400, 63), (1_000_000, 63)])
    def test_trees_are_as_large_as_there_is_to_learn_from(self, purchases, leaves):
        assert TwoStageRanker(leaves=63, purchases_a_leaf=800)._leaves(purchases=purchases) == leaves

    def test_a_tree_of_little_data_has_fewer_leaves_than_it_may(self):
        frame = candidates(4_000)
        frame["label"] = np.random.default_rng(4).random(len(frame)) < 0.5
        for purchases_a_leaf, leaves in ((1, 31), (10_000, 7)):
            model = self.trained(frame, leaves=31, purchases_a_leaf=purchases_a_leaf)
            assert max(tree["num_leaves"] for tree in model.booster.dump_model()["tree_info"]) == leaves

    def test_hit_of_a_household_that_bought_much_weighs_less(self):
        # What sets the two products apart is who bought them: a household of one product, or one of a hundred.
        frame = candidates(200).assign(purchases=[0.0, 1.0] * 100, label=True, truth_size=[1, 100] * 100)
        frame.loc[frame.index % 4 >= 2, "label"] = False  # half of either were not bought
        frame = frame.assign(label_next=frame["label"], next_size=frame["truth_size"])
        frame[[name for name in FEATURES if name != "purchases"]] = 1.0
        small, large = self.raw(frame, negatives=1.0)[:2]
        assert small > large
        indifferent = self.raw(frame, negatives=1.0, weight_exponent=0.0)
        assert indifferent[0] == pytest.approx(indifferent[1])

    def trained(self, frame: pd.DataFrame, **parameters: float) -> TwoStageRanker:
        model = TwoStageRanker(**SMALL | parameters)
        model.fit(frame, seed=1)
        return model

    def raw(self, frame: pd.DataFrame, **parameters: float) -> np.ndarray:
        """What the trees say, before it is made a probability of the week."""
        return self.trained(frame, **parameters)._raw(frame)

    @pytest.mark.parametrize(("next_share", "lower"), [(0.0, None), (1.0, "late")])
    def test_next_basket_counts_by_its_share(self, next_share, lower):
        # Both products are bought in the week by the same households, "late" never on the first day of it.
        frame = candidates(400).assign(purchases=[0.0, 1.0] * 200, truth_size=2, next_size=1, label=True)
        frame.loc[frame.index % 4 >= 2, "label"] = False
        frame["label_next"] = frame["label"] & (frame["purchases"] == 0)
        frame[[name for name in FEATURES if name != "purchases"]] = 1.0
        early, late = self.raw(frame, next_share=next_share, negatives=1.0)[:2]
        assert (late < early) if lower else late == pytest.approx(early)

    def test_target_and_weight_by_hand(self):
        # bought first thing by a household of 4 products in the week and 1 in the basket; bought later; not bought
        rows = pd.DataFrame(
            {
                "label": [True, True, False],
                "label_next": [True, False, False],
                "truth_size": [4, 4, 4],
                "next_size": [1, 1, 1],
            }
        )
        target, weight = TwoStageRanker(next_share=0.25, weight_exponent=0.5, negatives=0.5)._target(rows)
        # The week's part weighs .75 / root of 4 for what was bought in it, the basket's .25; else .75 and .25.
        assert target.tolist() == pytest.approx([1, 0.375 / 0.625, 0])
        assert weight.tolist() == pytest.approx([0.625, 0.625, 1 / 0.5])

    def test_negatives_that_are_left_out_are_made_up_for(self):
        frame = candidates(4_000)
        frame["label"] = np.random.default_rng(4).random(len(frame)) < 0.1  # which nothing tells
        frame["label_next"] = frame["label"]
        raw = self.raw(frame, negatives=0.25, next_share=0.0, weight_exponent=0.0, trees=1)
        assert raw.mean() == pytest.approx(frame["label"].mean(), abs=0.01)

    def test_households_that_did_not_shop_teach_the_calibration_and_not_the_ranker(self, tmp_path):
        shopped = candidates()
        idle = candidates().assign(label=False, label_next=False, truth_size=0, next_size=0, stands_for=5.0)
        both = pd.concat([shopped, idle], ignore_index=True)
        alone, together = self.trained(shopped), self.trained(both)
        alone.save(tmp_path / "alone")
        together.save(tmp_path / "together")
        one, other = files(tmp_path / "alone"), files(tmp_path / "together")
        assert one[RANKER] == other[RANKER]
        assert one[CALIBRATION] != other[CALIBRATION]
        assert together.score(shopped).mean() < alone.score(shopped).mean() / 3  # 400 shopped, 2,000 did not

    def test_scores_are_probabilities_and_say_so(self):
        scores = fitted(RecommenderConfig().family).score(candidates())
        assert TwoStageRanker.scores_are_probabilities
        assert ((scores > 0) & (scores < 1)).all()

    def test_scoring_before_fitting_is_an_error(self):
        with pytest.raises(RuntimeError, match="neither fitted nor restored"):
            TwoStageRanker().score(candidates())
