"""How a list came to be: the household's own purchases, the features that spoke for a product, the model, and its decision.

Read and scored again as it was when the list was made (:mod:`assets.lifecycle.explanation`).
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from assets.grocery.candidates.candidates import FEATURES
from assets.grocery.scoring import allowed
from assets.grocery.scoring.inputs import features_of, placed
from assets.grocery.scoring.sliced import candidates_of
from assets.grocery.tables import PRODUCTS, RECOMMENDATIONS, TRANSACTIONS
from assets.lifecycle.explanation import (
    Attribution,
    champion_facts,
    model_facts,
    policy_facts,
    scored_again,
    scoring_of,
)
from assets.lifecycle.versions import load
from resources.policy.client import Answer
from resources.records.lifecycle import PolicyDecision, Scoring

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.model import Model
    from resources.config.retailer import Settings
    from resources.models.registry import ModelRegistry
    from resources.records.store import OperationsDatabase
    from resources.tables.store import TableStore


@dataclass(frozen=True, kw_only=True)
class Place:
    """A product of the list, with its purchases by the household up to the close (`bought`, by day, oldest first).

    `score_again` is what the model says today of the same features; None in a fallback list.
    """

    rank: int
    product_id: str
    name: str | None
    category: str | None
    score: float | None
    score_again: float | None
    reason: str
    explanation: str
    is_explore: bool
    bought: Sequence[Mapping[str, Any]] = ()
    speaks: Sequence[Attribution] = ()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A product that the list could have had, and `why` it has not; `score` is None of what was never scored."""

    product_id: str
    name: str | None
    category: str | None
    score: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A household's list of a business day. `tables` are the versions that it was made from.

    `left_out` are products with a better score than some that are listed, and those of its history that the policy denies.
    """

    household_id: str
    business_date: dt.date
    is_fallback: bool
    scored_at: dt.datetime
    run_id: str
    tables: Mapping[str, int]
    model: Mapping[str, Any]
    champion: Mapping[str, Any]
    policy: Mapping[str, Any]
    places: Sequence[Place] = field(default_factory=list)
    left_out: Sequence[LeftOut] = ()

    @property
    def is_reproduced(self) -> bool:
        """Whether the model says the same today as it did then."""
        return all(place.score == place.score_again for place in self.places)

    def as_json(self) -> str:
        """All of it for machines."""
        return json.dumps({**asdict(self), "is_reproduced": self.is_reproduced}, default=str, ensure_ascii=False)


def explain(
    household: str,
    day: dt.date,
    *,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
) -> Explanation:
    """Explain the list of `household` that was made at the close of `day`.

    Raises :class:`Refused` when there is none, when its making is not on record, or when its model is gone.
    """
    scoring = scoring_of(day, operations)
    rows = tables.read(RECOMMENDATIONS, since=day, until=day, version=scoring.tables[RECOMMENDATIONS])
    listed = rows.filter(rows.household_id == household).order_by("rank").to_pandas()
    if is_fallback := listed.empty:
        listed = rows.filter(rows.household_id.isnull()).order_by("rank").to_pandas()
    is_fallback = is_fallback or bool(listed["is_fallback"].all())
    version = registry.version(scoring.model_version)
    model = load(registry, version)
    asked = operations.records(PolicyDecision, subject=allowed.subject(day), run_id=scoring.run_id, last=1)
    answer = Answer.recorded(asked[0]) if asked else None
    again = None if is_fallback else _again(household, scoring, model, answer, settings=settings, tables=tables)
    bought = _purchases(household, scoring, tables)
    return Explanation(
        household_id=household,
        business_date=day,
        is_fallback=is_fallback,
        scored_at=scoring.scored_at,
        run_id=scoring.run_id,
        tables=scoring.tables,
        model=model_facts(version, model),
        champion=champion_facts(operations, scoring),
        policy=policy_facts(answer),
        places=_places(listed, again, bought, _catalogue(listed["product_id"].tolist(), scoring, tables)),
        left_out=[] if again is None else _left_out(listed, again, bought, answer, scoring, tables),
    )


def _again(
    household: str,
    scoring: Scoring,
    model: Model,
    answer: Answer | None,
    *,
    settings: Settings,
    tables: TableStore,
) -> pd.DataFrame:
    """The household's candidates by product: features, `score_again`, and `attributions` (:func:`assets.lifecycle.explanation.scored_again`)."""
    import pandas as pd

    built = features_of(scoring.business_date, tables, versions=scoring.tables, household=household)
    sold = placed(built.product, tables, version=scoring.tables[PRODUCTS]).to_pandas()
    kept_back = allowed.denied(answer, sold) if answer else pd.DataFrame()
    candidates = candidates_of(built, settings.model, kept_back)
    frame = candidates.order_by("product_id").to_pandas()
    return scored_again(model, frame, FEATURES).set_index("product_id")


def _places(
    listed: pd.DataFrame,
    again: pd.DataFrame | None,
    bought: Mapping[str, list[dict[str, Any]]],
    catalogue: pd.DataFrame,
) -> list[Place]:
    places = []
    for row in listed.to_dict("records"):
        product = str(row["product_id"])
        known = again is not None and product in again.index
        places.append(
            Place(
                rank=int(row["rank"]),
                product_id=product,
                name=_text(catalogue, product, "name"),
                category=_text(catalogue, product, "category"),
                score=None if again is None else float(row["score"]),
                score_again=float(again.at[product, "score_again"]) if again is not None and known else None,
                reason=str(row["reason"]),
                explanation=str(row["explanation"]),
                is_explore=bool(row["is_explore"]),
                bought=bought.get(product, []),
                speaks=again.at[product, "attributions"] if again is not None and known else [],
            )
        )
    return places


def _left_out(
    listed: pd.DataFrame,
    again: pd.DataFrame,
    bought: Mapping[str, Any],
    answer: Answer | None,
    scoring: Scoring,
    tables: TableStore,
) -> list[LeftOut]:
    """What scored better than a listed repeat or discovery and gave way to it, best first; then what the policy denied."""
    import pandas as pd

    by_score = listed[~listed["is_explore"].astype(bool)]
    better = again[(again["score_again"] > by_score["score"].min()) & ~again.index.isin(listed["product_id"])]
    better = better.sort_values("score_again", ascending=False, kind="stable")
    own = [product for product in bought if product not in again.index]
    catalogue = _catalogue([*listed["product_id"], *better.index, *own], scoring, tables)
    places = catalogue.loc[catalogue.index.isin(listed["product_id"]), "subcategory"].value_counts()
    given_way = []
    for product, score in better["score_again"].items():
        kind = _text(catalogue, str(product), "subcategory")
        taken = f"{places.get(kind, 0)} places are of {kind} already" if kind else "its place went to another"
        given_way.append(_left(str(product), catalogue, score=float(score), why=taken))
    sold = (
        catalogue.loc[catalogue.index.isin(own), list(allowed.PLACE)].fillna("").rename_axis("product_id").reset_index()
    )
    denied = allowed.denied(answer, sold) if answer else pd.DataFrame(columns=["product_id", "is_repeat", "says"])
    to_it = denied[denied["is_repeat"].astype(bool)].to_dict("records")
    return given_way + [
        _left(row["product_id"], catalogue, score=None, why=f"the policy: {row['says']}") for row in to_it
    ]


def _left(product: str, catalogue: pd.DataFrame, *, score: float | None, why: str) -> LeftOut:
    name, category = (_text(catalogue, product, column) for column in ("name", "category"))
    return LeftOut(product_id=product, name=name, category=category, score=score, why=why)


def _text(catalogue: pd.DataFrame, product: str, column: str) -> str | None:
    value = catalogue.at[product, column] if product in catalogue.index else None
    return None if value is None or value != value else str(value)


def _purchases(household: str, scoring: Scoring, tables: TableStore) -> dict[str, list[dict[str, Any]]]:
    """The household's purchases up to the close, by product: day, quantity and value of each."""
    lines = tables.read(TRANSACTIONS, until=scoring.business_date, version=scoring.tables[TRANSACTIONS])
    own = lines.filter(lines.household_id == household)
    by_day = own.group_by("product_id", "business_date").agg(
        quantity=own.quantity.sum(), sales_value=own.sales_value.sum()
    )
    purchases: dict[str, list[dict[str, Any]]] = {}
    for row in by_day.order_by("product_id", "business_date").to_pyarrow().to_pylist():
        purchases.setdefault(row.pop("product_id"), []).append(row)
    return purchases


def _catalogue(wanted: Sequence[str], scoring: Scoring, tables: TableStore) -> pd.DataFrame:
    """The rows of products in the catalogue as it was, by product."""
    products = tables.read(PRODUCTS, version=scoring.tables[PRODUCTS])
    columns = products.filter(products.product_id.isin(list(wanted))).select("product_id", "name", *allowed.PLACE)
    return columns.to_pandas().set_index("product_id")
