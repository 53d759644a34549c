"""`nightcart audit`: whether all that is on record is as it was recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import Json, console, print_json, show, styled, table
from orchestration.reports import governance
from resources.config.deployment import sqlite_url
from resources.errors import Damaged, Refused
from resources.records.store import OperationsDatabase
from resources.text import plural

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
    tables: Annotated[
        bool, typer.Option("--tables", help="Every file of every table, too: is it what was written, to the byte?")
    ] = False,
    json_: Json = False,
) -> None:
    """Look whether everything on record is as it was recorded; says which entry is not. Needs nothing but the database.

    Examples: `nightcart audit verify`, `nightcart audit verify --tables`,
    `nightcart audit verify backup/operations.db --head 412:9f3c…`
    """
    if database and not database.is_file():
        raise Refused(f"There is no file {database}.", remedy="name a copy of operations.db.")
    if head and not head.partition(":")[0].isdigit():
        raise Refused(
            f"{head!r} is no head of a trail.", remedy="it is a number and a digest, as `nightcart audit head` says."
        )
    operations = OperationsDatabase(url=sqlite_url(database)) if database else context.resources().operations
    report = governance.audit(operations, head=head)
    if tables:
        with console.status("") as status:
            looked = governance.files(
                context.resources().tables, operations, lambda name: status.update(f"Reading all files of {name}")
            )
        report = replace(report, tables=looked)
    wrong = [*report.flaws, *(report.tables.flaws if report.tables else ())]
    if wrong and json_:
        print_json(report.as_json())
        raise typer.Exit(1)
    if report.flaws:
        raise Refused(
            f"{plural(len(report.flaws), 'thing')} not as recorded: {'; '.join(report.flaws[:10])}.",
            remedy="compare with a backup from before; the entries up to the first one named can be trusted.",
        )
    if report.tables and report.tables.flaws:
        raise Damaged(
            f"Of {plural(report.tables.files, 'file')} of tables, {len(report.tables.flaws)} not as written: "
            f"{' '.join(report.tables.flaws[:10])}",
            remedy=f"{'; '.join(report.tables.remedies[:10])} makes {'it' if len(report.tables.flaws) == 1 else 'them'} again; or bring the files back from a backup.",
        )
    show(report, _draw, as_json=json_)


def _draw(sound: governance.Audit) -> None:
    console.print(
        styled("[green]✓[/] {} entries, all as they were recorded. Head: {}", sound.entries, sound.head), soft_wrap=True
    )
    if of := sound.tables:
        console.print(
            styled("[green]✓[/] {} of {} tables, all as they were written.", plural(of.files, "file"), of.tables)
        )
        if of.unknown:
            console.print(
                styled("[yellow]![/] {} not on record: from before digests were kept.", plural(of.unknown, "file"))
            )


@audit.command()
def head(json_: Json = False) -> None:
    """The last entry's number and digest: kept elsewhere, it proves later that nothing was cut off.

    Each night's publication shows it in Dagster, too, which has a database of its own.
    """
    now = context.resources().operations.audit_head()
    print_json(json.dumps({"head": now}) if json_ else now)


@audit.command("show")
def entries(
    last: Annotated[int, typer.Option(min=1, help="How many of the latest entries.")] = 30,
    kind: Annotated[
        str | None, typer.Option(help="Of one kind alone: `promotions`, `verdicts`, `publications`, …")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="All of it, one JSON object a line, for machines.")] = False,
) -> None:
    """The latest entries of the trail.

    Examples: `nightcart audit show --kind promotions`, `nightcart audit show --json > trail.jsonl`
    """
    trail = [entry for entry in context.resources().operations.trail() if kind in (None, entry.kind)]
    if json_:
        for entry in trail:
            print_json(json.dumps(vars(entry), ensure_ascii=False))
        return
    drawn = table("entry", "what", "digest", title="audit trail", right=("entry",))
    drawn.add_column("says", no_wrap=True, overflow="ellipsis", ratio=1)
    for entry in trail[-last:]:
        drawn.add_row(str(entry.id), f"{entry.kind} {entry.record_id}", entry.digest[:8], entry.payload)
    console.print(drawn)
