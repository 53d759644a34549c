"""Earlier recommendations against what was then bought, in the metrics that they were promised in."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportOperatorIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from assets.grocery.training.metrics import METRICS, of_hits
from assets.lifecycle.estimates import Bootstrap

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    import pyarrow as pa

VERSION = "1"  # of the rows that are made here; the assets carry it
# Days after the close: tomorrow alone, which is known soonest, and the week that a model is judged by.
HORIZONS = {"day": 1, "week": 7}


def realised_lists(recommendations: ibis.Table, bought: ibis.Table, *, k: int) -> pd.DataFrame:
    """Recall, nDCG and hit rate at `k` of one day's personal lists, for the households that bought anything.

    `explore_hit_rate` is that of the places after `k`, of what in them the household had never bought; null for a list
    without such places. `recommendations` has one day's rows, `bought` the distinct (household_id, product_id) that came after. Indexed by
    `household_id`; nDCG as in :func:`assets.grocery.training.metrics.by_list`.
    """
    import ibis

    sizes = bought.group_by("household_id").agg(truth_size=bought.count())
    lists = recommendations.filter(~recommendations.is_fallback)
    hits = lists.join(bought, ["household_id", "product_id"])
    by_score = hits["rank"] <= k
    gains = hits.group_by("household_id").agg(
        hits=by_score.sum(),
        gain=by_score.ifelse(1 / (hits["rank"] + 1).cast("float64").log2(), 0.0).sum(),
        discoveries=(~by_score & hits.is_explore.fill_null(False)).sum(),
    )
    served = lists.group_by("household_id").agg(explores=(lists["rank"] > k).any()).join(sizes, "household_id")
    joined = served.left_join(gains, "household_id").drop("household_id_right")
    filled = joined.mutate(**{name: joined[name].fill_null(0) for name in ("hits", "gain", "discoveries")})
    frame = filled.order_by(ibis.asc("household_id")).to_pandas().set_index("household_id")
    metrics = of_hits(frame, k=k)
    return metrics.assign(explore_hit_rate=(frame["discoveries"] > 0).astype(float).where(frame["explores"]))


def summary(
    lists: pd.DataFrame,
    *,
    business_date: dt.date,
    recommended_on: dt.date,
    horizon: str,
    model_version: int,
    draw: Bootstrap,
) -> list[dict[str, object]]:
    """The rows of the series: one a metric, with its bootstrap interval over households."""
    rows = []
    known = [metric for metric in (*METRICS, "explore_hit_rate") if not lists[metric].isna().all()]
    for metric, value in draw.means({metric: lists[metric].dropna() for metric in known}).items():
        rows.append(
            {
                "business_date": business_date,
                "recommended_on": recommended_on,
                "horizon": horizon,
                "metric": metric,
                "value": value.value,
                "low": value.low,
                "high": value.high,
                "households": int(lists[metric].count()),
                "model_version": model_version,
            }
        )
    return rows


def table(rows: list[dict[str, object]]) -> pa.Table:
    """The rows of :func:`summary` as a partition of `realised_performance`; it may have none."""
    import pyarrow as pa

    schema = pa.schema(
        {
            "business_date": pa.date32(),
            "recommended_on": pa.date32(),
            "horizon": pa.string(),
            "metric": pa.string(),
            "value": pa.float64(),
            "low": pa.float64(),
            "high": pa.float64(),
            "households": pa.int64(),
            "model_version": pa.int64(),
        }
    )
    return pa.Table.from_pylist(rows, schema=schema)
