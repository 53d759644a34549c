"""The command that says what nights cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import Json, console, say, show, table
from orchestration.reports import costs as reports

GATE = re.compile("_(is|are)_fit_to_use$")
Nights = Annotated[int, typer.Option(min=1, help="How many of the latest nights.")]


def costs(days: Nights = 14, json_: Json = False) -> None:
    """What nights cost: CPU, memory and bytes by night and by asset, at the tariff of the settings.

    The tariff is in the table `costs` of the retailer's file; as it comes, it is an example. The check `cost_is_usual` tells a
    night that cost far more than those before it.

    Example: `nightcart costs --days 28`
    """
    reached = context.resources()
    show(reports.costs(reached.operations, reached.settings.costs, nights=days), _costs, as_json=json_)


def _costs(report: reports.Costs) -> None:
    _parts("night", report.nights, report.currency)
    _parts(f"of {report.nights[-1].name}", report.parts, report.currency, has_shares=True)
    say("{}", reports.in_a_line(report))


def _parts(title: str, parts: Sequence[reports.Part], currency: str, *, has_shares: bool = False) -> None:
    numbers = ("CPU s", "peak MiB", "written MiB", currency, *(["share"] if has_shares else []))
    drawn = table(title, *numbers, right=numbers, wrap=(title,))
    for each in parts:
        row = [f"{each.cpu_seconds:,.1f}", f"{each.peak_mib:,.0f}", f"{each.written_mib:,.1f}", f"{each.cost:,.5f}"]
        drawn.add_row(GATE.sub(" · gate", each.name), *row, *([f"{each.share:.1%}"] if has_shares else []))
    console.print(drawn)
