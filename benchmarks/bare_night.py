"""One business day's night without an orchestrator: the project's own functions called one after the other.

    NIGHTCART_HOME=/tmp/somewhere python benchmarks/bare_night.py 2017-11-27

What a cron script would do, and no more: no events, no checks but those of the delivered tables, no pictures, no data
versions, no retries. What one step has made the next one takes from memory, unless it is kept from earlier nights.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assets.grocery.candidates.candidates import best_sellers, candidates, in_subcategories
from assets.grocery.domain import GROCERY
from assets.grocery.features import definitions
from assets.grocery.features.purchases import baskets_after, purchases
from assets.grocery.ingestion import catalogue, cleaning
from assets.grocery.ingestion.profile import profile
from assets.grocery.ingestion.rules import expectations
from assets.grocery.monitoring import realised
from assets.grocery.scoring import allowed, lists
from assets.grocery.scoring.inputs import placed
from assets.grocery.training.label_weeks import inputs_on_record, make_missing, read_examples, read_holdout, windows
from assets.lifecycle.domain import Lifecycle, Windows
from assets.lifecycle.evaluation import evaluate, judge
from assets.lifecycle.model import Model
from assets.lifecycle.promotion import HOLDOUT, NIGHT, PACKAGE, Candidate, DataHealth, question, reasons
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.models.registry import CHAMPION, PREVIOUS, ModelRecord, ModelRegistry, ModelVersion
from resources.models.version import digest
from resources.policy.client import Policy
from resources.provenance import code_version
from resources.records.lifecycle import PromotionRecord
from resources.records.store import OperationsDatabase
from resources.resources import Resources, build_resources
from resources.tables.store import TableStore
from resources.validation import Expectation, validate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BareNight:
    """The night of `day`, on the state of the retailer in use."""

    day: dt.date
    settings: Settings

    @cached_property
    def _resources(self) -> Resources[Settings]:
        return build_resources(self.settings)

    @property
    def feeds(self) -> FeedReader:
        return self._resources.feeds

    @property
    def tables(self) -> TableStore:
        return self._resources.tables

    @property
    def registry(self) -> ModelRegistry:
        return self._resources.registry

    @property
    def policy(self) -> Policy:
        """The rules that say what is allowed."""
        return self._resources.policy

    @property
    def operations(self) -> OperationsDatabase:
        return self._resources.operations

    @cached_property
    def weeks(self) -> Windows:
        return windows(self.day, self.settings)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """The lifecycle's measurements, without its records."""
        return Lifecycle.over(GROCERY, self._resources)

    def run(self) -> None:
        with stage("take in the feeds"):
            take_in(self.settings, self.feeds, self.tables, since=self.day, until=self.day)
        with stage("validate them"):
            self.validate()
        with stage("build features"):
            self.build_features()
        with stage("label weeks"):
            self.label_weeks()
        with stage("read examples"):
            learn_from = read_examples(self.tables, self.weeks.train)
            holdout = list(read_holdout(self.tables, self.weeks.holdout))
        with stage("fit"):
            model = Model.create(self.settings.model.family, self.settings.model.parameters)
            model.fit(learn_from, seed=self.settings.model.seed)
        with stage("register"):
            version = self.register(model, holdout, examples=len(learn_from))
        with stage("decide"):
            champion = self.decide(model, version, holdout)
        with stage("score"):
            self.score(champion)
        with stage("look back"):
            self.look_back()

    def validate(self) -> None:
        """The expectations that the checks of the delivered tables have; a broken one ends the night."""
        tables, feed = self.tables, self.settings.transactions
        frame = profile(
            tables.read("transactions", since=self.day, until=self.day),
            tables.read("transactions_quarantine", since=self.day, until=self.day),
            days=[self.day],
            closed=[],
            lines_by_day=tables.rows_by_day("transactions"),
            feed=feed,
            timezone=self.settings.timezone,
        )
        products = tables.read("products")
        outcomes = [
            *validate(frame, [each for group in expectations(feed).values() for each in group]),
            *validate(
                products.select("product_id", "name").to_pandas(), [*unique_and_given("product_id"), given("name")]
            ),
            *validate(
                products.agg(recommendable=products.is_recommendable.sum().fill_null(0)).to_pandas(),
                [
                    Expectation(
                        type="expect_column_values_to_be_between", kwargs={"column": "recommendable", "min_value": 10}
                    )
                ],
            ),
            *validate(tables.read("households").select("household_id").to_pandas(), unique_and_given("household_id")),
        ]
        if broken := [outcome for outcome in outcomes if not outcome.is_met]:
            raise SystemExit(f"The delivered tables are not fit to use: {broken}")

    def build_features(self) -> None:
        import ibis

        tables = self.tables
        lines, products, offers = (
            tables.read("transactions", until=self.day),
            tables.read("products"),
            tables.read("offers"),
        )
        built = definitions.build(lines, products, offers, as_of=self.day)
        for name, table in built.by_name().items():
            tables.replace_days(name, table.mutate(business_date=ibis.literal(self.day)), days=[self.day])

    def label_weeks(self) -> None:
        """The label weeks that are not kept from an earlier night."""
        make_missing(
            self.weeks.all, sources=self.tables, kept_in=self.tables, model=self.settings.model, say=lambda line: None
        )

    def register(self, model: Model, holdout: Sequence[pd.DataFrame], *, examples: int) -> ModelVersion:
        """Save the model and put it on record in MLflow, with its quality on the holdout."""
        given, found = self.settings.model, evaluate(model, holdout, self.lifecycle)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            model.save(folder)
            made_from = [inputs_on_record(self.tables, as_of) for as_of in self.weeks.train]
            return self.registry.register(
                folder,
                ModelRecord(
                    business_date=self.day.isoformat(),
                    identity=hashlib.sha256(repr((self.day, *made_from, digest(folder))).encode()).hexdigest(),
                    inputs=list(model.features),
                    parameters={
                        "family": model.family(),
                        **model.parameters,
                        "seed": given.seed,
                        "examples": examples,
                        "label_weeks_from_closes": " ".join(map(str, self.weeks.train)),
                        HOLDOUT: " ".join(map(str, self.weeks.holdout)),
                    },
                    tables={
                        name: self.tables.version(name)
                        for name in ("transactions", "products", "offers", "training_examples")
                    },
                    metrics=found.metrics(),
                    tags={"nightcart.title": model.title, "nightcart.code": code_version()},
                    description=f"{model.title} of the night of {self.day}.",
                ),
            )

    def decide(self, model: Model, challenger: ModelVersion, holdout: Sequence[pd.DataFrame]) -> int:
        """Judge the challenger, ask the policy, record the decision, and return the version of the champion."""
        settings = self.settings
        before = self.operations.champion_as_of(self.day - dt.timedelta(days=1))
        baselines = [Model.create(family) for family in settings.model.baselines]
        judgement = judge(
            holdout,
            self.weeks.holdout,
            candidate=(f"challenger (version {challenger.version})", model),
            baselines={baseline.title: baseline for baseline in baselines},
            champion=(f"champion (version {before})", self.load(before)) if before is not None else None,
            work=self.lifecycle,
        )
        candidate = Candidate.of(challenger, GROCERY)
        asked = question(NIGHT, self.day, candidate, GROCERY, judgement=judgement, health=DataHealth())
        answer = self.policy.ask(PACKAGE, asked)
        after = challenger.version if answer.is_allowed else before
        if after is None:
            raise SystemExit("The challenger may not become champion, and there is none.")
        self.operations.record(
            PromotionRecord(
                business_date=self.day,
                challenger=challenger.version,
                champion_before=before,
                champion_after=after,
                is_promoted=answer.is_allowed,
                reasons=reasons(answer, judgement, GROCERY),
                numbers=judgement.numbers(subjects="households", slice_metric="recall")
                | {"policy_digest": answer.digest},
                decided_at=dt.datetime.now(dt.UTC),
                run_id="bare",
            ),
            answer.on_record(subject=f"version {challenger.version}", run_id="bare", now=dt.datetime.now(dt.UTC)),
        )
        if after != before:
            if before is not None:
                self.registry.point(PREVIOUS, before)
            self.registry.point(CHAMPION, after)
        return after

    def load(self, version: int) -> Model:
        """A model as the registry has it."""
        with self.registry.files(self.registry.version(version)) as folder:
            return Model.load(folder)

    def score(self, champion: int) -> None:
        """Score every household with the champion and write the lists."""
        import ibis

        tables, given = self.tables, self.settings.model
        built = definitions.FeatureTables.of(
            lambda name: tables.read(name, since=self.day, until=self.day).drop("business_date")
        )
        sold = placed(built.product, tables).to_pandas()
        answer = self.policy.ask(allowed.PACKAGE, allowed.question(self.day, sold))
        now = dt.datetime.now(dt.UTC)
        self.operations.record(answer.on_record(subject=f"recommendations of {self.day}", run_id="bare", now=now))
        denied = ibis.memtable(allowed.denied(answer, sold))
        found = candidates(built, own=given.candidates, new=given.new_candidates, denied=denied)
        frame = found.order_by("household_id", "product_id").to_pyarrow().to_pandas()
        places = {"explore": given.explore_places, "places": given.places_a_subcategory}
        frame = in_subcategories(frame, built.product)
        personal = lists.personal(frame, self.load(champion).score(frame), k=given.top_k, **places)
        served = set(frame["household_id"].unique())
        listed = tables.read("households").household_id.to_pyarrow().to_pylist()
        popular = best_sellers(built, most=given.top_k, denied=denied, places=given.places_a_subcategory)
        popular = popular.select("product_id", "buyers_month").to_pandas()
        others = lists.fallback(popular, [*sorted(set(listed) - served), None])
        rows = lists.joined(personal, others, business_date=self.day, model_version=champion)
        tables.replace_days("recommendations", rows, days=[self.day])

    def look_back(self) -> None:
        """What earlier lists were worth."""
        tables, rule, rows = self.tables, self.settings.promotion, []
        made = tables.rows_by_day("recommendations")
        for horizon, length in realised.HORIZONS.items():
            recommended_on = self.day - dt.timedelta(days=length)
            if not made.get(recommended_on):
                continue
            recommended = tables.read("recommendations", since=recommended_on, until=recommended_on)
            lines = tables.read("transactions", since=recommended_on + dt.timedelta(days=1), until=self.day)
            bought = baskets_after(purchases(lines, tables.read("products")), as_of=recommended_on, days=length)
            rows += realised.summary(
                realised.realised_lists(recommended, bought, k=self.settings.model.ranked_places),
                business_date=self.day,
                recommended_on=recommended_on,
                horizon=horizon,
                model_version=int(recommended.model_version.max().execute()),
                samples=rule.bootstrap_samples,
                confidence=rule.confidence,
                seed=self.settings.model.seed,
            )
        tables.replace_days("realised_performance", realised.table(rows), days=[self.day])


def take_in(settings: Settings, feeds: FeedReader, tables: TableStore, *, since: dt.date, until: dt.date) -> None:
    """Transactions of `since` … `until` with their quarantine, products and households: read, cleaned, written."""
    if settings.products is None or settings.households is None:
        raise SystemExit("This script knows retailers with a catalogue and a household file, as the demo has.")
    feed, days = settings.transactions, [since + dt.timedelta(days=n) for n in range((until - since).days + 1)]
    delivered, _ = feeds.read(
        feed, engine=tables.engine, columns=cleaning.source_columns(feed), days=days if feed.is_dated else ()
    )
    cleaned = cleaning.clean(
        delivered,
        feed,
        timezone=settings.timezone,
        first_day=settings.first_business_day,
        last_day=settings.last_business_day or until,
        since=since,
        until=until,
    )
    tables.replace_days("transactions_quarantine", cleaned.quarantine, days=days, undated=not feed.is_dated)
    tables.replace_days("transactions", cleaned.transactions, days=days)
    products, _ = feeds.read(settings.products, engine=tables.engine, columns=[])
    tables.replace("products", catalogue.products(products, settings.products))
    households, _ = feeds.read(settings.households, engine=tables.engine, columns=[])
    tables.replace("households", catalogue.households(households, settings.households))


def given(column: str) -> Expectation:
    return Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": column})


def unique_and_given(column: str) -> list[Expectation]:
    return [given(column), Expectation(type="expect_column_values_to_be_unique", kwargs={"column": column})]


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Say how long a part of the night took."""
    start = time.perf_counter()
    yield
    print(f"{name:<20}{time.perf_counter() - start:>8.2f} s", flush=True)


if __name__ == "__main__":
    BareNight(dt.date.fromisoformat(sys.argv[1]), load_settings()).run()
