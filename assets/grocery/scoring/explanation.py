"""How a list came to be: the household's own purchases, the features that spoke for a product, the model, and its decision.

Everything is read as it was when the list was made (:class:`resources.records.lifecycle.Scoring`): the same versions of the
tables, scored again by the same version of the model, so that an explanation is of that list and no other. Where a
household was forgotten since, the tables' history begins with that: the oldest version is read, and that the scores are
the same shows that the rows are.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assets.grocery.scoring import allowed
from assets.grocery.scoring.assets import candidates_of, features_of, placed
from assets.grocery.tables import PRODUCTS, RECOMMENDATIONS, TRANSACTIONS
from assets.lifecycle.versions import load
from resources.errors import Refused
from resources.models.registry import BUSINESS_DATE, DIGEST
from resources.policy.client import Answer
from resources.records.lifecycle import PolicyDecision, PromotionRecord, Scoring
from resources.records.privacy import Erasure

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.model import Recommender
    from resources.config.retailer import Settings
    from resources.models.registry import ModelRegistry, ModelVersion
    from resources.records.store import OperationsDatabase
    from resources.tables.store import TableStore

TELLING = 6  # features of a place that are named: what speaks most, for it or against it


@dataclass(frozen=True, kw_only=True)
class Telling:
    """A feature of a place: its value, what it is, and what it added to the score (in the trees' log-odds)."""

    feature: str
    value: float | None
    is_about: str
    contribution: float


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
    speaks: Sequence[Telling] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A household's list of a business day. `tables` are the versions that it was made from."""

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
    made = operations.records(Scoring, business_date=day, last=1)
    if not made:
        raise Refused(
            f"It is not on record that lists of {day} were made.",
            remedy=f"`nightcart nightly --date {day}` makes them; `nightcart status` says which days have some.",
        )
    scoring = _readable(made[0], operations.records(Erasure))
    rows = tables.read(RECOMMENDATIONS, since=day, until=day, version=scoring.tables[RECOMMENDATIONS])
    listed = rows.filter(rows.household_id == household).order_by("rank").to_pandas()
    if is_fallback := listed.empty:
        listed = rows.filter(rows.household_id.isnull()).order_by("rank").to_pandas()
    is_fallback = is_fallback or bool(listed["is_fallback"].all())
    version = registry.version(scoring.model_version)
    recommender = load(registry, version)
    asked = operations.records(PolicyDecision, subject=allowed.subject(day), run_id=scoring.run_id, last=1)
    answer = Answer.recorded(asked[0]) if asked else None
    again = None if is_fallback else _again(household, scoring, recommender, answer, settings=settings, tables=tables)
    return Explanation(
        household_id=household,
        business_date=day,
        is_fallback=is_fallback,
        scored_at=scoring.scored_at,
        run_id=scoring.run_id,
        tables=scoring.tables,
        model=_model(version, recommender),
        champion=_why_champion(operations, scoring),
        policy=_let_through(answer),
        places=_places(listed, again, _purchases(household, scoring, tables), _catalogue(listed, scoring, tables)),
    )


def _readable(scoring: Scoring, erasures: Sequence[Erasure]) -> Scoring:
    """With the versions in which the same rows can be read: since a household was forgotten, without that one's."""
    versions = {
        table: max([version, *(erasure.versions.get(table, 0) for erasure in erasures)])
        for table, version in scoring.tables.items()
    }
    return replace(scoring, tables=versions)


def _again(
    household: str,
    scoring: Scoring,
    recommender: Recommender,
    answer: Answer | None,
    *,
    settings: Settings,
    tables: TableStore,
) -> pd.DataFrame:
    """The household's candidates by product: features, `score_again`, and `contributions` as lists of :class:`Telling`."""
    import pandas as pd

    from assets.grocery.candidates.candidates import FEATURES

    built = features_of(scoring.business_date, tables, versions=scoring.tables, household=household)
    sold = placed(built.product, tables, version=scoring.tables[PRODUCTS]).to_pandas()
    kept_back = allowed.denied(answer, sold) if answer else pd.DataFrame()
    found = candidates_of(built, settings.model, kept_back)
    frame = found.order_by("product_id").to_pandas()
    added = recommender.contributions(frame)
    tellings: list[list[Telling]] = [[] for _ in range(len(frame))]
    if added is not None:
        for place, (index, row) in enumerate(added.iterrows()):
            for name in row.abs().sort_values(ascending=False, kind="stable").index[:TELLING]:
                value = frame.at[index, name]
                tellings[place].append(
                    Telling(
                        feature=str(name),
                        value=None if value != value else float(value),
                        is_about=FEATURES.get(str(name), ""),
                        contribution=float(row[name]),
                    )
                )
    return frame.assign(score_again=recommender.score(frame), tellings=tellings).set_index("product_id")


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
                speaks=again.at[product, "tellings"] if again is not None and known else [],
            )
        )
    return places


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
    found: dict[str, list[dict[str, Any]]] = {}
    for row in by_day.order_by("product_id", "business_date").to_pyarrow().to_pylist():
        found.setdefault(row.pop("product_id"), []).append(row)
    return found


def _catalogue(listed: pd.DataFrame, scoring: Scoring, tables: TableStore) -> pd.DataFrame:
    products = tables.read(PRODUCTS, version=scoring.tables[PRODUCTS])
    wanted = products.filter(products.product_id.isin(listed["product_id"].tolist()))
    return wanted.select("product_id", "name", "category").to_pandas().set_index("product_id")


def _model(version: ModelVersion, recommender: Recommender) -> dict[str, Any]:
    from assets.lifecycle.reproduce import CODE

    trained_on = version.parameters.get("label_weeks_from_closes", "")
    return {
        "version": version.version,
        "family": recommender.family(),
        "title": recommender.title,
        "trained_in_the_night_of": version.tags.get(BUSINESS_DATE),
        "label_weeks_from_closes": trained_on.split(),
        "digest": version.tags.get(DIGEST),
        "code": version.tags.get(CODE),
        "metrics": dict(version.metrics),
    }


def _let_through(answer: Answer | None) -> dict[str, Any]:
    """What the policy said when the lists were made: what it kept out of them, each with the rule; all else it let through."""
    if answer is None:
        return {}
    kept_out = [{"rule": one.rule, "says": one.says, **one.about} for one in answer.fired]
    return {"package": answer.package, "digest": answer.digest, "kept_out": kept_out}


def _why_champion(operations: OperationsDatabase, scoring: Scoring) -> dict[str, Any]:
    """The decision that had made the model champion when it scored."""
    made = [
        record
        for record in operations.promotions(until=scoring.business_date)
        if record.champion_after == scoring.model_version
        and record.champion_before != scoring.model_version
        and record.decided_at <= scoring.scored_at
    ]
    if not made:
        return {}
    record: PromotionRecord = made[-1]
    return {
        "in_the_night_of": record.business_date,
        "decided_at": record.decided_at,
        "kind": record.kind,
        "by": record.by,
        "instead_of": record.champion_before,
        "reasons": list(record.reasons),
    }
