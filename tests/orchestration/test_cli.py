"""The command line as it is typed: a process of its own, a state of its own."""

from __future__ import annotations

import datetime as dt
import html
import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import tomlkit

from orchestration.cli.launch import undone
from tests.support.command_line import Nightcart
from tests.support.retailer import HOSTILE_DEPARTMENT, HOSTILE_HOUSEHOLDS, HOSTILE_NAMES

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 1, 31)


@pytest.fixture
def nightcart(tmp_path: Path) -> Nightcart:
    return Nightcart(tmp_path / "state")


def test_help_shows_every_command_and_wrong_usage_is_told(nightcart: Nightcart) -> None:
    (code, out, _), drop, without, wrong = nightcart.several(
        ("--help",), ("drop",), ("nightly",), ("nightly", "--date", "tomorrow")
    )
    assert code == 0
    for command in (
        "demo",
        "nightly",
        "backfill",
        "replay",
        "drop",
        "recommend",
        "models",
        "drift",
        "status",
        "init",
        "use",
        "benchmark",
        "rebuild",
        "check",
        "override",
        "watch",
        "retrain",
        "decisions",
        "promote",
        "rollback",
        "reconcile",
        "explain",
        "card",
        "policy",
        "audit",
        "forget",
    ):
        assert re.search(rf"^\W*{command} ", out, re.MULTILINE), command
    assert "not the demo" in drop[2]
    assert without[0] == 2
    assert wrong[0] == 2


def test_before_anything_ran_every_view_says_what_to_do(nightcart: Nightcart) -> None:
    status, *views, night = nightcart.several(
        ("status",),
        ("models",),
        ("drift",),
        ("recommend", "H-0001"),
        ("explain", "H-0001", "2024-05-06"),
        ("card",),
        ("rollback", "--reason", "why not"),
        ("forget", "nobody", "--reason", "why not"),
        ("decisions",),
        ("retrain", "--reason", "why not"),
        ("nightly", "--date", "2023-12-31"),
    )
    assert status[0] == 0
    assert "nightcart backfill" in status[1]
    for code, _, err in views:
        assert code == 1
        assert "Remedy:" in err
        assert "Traceback" not in err
    assert night[0] == 1
    assert "2024-01-01 … 2024-05-19" in night[2]


def test_a_night_that_fails_says_what_that_means_and_the_watch_ends_with_one(tmp_path: Path) -> None:
    own = Path(os.environ["NIGHTCART_CONFIG"])
    document = tomlkit.parse(own.read_text(encoding="utf-8"))
    document["transactions"]["path"] = f"{tmp_path}/{{date}}.csv"  # pyright: ignore[reportIndexIssue]
    (tmp_path / "silent.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    nightcart = Nightcart(tmp_path / "state", tmp_path / "silent.toml")
    code, out, err = nightcart("nightly", "--date", "2024-05-06")
    assert code == 1
    assert "There are no lists yet: until a first night is good, nobody gets any." in out
    assert "There is no file for 2024-05-06" in err
    assert "Traceback" not in err
    code, out, _ = nightcart("watch")
    assert code == 1
    assert "refusal: The night of 2024-05-06 was refused" in out
    assert "Next: mend what it names, then `nightcart nightly --date 2024-05-06`" in out


def test_a_history_and_a_night_from_the_command_line(nightcart: Nightcart) -> None:
    code, out, _ = nightcart("backfill", "--from", "2024-01-01", "--to", "2024-03-03", "--dry-run")
    assert code == 0
    assert "63 days, 0 done, 63 to make in 1 run" in out
    assert not (nightcart.state / "tables").exists()

    code, _, err = nightcart("backfill", "--from", "2024-01-01", "--to", "2024-03-03")
    assert code == 0, err
    again, (code, out, err) = nightcart.several(
        ("backfill", "--from", "2024-01-01", "--to", "2024-03-03"), ("replay", "--days", "1")
    )
    assert "63 done, 0 to make" in again[1]
    assert code == 0, err
    assert "night 1 of 1: Monday 2024-03-04" in out
    assert "Retraining: no. The model was trained tonight already." in out

    # A training that fails is told, and takes nothing from the night.
    code, out, err = nightcart("retrain", "--reason", "a new leaflet", "--later")
    assert code == 0, err
    assert "The daemon carries it out" in out
    nightcart.environment["NIGHTCART_MODEL__FAMILY"] = "no.where:Model"
    code, out, _ = nightcart("nightly", "--date", "2024-03-04")
    del nightcart.environment["NIGHTCART_MODEL__FAMILY"]
    assert code == 0
    assert "is done" in out
    assert "attempt 1 of 4" in out
    assert "no.where:Model" in out
    decisions, own, checked, nobodys, models, status, why, card, trail = nightcart.several(
        ("decisions",),
        ("recommend", "H-0007"),
        ("check", "transactions", "--from", "2024-03-03", "--to", "2024-03-04"),
        ("recommend", "nobody"),
        ("models",),
        ("status",),
        ("explain", "H-0007", "2024-03-04"),
        ("card",),
        ("audit", "verify"),
    )
    for code, _, err in (decisions, own, checked, nobodys, models, status, why, card, trail):
        assert code == 0, err
    for said in ("2024-03-04", "trained tonight already", "a new leaflet", "1: failed", "failed, tried again"):
        assert said in decisions[1], said
    assert "No." in own[1]  # by name
    assert "fallback" not in own[1]
    assert "transactions_are_fit_to_use" in checked[1]
    assert "Nothing is known of household nobody" in nobodys[1]
    assert "champion" in models[1]
    assert "transactions v" in models[1]
    assert "nightcart replay --days 76" in status[1]
    assert "published: the lists of 2024-03-04, for 2024-03-05" in status[1]
    assert "the model gives the same scores" in why[1]
    assert "Known limits" in card[1]
    assert "all as they were recorded" in trail[1]

    # What looks like markup is shown as it is: in titles, cells and sentences, in errors, on the card and its page.
    page = nightcart.state / "card.html"
    for household in HOSTILE_HOUSEHOLDS.values():
        listed, explained, unknown, erasure = nightcart.several(
            ("recommend", household),
            ("explain", household, "2024-03-04"),
            ("recommend", f"nobody {household}"),
            ("forget", household, "--dry-run"),
        )
        for code, out, err in (listed, explained, unknown, erasure):
            assert code == 0, err
            assert "Traceback" not in out + err
        for _, out, _ in (listed, explained, unknown):
            assert household in out
        assert [name for name in HOSTILE_NAMES if name in listed[1]]
    (code, _, err), card = nightcart.several(("card", "1", "--html", str(page)), ("card", "1"))
    assert code == 0, err
    assert HOSTILE_DEPARTMENT in " ".join(card[1].split())
    cells = re.findall(r"<td>(.*?)</td>", page.read_text(encoding="utf-8"))
    place = cells.index(f"department: {html.escape(HOSTILE_DEPARTMENT)}")
    assert [bool(re.fullmatch(r"\d+", cells[place + 1])), bool(re.fullmatch(r"0\.\d{4}", cells[place + 2]))] == [
        True,
        True,
    ]
    assert "http://" not in page.read_text(encoding="utf-8")

    looks = (
        ("status",),
        ("recommend", "H-0007"),
        ("models",),
        ("decisions",),
        ("drift",),
        ("card",),
        ("audit", "verify"),
    )
    reports = [json.loads(out) for _, out, _ in nightcart.several(*((*look, "--json") for look in looks))]
    state, own, models, decided, drift, card, trail = reports
    assert {asset["name"]: asset["newest_day"] for asset in state["assets"]}["recommendations"] == "2024-03-04"
    assert "nightcart replay --days 76" in " ".join(state["advice"])
    assert [place["rank"] for place in own["places"]] == list(range(1, len(own["places"]) + 1))
    assert [version["aliases"] for version in models["versions"]] == [["champion"]]
    assert [entry["state"] for entry in decided["decisions"]][-1] == "failed, tried again"
    assert drift["nights"][-1] == "2024-03-04"
    assert (card["version"], trail["flaws"]) == (1, [])


def test_a_retailer_with_nothing_but_household_product_and_date_gets_its_lists(tmp_path: Path) -> None:
    own = tomllib.loads(Path(os.environ["NIGHTCART_CONFIG"]).read_text(encoding="utf-8"))
    wanted = {"household_id": "customer", "product_id": "article", "occurred_at": "bought_at"}
    kept = {
        key: own[key]
        for key in ("timezone", "first_business_day", "last_business_day", "closed_days", "model", "promotion")
    }
    document = tomlkit.document()
    document.update({"name": "bare", "title": "Bare Minimum", **kept})
    document["transactions"] = {
        "path": own["transactions"]["path"],
        "columns": wanted,
        "contract": {"is_product_once_a_basket": False},
    }
    (tmp_path / "bare.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    nightcart = Nightcart(tmp_path / "state", tmp_path / "bare.toml")

    days, everything = ("--from", "2024-01-01", "--to", "2024-02-18"), ("--assets", "group:ingestion")
    # The second finds all days, but not all tables.
    assert [code for code, _, _ in nightcart.several(("backfill", *days), ("backfill", *days, *everything))] == [0, 0]
    # The catalogue of a retailer without one is what was sold, tonight included.
    assert {row["product_id"] for row in nightcart.rows("products")} == {
        row["product_id"] for row in nightcart.rows("transactions")
    }
    (code, _, err), own, (_, out, _) = nightcart.several(
        ("nightly", "--date", "2024-02-19"), ("recommend", "H-0007"), ("status",)
    )
    assert code == 0, err
    assert "P-0" in own[1]  # names are identifiers
    for line in ("no [products]", "no transactions.columns.sales_value", "no transactions.columns.basket_id"):
        assert line in out


CHILDREN = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}
CHECKS = {"a": ["fit"], "b": [], "c": [], "d": []}


def _undone(done: dict[str, set[str]], together: list[set[str]] | None = None) -> set[str]:
    return undone(children=CHILDREN, made_together=together or [], checks=CHECKS, done=done)  # pyright: ignore


def test_what_was_made_and_checked_is_not_made_again() -> None:
    assert _undone({"a": {"fit"}, "b": set()}) == {"c", "d"}


def test_what_failed_a_check_is_made_again_with_all_that_follows() -> None:
    assert _undone({"a": set(), "b": set(), "c": set(), "d": set()}) == {"a", "b", "c", "d"}


def test_what_is_made_in_one_step_is_made_together() -> None:
    assert _undone({"a": {"fit"}, "b": set()}, [{"b", "c"}]) == {"b", "c", "d"}


def test_nothing_is_left_of_a_whole_night() -> None:
    assert _undone({"a": {"fit"}, "b": set(), "c": set(), "d": set()}) == set()


def test_quality_is_measured_on_the_retailers_own_data(nightcart: Nightcart, tmp_path: Path) -> None:
    arguments = (
        "--weeks",
        "1",
        "--to",
        "2024-02-18",
        "--rivals",
        "PersonalTopFrequency",
        "--out",
        str(tmp_path / "out"),
    )
    nobody, (code, out, err) = nightcart.several(
        ("benchmark", "quality", "--rivals", "Nobody"), ("benchmark", "quality", *arguments)
    )
    assert code == 0, err
    rows = (tmp_path / "out" / "quality.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        [method, truth] for truth in ("week", "next") for method in ("two-stage LightGBM", "P-TopFreq")
    ]
    assert (tmp_path / "out" / "quality.png").stat().st_size > 10_000
    assert "Places for discoveries alone" in out
    assert nobody[0] == 1
    assert "Nobody" in nobody[2]
