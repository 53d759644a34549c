"""The whole lifecycle on a domain that is no grocery: a numeric target, its own subject, its own metric."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import dagster as dg
import pytest

from assets.lifecycle import card, checks
from assets.lifecycle.champion import serving
from assets.lifecycle.domain import Lifecycle
from assets.lifecycle.explanation import champion_facts, model_facts, policy_facts, scored_again, scoring_of
from assets.lifecycle.manual import Person, differences, promote, roll_back
from assets.lifecycle.reproduce import rebuild
from assets.lifecycle.versions import load
from assets.quality.gates import Gates
from resources import home
from resources.config.lifecycle import LifecycleSettings, ModelConfig, PromotionConfig, RetrainingConfig
from resources.errors import Refused
from resources.policy.client import Policy
from resources.records.lifecycle import RetrainingDecision, Signal
from tests.support import toy_domain
from tests.support.toy_domain import FIRST, LAST, MOVES, READINGS, SCORES, Meters

FAMILY = "tests.support.toy_domain:ByWeekday"
SETTINGS = LifecycleSettings(
    name="power",
    title="Power",
    timezone="UTC",
    first_business_day=FIRST,
    last_business_day=LAST,
    model=ModelConfig(family=FAMILY, baselines=["tests.support.toy_domain:Yesterday"]),
    promotion=PromotionConfig(metric="closeness", bootstrap_samples=200),
    retraining=RetrainingConfig(windows=1, bad_windows=1, cool_down_days=1, max_age_days=30),
)
CHECKS = dg.load_asset_checks_from_modules([toy_domain, checks])
NIGHT, AFTER = dt.date(2024, 2, 10), MOVES + dt.timedelta(days=1)
ANN = Person(name="ann", reason="try it", day=AFTER, now=dt.datetime.now(dt.UTC))


class Power:
    """The toy's assets on real stores."""

    def __init__(self, work: Lifecycle, instance: dg.DagsterInstance) -> None:
        self.work, self.instance = work, instance
        assets = dg.load_assets_from_modules([toy_domain])
        names = ("settings", "tables", "registry", "operations", "policy", "gates")
        self.defs = dg.Definitions(
            assets=assets,
            asset_checks=CHECKS,
            jobs=[dg.define_asset_job("night", selection=dg.AssetSelection.all())],
            resources={name: getattr(work, name) for name in names},
            executor=dg.in_process_executor,
        )

    def run(self, first: dt.date, *assets: str, last: dt.date | None = None) -> dg.ExecuteInProcessResult:
        """Make some assets, by default all, of a day or of a range of days."""
        days = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return self.defs.resolve_job_def("night").execute_in_process(
            partition_key=None if last else first.isoformat(),
            tags={tag: day.isoformat() for tag, day in days.items() if day} if last else {},
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
            raise_on_error=False,
        )


@pytest.fixture
def power(tables, registry, operations, instance) -> Power:
    policy = Policy(folder=str(home.PROJECT / "config" / "policy"))
    work = Lifecycle(
        domain=Meters(),
        settings=SETTINGS,
        tables=tables,
        registry=registry,
        operations=operations,
        policy=policy,
        gates=Gates.of(CHECKS),
    )
    return Power(work, instance)


def test_a_domain_goes_through_the_whole_lifecycle(power: Power) -> None:
    work, operations = power.work, power.work.operations
    assert power.run(FIRST, READINGS, last=NIGHT).success
    assert power.run(NIGHT).success

    # champion by policy: better than the baseline, in the domain's own metric and words
    (decision,) = operations.promotions()
    assert decision.is_promoted, decision.reasons
    assert decision.reasons[0] == "Promoted: closeness over 40 meters, paired interval of 95%."
    assert decision.numbers["meters"] == 40
    assert work.registry.aliases() == {"champion": 1}
    assert work.tables.rows_by_day(SCORES)[NIGHT] == 40

    # drift and retraining: usage that triples is an error, and a reason to train
    assert power.run(NIGHT + dt.timedelta(days=1), READINGS, last=MOVES).success
    result = power.run(AFTER, READINGS, SCORES, "drift_signals", "retraining_decision")
    assert result.success, result.get_failed_step_keys()
    (signal,) = operations.records(Signal, business_date=AFTER)
    assert (signal.watch, signal.level, signal.model_version) == ("usage", "error", 1)
    assert operations.records(RetrainingDecision)[-1].is_retraining
    assert operations.records(RetrainingDecision)[-1].reasons[0].startswith("usage: 1 of the last 1 nights bad")
    assert power.run(AFTER, "challenger", "champion").success

    # card, explanation, reproduction
    text = card.current(work.registry.version(1), work)
    assert text
    assert "| closeness |" in text
    assert "no weather" in text
    assert (
        "560 examples of the windows after 2024-01-21 … 2024-02-03. Judged on the windows after 2024-02-04 … 2024-02-10"
        in text
    )
    assert "| Parameters | none |" in text
    scoring = scoring_of(AFTER, operations)
    model, version = load(work.registry, work.registry.version(1)), work.registry.version(1)
    rows = work.tables.read(READINGS, since=AFTER, until=AFTER, version=scoring.tables[READINGS]).to_pandas()
    stored = work.tables.read(SCORES, since=AFTER, until=AFTER, version=scoring.tables[SCORES]).to_pandas()
    again = scored_again(model, rows, {}).set_index("meter_id")["score_again"]
    assert again.to_dict() == stored.set_index("meter_id")["score"].to_dict()
    assert model_facts(version, model)["family"] == FAMILY
    assert champion_facts(operations, scoring)["in_the_night_of"] == NIGHT
    assert policy_facts(None) == {}
    assert rebuild(version, work, from_lines=True).is_identical

    # a person, a rollback, the registry, the audit trail
    champion = serving(operations, AFTER, now=ANN.now)
    assert champion
    if champion.champion_after == 1:  # the challenger of the moved days was no better: a person insists
        assert promote(2, ANN, work, is_overriding=True).champion_after == 2
    assert roll_back(ANN, work).champion_after == 1
    assert differences(work.registry, operations) == []
    assert operations.flaws() == []


def test_a_gate_that_is_shut_stops_its_training(power: Power) -> None:
    assert power.run(FIRST, READINGS, last=NIGHT - dt.timedelta(days=1)).success
    day = NIGHT - dt.timedelta(days=3)
    power.work.tables.replace_days(
        READINGS, power.work.tables.read(READINGS, since=day, until=day).limit(5), days=[day]
    )
    result = power.run(NIGHT, READINGS, "challenger")
    assert not result.success
    failure = result.failure_data_for_node("challenger")
    assert failure
    assert "every_meter_is_read" in str(failure.user_failure_data)
    with pytest.raises(Refused, match="No version"):
        power.work.registry.challenger_of(NIGHT.isoformat())


def test_it_imports_nothing_of_grocery() -> None:
    code = "import sys, tests.support.toy_domain; print([m for m in sys.modules if m.startswith('assets.grocery')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=home.PROJECT)
    assert done.stdout.strip() == "[]"
