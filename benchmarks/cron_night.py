"""A night as a cron script does it, with nothing between a bad file and the households: what `bad_nights.py` compares with.

    python benchmarks/cron_night.py FOLDER SALES

Written as such scripts are: every day since the last one that was done is appended to one table; three months of it
become pandas features and a LightGBM model, fitted every night; its lists replace those of the night before. An exception
ends it, cron mails that, and the next night begins where it stopped. FOLDER has the `closed_days` and the `first_day`, SALES the files.
"""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportCallIssue=false, reportArgumentType=false

from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from pathlib import Path

WEEK, QUARTER = dt.timedelta(days=7), dt.timedelta(days=90)
LABEL_WEEKS = 4
FEATURES = ["times", "times_month", "days_since", "rhythm", "buyers"]


def main(folder: Path, sales_folder: Path, today: dt.date) -> None:
    import pandas as pd

    done, closed = folder / "last_done", (folder / "closed_days").read_text().split()
    with sqlite3.connect(folder / "shop.db") as shop:
        last = dt.date.fromisoformat((done if done.exists() else folder / "first_day").read_text().strip())
        day = last + dt.timedelta(days=1)
        while day <= today:
            print("ingest", flush=True)
            files = sorted(sales_folder.glob(f"{day}*"))
            if not files and str(day) not in closed:
                raise SystemExit(f"no file for {day}")
            for file in files:
                sales = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
                sales.to_sql("sales", shop, if_exists="append", index=False)
            shop.commit()
            done.write_text(str(day))
            day += dt.timedelta(days=1)
        print("features", flush=True)
        sales = pd.read_sql("SELECT customer, article, bought_at FROM sales", shop, parse_dates=["bought_at"])
    sales["day"] = sales["bought_at"].dt.date
    sales = sales[sales["day"] > today - QUARTER].drop_duplicates(["customer", "article", "day"])
    scored = candidates(sales, today)
    print("training", flush=True)
    import lightgbm as lgb

    weeks = [labelled(sales, today - n * WEEK) for n in range(1, LABEL_WEEKS + 1)]
    examples = pd.concat(weeks)
    model = lgb.LGBMClassifier(n_estimators=60, learning_rate=0.1, min_child_samples=20, verbose=-1, n_jobs=2)
    model.fit(examples[FEATURES], examples["is_bought"])
    print("scoring", flush=True)
    scored["score"] = model.predict_proba(scored[FEATURES])[:, 1]  # pyright: ignore
    best = scored.sort_values(["customer", "score"], ascending=[True, False]).groupby("customer").head(10)
    print("publication", flush=True)
    best.assign(made_on=today)[["customer", "article", "score", "made_on"]].to_csv(folder / "lists.csv", index=False)


def candidates(sales, close: dt.date):
    """What every household bought in the quarter before `close`, with what is known of it by then."""
    known = sales[sales["day"] <= close]
    pairs = known.groupby(["customer", "article"])["day"].agg(["count", "min", "max"]).reset_index()
    month = known[known["day"] > close - dt.timedelta(days=30)].groupby(["customer", "article"]).size()
    pairs = pairs.merge(month.rename("times_month").reset_index(), how="left").fillna({"times_month": 0})
    pairs["times"] = pairs["count"]
    pairs["days_since"] = [(close - last).days for last in pairs["max"]]
    spans = [(last - first).days for first, last in zip(pairs["min"], pairs["max"], strict=True)]
    pairs["rhythm"] = spans / (pairs["count"] - 1).clip(lower=1)
    pairs["buyers"] = pairs.groupby("article")["customer"].transform("nunique")
    return pairs


def labelled(sales, close: dt.date):
    """The candidates of `close`, and whether each was bought in the week after."""
    after = sales[(sales["day"] > close) & (sales["day"] <= close + WEEK)][["customer", "article"]].drop_duplicates()
    return candidates(sales, close).merge(after.assign(is_bought=1), how="left").fillna({"is_bought": 0})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).date())
