"""Nights of the corner shop on a real instance, real tables and a real MLflow, told as stories."""

from __future__ import annotations

import csv
import datetime as dt
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.grocery.domain import GROCERY
from assets.grocery.profiles.reference import Reference
from assets.grocery.publication.served import served_now
from assets.grocery.scoring.checks import champions_of
from assets.grocery.scoring.explanation import explain
from assets.grocery.tables import FEATURES
from assets.grocery.training.models.recommender import Recommender
from assets.grocery.training.reference import reference
from assets.lifecycle import card
from assets.lifecycle.champion import PROBABILITIES, serving
from assets.lifecycle.manual import Person, promote, roll_back
from assets.lifecycle.training import REFERENCE
from assets.lifecycle.versions import SAMPLE, registration
from orchestration.alerting.probes import ProbeContext
from orchestration.alerting.watch import watch
from orchestration.cli import launch
from orchestration.cli.decide import override
from orchestration.definitions import build_defs
from orchestration.runs.nights import runs_of_night
from resources.config.loader import load_settings
from resources.days import ONE_DAY
from resources.errors import Damaged, Refused
from resources.feeds.reader import FeedReader
from resources.models.registry import CHAMPION, ModelRecord, ModelRegistry
from resources.models.version import ModelVersion
from resources.records.lifecycle import Attempt, PolicyDecision, RetrainingRequest, Signal
from resources.records.publication import Publication
from resources.resources import build_resources
from tests.support.notifier import RecordingNotifier
from tests.support.shop import NIGHT, TOMORROW, CornerShop, failures


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {e.check_name: e.description or "" for e in result.get_asset_check_evaluations() if not e.passed}


def materialised(result: dg.ExecuteInProcessResult) -> set[str]:
    return {e.asset_key.to_user_string() for e in result.get_asset_materialization_events() if e.asset_key}


# A whole night


def test_every_household_gets_a_full_list_of_that_nights_champion(after_a_night: CornerShop) -> None:
    rows = after_a_night.rows("recommendations", NIGHT)
    known = {row["household_id"] for row in after_a_night.rows("household_features", NIGHT)}
    personal = [row for row in rows if not row["is_fallback"]]
    assert {row["household_id"] for row in personal} == known
    assert len(personal) == load_settings().model.top_k * len(known)
    assert {row["model_version"] for row in rows} == {after_a_night.registry.aliased(CHAMPION)}
    assert {row["household_id"] for row in rows if row["is_fallback"]} == {None}
    decided = after_a_night.operations.promotions()[-1]
    assert decided.challenger == decided.champion_after
    assert {row["is_probability"] for row in rows} == {decided.numbers[PROBABILITIES]}


def explained(shop: CornerShop, household: str, day: dt.date = NIGHT):
    return explain(
        household,
        day,
        settings=load_settings(),
        tables=shop.tables,
        registry=shop.registry,
        operations=shop.operations,
    )


def test_an_explanation_agrees_with_the_raw_feed_and_with_the_model(after_a_night: CornerShop) -> None:
    household = next(row["household_id"] for row in after_a_night.rows("recommendations", NIGHT) if row["is_repeat"])
    found = explained(after_a_night, household)
    bought: dict[str, set[dt.date]] = {}
    for file in after_a_night.feed.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            for line in csv.DictReader(lines):
                if line["customer"] == household and dt.date.fromisoformat(file.stem) <= NIGHT:
                    bought.setdefault(line["article"], set()).add(dt.date.fromisoformat(file.stem))
    assert [place.rank for place in found.places] == list(range(1, load_settings().model.top_k + 1))
    for place in found.places:
        assert {each["business_date"] for each in place.bought} == bought.get(place.product_id, set())
    assert found.is_reproduced
    assert found.model["version"] == after_a_night.registry.aliased(CHAMPION)
    assert found.champion["in_the_night_of"] == NIGHT
    assert found.champion["reasons"]
    assert set(found.tables) >= {"transactions", "products", "household_product_features", "recommendations"}
    assert json.loads(found.as_json())["places"][0]["product_id"] == found.places[0].product_id


def test_a_household_without_a_list_of_its_own_has_the_fallback_explained(after_a_night: CornerShop) -> None:
    found = explained(after_a_night, "nobody")
    assert found.is_fallback
    assert {place.reason for place in found.places} == {"fallback"}
    with pytest.raises(Refused, match="It is not on record that lists of 2024-01-01 were made"):
        explained(after_a_night, "nobody", dt.date(2024, 1, 1))


def test_what_the_night_did_is_on_record_whole_and_in_order(after_a_night: CornerShop) -> None:
    kinds = [entry.kind for entry in after_a_night.operations.trail()]
    order = ["deliveries", "registrations", "promotions", "scorings", "publications"]
    assert sorted(order, key=kinds.index) == order
    assert after_a_night.operations.flaws() == []
    assert after_a_night.operations.flaws(head=after_a_night.operations.audit_head()) == []
    published = after_a_night.operations.records(Publication)[0]
    assert published.made_on == NIGHT
    assert published.model_version == after_a_night.operations.champion_as_of(NIGHT)


def test_the_card_is_complete_and_says_what_was_decided_and_by_which_rules(after_a_night: CornerShop) -> None:
    registry = after_a_night.registry
    version = registry.challenger_of(NIGHT.isoformat())
    text = registry.document(version, card.CARD)
    assert text == card.current(version, after_a_night.lifecycle())
    for part in ("What it learnt from", "How good it is", "For whom", "Known limits", "The decision", "The policy"):
        assert f"## {part}" in text or (part == "The policy" and part in text)
    assert version.tags["nightcart.digest"] in text
    assert f"| transactions | {version.tags['nightcart.table.transactions']} |" in text
    assert card.missing(json.loads(registry.document(version, card.FACTS) or ""), GROCERY) == []
    page = registry.document(version, card.PAGE)
    assert "<table>" in page
    assert "<script" not in page
    assert "{" not in text.replace("{state}", "")


def test_a_version_names_the_tables_parameters_and_code_that_it_came_from(after_a_night: CornerShop) -> None:
    version = after_a_night.registry.challenger_of(NIGHT.isoformat())
    assert version.tags["nightcart.table.transactions"] == str(after_a_night.tables.version("transactions"))
    assert version.parameters["trees"] == "30"
    assert version.parameters["seed"] == str(load_settings().model.seed)
    assert version.tags["nightcart.code"].startswith("0.")
    with after_a_night.registry.files(version) as folder:
        assert {file.suffix for file in folder.iterdir()} == {".json", ".txt"}  # nothing pickled


def test_the_same_night_again_changes_nothing(after_a_night: CornerShop) -> None:
    before = after_a_night.rows("recommendations", NIGHT)
    decisions = after_a_night.operations.promotions()
    assert after_a_night.night(NIGHT).success
    assert after_a_night.rows("recommendations", NIGHT) == before
    assert after_a_night.operations.promotions() == decisions
    assert len([v for v in after_a_night.registry.versions() if v.tags["nightcart.title"] == "two-stage LightGBM"]) == 1


def test_label_weeks_end_by_the_day_and_are_made_once(after_a_night: CornerShop) -> None:
    weeks = after_a_night.tables.rows_by_day("training_examples")
    assert max(filter(None, weeks)) == NIGHT - dt.timedelta(days=7)
    version = after_a_night.tables.version("training_examples")
    job = after_a_night.defs.resolve_job_def("backfill")
    again = job.execute_in_process(
        instance=after_a_night.instance,
        partition_key=NIGHT.isoformat(),
        asset_selection=[dg.AssetKey("training_examples")],
    )
    event = again.asset_materializations_for_node("training_examples")[0]
    assert event.metadata["weeks_made"].value == 0
    assert event.metadata["weeks_kept"].value == 3
    assert after_a_night.tables.version("training_examples") == version


def test_yesterdays_lists_are_compared_with_todays_baskets(after_two_nights: CornerShop) -> None:
    rows = after_two_nights.rows("realised_performance", TOMORROW)
    metrics = ("recall", "ndcg", "hit_rate", "explore_hit_rate")
    assert {(row["horizon"], row["metric"]) for row in rows} == {("day", metric) for metric in metrics}
    bought = {row["household_id"] for row in after_two_nights.rows("transactions", TOMORROW)}
    assert 0 < rows[0]["households"] <= len(bought)


def twin_of_the_champion(shop: CornerShop) -> ModelVersion:
    """The champion's files once more, as a version of its own of the next night: what a training would leave."""
    (champion,) = [version for version in shop.registry.versions() if CHAMPION in version.aliases]
    documents = {name: shop.registry.document(champion, name) or "" for name in (SAMPLE, REFERENCE, card.FACTS)}
    with shop.registry.files(champion) as folder:
        record = ModelRecord(
            business_date=TOMORROW.isoformat(),
            identity="a twin",
            inputs=["purchases"],
            parameters=champion.parameters,
            documents=documents,
            tags={"nightcart.title": champion.tags["nightcart.title"]},
        )
        twin = shop.registry.register(folder, record)
    shop.operations.record(registration(twin, run_id="twin", now=dt.datetime.now(dt.UTC)))
    return twin


def test_a_twin_of_the_champion_is_a_tie_with_it_and_does_not_move_the_alias(after_two_nights: CornerShop) -> None:
    shop, champion = after_two_nights, after_two_nights.registry.aliased(CHAMPION)
    twin = twin_of_the_champion(shop)
    with pytest.raises(Refused, match=r"better_than_the_champion.*\+0.0000 \[\+0.0000, \+0.0000\]"):
        promoting(shop, twin.version)
    (asked,) = shop.operations.records(PolicyDecision, subject=f"version {twin.version}")
    assert not asked.is_allowed
    assert shop.registry.aliased(CHAMPION) == champion
    assert shop.operations.champion_as_of(TOMORROW) == champion


# Training anew


def test_an_ordinary_night_trains_nothing_and_is_served_by_the_champion_of_an_earlier_one(
    after_two_nights: CornerShop,
) -> None:
    assert [record.business_date for record in after_two_nights.operations.promotions()] == [NIGHT]
    versions = {row["model_version"] for row in after_two_nights.rows("recommendations", TOMORROW)}
    assert versions == {after_two_nights.registry.aliased(CHAMPION)}
    (decision,) = after_two_nights.decisions(TOMORROW)
    assert not decision.is_retraining
    assert decision.reasons[0].startswith("Not before 2024-05-09: the model was trained in the night of 2024-05-06")
    # It is decided by what the watches saw.
    filters = dg.RunsFilter(job_name="nightly", tags={"dagster/partition": TOMORROW.isoformat()})
    (run,) = after_two_nights.instance.get_runs(filters)
    steps = after_two_nights.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
    keys = [step.step_key for step in steps]
    assert keys.index("drift_signals") < keys.index("retraining_decision")
    (first,) = after_two_nights.decisions(NIGHT)
    assert first.reasons == ["The model was trained tonight already."]


def test_a_wish_becomes_a_decision_a_run_and_a_champion_for_the_next_lists(after_two_nights: CornerShop) -> None:
    shop = after_two_nights
    lists, before = shop.rows("recommendations", TOMORROW), shop.operations.champion_as_of(TOMORROW)
    shop.operations.record(RetrainingRequest(reason="a new leaflet", by="ada", made_at=dt.datetime.now(dt.UTC)))
    decided = shop.decide(TOMORROW)
    event = decided.asset_materializations_for_node("retraining_decision")[0]
    newest = event.metadata["ledger"].records[0].data
    assert newest["business_date"] == "2024-05-07"
    assert newest["reasons"] == "wished by ada: a new leaflet"
    assert newest["state"] == "waiting"

    asked = shop.tick()
    assert isinstance(asked, dg.RunRequest)
    trained = shop.run("retraining", TOMORROW, tags=asked.tags)
    assert trained.success
    assert materialised(trained) == {"training_examples", "challenger", "champion"}
    skipped = shop.tick()
    assert isinstance(skipped, dg.SkipReason)
    assert "carried out" in (skipped.skip_message or "")
    assert [attempt.outcome for attempt in shop.operations.records(Attempt)] == [Attempt.ASKED, Attempt.SUCCEEDED]

    # Decided again, it stays as it is; so do the lists, which both champions may have made.
    ledger = shop.decisions(TOMORROW)
    assert shop.decide(TOMORROW).success
    assert shop.decisions(TOMORROW) == ledger
    promotion = shop.operations.promotion_as_of(TOMORROW)
    assert promotion
    assert promotion.business_date == TOMORROW
    assert shop.rows("recommendations", TOMORROW) == lists
    assert {before, promotion.champion_after} <= set(champions_of(TOMORROW, shop.operations))


def promoting(shop: CornerShop, version: int, *, is_overriding: bool = False):
    person = Person(name="ann", reason="the shops like it", day=TOMORROW, now=dt.datetime.now(dt.UTC))
    return promote(version, person, shop.lifecycle(), is_overriding=is_overriding)


def test_a_person_promotes_under_the_same_rules_and_can_let_a_version_through(after_two_nights: CornerShop) -> None:
    shop = after_two_nights
    other, champion = twin_of_the_champion(shop).version, shop.operations.promotions()[-1].champion_after
    with pytest.raises(Refused, match=rf"The policy does not allow version {other} to be champion: .*better_than"):
        promoting(shop, other)
    assert shop.operations.promotions()[-1].champion_after == champion
    record = promoting(shop, other, is_overriding=True)
    assert (record.kind, record.by, record.champion_after) == ("promote", "ann", other)
    assert shop.registry.aliased(CHAMPION) == other
    assert serving(shop.operations, TOMORROW, now=dt.datetime.now(dt.UTC)) == record
    answered = shop.operations.records(PolicyDecision, subject=f"version {other}")[-1]
    assert answered.is_allowed
    assert answered.fired
    assert answered.question["override"] == {"by": "ann", "reason": "the shops like it"}
    text = card.current(shop.registry.version(other), shop.lifecycle())
    assert "Promote by ann" in text
    # A night's own decision is not mistaken for it, nor the other way round.
    bob = Person(name="bob", reason="they do not", day=TOMORROW, now=dt.datetime.now(dt.UTC))
    back = roll_back(bob, shop.lifecycle())
    assert back.champion_after == champion
    assert shop.operations.flaws() == []


def test_a_decision_that_cannot_be_taken_costs_no_night(after_two_nights: CornerShop, monkeypatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("assets.lifecycle.retraining_ledger.choose", fail)
    ledger = after_two_nights.decisions(NIGHT)
    result = after_two_nights.decide(NIGHT)
    assert result.success
    assert materialised(result) == set()
    assert after_two_nights.decisions(NIGHT) == ledger


def test_a_lost_night_leaves_the_lists_published_and_marked(after_a_night: CornerShop) -> None:
    shop, lost = after_a_night, NIGHT + dt.timedelta(days=3)
    before = served_now(shop.tables)
    assert before
    lists = {row["household_id"]: row["product_id"] for row in shop.rows("published_recommendations")}
    assert set(lists) == {row["household_id"] for row in shop.rows("recommendations", before.made_on)}
    whole = (shop.feed / f"{lost}.csv").read_text(encoding="utf-8")
    shop.write(lost, lambda text: "")
    assert not shop.night(lost).success
    told = RecordingNotifier()
    context = ProbeContext(
        instance=shop.instance,
        repository=shop.defs.get_repository_def(),
        settings=load_settings(),
        feeds=FeedReader(raw=shop.folder / "raw"),
        tables=shop.tables,
        registry=shop.registry,
        operations=shop.operations,
        now=dt.datetime.now(dt.UTC),
    )
    watch(context, notifier=told)  # pyright: ignore[reportArgumentType]
    shop.write(lost, lambda _: whole)
    ((_, text),) = told.messages
    assert "is empty (0 bytes)" in text
    assert f"The lists of {before.made_on} stay published" in text
    after = served_now(shop.tables)
    assert after
    assert (after.made_on, after.published_for) == (before.made_on, lost + dt.timedelta(days=1))
    assert "is empty (0 bytes)" in after.carried_over_because
    rows = shop.rows("published_recommendations")
    assert {row["household_id"]: row["product_id"] for row in rows} == lists


def test_lists_that_cannot_be_read_any_more_make_way_for_good_ones(after_a_night: CornerShop) -> None:
    shop = after_a_night
    for file in Path(shop.tables.uri("published_recommendations")).glob("*.parquet"):
        file.unlink()
    with pytest.raises(Damaged):
        served_now(shop.tables)
    last = max(day for day, rows in shop.tables.rows_by_day("recommendations").items() if day and rows)
    assert shop.run("backfill", last, asset_selection=[dg.AssetKey("published_recommendations")]).success
    after = served_now(shop.tables)
    assert after
    assert after.made_on == last


def test_an_empty_registry_where_the_ledger_knows_a_champion_is_not_trained_into(
    after_a_night: CornerShop, tmp_path: Path, empty_mlflow: Path
) -> None:
    shop = after_a_night
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    other = ModelRegistry(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path.as_uri(), name="corner_shop"
    )
    resources = {"tables": shop.tables, "operations": shop.operations, "registry": other}
    job = build_defs(**resources).resolve_job_def("retraining")  # pyright: ignore[reportArgumentType]
    result = job.execute_in_process(instance=shop.instance, partition_key=str(NIGHT), raise_on_error=False)
    assert "is empty, and the ledger knows version 1" in failures(result)
    assert other.versions() == []


# Ingestion


def test_a_range_equals_its_days_one_by_one(shop: CornerShop) -> None:
    first, last = dt.date(2024, 1, 8), dt.date(2024, 1, 11)
    assert shop.take_in(first, last).success
    as_range = shop.rows("transactions")
    for day in (dt.date(2024, 1, 10), dt.date(2024, 1, 8), dt.date(2024, 1, 11), dt.date(2024, 1, 9)):
        assert shop.take_in(day, day).success
    assert shop.rows("transactions") == as_range


def test_a_closed_day_is_a_success_without_lines(shop: CornerShop) -> None:
    assert shop.take_in(dt.date(2024, 3, 30), dt.date(2024, 4, 1)).success
    assert set(shop.tables.rows_by_day("transactions")) == {dt.date(2024, 3, 30), dt.date(2024, 4, 1)}
    alone = shop.take_in(dt.date(2024, 3, 31), dt.date(2024, 3, 31))
    assert alone.success
    assert "declared closed" in alone.asset_materializations_for_node("transactions")[0].metadata["note"].value


def test_the_lines_of_a_closed_day_are_taken_in_alone_as_in_a_range_and_told(shop: CornerShop) -> None:
    closed = dt.date(2024, 3, 31)
    worked = (shop.feed / "2024-03-30.csv").read_text(encoding="utf-8").replace("2024-03-30", f"{closed}")
    (shop.feed / f"{closed}.csv").write_text(worked, encoding="utf-8")
    rows = []
    for first, last in ((closed - ONE_DAY, closed + ONE_DAY), (closed, closed)):
        result = shop.take_in(first, last)
        assert result.success
        rows.append(shop.rows("transactions", closed))
        told = [entry.user_message for entry in shop.instance.all_logs(result.run_id) if entry.level == logging.WARNING]
        assert told == [
            f"{closed} is declared closed and has {len(rows[-1])} lines: taken in. If the stores were open, take the day out "
            "of `closed_days`; if not, have the lines corrected."
        ]
    assert rows[0]
    assert rows[0] == rows[1]


def test_a_missing_day_is_refused_by_name_and_leaves_the_table_alone(shop: CornerShop) -> None:
    shop.take_in(dt.date(2024, 1, 8), dt.date(2024, 1, 9))
    before = shop.rows("transactions")
    (shop.feed / "2024-01-09.csv").unlink()
    result = shop.take_in(dt.date(2024, 1, 8), dt.date(2024, 1, 9))
    assert not result.success
    assert "2024-01-09" in failures(result)
    assert "closed_days" in failures(result)
    assert shop.rows("transactions") == before


HARM: dict[str, Callable[[str], str]] = {
    "is empty (0 bytes)": lambda text: "",
    "no lines for 2024-01-09": lambda text: text.splitlines()[0] + "\n",
    "is truncated": lambda text: text[: len(text) * 2 // 3].rsplit(",", 2)[0],
    "has no end, as the files of 2024-01-08": lambda text: text[: len(text) * 2 // 3].rsplit("\n", 1)[0],
    "lacks the column article": lambda text: text.replace("article", "sku", 1),
    "line_is_of_the_files_day": lambda text: text.replace("2024-01-09", "2024-01-19"),
    "occurred_at_is_a_time": lambda text: text.replace("2024-01-09", "yesterday"),
}


def test_a_file_that_cannot_be_trusted_is_refused_and_leaves_the_table_alone(shop: CornerShop) -> None:
    day = dt.date(2024, 1, 9)
    assert shop.take_in(day - dt.timedelta(days=1), day).success
    before, whole = shop.rows("transactions"), (shop.feed / f"{day}.csv").read_text(encoding="utf-8")
    for says, harm in HARM.items():
        shop.write(day, lambda _, harm=harm: harm(whole))
        result = shop.take_in(day, day)
        assert not result.success, says
        assert says in failures(result)
        assert "Remedy" in failures(result)
        assert shop.rows("transactions") == before


def test_a_breaking_change_is_told_against_the_last_good_day_and_in_how_many_rows(shop: CornerShop) -> None:
    good, bad = dt.date(2024, 1, 8), dt.date(2024, 1, 10)
    before = (shop.feed / f"{good}.csv").read_text(encoding="utf-8").count("\n") - 1
    assert shop.take_in(good, good).success
    shop.write(bad - dt.timedelta(days=1), lambda text: text + text.split("\n", 1)[1])  # sent twice
    twice = shop.take_in(bad - dt.timedelta(days=1), bad - dt.timedelta(days=1))
    said = failed_checks(twice)["quarantined_share_is_small"]
    assert "rows broke a rule (50.0%, 2.0% may), all by basket_is_once_in_a_file" in said
    assert "since 2024-01-08, the last good day" in said
    assert f"rows came instead of {before}" in said

    shop.write(bad, lambda text: text.replace("article", "sku", 1))
    rows = (shop.feed / f"{bad}.csv").read_text(encoding="utf-8").count("\n") - 1
    said = failures(shop.take_in(bad, bad))
    assert f"since 2024-01-08, the last good day, article is called sku, in all {rows} rows" in said


def test_a_column_that_is_new_is_told(shop: CornerShop) -> None:
    good, day = dt.date(2024, 1, 8), dt.date(2024, 1, 9)
    assert shop.take_in(good, good).success
    shop.write(
        day, lambda text: "".join(f"{line},{place or 'status'}\n" for place, line in enumerate(text.splitlines()))
    )
    result = shop.take_in(day, day)
    assert result.success
    told = [entry.user_message for entry in shop.instance.all_logs(result.run_id) if entry.level == logging.WARNING]
    assert [says.split(".")[0] for says in told] == ["No delivery before had the columns status (of 2024-01-09)"]


def test_bad_lines_are_kept_apart_and_too_many_of_them_stop_the_night(shop: CornerShop) -> None:
    day = dt.date(2024, 1, 9)
    lines = (shop.feed / f"{day}.csv").read_text(encoding="utf-8").count("\n") - 1

    def spoil(text: str) -> str:
        header, *rest = text.splitlines()
        spoilt = [line.rsplit(",", 2)[0] + ",many,1.00" if place % 3 == 0 else line for place, line in enumerate(rest)]
        return "\n".join([header, *spoilt]) + "\n"

    shop.write(day, spoil)
    result = shop.night(day)
    assert not result.success
    assert list(failed_checks(result)) == ["quarantined_share_is_small"]
    assert "all by quantity_is_a_number, such as" in failed_checks(result)["quarantined_share_is_small"]
    assert "row 1: quantity is 'many'" in failed_checks(result)["quarantined_share_is_small"]
    assert "transactions" in materialised(result)
    assert "household_features" not in materialised(result)
    assert "recommendations" not in materialised(result)
    quarantine = shop.rows("transactions_quarantine", day)
    assert {row["rule"] for row in quarantine} == {"quantity_is_a_number"}
    assert "many" in quarantine[0]["reason"]
    assert len(quarantine) + len(shop.rows("transactions", day)) == lines


def test_a_feed_sent_twice_is_told_by_its_keys(shop: CornerShop) -> None:
    day = dt.date(2024, 1, 9)
    shop.take_in(day, day)
    once = [{k: v for k, v in row.items() if k != "source_row"} for row in shop.rows("transactions", day)]
    shop.write(day, lambda text: text + text.split("\n", 1)[1])
    result = shop.take_in(day, day)
    assert list(failed_checks(result)) == ["quarantined_share_is_small"]
    twice = [{k: v for k, v in row.items() if k != "source_row"} for row in shop.rows("transactions", day)]
    assert sorted(twice, key=repr) == sorted(once, key=repr)  # no line is doubled


def test_a_day_with_a_tenth_of_its_lines_is_told_by_the_weekday(shop_with_history: CornerShop) -> None:
    shop = shop_with_history
    day = dt.date(2024, 2, 6)
    shop.write(day, lambda text: "\n".join(text.splitlines()[: len(text.splitlines()) // 10]) + "\n")
    result = shop.take_in(day, day)
    assert list(failed_checks(result)) == ["volume_is_like_the_same_weekday"]
    assert "2024-02-06" in failed_checks(result)["volume_is_like_the_same_weekday"]


def test_a_night_that_failed_a_check_goes_on_once_a_person_lets_it_through(
    shop_with_history: CornerShop, monkeypatch
) -> None:
    shop = shop_with_history
    day = dt.date(2024, 2, 6)
    shop.write(day, lambda text: "\n".join(text.splitlines()[: len(text.splitlines()) // 10]) + "\n")
    assert not shop.night(day).success
    features = [dg.AssetKey(name) for name in FEATURES]
    assert "volume_is_like_the_same_weekday failed" in failures(shop.run("nightly", day, asset_selection=features))

    reached = replace(
        build_resources(load_settings()), tables=shop.tables, operations=shop.operations, settings=load_settings()
    )
    monkeypatch.setattr("orchestration.cli.context.resources", lambda: reached)
    transactions = dg.AssetKey("transactions")
    asked = {"attempts": runs_of_night(shop.instance, day), "day": day}
    wanted = set(launch.gates_of(transactions))
    assert wanted - launch.open_gates(shop.instance, **asked)[transactions] == {"volume_is_like_the_same_weekday"}
    override("transactions", "volume_is_like_the_same_weekday", reason="the shop closed at noon")
    assert launch.open_gates(shop.instance, **asked)[transactions] == wanted
    # The catalogue was not looked at that night: its gates ask what was sold.
    result = shop.run("nightly", day, asset_selection=[dg.AssetKey("products"), *features])
    assert result.success, failures(result)


def test_a_night_without_enough_history_says_when_nights_can_begin(shop_with_history: CornerShop) -> None:
    shop = shop_with_history
    day = dt.date(2024, 1, 20)
    result = shop.night(day)
    assert not result.success
    assert "2024-02-11" in failures(result)  # 27 days, then a week to learn from and one to judge by


# Watches


def test_a_version_keeps_what_later_nights_are_compared_with(after_a_night: CornerShop) -> None:
    version = after_a_night.registry.challenger_of(NIGHT.isoformat())
    text = after_a_night.registry.document(version, REFERENCE)
    assert text
    reference = Reference.of_text(text)
    assert [day.business_date for day in reference.days][-1] == NIGHT
    assert len(reference.days) == 55  # eight weeks, without Easter Sunday
    assert list(reference.features.nights) == [NIGHT]
    assert sum(reference.lists.nights[NIGHT].of["reason"]) == load_settings().model.top_k * 120
    assert reference.promised["recall"][0] == pytest.approx(version.metrics["recall_at_10"])
    (champion,) = [v for v in after_a_night.registry.versions() if CHAMPION in v.aliases]
    assert after_a_night.registry.document(champion, REFERENCE)  # whoever it is, a baseline that stands in included


def test_every_watch_says_something_every_night_and_stops_none(after_a_night: CornerShop) -> None:
    first = after_a_night.operations.records(Signal, business_date=NIGHT)
    assert {signal.watch for signal in first} == {watch.name for watch in GROCERY.watches}
    levels = {signal.watch: signal.level for signal in first}
    # Before the first champion there is nothing to compare with; its own lists are what they were.
    assert levels == {"inputs": "unknown", "features": "unknown", "predictions": "ok", "outcomes": "unknown"}


def look(shop: CornerShop, day: dt.date) -> dg.ExecuteInProcessResult:
    """The drift checks of a day alone."""
    return shop.run("backfill", day, asset_selection=[dg.AssetKey("drift_signals")])


def test_a_day_like_the_others_is_no_alarm_and_a_broken_feed_is_one_with_its_column(after_a_night: CornerShop) -> None:
    shop, day = after_a_night, NIGHT + dt.timedelta(days=2)

    def inputs() -> Signal:
        return shop.operations.records(Signal, business_date=day, watch="inputs")[-1]

    shop.take_in(day - dt.timedelta(days=1), day)
    assert look(shop, day).success
    assert inputs().level == "ok", inputs().says
    # P-002, P-014, … are eggs; every third article is of the department FRESH
    fresh = {f"P-{number:03}" for number in range(150) if number % 12 < 5}
    shop.write(day, lambda text: "".join(f"{line}\n" for line in text.splitlines() if line.split(",")[2] not in fresh))
    assert shop.take_in(day, day).success
    result = look(shop, day)
    assert result.success
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name.startswith("day_is_like")]
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, False)
    assert "FRESH" in (found.description or "")
    assert "image/webp" in str(found.metadata["what_moved"].value)
    assert (inputs().level, inputs().details["since"]) == ("error", day.isoformat())


def test_a_watch_that_fails_loses_no_night_and_says_so(after_a_night: CornerShop, monkeypatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("assets.grocery.monitoring.watches.profiles", fails)
    day = NIGHT + dt.timedelta(days=1)
    assert after_a_night.take_in(day, day).success
    result = look(after_a_night, day)
    assert result.success
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name.startswith("day_is_like")]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    last = after_a_night.operations.records(Signal, business_date=day, watch="inputs")[-1]
    assert (last.level, last.says) == ("unknown", "It could not look: ZeroDivisionError: of all things")


def test_a_household_of_a_single_purchase_has_a_full_list_and_costs_nobody_theirs(after_a_night: CornerShop) -> None:
    shop, day = after_a_night, NIGHT + dt.timedelta(days=5)
    line = f"H-9999,R-9999,P-001,{day} 12:00:00,1,1.00\n"
    shop.write(day, lambda text: text + line)
    assert shop.take_in(TOMORROW, day - dt.timedelta(days=1)).success
    result = shop.night(day)
    shop.write(day, lambda text: text.removesuffix(line))
    assert result.success, failed_checks(result)
    mine = [row for row in shop.rows("recommendations", day) if row["household_id"] == "H-9999"]
    assert len(mine) == load_settings().model.top_k


def test_a_week_that_ends_on_a_closed_day_is_over_by_its_close(shop_with_history: CornerShop) -> None:
    shop = shop_with_history
    closed = dt.date(2024, 3, 31)
    learnt = [dg.AssetKey(name) for name in ("products", "offers", "training_examples")]
    result = shop.run("backfill", closed, asset_selection=learnt)
    assert result.success, failed_checks(result)
    assert max(filter(None, shop.tables.rows_by_day("training_examples"))) == closed - dt.timedelta(days=7)


def test_a_night_after_a_closed_day_is_no_reference_for_others(shop_with_history: CornerShop) -> None:
    shop = shop_with_history
    first, closed = dt.date(2024, 3, 29), dt.date(2024, 3, 31)
    last = closed + dt.timedelta(days=3)
    for day in (first, closed, last - ONE_DAY, last):
        made = [dg.AssetKey(name) for name in ("products", "offers", *FEATURES)]
        assert shop.run("backfill", day, asset_selection=made).success
    kept = reference(
        last,
        Recommender.create("assets.grocery.training.models.baselines:GlobalTop"),
        tables=shop.tables,
        settings=load_settings(),
        promised={},
        may_be_used=lambda night: True,
    )
    assert set(kept.features.nights) == {first, last}
    assert set(kept.lists.nights) == {last}


def test_an_explanation_stays_that_of_the_list_when_the_lines_change_later(after_two_nights: CornerShop) -> None:
    household = next(row["household_id"] for row in after_two_nights.rows("recommendations", NIGHT) if row["is_repeat"])
    before = explained(after_two_nights, household)
    lines = after_two_nights.tables.read("transactions", since=NIGHT, until=NIGHT).to_pyarrow()
    after_two_nights.tables.replace_days("transactions", lines.slice(0, 1), days=[NIGHT])
    assert explained(after_two_nights, household) == before
    # Nobody has looked at these lines: whatever is made of them is refused, until somebody has.
    refused = after_two_nights.run("retraining", TOMORROW)
    assert not refused.success
    assert f"transactions of {NIGHT}: " in failures(refused)
    assert "was made for another version of it" in failures(refused)
