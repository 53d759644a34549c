"""The closing screen of a night: its decisions, the quality behind them, one household's list, and what to try next."""

from __future__ import annotations

import datetime as dt

from rich.panel import Panel
from rich.table import Table

from orchestration.cli import context
from orchestration.cli.drawing import console, prefix, say, styled, table
from orchestration.cli.look import draw_list
from orchestration.reports.lists import household_list, telling_household
from resources.records.lifecycle import PromotionRecord, RetrainingDecision

NEXT = {
    "nightcart recommend 1510": "another household's list",
    "nightcart replay --days 3": "the next three nights, as the scheduler would run them",
    "nightcart status": "what is fresh, what is missing, what failed",
    "nightcart decisions": "whether to train anew, night by night",
    "nightcart models": "versions, aliases, what each was trained on",
    "make ui": "the graph, the runs and the checks in the browser, with the schedule running",
    "make mlflow": "the model's record in MLflow",
    "nightcart init FILE": "your own baskets",
}


def draw_night(day: dt.date) -> None:
    """What the night of `day` decided and made."""
    operations, tables, model = (
        context.resources().operations,
        context.resources().tables,
        context.resources().settings.model,
    )
    shown = telling_household(tables, day)
    listed = household_list(tables, shown.household_id, day)
    decided = operations.promotion_as_of(day)
    if decided and decided.business_date == day:
        _decision(decided)
        if decided.champion_after != listed.model_version:
            serves = "the new champion serves from the next night on"
            say("Tonight's lists are version {}'s: {}.\n", listed.model_version, serves)
    elif decided:
        when = f"as it was decided in the night of {decided.business_date}"
        say("Champion is [bold]version {}[/], {}.", listed.model_version, when)
    for record in operations.records(RetrainingDecision, business_date=day)[-1:]:
        say("[bold]Retraining: {}.[/] {}\n", "yes" if record.is_retraining else "no", "; ".join(record.reasons))
    say(
        "[bold]{:,}[/] households have {} recommendations each; {:,} without history have the fallback list.\n",
        *(shown.personal, model.top_k, shown.fallback),
    )
    draw_list(listed)


def _decision(record: PromotionRecord) -> None:
    settings = context.resources().settings
    k, confidence = settings.model.ranked_places, f"{settings.promotion.confidence:.0%} intervals"
    mark = styled("[green]promoted[/]" if record.is_promoted else "[yellow]not promoted[/]")
    say(
        "[bold]Version {}[/] of {}: {}; champion is [bold]version {}[/].\n",
        *(record.challenger, context.resources().registry.name, mark, record.champion_after),
    )
    metrics = [f"{metric}@{k}" for metric in ("Recall", "nDCG", "hit rate")]
    title = f"On the same holdout week, {record.numbers['households']:,} households, {confidence}"
    drawn = table("model", *metrics, title=title, right=metrics, wrap=["model"])
    quality = record.numbers["quality"]
    for place, (name, values) in enumerate(quality.items()):
        cells = [
            styled(
                "{} [dim]{}–{}[/]",
                *(f"{each:.{digits}f}".replace("0.", ".") for each, digits in zip(three, (4, 3, 3), strict=True)),
            )
            for three in values.values()
        ]
        drawn.add_row(name, *cells, style="bold" if place == len(quality) - 1 else None)
    console.print(drawn)
    for reason in record.reasons:
        say("  [dim]·[/] {}", reason)
    say("")


def draw_next_commands() -> None:
    """What to try after the demo, as it is typed on this machine."""
    drawn = Table(box=None, show_header=False, padding=(0, 2))
    drawn.add_column(no_wrap=True)  # a command in two lines is not copied as one
    drawn.add_column()
    for command, what in NEXT.items():
        called = command if command.startswith("make") else prefix() + command
        drawn.add_row(styled("[cyan]{}[/]", called), styled("[dim]{}[/]", what))
    console.print(Panel(drawn, title="next", title_align="left", border_style="dim"))
