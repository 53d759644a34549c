"""Lists: the best of each household with the reason for each, and best sellers for whom nothing is known of."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from assets.grocery.scoring.lists import COLUMNS, REASONS, fallback, joined, personal
from assets.grocery.tables import RECOMMENDATIONS, TABLES

NAN = float("nan")
# product: purchases, overdue, days since the last, gap, buyers of the month
KNOWN = {
    "due": (3.0, 0.9, 13.6, 15.1, 2.0),
    "late": (9.0, 2.0, 30.0, 15.0, 2.0),
    "gone": (9.0, 3.1, 46.0, 15.0, 2.0),  # three gaps have passed: rather given up
    "soon": (3.0, 0.89, 13.0, 15.0, 2.0),  # a rhythm, but its time has not come
    "twice": (2.0, 1.2, 50.0, 42.0, 2.0),  # its time has come, by two purchases, which are no rhythm
    "once": (1.0, 1.2, 50.0, 42.0, 2.0),
    "new": (NAN, NAN, NAN, NAN, 41.0),
}


def candidates(household: str = "H1") -> pd.DataFrame:
    columns = ["purchases", "overdue", "days_since_last", "gap", "buyers_month"]
    frame = pd.DataFrame.from_dict(KNOWN, orient="index", columns=columns).rename_axis("product_id").reset_index()
    return frame.astype(dict.fromkeys(columns, "float32")).assign(
        household_id=household, is_repeat=frame["purchases"].notna()
    )


def test_reason_is_the_strongest_that_is_true():
    lists = personal(candidates(), np.arange(7, 0, -1.0), k=7).set_index("product_id")
    assert lists["reason"].to_dict() == {
        "due": "due",
        "late": "due",
        "gone": "regular",
        "soon": "regular",
        "twice": "regular",
        "once": "again",
        "new": "new",
    }
    assert set(lists["reason"]) < set(REASONS)


def test_reason_is_said_in_whole_numbers():
    lists = personal(candidates(), np.arange(7, 0, -1.0), k=7).set_index("product_id")["explanation"]
    assert lists[["due", "soon", "once", "new"]].tolist() == [
        "every 15 days, last 14 days ago (3 times)",
        "3 times, last 13 days ago",
        "once, 50 days ago",
        "41 households this month",
    ]


def test_every_household_has_a_full_list_in_the_order_of_scores():
    both = pd.concat([candidates("H2"), candidates("H1")], ignore_index=True)
    scores = np.array([0, 1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1, 0.0])
    lists = personal(both, scores, k=3)
    assert tuple(lists.columns) == COLUMNS
    assert lists[["household_id", "rank", "product_id", "score"]].to_numpy().tolist() == [
        ["H1", 1, "due", 6],
        ["H1", 2, "late", 5],
        ["H1", 3, "gone", 4],
        ["H2", 1, "new", 6],
        ["H2", 2, "once", 5],
        ["H2", 3, "twice", 4],
    ]
    assert not lists["is_fallback"].any()
    assert not lists["is_explore"].any()


def test_last_places_are_kept_for_what_the_household_never_bought():
    lists = personal(candidates(), np.arange(7, 0, -1.0), k=4, explore=1)
    assert lists[["rank", "product_id", "is_explore", "is_repeat", "reason"]].to_numpy().tolist() == [
        [1, "due", False, True, "due"],
        [2, "late", False, True, "due"],
        [3, "gone", False, True, "regular"],
        [4, "new", True, False, "new"],
    ]
    assert lists["explanation"].tolist()[-1] == "41 households this month"


def test_next_best_fill_the_places_that_nothing_new_is_there_for():
    lists = personal(candidates(), np.arange(7, 0, -1.0), k=4, explore=2)
    assert lists[["rank", "product_id", "is_explore"]].to_numpy().tolist()[2:] == [[3, "new", True], [4, "gone", False]]


def test_tied_scores_are_in_the_order_of_products():
    tied = personal(candidates(), np.zeros(7), k=3)
    assert tied["product_id"].tolist() == ["due", "gone", "late"]
    assert tied["rank"].tolist() == [1, 2, 3]


BEST = pd.DataFrame({"product_id": ["P9", "P1"], "buyers_month": [12.0, NAN]}, index=[7, 3])


def test_fallback_is_the_same_list_for_everybody_and_marked():
    lists = fallback(BEST, ["H8", None])
    assert tuple(lists.columns) == COLUMNS
    assert lists["product_id"].tolist() == ["P9", "P1", "P9", "P1"]
    assert lists["rank"].tolist() == [1, 2, 1, 2]
    assert lists["is_fallback"].all()
    assert not lists["is_explore"].any()
    assert set(lists["reason"]) == {"fallback"}
    assert lists["explanation"].tolist()[:2] == ["12 households this month", "0 households this month"]
    assert lists["household_id"].isna().tolist() == [False, False, True, True]


def test_both_kinds_are_rows_of_one_partition_with_their_model():
    day = dt.date(2024, 3, 31)
    best, others = personal(candidates(), np.arange(7.0), k=2), fallback(BEST, ["H8", None])
    rows = joined(best, others, business_date=day, model_version=7, is_probability=False)
    assert rows.schema.equals(TABLES[RECOMMENDATIONS].arrow_schema())
    assert set(rows["business_date"].to_pylist()) == {day}
    assert set(rows["model_version"].to_pylist()) == {7}
    assert set(rows["is_probability"].to_pylist()) == {False}
    assert rows["household_id"].to_pylist() == ["H1", "H1", "H8", "H8", None, None]
    assert rows["score"].to_pylist() == [6.0, 5.0, None, None, None, None]  # nobody scored the others
    assert rows["is_repeat"].to_pylist() == [False, True, False, False, False, False]
    assert rows["is_explore"].to_pylist() == [False] * 6


def test_explore_places_are_marked_in_the_partition():
    best = personal(candidates(), np.arange(7, 0, -1.0), k=2, explore=1)
    rows = joined(
        best, fallback(BEST, [None]), business_date=dt.date(2024, 3, 31), model_version=7, is_probability=True
    )
    assert rows["product_id"].to_pylist() == ["due", "new", "P9", "P1"]
    assert rows["is_explore"].to_pylist() == [False, True, False, False]


def test_shop_that_knows_everybody_still_has_the_list_for_anybody():
    best, day = personal(candidates(), np.arange(7.0), k=1), dt.date(2024, 3, 31)
    rows = joined(best, fallback(BEST, [None]), business_date=day, model_version=1, is_probability=True)
    assert rows["household_id"].to_pylist() == ["H1", None, None]
