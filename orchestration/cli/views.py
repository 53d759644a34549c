"""Commands that only look: `recommend`, `models`, `drift`, `status`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer


def recommend(
    household: Annotated[str, typer.Argument(help="The household's identifier, as it stands in the feed.")],
    date: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The list made at this day's close; default: the newest."
        ),
    ] = None,
) -> None:
    """A household's list, by product name, each with its reason.

    A household that nothing is known of has the fallback list, and is told so.

    Example: `nightcart recommend 1510`
    """
    from orchestration.cli import screens

    screens.recommendations(household, date.date() if date else None)


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


def status() -> None:
    """What is fresh, what is missing, what failed, and what to do about it.

    Example: `nightcart status`
    """
    from orchestration.cli import screens

    screens.status()
