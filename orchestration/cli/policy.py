"""`nightcart policy`: the rules that say what is allowed, their own tests, and what they decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from resources.policy.client import Policy
    from resources.records.lifecycle import PolicyDecision

SHOWN = 3  # sentences of one rule

policy = typer.Typer(
    help="The rules that say who may become champion and what may stand in a list.", no_args_is_help=True
)


@policy.command()
def show() -> None:
    """The rules as they are, with their limits and reasons, for people.

    Example: `nightcart policy show`
    """
    from resources.policy.client import TESTS

    asked = _policy()
    for file, text in asked.sources():
        if not file.endswith(TESTS):
            _console().rule(f"[bold]{_short(file)}[/]", align="left")
            _console().print(text, markup=False)
    where = f"answered by the OPA server {asked.server}" if asked.server else "evaluated in process"
    _console().print(f"[dim]{where}; digest {asked.digest()}[/]")


@policy.command()
def test() -> None:
    """Run the policy's own tests, and end with 1 if one fails: a policy that fails one decides nothing.

    They are the rules `test_…` in its files `…_test.rego`; `opa test` runs the same ones.

    Example: `nightcart policy test`
    """
    found = _policy().tested()
    file = ""
    for one in found:
        if one.file != file:
            file = one.file
            _console().print(f"[bold]{_short(file)}[/]")
        mark = "[green]pass[/]" if one.has_passed else "[bold red]FAIL[/]"
        _console().print(f"  {mark} {one.name.removeprefix('test_').replace('_', ' ')}")
    failed = sum(not one.has_passed for one in found)
    _console().print(f"{len(found) - failed} passed, {failed} failed" if found else "The policy has no tests.")
    if failed:
        raise typer.Exit(1)


@policy.command()
def decisions(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 10,
    package: Annotated[
        str | None, typer.Option(metavar="PACKAGE", help="Only of this one, such as nightcart.promotion.")
    ] = None,
) -> None:
    """What the policy was asked last, what it answered, and which rules denied it.

    Examples: `nightcart policy decisions`, `nightcart policy decisions --package nightcart.promotion --last 3`
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from orchestration.cli.adapters import adapters
    from resources.errors import Refused
    from resources.records.lifecycle import PolicyDecision

    equal = {"package": package} if package else {}
    found = adapters().operations.records(PolicyDecision, last=last, **equal)
    if not found:
        raise Refused(
            f"{package or 'The policy'} has not been asked yet.", remedy="`nightcart nightly --date YYYY-MM-DD` does."
        )
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("asked at", "about", "allowed", "rules that denied", "policy"):
        table.add_column(column, no_wrap=column in ("asked at", "allowed", "policy"))
    for one in found:
        override = one.question.get("override")
        said = [f"let through by {override['by']}: {override['reason']}"] if override else []
        table.add_row(
            f"{one.decided_at:%Y-%m-%d %H:%M}",
            escape(one.subject),
            "[green]yes[/]" if one.is_allowed else "[yellow]not these[/]" if _is_of_kinds(one) else "[red]no[/]",
            escape("\n".join([*said, *_fired(one)])),
            one.policy_digest[:8],
        )
    _console().print(table)


def _is_of_kinds(one: PolicyDecision) -> bool:
    """Whether it was asked which of many kinds of product are denied: the rest of them is allowed."""
    return any("kind" in denial for denial in one.fired)


def _fired(one: PolicyDecision) -> list[str]:
    """The rules that denied, the sentences of each; a rule on kinds of products has a hundred."""
    by_rule: dict[str, list[str]] = {}
    for denial in one.fired:
        by_rule.setdefault(denial["rule"], []).append(denial["says"])
    return [
        f"{rule}: {'; '.join(says[:SHOWN])}" + f"; and {len(says) - SHOWN} more" * (len(says) > SHOWN)
        for rule, says in by_rule.items()
    ]


def _policy() -> Policy:
    from orchestration.cli.adapters import adapters

    return adapters().policy


def _console() -> Console:
    from orchestration.cli.screens import console

    return console


def _short(file: str) -> str:
    """A path as it is seen from the project."""
    from resources import home

    return str(Path(file).relative_to(home.PROJECT)) if Path(file).is_relative_to(home.PROJECT) else file
