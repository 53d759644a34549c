"""`nightcart forget`: a household's right to be erased."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import console, say, styled, table
from resources.text import without_secrets

if TYPE_CHECKING:
    from pathlib import Path

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
    from assets.privacy.everywhere import look, needles_of
    from assets.privacy.find import find
    from assets.privacy.proof import erase, refuse_nobody
    from orchestration.cli.launch import running

    household, scope = household.strip(), _scope()
    if dry_run:
        report = find(household, scope)
        everywhere = look(needles_of(household, scope), scope, say=lambda line: say("  [dim]{}[/]", line))
        refuse_nobody(household, report, scope.data.subject, lambda: everywhere)
        _show(report, {hits.table: hits.rows for hits in report.tables}, "to remove")
        say("{:,} of {:,} files of the state have it.", len(everywhere.searched.found), everywhere.searched.files)
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
        context.parts(instance).set_marks(now=dt.datetime.now(dt.UTC))  # what is of before it is older from now on
    _show(done.report, done.removed, "removed")
    _conclude(done)
    _not_ours(done.report, scope)


def forget_again(instance: dg.DagsterInstance) -> int:
    """Apply the erasures on record anew to what a restore brought back; how many subjects were there again."""
    from assets.privacy.again import back_again
    from assets.privacy.proof import erase

    context.parts(instance).put_erasures_on_record(now=dt.datetime.now(dt.UTC))
    scope = _scope()
    subjects = back_again(scope)
    for subject in subjects:
        erase(
            subject,
            by=getpass.getuser(),
            reason="",
            now=dt.datetime.now(dt.UTC),
            scope=scope,
            under_way=lambda: run_under_way(instance),
            say=lambda line: say("  [dim]{}[/]", line),
        )
    return len(subjects)


def _conclude(done: Erased) -> None:
    files, everywhere = sum(hits.files for hits in done.report.tables), done.everywhere
    before = f" It was forgotten on {done.before.at:%Y-%m-%d} already." if done.before else ""
    say(
        "[green]✓[/] No row of it is left in {:,} files of tables, nor in a kept copy.{} No feed brings it back.",
        *(files, before),
    )
    size = f"{everywhere.searched.size / 1e6:,.1f} MB"
    if not everywhere.is_telling:
        say(
            "[yellow]![/] The identifier is too short for a search to prove that it is nowhere: other values have the same "
            "signs. In {:,} files ({}) it was looked for beside the names of its columns.",
            *(everywhere.searched.files, size),
        )
    elif not everywhere.left:
        say(
            "[green]✓[/] It stands in no byte of {:,} files ({}) below the state folder.",
            everywhere.searched.files,
            size,
        )
    for path, why in everywhere.left.items():
        console.print(styled("[yellow]![/] {}: {}", path, why), soft_wrap=True)
    for path, why in everywhere.closed.items():
        console.print(styled("[yellow]![/] Not looked through: {} ({})", path, why), soft_wrap=True)
    if done.report.records:
        say(
            "[yellow]![/] {:,} records of the audit trail quote it in a reason; sealed as they are, they cannot be changed. "
            "`nightcart audit show --json` has them.",
            done.report.records,
        )


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
        raw_store=context.resources().feeds.store,
        models=context.resources().registry.artifacts,
        state=state,
        key=home.erasure_key(),
        others={"benchmark": TableStore(root=str(kept))} if kept.exists() else {},
        elsewhere=_elsewhere(state),
    )


def _elsewhere(state: Path) -> dict[str, str]:
    """What is ours and lies where no search of files reaches."""
    from resources.config.deployment import load_deployment

    places = load_deployment().of(name=state.name, state=state)
    operations = places.operations_url.get_secret_value()
    urls = {
        "the records": operations,
        "MLflow's database": places.mlflow_tracking_uri,
        "the files of models": places.mlflow_artifacts or "",
    }
    return {
        what: f"{without_secrets(url).partition('://')[0]}, outside of the state folder"
        for what, url in urls.items()
        if url and str(state) not in url and not url.startswith("s3:")
    }
