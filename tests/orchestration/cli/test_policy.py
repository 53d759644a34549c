"""`nightcart policy`: shown, tested, and what it decided."""

from __future__ import annotations

import datetime as dt
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestration.cli import app, screens
from resources import home
from resources.config.loader import load_settings
from resources.errors import Refused
from resources.policy.client import Policy
from resources.records.lifecycle import PolicyDecision
from resources.resources import build_resources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(home.PROJECT / "config" / "policy", tmp_path / "policy"))


@pytest.fixture
def run(folder: Path, operations, monkeypatch: pytest.MonkeyPatch):
    """A command of the policy in `folder`: its exit code and what it shows."""
    reached = replace(build_resources(load_settings()), operations=operations, policy=Policy(folder=str(folder)))
    monkeypatch.setattr("orchestration.cli.adapters.adapters", lambda: reached)

    def run(*arguments: str) -> tuple[int, str]:
        text = io.StringIO()
        monkeypatch.setattr(screens, "console", Console(file=text, width=200, highlight=False))
        result = CliRunner().invoke(app, ["policy", *arguments])
        if isinstance(result.exception, Refused):
            raise result.exception
        return result.exit_code, text.getvalue()

    return run


def test_tests_of_the_policy_are_listed_and_pass(run):
    code, text = run("test")
    assert code == 0
    assert "promotion_test.rego" in text
    assert "pass tie with the champion" in text
    assert "0 failed" in text


def test_one_that_fails_is_told_and_is_the_exit_code(run, folder: Path):
    rules = folder / "promotion.rego"
    rules.write_text(rules.read_text().replace("fewest_households := 30", "fewest_households := 31"))
    code, text = run("test")
    assert code == 1
    assert "FAIL enough households exactly" in text
    assert "1 failed" in text


def test_policy_that_does_not_parse_is_refused(run, folder: Path):
    (folder / "promotion.rego").write_text("package nightcart.promotion\n\nallow if {\n")
    with pytest.raises(Refused, match="does not parse"):
        run("test")


def test_rules_are_shown_as_they_stand_with_their_digest(run, folder: Path):
    code, text = run("show")
    assert code == 0
    assert "largest_calibration_error := 0.05" in text
    assert 'restricted_departments := {"SPIRITS"}' in text
    assert "test_all_is_well" not in text
    assert Policy(folder=str(folder)).digest() in text


def test_decisions_are_shown_with_the_rules_that_denied(run, operations):
    with pytest.raises(Refused, match="has not been asked yet"):
        run("decisions")
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
    _, text = run("decisions")
    assert "labels_are_fresh: 22 days; 23 days; 24 days; and 2 more" in text
    assert "let through by ada: the old one is broken" in text
    assert "version 6" not in run("decisions", "--last", "1")[1]
    with pytest.raises(Refused, match=r"nightcart\.recommendation has not been asked"):
        run("decisions", "--package", "nightcart.recommendation")
