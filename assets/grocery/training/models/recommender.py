"""What every family of recommenders has in common: candidates in, a score for each out."""

from __future__ import annotations

from assets.grocery.features import definitions
from assets.lifecycle.model import Model


class Recommender(Model):
    """A family of models that rank candidates (`assets.grocery.candidates.candidates`): frames of products by household.

    `fit` is given the features and the labels of :func:`assets.grocery.training.examples.in_parts`; where `truth_size`
    is 0 the household did not shop at all. `score` gives one float64 a candidate, by which a household's products are
    ranked: higher is better. Probabilities are of being bought within the seven days after.
    """

    feature_version = definitions.VERSION
    keys = ("household_id", "product_id")
