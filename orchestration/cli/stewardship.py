"""Commands of whoever answers for the model: `promote`, `rollback`, `reconcile`, and the audit trail."""

from __future__ import annotations

import datetime as dt
import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from resources.errors import Refused

if TYPE_CHECKING:
    from assets.lifecycle.manual import Person

Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger with your name.")]


def promote(
    version: Annotated[int, typer.Argument(help="The version's number, as `nightcart models` shows it.")],
    reason: Reason,
    override: Annotated[
        bool,
        typer.Option("--override", help="Let it through although rules speak against it; on record, with your name."),
    ] = False,
) -> None:
    """Make a version champion, under the rules that a night's challenger is under: judged anew, and the policy asked.

    Examples: `nightcart promote 7 --reason "measured in the shops"`, `nightcart promote 7 --override --reason "…"`
    """
    from assets.lifecycle import manual
    from orchestration.cli.adapters import lifecycle
    from orchestration.cli.launch import console

    work = lifecycle(say=lambda line: console.print(f"[dim]{line}[/]"))
    record = manual.promote(version, _person(reason), work, is_overriding=override)
    for said in record.reasons:
        console.print(f"  {said}", markup=False)
    console.print(
        f"[green]✓[/] Version {record.champion_after} is champion, instead of version {record.champion_before}. "
        "The next lists are scored with it; `nightcart rollback` undoes it."
    )


def rollback(
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="An earlier champion; default: the one before.")] = None,
) -> None:
    """Make the champion before serve again, from the next lists on. Takes seconds.

    Examples: `nightcart rollback --reason "complaints about empty offers"`, `nightcart rollback --to 3 --reason "…"`
    """
    from assets.lifecycle.manual import roll_back
    from orchestration.cli.adapters import lifecycle
    from orchestration.cli.launch import console

    person = _person(reason)
    record = roll_back(person, lifecycle(), to=to)
    console.print(
        f"[green]✓[/] Version {record.champion_after} is champion again, instead of version {record.champion_before}. "
        f"The next lists are scored with it; `nightcart nightly --date {person.day} --force` makes the last ones again."
    )


def reconcile() -> None:
    """Make MLflow's registry what the ledger of promotions says: aliases that were moved, a champion that was deleted.

    Example: `nightcart reconcile`
    """
    from assets.lifecycle import manual
    from orchestration.cli.adapters import lifecycle
    from orchestration.cli.launch import console

    work = lifecycle()
    done = manual.reconcile(_person("reconciled"), work)
    for each in done:
        console.print(f"[green]✓[/] {each}")
    for each in manual.differences(work.registry, work.operations):
        console.print(f"[yellow]![/] {each.says}")
    if not done:
        console.print("The registry is what the ledger says.")


def _person(reason: str) -> Person:
    """Whoever types, deciding for the newest night that there are lists of."""
    from assets.grocery.tables import RECOMMENDATIONS
    from assets.lifecycle.manual import Person
    from orchestration.cli.adapters import adapters

    if not reason.strip():
        raise Refused("A decision on the champion has a reason.", remedy='add --reason "…".')
    decided = [record.business_date for record in adapters().operations.promotions()]
    days = [*decided, *(day for day in adapters().tables.rows_by_day(RECOMMENDATIONS) if day)]
    if not days:
        raise Refused("There has been no night yet.", remedy="`nightcart nightly --date YYYY-MM-DD` makes one.")
    return Person(name=getpass.getuser(), reason=reason.strip(), day=max(days), now=dt.datetime.now(dt.UTC))
