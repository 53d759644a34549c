"""`nightcart policy`: the rules that say what is allowed, their own tests, and what they decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import Json, console, say, show, styled, table
from orchestration.reports import governance
from resources import home

SHOWN = 3  # sentences of one rule: a rule on kinds of products has a hundred

policy = typer.Typer(
    help="The rules that say who may become champion and what may stand in a list.", no_args_is_help=True
)


@policy.command("show")
def rules(json_: Json = False) -> None:
    """The rules as they are, with their limits and reasons, for people.

    Example: `nightcart policy show`
    """
    show(governance.rules(context.resources().policy), _rules, as_json=json_)


def _rules(report: governance.Rules) -> None:
    for file, text in report.files.items():
        console.rule(styled("[bold]{}[/]", _short(file)), align="left")
        console.print(text)
    where = f"answered by the OPA server {report.server}" if report.server else "evaluated in process"
    say("[dim]{}; digest {}[/]", where, report.digest)


@policy.command("test")
def rule_tests(json_: Json = False) -> None:
    """Run the policy's own tests, and end with 1 if one fails: a policy that fails one decides nothing.

    They are the rules `test_…` in its files `…_test.rego`; `opa test` runs the same ones.

    Example: `nightcart policy test`
    """
    report = governance.rule_tests(context.resources().policy)
    show(report, _tests, as_json=json_)
    if report.failed:
        raise typer.Exit(1)


def _tests(report: governance.RuleTests) -> None:
    file = ""
    for one in report.tests:
        if one.file != file:
            file = one.file
            say("[bold]{}[/]", _short(file))
        mark = styled("[green]pass[/]" if one.has_passed else "[bold red]FAIL[/]")
        say("  {} {}", mark, one.name.removeprefix("test_").replace("_", " "))
    count = len(report.tests)
    say("{} passed, {} failed" if count else "The policy has no tests.", count - report.failed, report.failed)


@policy.command()
def decisions(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 10,
    package: Annotated[
        str | None, typer.Option(metavar="PACKAGE", help="Only of this one, such as nightcart.promotion.")
    ] = None,
    json_: Json = False,
) -> None:
    """What the policy was asked last, what it answered, and which rules denied it.

    Examples: `nightcart policy decisions`, `nightcart policy decisions --package nightcart.promotion --last 3`
    """
    show(governance.answers(context.resources().operations, last, package), _decisions, as_json=json_)


def _decisions(report: governance.Answers) -> None:
    drawn = table(*("asked at", "about", "allowed", "what rules said", "policy"), wrap=("about", "what rules said"))
    for one in report.answers:
        override = one.question.get("override")
        said = [f"let through by {override['by']}: {override['reason']}"] if override else []
        fired: dict[str, list[str]] = {}
        for denial in one.fired:
            fired.setdefault(denial["rule"], []).append(denial["says"])
        for rule, says in fired.items():
            more = f"; and {len(says) - SHOWN} more" if len(says) > SHOWN else ""
            said.append(f"{rule}: {'; '.join(says[:SHOWN])}{more}")
        # Asked which of many kinds of product are denied, it allows the rest of them.
        no = styled("[yellow]not these[/]" if any("kind" in denial for denial in one.fired) else "[red]no[/]")
        drawn.add_row(
            f"{one.decided_at:%Y-%m-%d %H:%M}",
            one.subject,
            styled("[green]yes[/]") if one.is_allowed else no,
            "\n".join(said),
            one.policy_digest[:8],
        )
    console.print(drawn)


def _short(file: str) -> str:
    """A path as it is seen from the project."""
    return str(Path(file).relative_to(home.PROJECT)) if Path(file).is_relative_to(home.PROJECT) else file
