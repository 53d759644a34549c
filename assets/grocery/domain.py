"""Grocery as a domain of the model lifecycle: households and the products that they buy in the week after a close."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assets.grocery.candidates.candidates import FEATURES as SCORED_BY
from assets.grocery.candidates.candidates import in_subcategories
from assets.grocery.monitoring.watches import WATCHES
from assets.grocery.tables import EXAMPLES, FEATURES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training import label_weeks as weeks
from assets.grocery.training.examples import LABEL_DAYS
from assets.grocery.training.label_weeks import LABELS
from assets.grocery.training.metrics import LIST_KEY, METRICS, by_list, explored, top
from assets.grocery.training.reference import reference
from assets.grocery.training.slices import recalls
from assets.lifecycle.domain import CardText, Domain, Lifecycle, Windows
from assets.quality.gates import Versions, of_days

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assets.lifecycle.model import Model
    from resources.config.retailer import Settings
    from resources.tables.slices import InParts
    from resources.tables.store import TableStore

LIMITS = (
    "It knows what was bought here, with a loyalty card, and nothing else: what a household buys elsewhere or would rather "
    "have is unknown to it, and so is anybody in it.",
    "It says what a household is likely to buy, not what a recommendation changes: a hit may have been bought anyway.",
    "A product without sales in the weeks before, and a household without any, get no score: they have the list of best "
    "sellers.",
    "It was judged on few weeks of one season; watches compare every night with them (`nightcart drift`).",
)


class Grocery(Domain):
    """Candidates are scored for each household; a list of the best is judged by what it buys in the seven days after."""

    name = "grocery"
    subjects = "households"
    new_data = "baskets"
    outcome = "bought within seven days"
    keys = ("household_id", "product_id")
    labels = tuple(name for name in LABELS if name != "is_repeat")
    label_days = LABEL_DAYS
    metrics = METRICS
    slice_metric = "recall"
    limits = LIMITS
    examples_table = EXAMPLES
    input_tables = (TRANSACTIONS, PRODUCTS, OFFERS, EXAMPLES)
    feature_tables = tuple(FEATURES)
    reference_tables = (*FEATURES, TRANSACTIONS, PRODUCTS, OFFERS)
    holdout_tables = (TRANSACTIONS, PRODUCTS, OFFERS)
    data_table = TRANSACTIONS
    watches = WATCHES

    def windows(self, day: dt.date, settings: Settings) -> Windows:
        """The newest label weeks whose seven days are over by `day`'s close."""
        return weeks.windows(day, settings)

    def inputs(self, day: dt.date, work: Lifecycle) -> Mapping[str, Versions]:
        """The delivered tables that label weeks are made of, and the label weeks."""
        as_of = sorted(self.windows(day, work.settings).all)
        return {**weeks.delivered(work.tables, until=day), EXAMPLES: of_days(work.tables, EXAMPLES, as_of)}

    def examples(self, as_of: Sequence[dt.date], work: Lifecycle, *, version: int | None = None) -> pd.DataFrame:
        """Labelled candidates (:func:`assets.grocery.training.examples.in_parts`)."""
        return weeks.read_examples(
            work.tables, as_of, households=work.settings.model.households_a_week, version=version
        )

    def holdout(
        self, as_of: Sequence[dt.date], work: Lifecycle, *, version: int | None = None
    ) -> InParts[pd.DataFrame]:
        """The same of all households, with the subcategory: what is judged are the lists that would be served."""
        products = work.tables.read(PRODUCTS)
        return weeks.read_holdout(work.tables, as_of, version=version).each(
            lambda part: in_subcategories(part, products)
        )

    def scored(self, part: pd.DataFrame) -> pd.DataFrame:
        """Without the features: lists are put in order in copies, and those of twenty thousand households are a gigabyte."""
        return part.drop(columns=[name for name in SCORED_BY if name in part])

    def made_from(self, as_of: Sequence[dt.date], work: Lifecycle) -> Sequence[Any]:
        """The digest of the inputs of each label week."""
        return [weeks.inputs_on_record(work.tables, day) for day in as_of]

    def unit_metrics(self, holdout: pd.DataFrame, scores: np.ndarray, settings: Settings) -> pd.DataFrame:
        """Recall, nDCG and hit rate of each list's places by score, as they would be served."""
        model = settings.model
        return by_list(holdout, scores, k=model.ranked_places, places=model.places_a_subcategory)

    def recorded_metrics(
        self, holdout: pd.DataFrame, scores: np.ndarray, settings: Settings
    ) -> Mapping[str, pd.Series]:
        """The same by their usual names, and those of the places for discoveries."""
        model = settings.model
        units = self.unit_metrics(holdout, scores, settings)
        recorded = {f"{name}_at_{model.ranked_places}": units[name] for name in METRICS}
        if model.explore_places:
            lists = explored(
                holdout,
                scores,
                k=model.top_k,
                explore=model.explore_places,
                places=model.places_a_subcategory,
            )
            recorded |= {f"explore_{name}_at_{model.explore_places}": lists[name] for name in METRICS}
        return recorded

    def probabilities(
        self, holdout: pd.DataFrame, scores: np.ndarray, settings: Settings
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Those of the lists, of all households whether they shopped or not."""
        model = settings.model
        best = top(holdout, scores, k=model.ranked_places, by=LIST_KEY, places=model.places_a_subcategory)
        return best["score"].to_numpy(), best["label"].to_numpy(), best["stands_for"].to_numpy()

    def slice_metrics(
        self, holdout: pd.DataFrame, as_of: Sequence[dt.date], work: Lifecycle
    ) -> Callable[[np.ndarray], pd.DataFrame]:
        """Recall by how long a household is known, by department, by weekday."""
        judged = sorted(set(holdout["household_id"]))
        truth, model = weeks.read_truth(work.tables, as_of, among=judged), work.settings.model
        places = model.places_a_subcategory
        return lambda scores: recalls(holdout, scores, truth, k=model.ranked_places, places=places)

    def days_with_data(self, tables: TableStore) -> Collection[dt.date]:
        """The days that have baskets."""
        return [day for day, rows in tables.rows_by_day(TRANSACTIONS).items() if day and rows]

    def reference(
        self,
        day: dt.date,
        model: Model,
        promised: Mapping[str, Sequence[float]],
        work: Lifecycle,
        may_be_used: Callable[[dt.date], bool],
    ) -> str:
        """Days, features and lists (:mod:`assets.grocery.profiles`)."""
        made = reference(
            day, model, tables=work.tables, settings=work.settings, promised=promised, may_be_used=may_be_used
        )
        return made.as_text()

    def examples_again(
        self, as_of: Sequence[dt.date], versions: Callable[[str], int], work: Lifecycle
    ) -> pd.DataFrame | None:
        """Label weeks made from lines, catalogue and offers in their versions."""
        with tempfile.TemporaryDirectory() as scratch:
            kept = weeks.make_again(
                as_of, versions, sources=work.tables, folder=scratch, model=work.settings.model, say=work.say
            )
            return weeks.read_examples(kept, as_of)

    def card_facts(self, settings: Settings) -> Mapping[str, Any]:
        """The places of a list."""
        model = settings.model
        explore = f"{model.explore_places} are kept for what it never bought"
        most = f", at most {model.places_a_subcategory} are of a subcategory" if model.places_a_subcategory else ""
        return {"places": f"{model.ranked_places} places go by score, {explore}{most}", "k": model.ranked_places}

    def card_text(self, facts: Mapping[str, Any]) -> CardText:
        """What a list is, in a retailer's words."""
        closes, holdout = facts["label_weeks"], facts["holdout"]
        return CardText(
            purpose=f"ranks the products that a household may buy in the seven days after a close; {facts['places']}",
            learnt=f"{facts['examples']} candidates of households, labelled by what was bought in the {len(closes)} weeks "
            f"after the closes of {', '.join(closes)}. Judged on the week after {', '.join(holdout)}, which it has not seen",
            means=f"Means over the households of the holdout, at the {facts['k']} places that go by score",
            slices="Recall within parts of the customers and of the range",
        )


GROCERY = Grocery()
