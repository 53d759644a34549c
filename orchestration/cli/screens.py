"""What the command line shows: tables of what is stored, read with the adapters that the assets use."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich import box
from rich.markup import escape
from rich.table import Table

from assets.lifecycle import retraining_ledger as ledger
from orchestration.cli.adapters import adapters, probe_context
from orchestration.cli.drawing import console
from orchestration.cli.night import draw_next_commands as next_commands  # noqa: F401
from orchestration.cli.night import draw_night as night  # noqa: F401
from resources import home
from resources.config.loader import load_settings
from resources.text import listed

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.alerting.incidents import Incident
    from resources.records.quality import Override


def status() -> None:
    """Freshness of every table, the champion, what failed, what is served, and what to do."""
    import dagster as dg

    from assets.grocery.partitions import business_days, last_day
    from orchestration.definitions import defs

    settings, state = load_settings(), home.state()
    console.print(f"[bold]{settings.title}[/] · {home.config_file()} · state in {state}")
    for line in settings.switched_off():
        console.print(f"  [dim]{escape(line)}[/]")
    if not (state / "tables").exists():
        console.print("\nNothing has run yet.")
        _advise([f"`nightcart backfill --from {settings.first_business_day} --to YYYY-MM-DD` takes in the history."])
        return
    advice: list[str] = []
    with dg.DagsterInstance.get() as found:
        graph = defs.resolve_asset_graph()
        table = Table(box=box.SIMPLE_HEAD)
        for column in ("asset", "newest day", "days", "made", "checks"):
            table.add_column(column, no_wrap=True, justify="right" if column == "days" else "left")
        for key in graph.toposorted_asset_keys:
            table.add_row(*_asset_row(found, graph, key, advice))
        console.print(table)
        never = [
            key.to_user_string()
            for key in graph.toposorted_asset_keys
            if not found.get_latest_materialization_event(key)
        ]
        if never:
            advice.append(f"Never made: {', '.join(never)}. `nightcart nightly --date YYYY-MM-DD` makes everything.")
        _champion()
        _retraining()
        _published()
        _on_watch(found, advice)
        _runs(found)
        _services(found, advice)
    _stale(advice)
    _erasures(advice)
    nights = [day for day, rows in adapters().tables.rows_by_day("recommendations").items() if rows and day]
    if nights and business_days.has_partition_key(max(nights).isoformat()):
        last = last_day(settings, now=dt.datetime.now(dt.UTC))
        if max(nights) < last:
            advice.append(
                f"Lists are of {max(nights)}; {last} has closed: `nightcart replay --days {(last - max(nights)).days}`."
            )
    _advise(advice)


def _asset_row(found, graph, key, advice: list[str]) -> list[str]:
    from orchestration.cli.launch import gates_of

    name, event = key.to_user_string(), found.get_latest_materialization_event(key)
    if event is None:
        return [name, "[red]never[/]", "", "", ""]
    made = dt.datetime.fromtimestamp(event.timestamp).astimezone()
    days, newest = "", "snapshot"
    if graph.get(key).partitions_def:
        keys = sorted(found.get_materialized_partitions(key))
        newest, days = keys[-1], f"{len(keys):,}"
        span = (dt.date.fromisoformat(keys[-1]) - dt.date.fromisoformat(keys[0])).days + 1
        if name == "transactions" and span > len(keys):
            days = f"[red]{len(keys):,} of {span:,}[/]"
            advice.append(
                f"{span - len(keys)} days of transactions are missing: `nightcart backfill --from {keys[0]} --to {keys[-1]}`."
            )
    checks = sorted(graph.get_check_keys_for_assets({key}), key=lambda check: check.name)
    records = found.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    failed = [check.name for check, record in records.items() if record and record.status.value == "FAILED"]
    # What lets through what is downstream, by itself or by a person's word, is to be seen and not to be mended.
    let_through = {each.check for each in adapters().operations.overrides(now=dt.datetime.now(dt.UTC))}
    shut = [check for check in failed if check in gates_of(key) and check not in let_through]
    for check in shut:
        advice.append(
            f"{name} breaks {check}: see the check in `make ui`, mend the feed, then run the day's nightly again."
        )
    colour = "red" if shut else "yellow"
    said = f"[{colour}]{len(failed)} failed[/]" if failed else f"{len(records)} passed" if records else ""
    return [name, newest, days, f"{made:%m-%d %H:%M}", said]


def _champion() -> None:
    decided = adapters().operations.promotions()
    if not decided:
        return
    newest = decided[-1]
    how = f"decided in the night of {newest.business_date}"
    if newest.kind != newest.NIGHT:
        how = f"{newest.kind} by {newest.by} after the night of {newest.business_date}: {'; '.join(newest.reasons)}"
    console.print(f"champion: version {newest.champion_after}, {escape(how)}")


def _retraining() -> None:
    rule, operations = load_settings().retraining, adapters().operations
    entry = ledger.read(operations, now=dt.datetime.now(dt.UTC)).current(rule=rule)
    if entry and entry.state in ledger.UNFINISHED:
        console.print(f"retraining: decided on {entry.decision.business_date}, {entry.state}")


def _published() -> None:
    from assets.grocery.scoring.assets import served_now

    if (served := served_now(adapters().tables)) is None:
        return
    said = f"published: the lists of {served.made_on}, for {served.published_for}"
    console.print(said + (f", [yellow]carried over[/]: {escape(served.carried_over_because)}" * served.is_carried_over))


def _on_watch(found: dg.DagsterInstance, advice: list[str]) -> None:
    """What is wrong now, and what is overridden."""
    from orchestration.alerting.probes import look

    operations, now = adapters().operations, dt.datetime.now(dt.UTC)
    advice += [f"{incident.happened} {incident.command}" for incident in look(probe_context(found))]
    if overridden := operations.overrides(now=now):
        overrides(overridden)


def overrides(found: Sequence[Override]) -> None:
    """The overrides that hold, with who, why and until when."""
    if not found:
        console.print("Nothing is overridden.")
        return
    zone = ZoneInfo(load_settings().timezone)
    table = Table(box=box.SIMPLE_HEAD, title="overridden", title_justify="left")
    for column in ("what", "check", "reason", "by", "until"):
        table.add_column(column)
    for each in found:
        what = each.subject + (f" of {each.partition}" if each.partition else "")
        until = f"{each.expires_at.astimezone(zone):%Y-%m-%d %H:%M}"
        table.add_row(what, each.check, escape(each.reason), escape(each.by), until)
    console.print(table)


def watch() -> bool:
    """One round of the watch; returns whether anything is wrong."""
    import dagster as dg

    from orchestration.alerting.incidents import text

    with dg.DagsterInstance.get() as found:
        lasting = [incident for incident in watched(found) if not incident.is_event]
    if not lasting:
        console.print("[green]Everything is as it should be.[/]")
    for incident in lasting:
        alert = incident.as_alert(now=dt.datetime.now(dt.UTC))
        console.print(f"[red]✗[/] [bold]{alert.kind}[/]: {escape(text(alert))}\n")
    return bool(lasting)


def watched(found: dg.DagsterInstance) -> list[Incident]:
    """Look, mend and tell; returns all that is wrong."""
    from orchestration.alerting.watch import watch

    return watch(probe_context(found), notifier=adapters().notifier)


def meaning(incidents: Sequence[Incident], day: dt.date) -> None:
    """What the night of `day` that failed means for what is served."""
    for incident in incidents:
        if incident.night == day:
            console.print(f"[yellow]{escape(incident.meaning)}[/]")


def _runs(found) -> None:
    from orchestration.runs.nights import runs_under_way
    from orchestration.runs.outcomes import PARTITION_TAG

    for run in runs_under_way(found)[:5]:
        console.print(f"under way: {run.job_name} {run.tags.get(PARTITION_TAG, '')} (run {run.run_id[:8]})")


def _stale(advice: list[str]) -> None:
    """What was made before a day that it is made of was corrected."""
    from assets.grocery.staleness import CHAMPION, FEATURES, stale_now

    for found in stale_now(adapters().operations):
        first, last = min(found.days), max(found.days)
        days = str(first) if first == last else f"{first} … {last}"
        said = (
            f"Stale: {found.subject} of {days}, made before {listed(found.corrected)} had the lines that it has now: "
        )
        if found.subject == CHAMPION:
            advice.append(f"{said}the next training learns from them.")
        else:
            assets = "group:features" if found.subject == FEATURES else found.subject
            advice.append(f"{said}`nightcart backfill --from {first} --to {last} --assets {assets} --force`.")


def _erasures(advice: list[str]) -> None:
    """Households that are to be forgotten and are not: who they are is on no record."""
    from assets.privacy.proof import pending

    for asked in pending(adapters().operations):
        advice.append(
            f"{asked.by} asked on {asked.at:%Y-%m-%d %H:%M} UTC for a household to be forgotten ({asked.reason}), and it is "
            "not done: the same `nightcart forget HOUSEHOLD` again finishes it."
        )


def _services(found, advice: list[str]) -> None:
    running = [kind for kind, status in found.get_daemon_statuses().items() if status.healthy]
    if "SCHEDULER" not in running:
        advice.append("The daemon is not running, so nothing runs by itself: `make ui` starts it with the web server.")


def _advise(advice: Sequence[str]) -> None:
    if not advice:
        console.print("[green]Everything is as it should be.[/]")
        return
    console.print("[bold]What to do[/]")
    for line in dict.fromkeys(advice):
        console.print(f"  [yellow]→[/] {escape(line)}")
