"""`nightcart policy`: shown, tested, and what it decided."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest

from resources import home
from resources.errors import Refused
from resources.policy.client import Policy
from resources.records.lifecycle import PolicyDecision


@pytest.fixture
def policy_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(home.PROJECT / "config" / "policy", tmp_path / "policy"))


def test_tests_of_the_policy_are_listed_and_pass(run):
    result = run("policy", "test")
    assert result.exit_code == 0
    assert "promotion_test.rego" in result.stdout
    assert "pass tie with the champion" in result.stdout
    assert "0 failed" in result.stdout


def test_one_that_fails_is_told_and_is_the_exit_code(run, policy_folder: Path):
    rules = policy_folder / "promotion.rego"
    rules.write_text(rules.read_text().replace("fewest_households := 30", "fewest_households := 31"))
    result = run("policy", "test")
    assert result.exit_code == 1
    assert "FAIL enough households exactly" in result.stdout
    assert "1 failed" in result.stdout
    result = run("policy", "test", "--json")
    assert (result.exit_code, json.loads(result.stdout)["failed"]) == (1, 1)


def test_policy_that_does_not_parse_is_refused(run, policy_folder: Path):
    (policy_folder / "promotion.rego").write_text("package nightcart.promotion\n\nallow if {\n")
    with pytest.raises(Refused, match="does not parse"):
        run("policy", "test")


def test_rules_are_shown_as_they_stand_with_their_digest(run, policy_folder: Path):
    result = run("policy", "show")
    assert result.exit_code == 0
    assert "largest_calibration_error := 0.05" in result.stdout
    assert 'restricted_departments := {"SPIRITS"}' in result.stdout
    assert "test_all_is_well" not in result.stdout
    digest = Policy(folder=str(policy_folder)).digest()
    assert digest in result.stdout
    assert json.loads(run("policy", "show", "--json").stdout)["digest"] == digest


def test_decisions_are_shown_with_the_rules_that_denied(run, operations):
    with pytest.raises(Refused, match="has not been asked yet"):
        run("policy", "decisions")
    for number, override in ((6, None), (7, {"by": "ada", "reason": "the old one is broken"})):
        operations.record(
            PolicyDecision(
                package="nightcart.promotion",
                subject=f"version {number}",
                question={"override": override},
                is_allowed=bool(override),
                fired=[{"rule": "labels_are_fresh", "says": f"{n} days"} for n in range(22, 27)],
                policy_digest="abcdef0123456789",
                run_id="run",
                decided_at=dt.datetime(2024, 4, 1, 2, tzinfo=dt.UTC),
            )
        )
    result = run("policy", "decisions")
    assert "labels_are_fresh: 22 days; 23 days; 24 days; and 2 more" in result.stdout
    assert "let through by ada: the old one is broken" in result.stdout
    answers = json.loads(run("policy", "decisions", "--json").stdout)["answers"]
    assert [(one["subject"], one["is_allowed"], len(one["fired"])) for one in answers] == [
        ("version 6", False, 5),
        ("version 7", True, 5),
    ]
    assert "version 6" not in run("policy", "decisions", "--last", "1").stdout
    with pytest.raises(Refused, match=r"nightcart\.recommendation has not been asked"):
        run("policy", "decisions", "--package", "nightcart.recommendation")
