"""`nightcart prune`: what is old and needed by nobody goes."""

from __future__ import annotations

import datetime as dt
import getpass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import context
from orchestration.cli.backup import require_quiet
from orchestration.cli.drawing import Json, console, say, show, table
from orchestration.reports import retention as reports
from resources.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

    from assets.lifecycle.retention import Needed, Prunable


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is to remove.")] = False,
    json_: Json = False,
) -> None:
    """Remove what is older than the settings of `retention` say: files, versions and logs that nobody needs any more.

    What serves stays, what can be rolled back to, what explains the lists of the days that the settings name, and the audit
    trail whole; what was removed goes on record. No run may be under way. Killed, it is finished by the same command.

    Examples: `nightcart prune --dry-run`, `nightcart prune`
    """
    from orchestration.cli.launch import running
    from resources.records.retention import Pruning

    now, done = dt.datetime.now(dt.UTC), []
    with running() as instance:
        require_quiet(instance)
        operations, tables = context.resources().operations, context.resources().tables
        if dry_run:
            need = _needed()
            report = reports.Pruned(is_done=False, kinds=[reports.kind(each) for each in _kinds(need, instance, now)])
            show(report, draw, as_json=json_)
            return
        with tables.alone():  # nobody makes a version champion that is not needed
            need = _needed()
            planned = {each.kind: [each.count, each.size] for each in _kinds(need, instance, now)}
            by, kept = getpass.getuser(), need.as_record()
            operations.record(Pruning(step=Pruning.ASKED, by=by, kinds=planned, kept=kept, at=now))
            for each in _kinds(need, instance, now):  # one after the other: what goes lets go of more
                each.remove()
                done.append(reports.kind(each))
            kinds = {each.kind: [each.count, each.size] for each in done}
            operations.record(Pruning(step=Pruning.DONE, by=by, kinds=kinds, kept=kept, at=dt.datetime.now(dt.UTC)))
    show(reports.Pruned(is_done=True, kinds=done), draw, as_json=json_)


def draw(report: reports.Pruned) -> None:
    """Draw what is removed, or would be."""
    numbers = ("how many", "MB")
    drawn = table("what", *numbers, right=numbers, title="removed" if report.is_done else "to remove")
    for each in report.kinds:
        drawn.add_row(each.kind, f"{each.count:,}", f"{each.size / 1e6:,.1f}")
    console.print(drawn)
    if not report.is_done:
        say("Nothing was changed. The settings of `retention` in the retailer's file say what is old.")


def _needed() -> Needed:
    from assets.lifecycle.retention import needed
    from orchestration.reports.lists import days_with_lists

    work = context.lifecycle()
    days = days_with_lists(work.tables)
    if not days:
        raise Refused(
            "There has been no night yet: nothing is old.", remedy="`nightcart nightly --date YYYY-MM-DD` makes one."
        )
    return needed(work, max(days))


def _kinds(need: Needed, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Prunable]:
    """What there is to remove, each looked for when the one before is done."""
    from assets.lifecycle import retention
    from orchestration.reports.lists import days_with_lists
    from orchestration.runs.old_logs import old_logs
    from resources.feeds.retention import old_copies

    work, feeds = context.lifecycle(), context.resources().feeds
    settings = work.settings.retention
    yield retention.old_models(work, need)
    yield from retention.old_days(work, need)
    yield retention.old_files(work, need)
    yield retention.old_logs(work, need)
    raw_since = max(days_with_lists(work.tables)) - dt.timedelta(days=settings.raw_days)
    for place in dict.fromkeys([feeds.place, str(feeds.raw)]):  # of an object store they are read here
        copies = old_copies(place, work.operations, before=raw_since, now=now, days=settings.raw_days)
        yield retention.Prunable(
            kind="copies of delivered files" if place == feeds.place else "copies of delivered files on this machine",
            count=len(copies.copies),
            size=sum(copies.copies.values()),
            remove=copies.remove,
        )
    count, size, remove = old_logs(instance, before=now - dt.timedelta(days=settings.log_days))
    yield retention.Prunable(kind="logs of runs", count=count, size=size, remove=remove)
    before = now - dt.timedelta(days=settings.cost_days)
    yield retention.Prunable(
        kind="costs of steps",
        count=work.operations.count_costs(before=before),
        size=0,
        remove=partial(work.operations.forget_costs, before=before),
    )
