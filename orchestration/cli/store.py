"""`nightcart store`: the object store that tables are in."""

from __future__ import annotations

import typer

from orchestration.cli.drawing import console, styled

store = typer.Typer(help="The object store that tables are in.", no_args_is_help=True)


@store.callback()
def of_store() -> None:
    """The object store that tables are in."""


@store.command()
def prove(url: str = typer.Argument(help="s3://BUCKET/FOLDER, where tables are or will be.")) -> None:
    """Try whether an object store keeps what commits stand on: conditional writes, and listings of what was written.

    It writes some small objects below the URL and removes them again. Exit code 0 only if every promise was kept.

    Example: `nightcart store prove s3://bucket/tables`
    """
    from resources.tables.proving import prove as tried

    promises = tried(url)
    for promise in promises:
        if promise.is_kept:
            console.print(styled("[green]✓[/] {}", promise.name), soft_wrap=True)
        else:
            console.print(styled("[red]✗[/] {}: {}", promise.name, promise.says), soft_wrap=True)
    if not all(promise.is_kept for promise in promises):
        raise typer.Exit(1)
