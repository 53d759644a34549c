"""Commands that look: `recommend`, `models`, `drift`, `decisions`, `status`; and `watch`, which also tells."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer


def recommend(
    household: Annotated[str, typer.Argument(help="The household's identifier, as it stands in the feed.")],
    date: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The list made at this day's close; default: what is published.",
        ),
    ] = None,
) -> None:
    """A household's list, by product name, each with its reason.

    Without a date, what is served now; lists that are carried over from an earlier night say so. A household that nothing is known of has the fallback list, and is told so.

    Example: `nightcart recommend 1510`
    """
    from orchestration.cli import screens

    screens.recommendations(household, date.date() if date else None)


def explain(
    household: Annotated[str, typer.Argument(help="The household's identifier, as it stands in the feed.")],
    date: Annotated[
        dt.datetime,
        typer.Argument(
            formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The business day at whose close the list was made."
        ),
    ],
    json_: Annotated[bool, typer.Option("--json", help="All of it, for machines.")] = False,
) -> None:
    """How a household's list came to be: its own purchases, the features that spoke for each product, the model and why it was champion.

    Everything is read in the versions that the list was made from, and scored again with the model that made it.

    Examples: `nightcart explain 1510 2017-11-27`, `nightcart explain 1510 2017-11-27 --json`
    """
    from assets.grocery.scoring.explanation import explain as explained
    from orchestration.cli import screens
    from orchestration.cli.adapters import adapters

    needed = {name: getattr(adapters(), name) for name in ("settings", "tables", "registry", "operations")}
    found = explained(household, date.date(), **needed)
    print(found.as_json()) if json_ else screens.explanation(found)


def watch() -> None:
    """Look for all that is wrong, tell it where alerts go, and end with 1 if there is anything: for cron or systemd.

    It sees what Dagster cannot tell of itself: a daemon that died, a sensor that stopped, a night that never began.

    Example: `*/5 * * * * nightcart watch`
    """
    from orchestration.cli import screens

    if screens.watch():
        raise typer.Exit(1)


def models() -> None:
    """All model versions: aliases, metrics, what each was trained on, and the last decisions.

    Example: `nightcart models`
    """
    from orchestration.cli import screens

    screens.models()


def drift(
    days: Annotated[int, typer.Option(min=1, help="How many of the latest nights.")] = 14,
) -> None:
    """Whether nights are still like what their champion was made of: which column moved, how far, since when.

    The watches of inputs, features, predictions and outcomes, night by night; in `make ui`, each has its picture on the
    check's page.

    Example: `nightcart drift --days 28`
    """
    from orchestration.cli import screens

    screens.drift(days)


def decisions(
    days: Annotated[int, typer.Option(min=1, help="How many of the latest nights.")] = 14,
) -> None:
    """Whether the model was to be trained anew, night by night: the reasons, the attempts, and how they ended.

    Example: `nightcart decisions --days 30`
    """
    from orchestration.cli import screens

    screens.decisions(days)


def status() -> None:
    """What is fresh, what is missing, what failed, and what to do about it.

    Example: `nightcart status`
    """
    from orchestration.cli import screens

    screens.status()
