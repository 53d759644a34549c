"""`nightcart forget`: a household's right to be erased."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import console, say, styled, table

if TYPE_CHECKING:
    import dagster as dg

    from assets.privacy.find import ErasureReport
    from assets.privacy.personal_data import ErasureScope
    from assets.privacy.proof import Erased

SHOWN = 10  # files of others; the rest is counted


def forget(
    household: Annotated[str, typer.Argument(help="The household's identifier, as it stands in the feed.")],
    reason: Annotated[str, typer.Option(help="Why, without saying who; it stays on record with your name.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is to remove.")] = False,
) -> None:
    """Remove a household from all tables and their history, keep it out from then on, and prove it.

    Nothing else changes: gates stay as they are, and the audit trail whole. What is trained stays in use, but cannot be
    made again from the rows that are gone. Killed, it is finished by the same command.

    Examples: `nightcart forget 1510 --dry-run`, `nightcart forget 1510 --reason "asked by letter, case 88"`
    """
    from assets.privacy.find import find
    from assets.privacy.proof import erase, refuse_nobody
    from orchestration.cli.launch import running

    household, scope = household.strip(), _scope()
    if dry_run:
        report = find(household, scope)
        refuse_nobody(household, report, scope.data.subject)
        _show(report, {hits.table: hits.rows for hits in report.tables}, "to remove")
        say("Nothing was changed.")
        _not_ours(report, scope)
        return
    with running() as instance:
        done = erase(
            household,
            by=getpass.getuser(),
            reason=reason,
            now=dt.datetime.now(dt.UTC),
            scope=scope,
            under_way=lambda: run_under_way(instance),
            say=lambda line: say("  [dim]{}[/]", line),
        )
    _show(done.report, done.removed, "removed")
    _conclude(done)
    _not_ours(done.report, scope)


def _conclude(done: Erased) -> None:
    files = sum(hits.files for hits in done.report.tables)
    before = f" It was forgotten on {done.before.at:%Y-%m-%d} already." if done.before else ""
    say(
        "[green]✓[/] No row of it is left in {:,} files, nor in any log or kept copy.{} No feed brings it back.",
        *(files, before),
    )
    if done.report.records:
        say(
            "[yellow]![/] {:,} records of the audit trail quote it in a reason; sealed as they are, they cannot be changed. "
            "`nightcart audit show --json` has them.",
            done.report.records,
        )
    for path in done.report.texts:
        console.print(styled("[yellow]![/] The history of runs and models quotes it: {}", path), soft_wrap=True)


def _not_ours(report: ErasureReport, scope: ErasureScope) -> None:
    """What nobody but the retailer can delete."""
    say("Not ours to delete:")
    for path, lines in list(report.not_ours.items())[:SHOWN]:
        console.print(styled("  {}: {:,} lines of it", path, lines), soft_wrap=True)
    if (more := len(report.not_ours) - SHOWN) > 0:
        say("  and {:,} more files", more)
    if not report.not_ours:
        say("  no delivered file that is there now has it")
    console.print(styled("  backups of {}, wherever they are kept", scope.state), soft_wrap=True)


def _show(report: ErasureReport, rows: Mapping[str, int], what: str) -> None:
    numbers = (what, "files", "found now", "in its log")
    drawn = table("table", *numbers, right=numbers)
    for hits in report.tables:
        counts = (rows.get(hits.table, 0), hits.files, hits.rows + hits.old, hits.mentions)
        drawn.add_row(hits.table, *(f"{count:,}" for count in counts))
    drawn.add_row("the raw store", "", "", f"{report.copies:,}", "")
    console.print(drawn)


def run_under_way(instance: dg.DagsterInstance) -> str | None:
    """A run that may write what is to be removed, by its id."""
    from orchestration.runs.nights import runs_under_way

    runs = runs_under_way(instance)
    return runs[0].run_id if runs else None


def _scope() -> ErasureScope:
    from assets.grocery.personal_data import personal_data
    from assets.privacy.personal_data import ErasureScope
    from orchestration.definitions import GATES
    from resources import home
    from resources.tables.store import TableStore

    state = home.state()
    kept = state / "benchmark" / "tables"  # label weeks that `nightcart benchmark quality` has made
    return ErasureScope(
        data=personal_data(context.resources().settings, GATES),
        tables=context.resources().tables,
        operations=context.resources().operations,
        raw=context.resources().feeds.raw,
        state=state,
        key=home.erasure_key(),
        others={"benchmark": TableStore(root=str(kept))} if kept.exists() else {},
    )
