"""The command `doctor`: whether everything outside is as a night needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestration.cli.drawing import Json, console, print_json, styled

if TYPE_CHECKING:
    from orchestration.reports.doctor import Finding


def doctor(json_: Json = False) -> None:
    """Look at everything outside that a night needs, and say what to do about what is not well.

    Libraries, disk, databases (reached, rights, migrations, clock, connections), Dagster's instance, where tables and files are (conditional
    writes too), feeds, policy, alerts. Ends with 0 if all is well, 75 if what is not may be so in a while, else with 1.

    Example: `nightcart doctor`
    """
    from orchestration.reports import doctor as report

    findings = []
    for finding in report.examine():
        findings.append(finding)
        if not json_:
            _draw(finding)
    ill = [finding for finding in findings if not finding.is_well]
    if json_:
        print_json(report.Diagnosis(is_well=not ill, findings=findings).as_json())
    if ill:
        raise typer.Exit(75 if all(finding.is_worth_retrying for finding in ill) else 1)


def _draw(finding: Finding) -> None:
    mark = styled("[green]✓[/]" if finding.is_well else "[bold red]✗[/]")
    console.print(styled("{} {:<20} {}", mark, finding.name, finding.says), soft_wrap=True)
    if finding.remedy:
        console.print(styled("  [bold]Remedy:[/] {}", finding.remedy), soft_wrap=True)
