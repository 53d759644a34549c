"""What the policy lets stand in a list: it is asked about places of the catalogue, and its answer holds for products."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportReturnType=false

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from resources.errors import Refused

if TYPE_CHECKING:
    import pandas as pd

    from resources.policy.client import Answer

PACKAGE = "nightcart.recommendation"
PLACE = ("department", "category", "subcategory")
KIND = (*PLACE, "is_bought_before")


def subject(day: dt.date) -> str:
    """What the answer for the lists of a day is on record under."""
    return f"recommendations of {day}"


def question(day: dt.date, products: pd.DataFrame) -> dict[str, Any]:
    """What the policy is asked about the places of `products` (:data:`PLACE`, empty where the catalogue has none).

    Each place once, by name: departments with their categories with their subcategories.
    """
    places: dict[str, dict[str, list[str]]] = {}
    for department, category, subcategory in sorted(set(products[list(PLACE)].itertuples(index=False, name=None))):
        places.setdefault(department, {}).setdefault(category, []).append(subcategory)
    return {"business_date": day.isoformat(), "places": places}


def denied(answer: Answer, products: pd.DataFrame) -> pd.DataFrame:
    """Which of `products` may not be listed: `product_id`, `is_repeat` (for households that bought it, or for others).

    With `says`, the policy's sentence. Raises :class:`Refused` when a rule does not name the kind that it denies.
    """
    import pandas as pd

    kinds = [denial.about.get("kind") for denial in answer.fired]
    if nameless := [
        denial
        for denial, kind in zip(answer.fired, kinds, strict=True)
        if not isinstance(kind, dict) or set(kind) != set(KIND)
    ]:
        raise Refused(
            f"{PACKAGE} of the policy denies something and does not say what: {nameless[0].says}.",
            remedy="mend the rules: `kind` of a denial has a department, category, subcategory and is_bought_before.",
        )
    rows = [
        (*(kind[name] for name in KIND), denial.says) for denial, kind in zip(answer.fired, kinds, strict=True) if kind
    ]
    of_kinds = pd.DataFrame(rows, columns=[*KIND, "says"]).astype({"is_bought_before": bool})
    products = products.merge(of_kinds.astype(dict.fromkeys(PLACE, "str")), on=list(PLACE))
    products = products.rename(columns={"is_bought_before": "is_repeat"}).drop_duplicates(["product_id", "is_repeat"])
    return products[["product_id", "is_repeat", "says"]].reset_index(drop=True)
