"""Why a product is not on a list: its subcategory had its places, or the policy denies it."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow as pa

from assets.grocery.scoring import allowed
from assets.grocery.scoring.explanation import _left_out
from assets.grocery.tables import PRODUCTS
from resources import home
from resources.policy.client import Policy
from resources.records.lifecycle import Scoring

NIGHT = dt.date(2024, 5, 6)
POLICY = Policy(folder=str(home.PROJECT / "config" / "policy"))
DAILY = {"department": "DRUG GM", "category": "NEWSPAPER", "subcategory": "NEWSPAPER"}
CIGARETTES = {"department": "DRUG GM", "category": "CIGARETTES", "subcategory": "CIGARETTES"}
MILK = {"department": "GROCERY", "category": "MILK", "subcategory": "WHOLE MILK"}
CATALOGUE = pd.DataFrame(
    [{"product_id": f"N{n}", "name": f"Paper {n}"} | DAILY for n in range(4)]
    + [{"product_id": f"M{n}", "name": f"Milk {n}"} | MILK for n in range(2)]
    + [{"product_id": "C1", "name": "Smokes"} | CIGARETTES]
)


def test_what_gave_way_and_what_was_denied_are_told_best_first(tables):
    tables.replace(PRODUCTS, pa.Table.from_pandas(CATALOGUE, preserve_index=False))
    scoring = Scoring(
        business_date=NIGHT, model_version=1, tables={PRODUCTS: tables.version(PRODUCTS)}, run_id="",
        scored_at=dt.datetime(2024, 5, 7, tzinfo=dt.UTC),
    )  # fmt: skip
    again = pd.DataFrame({"score_again": [0.9, 0.8, 0.6, 0.7, 0.5, 0.1]}, index=["N0", "N1", "N2", "N3", "M0", "M1"])
    listed = pd.DataFrame({"product_id": ["N0", "N1", "M0"], "score": [0.9, 0.8, 0.5], "is_explore": [False] * 3})
    sold = CATALOGUE[["product_id", *allowed.PLACE]]
    answer = POLICY.ask(allowed.PACKAGE, allowed.question(NIGHT, sold))
    found = _left_out(listed, again, {"N0": [], "C1": []}, answer, scoring, tables)
    assert [(each.product_id, each.score, each.why) for each in found] == [
        ("N3", 0.7, "2 places are of NEWSPAPER already"),
        ("N2", 0.6, "2 places are of NEWSPAPER already"),
        ("C1", None, "the policy: DRUG GM / CIGARETTES / CIGARETTES is tobacco, which is recommended to nobody"),
    ]
    assert [each.name for each in found] == ["Paper 3", "Paper 2", "Smokes"]
