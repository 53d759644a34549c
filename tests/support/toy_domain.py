"""A toy domain of the model lifecycle: how much electricity each meter uses, from what it used the day before."""

import datetime as dt
import json

import dagster as dg
import ibis
import numpy as np
import pandas as pd

from assets.lifecycle.assets import Graph, monitoring_assets, training_assets
from assets.lifecycle.champion import serving
from assets.lifecycle.domain import Domain, Watch, Windows
from assets.lifecycle.drift import DriftReport, DriftStatistic
from assets.lifecycle.model import Model
from assets.lifecycle.versions import load
from assets.partitions import daily, days_of
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate, of_days
from resources.records.lifecycle import Scoring

FIRST, LAST, METERS, MOVES = dt.date(2024, 1, 1), dt.date(2024, 2, 29), 40, dt.date(2024, 2, 20)
READINGS, SCORES = "readings", "scores"
GRAPH = Graph(partitions=daily(FIRST, LAST, timezone="UTC"))
DAILY = {"partitions_def": GRAPH.partitions, "backfill_policy": dg.BackfillPolicy.single_run()}
GATE = Gate(subject=READINGS, check="every_meter_is_read", description="A reading a meter.")


def used(day: dt.date) -> np.ndarray:
    noise = np.random.default_rng(day.toordinal()).normal(1, 0.05, METERS)
    return np.arange(5, METERS + 5) * (1.6 if day.weekday() > 4 else 1) * (3 if day >= MOVES else 1) * noise


class Yesterday(Model):
    title, features, feature_version, keys = "as yesterday", ("yesterday",), "1", ("meter_id",)

    def score(self, examples, /):
        return examples["yesterday"].to_numpy(dtype=float)


class ByWeekday(Yesterday):
    title, features = "by weekday", ("yesterday", "weekday")

    def fit(self, examples, *, seed):
        sums = examples.groupby("weekday")[["used", "yesterday"]].sum()
        self.factors = (sums["used"] / sums["yesterday"]).to_dict()

    def score(self, examples, /):
        return (examples["yesterday"] * examples["weekday"].map(self.factors).fillna(1.0)).to_numpy(dtype=float)

    def write(self, folder):
        (folder / "factors.json").write_text(json.dumps(self.factors))

    def restore(self, folder):
        self.factors = {int(day): factor for day, factor in json.loads((folder / "factors.json").read_text()).items()}


def usage(work, day, reference):
    """All meters together use about what they used when the champion was made."""
    value, usual = float(work.tables.read(READINGS, since=day, until=day).used.mean().execute()), float(reference)
    far = abs(np.log(value / usual)) / np.log(1.5)
    return DriftReport(statistics=[DriftStatistic(column="used", statistic="mean", value=value, usual=usual, limit=1.5 * usual, ratio_to_limit=far, message=f"{value:.0f} used")])  # fmt: skip


class Meters(Domain):
    name, subjects, new_data, outcome = "power", "meters", "readings", "used"
    keys, labels, label_days, metrics, slice_metric = ("meter_id",), ("used",), 0, ("closeness",), "closeness"
    limits = ("It knows yesterday and the weekday, and no weather.",)
    examples_table = data_table = READINGS
    input_tables = reference_tables = (READINGS,)
    feature_tables = holdout_tables = ()
    watches = (Watch(name="usage", check="usage_is_usual", look=usage, reads=(READINGS,)),)

    def windows(self, day, settings):
        days = [day - dt.timedelta(days=back) for back in range(21)]
        return Windows(holdout=tuple(days[:7]), train=tuple(days[7:]))

    def inputs(self, day, work):
        return {READINGS: of_days(work.tables, READINGS, self.windows(day, work.settings).all)}

    def holdout(self, as_of, work, *, version=None):
        rows = work.tables.read(READINGS, since=min(as_of), until=max(as_of), version=version)
        return [rows.order_by("business_date", "meter_id").to_pandas()]

    def examples(self, as_of, work, *, version=None):
        return pd.concat(self.holdout(as_of, work, version=version)).drop(columns=["business_date", "meter_id"])

    def unit_metrics(self, holdout, scores, settings):
        index = pd.MultiIndex.from_frame(holdout[["business_date", "meter_id"]])
        return pd.DataFrame({"closeness": -np.abs(holdout["used"].to_numpy() - scores)}, index=index)

    def days_with_data(self, tables):
        return [day for day, rows in tables.rows_by_day(READINGS).items() if day and rows]

    def reference(self, day, model, promised, work, may_be_used):
        return str(float(work.tables.read(READINGS, since=day - dt.timedelta(days=6), until=day).used.mean().execute()))


@dg.asset(group_name="ingestion", **DAILY)
def readings(context, tables: dg.ResourceParam[object]) -> None:
    for day in days_of(context):
        rows = {
            "meter_id": [f"M{n:02}" for n in range(METERS)],
            "yesterday": used(day - dt.timedelta(days=1)),
            "used": used(day),
        }
        frame = pd.DataFrame(rows).assign(weekday=day.weekday())
        tables.replace_days(READINGS, ibis.memtable(frame).mutate(business_date=ibis.literal(day)), days=[day])  # pyright: ignore


@gate_checks([GATE])
def readings_are_fit_to_use(context, tables: dg.ResourceParam[object], operations: dg.ResourceParam[object]):
    rows = tables.rows_by_day(READINGS)  # pyright: ignore
    yield GateResult(gate=GATE, broken={day: "some are missing" for day in days_of(context) if rows.get(day) != METERS})


challenger, champion = training_assets(Meters(), GRAPH)
drift_signals, retraining_decision = monitoring_assets(Meters(), GRAPH)


@dg.asset(deps=[READINGS, champion], group_name="scoring", **DAILY)
def scores(
    context, tables: dg.ResourceParam[object], registry: dg.ResourceParam[object], operations: dg.ResourceParam[object]
) -> None:
    for day in days_of(context):
        now = dt.datetime.now(dt.UTC)
        version = serving(operations, day, now=now).champion_after  # pyright: ignore
        frame = tables.read(READINGS, since=day, until=day).order_by("meter_id").to_pandas()  # pyright: ignore
        rows = frame[["meter_id"]].assign(score=load(registry, registry.version(version)).score(frame))  # pyright: ignore
        made = tables.replace_days(SCORES, ibis.memtable(rows).mutate(business_date=ibis.literal(day)), days=[day])  # pyright: ignore
        read = {READINGS: tables.version(READINGS), SCORES: made.version}  # pyright: ignore
        operations.record(
            Scoring(business_date=day, model_version=version, tables=read, run_id=context.run.run_id, scored_at=now)
        )  # pyright: ignore
