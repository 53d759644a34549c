"""What earlier lists were worth, worked out by hand."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from assets.grocery.monitoring.realised import realised_lists, summary, table
from assets.grocery.training.metrics import METRICS, by_list
from assets.lifecycle.estimates import Bootstrap

SECOND, THIRD = 1 / math.log2(3), 1 / math.log2(4)

# household: the list, best first
LISTS = {"H1": "abc", "H2": "abc", "H3": "cab"}
BOUGHT = [("H1", "b"), ("H1", "c"), ("H1", "x"), ("H1", "y"), ("H2", "z"), ("H9", "a")]


def recommendations(*, is_fallback: bool = False, is_explore: bool = True) -> ibis.Table:
    """`is_explore` says so of all places: it tells only where a place is not one by score."""
    rows = [
        {
            "household_id": household,
            "rank": rank,
            "product_id": product,
            "is_fallback": is_fallback,
            "is_explore": is_explore,
        }
        for household, products in LISTS.items()
        for rank, product in enumerate(products, start=1)
    ]
    return ibis.memtable(rows)


def bought(pairs: list[tuple[str, str]]) -> ibis.Table:
    rows = [{"household_id": household, "product_id": product} for household, product in pairs]
    return ibis.memtable(rows, schema={"household_id": "string", "product_id": "string"})


def found(k: int, pairs: list[tuple[str, str]] = BOUGHT, **of: bool) -> dict[str, dict[str, float]]:
    return realised_lists(recommendations(**of), bought(pairs), k=k).to_dict(orient="index")


def same(*, explore_hit_rate: float = float("nan"), **metrics: float) -> Any:
    """The metrics of a list; of one without places after the first k, the hit rate of those is null."""
    return pytest.approx(metrics | {"explore_hit_rate": explore_hit_rate}, nan_ok=True)


def test_lists_by_hand():
    # H1: hits in places 2 and 3, of four bought. H2: none. H3 bought nothing, H9 had no list: neither is counted
    lists = found(3)
    assert set(lists) == {"H1", "H2"}
    assert lists["H1"] == same(recall=2 / 4, ndcg=(SECOND + THIRD) / (1 + SECOND + THIRD), hit_rate=1)
    assert lists["H2"] == same(recall=0, ndcg=0, hit_rate=0)


def test_only_the_first_k_count_and_the_places_after_them_are_told_apart():
    assert found(2)["H1"] == same(recall=1 / 4, ndcg=SECOND / (1 + SECOND), hit_rate=1, explore_hit_rate=1)
    assert found(1)["H1"] == same(recall=0, ndcg=0, hit_rate=0, explore_hit_rate=1)
    assert found(2)["H2"] == same(recall=0, ndcg=0, hit_rate=0, explore_hit_rate=0)


def test_hit_by_score_is_no_discovery():
    lists = found(2, [("H1", "a"), ("H2", "b"), ("H2", "c")])
    assert lists["H1"] == same(recall=1, ndcg=1, hit_rate=1, explore_hit_rate=0)
    # of two that were bought the list by score holds the second place's
    assert lists["H2"] == same(recall=1 / 2, ndcg=SECOND / (1 + SECOND), hit_rate=1, explore_hit_rate=1)


def test_repeat_that_fills_a_place_is_no_discovery():
    assert found(2, is_explore=False)["H1"] == same(
        recall=1 / 4, ndcg=SECOND / (1 + SECOND), hit_rate=1, explore_hit_rate=0
    )


def test_fallback_lists_are_not_judged():
    assert found(3, is_fallback=True) == {}


def test_nobody_bought_is_no_list():
    assert found(3, []) == {}


def test_numbers_are_those_that_the_holdout_would_have_given():
    rows = [
        {"household_id": who, "product_id": product, "rank": rank, "label": (who, product) in BOUGHT}
        for who, products in LISTS.items()
        for rank, product in enumerate(products)
        if who != "H3"
    ]
    frame = pd.DataFrame(rows).assign(as_of_date="2024-03-24")
    frame["truth_size"] = frame["household_id"].map({"H1": 4, "H2": 1})
    promised = by_list(frame, -frame["rank"].to_numpy(dtype=float), k=3).droplevel("as_of_date")
    realised = realised_lists(recommendations(), bought(BOUGHT), k=3)
    np.testing.assert_allclose(realised[list(METRICS)].to_numpy(), promised.loc[realised.index].to_numpy())


DAY = dt.date(2024, 3, 31)


def stored_rows(lists: pd.DataFrame) -> list[dict[str, Any]]:
    rows = summary(
        lists,
        business_date=DAY,
        recommended_on=DAY - dt.timedelta(days=7),
        horizon="week",
        model_version=4,
        draw=Bootstrap(subject="household_id", samples=200, confidence=0.95, seed=1),
    )
    return table(rows).to_pylist()


def test_series_has_a_row_a_metric_with_its_interval():
    stored = stored_rows(realised_lists(recommendations(), bought(BOUGHT), k=3))
    assert [row["metric"] for row in stored] == list(METRICS)
    recall = stored[0]
    assert (recall["value"], recall["low"], recall["high"]) == (0.25, 0.0, 0.5)  # the mean of .5 and 0, and either
    assert (recall["households"], recall["model_version"], recall["horizon"]) == (2, 4, "week")
    assert (recall["business_date"], recall["recommended_on"]) == (DAY, dt.date(2024, 3, 24))


def test_discoveries_are_in_the_series_where_there_are_places_for_them():
    stored = stored_rows(realised_lists(recommendations(), bought(BOUGHT), k=2))
    assert [row["metric"] for row in stored] == [*METRICS, "explore_hit_rate"]
    discoveries = stored[-1]
    assert (discoveries["value"], discoveries["low"], discoveries["high"]) == (0.5, 0.0, 1.0)  # H1's hit, H2's miss
    assert discoveries["households"] == 2


def test_night_without_earlier_lists_is_a_partition_without_rows():
    assert table([]).num_rows == 0
    assert table([]).schema.names[:2] == ["business_date", "recommended_on"]
