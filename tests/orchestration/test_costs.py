"""What the runs of a shop cost: by step, with all that is around them, in the reports and in the UI."""

from __future__ import annotations

import datetime as dt
import json
import os
import time

import dagster as dg
import pytest

from assets.quality.costs import settle_the_end
from orchestration.reports.costs import costs
from resources.config.costs import CostsConfig
from resources.errors import Refused
from resources.metering import unaccounted
from resources.records.costs import StepCost
from tests.support.shop import NIGHT, CornerShop


def test_the_parts_of_a_run_are_all_that_it_cost(after_a_night: CornerShop) -> None:
    shop = after_a_night
    unaccounted()
    before = sum(os.times()[:4])
    result = shop.run(
        "backfill", NIGHT, asset_selection=[dg.AssetKey("realised_performance"), dg.AssetKey("retraining_decision")]
    )
    until = time.process_time() + 0.2
    while time.process_time() < until:  # what a command shows of it
        pass
    for _ in range(2):
        settle_the_end()
    whole = sum(os.times()[:4]) - before
    assert result.success
    found = shop.operations.costs(run_id=result.run_id)
    assert {cost.step for cost in found} == {"realised_performance", "retraining_decision", StepCost.AROUND}
    assert sum(cost.cpu_seconds for cost in found) == pytest.approx(whole, rel=0.01, abs=0.03)  # ticks of 10 ms
    event = result.asset_materializations_for_node("realised_performance")[0]
    (own,) = (cost for cost in found if cost.step == "realised_performance")
    assert event.metadata["cost/cpu_seconds"].value == pytest.approx(own.cpu_seconds, abs=1e-5)
    assert event.metadata["cost/usd"].value == pytest.approx(CostsConfig().price(own), abs=1e-5)
    (check,) = (each for each in result.get_asset_check_evaluations() if each.check_name == "cost_is_usual")
    assert check.passed


def test_parts_add_up_to_their_night_in_the_report(after_a_night: CornerShop) -> None:
    report = costs(after_a_night.operations, CostsConfig(), nights=3)
    (night,) = report.nights
    assert night.name == str(NIGHT)
    for number in ("cost", "cpu_seconds", "gib_seconds", "written_mib"):
        assert sum(getattr(part, number) for part in report.parts) == pytest.approx(getattr(night, number))
    assert sum(part.share for part in report.parts) == pytest.approx(1)
    assert {"features", "challenger", "recommendations", StepCost.AROUND} <= {part.name for part in report.parts}
    assert report.training is not None
    assert 0 < report.training.cost < night.cost
    assert report.thousand_recommendations is not None
    assert json.loads(report.as_json())["currency"] == "USD"


def test_before_the_first_night_there_is_nothing_to_tell(operations) -> None:
    with pytest.raises(Refused, match="not known yet"):
        costs(operations, CostsConfig())


def test_costs_are_no_records_of_the_audit_trail(operations) -> None:
    cost = StepCost(
        run_id="1", job="nightly", step="features", business_date=NIGHT, cpu_seconds=1, ended_at=dt.datetime.now(dt.UTC)
    )
    operations.spent(cost)
    assert operations.costs(since=NIGHT, until=NIGHT, job="nightly") == [cost]
    assert operations.nights_with_costs(5) == [NIGHT]
    assert operations.nights_with_costs(5, before=NIGHT) == []
    assert operations.trail() == []
