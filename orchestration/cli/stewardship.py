"""Commands of whoever answers for the model: `promote`, `rollback`, `reconcile`, and the audit trail."""

from __future__ import annotations

import datetime as dt
import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resources.errors import Refused

if TYPE_CHECKING:
    from assets.lifecycle.manual import Person
    from resources.records.audit import Flaw
    from resources.records.store import OperationsDatabase

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


def card(
    version: Annotated[int | None, typer.Argument(help="The version's number; default: the champion.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as a page that prints, instead.")] = None,
) -> None:
    """The model card of a version: what it learnt from, how good it is and for whom, who decided on it and why.

    Examples: `nightcart card`, `nightcart card 3 --html card.html`
    """
    from rich.markdown import Markdown

    from assets.lifecycle import card as cards
    from orchestration.cli.adapters import lifecycle
    from orchestration.cli.launch import console
    from resources.models.registry import CHAMPION

    work = lifecycle()
    number = version if version is not None else work.registry.aliased(CHAMPION)
    if number is None:
        raise Refused("There is no champion yet.", remedy="name a version: `nightcart models` lists them.")
    text = cards.current(work.registry.version(number), work)
    if text is None:
        raise Refused(
            f"Version {number} has never been weighed, so there is nothing to write on its card.",
            remedy=f'`nightcart promote {number} --reason "…"` weighs it.',
        )
    if html:
        html.write_text(cards.page(text, title=f"Model card: version {number}"), encoding="utf-8")
        console.print(f"[green]✓[/] {html}")
    else:
        console.print(Markdown(text))


audit = typer.Typer(
    help="The audit trail: everything on record, each entry sealed with the one before.", no_args_is_help=True
)


@audit.command()
def verify(
    database: Annotated[
        Path | None, typer.Argument(help="A copy of operations.db; default: that of the retailer in use.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="What `nightcart audit head` said once: tells whether the end was cut off.")
    ] = None,
) -> None:
    """Look whether everything on record is as it was recorded; says which entry is not. Needs nothing but the database.

    Examples: `nightcart audit verify`, `nightcart audit verify backup/operations.db --head 412:9f3c…`
    """
    from orchestration.cli.adapters import adapters
    from orchestration.cli.launch import console
    from resources.config.deployment import sqlite_url
    from resources.records.store import OperationsDatabase

    if database and not database.is_file():
        raise Refused(f"There is no file {database}.", remedy="name a copy of operations.db.")
    operations = OperationsDatabase(url=sqlite_url(database)) if database else adapters().operations
    if head and not head.partition(":")[0].isdigit():
        raise Refused(
            f"{head!r} is no head of a trail.", remedy="it is a number and a digest, as `nightcart audit head` says."
        )
    flaws, now = _looked_at(operations, head)
    if flaws:
        first = "; ".join(str(flaw) for flaw in flaws[:10])
        raise Refused(
            f"{len(flaws)} thing{'s are' if len(flaws) > 1 else ' is'} not as recorded: {first}.",
            remedy="compare with a backup from before; the entries up to the first one named can be trusted.",
        )
    console.print(
        f"[green]✓[/] {now.partition(':')[0]} entries, all as they were recorded. Head: {now}", soft_wrap=True
    )


def _looked_at(operations: OperationsDatabase, head: str | None) -> tuple[list[Flaw], str]:
    from sqlalchemy import make_url
    from sqlalchemy.exc import DatabaseError

    try:
        return operations.flaws(head=head), operations.audit_head()
    except DatabaseError as error:
        raise Refused(
            f"{make_url(operations.url)!r} is no operations database, or is damaged: {error.orig}.",
            remedy="name a whole copy of operations.db, made while nothing was writing.",
        ) from error


@audit.command()
def head() -> None:
    """The last entry's number and digest: kept elsewhere, it proves later that nothing was cut off.

    Each night's publication shows it in Dagster, too, which has a database of its own.
    """
    from orchestration.cli.adapters import adapters

    print(adapters().operations.audit_head())


@audit.command()
def show(
    last: Annotated[int, typer.Option(min=1, help="How many of the latest entries.")] = 30,
    kind: Annotated[
        str | None, typer.Option(help="Of one kind alone: `promotions`, `verdicts`, `publications`, …")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="All of it, one JSON object a line, for machines.")] = False,
) -> None:
    """The latest entries of the trail.

    Examples: `nightcart audit show --kind promotions`, `nightcart audit show --json > trail.jsonl`
    """
    from orchestration.cli import screens
    from orchestration.cli.adapters import adapters

    entries = [entry for entry in adapters().operations.trail() if kind in (None, entry.kind)]
    if json_:
        import json

        for entry in entries:
            print(json.dumps(vars(entry), ensure_ascii=False))
        return
    screens.trail(entries[-last:])


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
