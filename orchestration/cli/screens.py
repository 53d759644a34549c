"""What the command line shows: tables of what is stored, read with the adapters that the assets use."""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from assets.lifecycle import retraining_ledger as ledger
from orchestration.cli.adapters import adapters, probe_context
from resources import home
from resources.config.loader import load_settings
from resources.errors import Refused
from resources.records.lifecycle import RetrainingDecision
from resources.text import listed

if TYPE_CHECKING:
    import dagster as dg
    import ibis.expr.types as ir
    import pandas as pd

    from assets.grocery.scoring.explanation import Explanation
    from orchestration.alerting.incidents import Incident
    from resources.records import audit
    from resources.records.lifecycle import PromotionRecord
    from resources.records.quality import Override

console = Console(highlight=False)


def night(day: dt.date) -> None:
    """The closing screen of a night: its decisions, the quality behind them, and one household's list."""
    settings, operations = load_settings(), adapters().operations
    rows = _recommendations_of(day)
    decided, version = operations.promotion_as_of(day), int(rows["model_version"].iloc[0])
    if decided and decided.business_date == day:
        _decision(decided)
        if decided.champion_after != version:
            console.print(f"Tonight's lists are version {version}'s: the new champion serves from the next night on.\n")
    elif decided:
        console.print(
            f"Champion is [bold]version {version}[/], as it was decided in the night of {decided.business_date}."
        )
    for record in operations.records(RetrainingDecision, business_date=day)[-1:]:
        console.print(
            f"[bold]Retraining: {'yes' if record.is_retraining else 'no'}.[/] {escape('; '.join(record.reasons))}\n"
        )
    personal = rows[~rows["is_fallback"]]
    others = rows.loc[rows["is_fallback"], "household_id"]
    console.print(
        f"[bold]{personal['household_id'].nunique():,}[/] households have {settings.model.top_k} recommendations each; "
        f"{others.nunique():,} without history have the fallback list.\n"
    )
    # One whose list shows something: a rhythm in several different products, then high scores.
    own = personal.assign(is_due=personal["reason"] == "due").groupby("household_id")
    lists = own.agg(score=("score", "sum"), names=("name", "nunique"), due=("is_due", "sum"))
    lists["varied"] = lists["names"].clip(upper=8) + lists["due"].clip(upper=3)
    shown = lists.sort_values(["varied", "score"]).index[-1]
    _list_of(str(shown), rows, day)


def recommendations(household: str, day: dt.date | None) -> None:
    """The list of `household` made at `day`'s close, or the one that is published."""
    from assets.grocery.publication.publication import age
    from assets.grocery.scoring.assets import served_now

    tables = adapters().tables
    made = [found for found, rows in tables.rows_by_day("recommendations").items() if rows and found]
    if not made:
        raise Refused(
            "There are no recommendations yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`."
        )
    if day:
        if day not in made:
            raise Refused(
                f"There are no recommendations of {day}; there are of {min(made)} … {max(made)}.",
                remedy=f"`nightcart nightly --date {day}` makes them.",
            )
        _list_of(household, _recommendations_of(day), day)
        return
    served = served_now(tables)
    if served is None:
        raise Refused(
            "No lists are published yet.",
            remedy=f"`nightcart backfill --from {max(made)} --to {max(made)} --assets published_recommendations`.",
        )
    if served.is_carried_over:
        late = age(served.made_on, served.published_for - dt.timedelta(days=1))
        console.print(
            f"[yellow]Carried over from the night of {served.made_on}, {late}:[/] {escape(served.carried_over_because)}\n"
        )
    _list_of(household, _named(tables.read("published_recommendations")), served.made_on)


def explanation(found: Explanation) -> None:
    """A list with what stands behind each place, then the model behind all of it."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"household {found.household_id}, close of {found.business_date}",
        title_justify="left",
    )
    for column in ("", "product", "score", "bought before", "what spoke most for (+) or against (-)"):
        table.add_column(column, justify="right" if column in ("", "score") else "left")
    for place in found.places:
        days = [f"{each['business_date']:%d %b}" for each in place.bought[-5:]]
        earlier = len(place.bought) - len(days)
        bought = ("" if not earlier else f"{earlier} more, ") + ", ".join(days) if days else "never"
        speaks = ", ".join(
            f"{each.feature} {'-' if each.value is None else f'{each.value:.3g}'} ({each.contribution:+.2f})"
            for each in place.speaks[:4]
        )
        table.add_row(
            str(place.rank),
            escape(place.name or place.product_id),
            "" if place.score is None else f"{place.score:.3f}",
            bought,
            escape(speaks or place.explanation),
        )
    console.print(table)
    if found.is_fallback:
        console.print("Nothing was known of the household: it has the list of best sellers that everybody unknown has.")
    model, champion = found.model, found.champion
    console.print(
        f"[bold]Made[/] on {found.scored_at:%Y-%m-%d %H:%M} UTC in run {found.run_id[:8]} by version {model['version']}, "
        f"{escape(model['title'])}, trained in the night of {model['trained_in_the_night_of']} with code {model['code']}."
    )
    if champion:
        how = f" ({champion['kind']} by {champion['by']})" if champion["by"] else ""
        console.print(
            f"[bold]Champion[/] since the night of {champion['in_the_night_of']}{escape(how)}: "
            + escape("; ".join(champion["reasons"]))
        )
    if policy := found.policy:
        rules = sorted({each["rule"] for each in policy["kept_out"]})
        kept = (
            f"kept {len(policy['kept_out'])} kinds of products out by {', '.join(rules)}"
            if rules
            else "kept nothing out"
        )
        console.print(f"[bold]Policy[/] {policy['package']} ({policy['digest'][:12]}) {kept}, and let these through.")
    console.print("[bold]From[/] " + ", ".join(f"{name} version {of}" for name, of in sorted(found.tables.items())))
    if not found.is_fallback:
        again = "the same scores" if found.is_reproduced else "[red]other scores than it did[/]"
        console.print(f"Scored again from these versions, the model gives {again}.")


def models() -> None:
    """The registry's versions and the ledger's last decisions."""
    settings, registry, operations = load_settings(), adapters().registry, adapters().operations
    versions = registry.versions()
    if not versions:
        raise Refused("There is no model yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`.")
    k = settings.model.ranked_places
    table = Table(box=box.SIMPLE_HEAD, title=f"{registry.name}: versions in MLflow", title_justify="left")
    for column in ("version", "alias", "night of", "family", f"Recall@{k}", f"nDCG@{k}", f"hit rate@{k}", "trained on"):
        table.add_column(column, justify="right" if "@" in column else "left")
    for version in versions:
        metrics = [version.metrics.get(f"{name}_at_{k}") for name in ("recall", "ndcg", "hit_rate")]
        weeks = version.parameters.get("label_weeks_from_closes", "").split()
        trained = (
            f"{int(version.parameters.get('examples', 0)):,} examples, weeks from {weeks[-1]} … {weeks[0]}"
            if weeks
            else "nothing"
        )
        inputs = ", ".join(
            f"{tag.removeprefix('nightcart.table.')} v{value}"
            for tag, value in sorted(version.tags.items())
            if tag.startswith("nightcart.table.")
        )
        table.add_row(
            str(version.version),
            ", ".join(version.aliases),
            version.tags.get("nightcart.business_date", ""),
            version.tags.get("nightcart.title", ""),
            *(f"{value:.4f}" if value is not None else "" for value in metrics),
            f"{trained}\n[dim]{inputs}[/]",
        )
    console.print(table)
    console.print(
        "[dim]Metrics are of each version's own holdout; they compare within a night, not across nights.[/]\n"
    )
    for record in operations.promotions()[-3:]:
        who = f"{record.kind} by {record.by}: " if record.by else ""
        console.print(f"[bold]{record.business_date}[/] " + escape(who + "; ".join(record.reasons)))


def drift(days: int) -> None:
    """What the watches said of the latest nights: a mark a watch and night, then every sentence worth reading."""
    from assets.grocery.monitoring import watches
    from assets.lifecycle.signals import BAD, newest
    from resources.records.lifecycle import Signal

    names = [watch.name for watch in watches.WATCHES]
    operations = adapters().operations
    by_watch = {
        watch: {one.business_date: one for one in newest(operations.records(Signal, watch=watch))} for watch in names
    }
    nights = sorted({day for of_days in by_watch.values() for day in of_days})[-days:]
    if not nights:
        raise Refused(
            "No watch has looked at a night yet.", remedy="`nightcart demo`, or `nightcart nightly --date YYYY-MM-DD`."
        )
    marks = {
        Signal.OK: "[green]ok[/]",
        Signal.WARN: "[yellow]WARN[/]",
        Signal.ERROR: "[red]ERROR[/]",
        Signal.UNKNOWN: "[dim]unknown[/]",
    }
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("night", "champion", *names, "furthest from usual (1 is the limit)"):
        table.add_column(column, no_wrap=True)
    for day in nights:
        seen = {watch: of_days[day] for watch, of_days in by_watch.items() if day in of_days}
        far = [
            (found["far"], f"{watch}: {found['column']} {found['far']:.1f}")
            for watch, one in seen.items()
            for found in one.details.get("findings", ())[:1]
        ]
        versions = {one.model_version for one in seen.values() if one.model_version}
        table.add_row(
            f"{day:%a} {day}",
            ", ".join(map(str, sorted(versions))),
            *(marks[seen[watch].level] if watch in seen else "" for watch in names),
            escape(max(far)[1]) if far else "",
        )
    console.print(table)
    for watch, of_days in by_watch.items():
        told = [one for day in nights if (one := of_days.get(day)) and one.level in BAD]
        if not told and (last := of_days.get(nights[-1])) and last.level == Signal.UNKNOWN:
            told = [last]
        for one in told:
            console.print(f"{marks[one.level]} [bold]{watch}[/] of {one.business_date}: {escape(one.says)}")


def decisions(days: int) -> None:
    """The ledger of retraining: what was decided in each of the last `days` nights, and what became of it."""
    entries = ledger.read(adapters().operations, now=dt.datetime.now(dt.UTC)).entries(rule=load_settings().retraining)
    if not entries:
        raise Refused(
            "No night has decided yet whether to retrain.", remedy="`nightcart nightly --date YYYY-MM-DD` does."
        )
    nights = sorted({entry.decision.business_date for entry in entries})[-days:]
    table = Table(box=box.SIMPLE_HEAD, title="Whether to train anew, by night", title_justify="left")
    for column in ("night of", "decided", "reasons", "attempts", ""):
        table.add_column(column, no_wrap=column in ("night of", "decided"))
    for entry in entries:
        if entry.decision.business_date in nights:
            table.add_row(
                entry.decision.business_date.isoformat(),
                "[bold]train[/]" if entry.decision.is_retraining else "no",
                escape(("\n" if entry.decision.is_retraining else "; ").join(entry.decision.reasons)),
                escape("\n".join(attempt.summary() for attempt in entry.attempts)),
                f"[red]{entry.state}[/]" if entry.state == ledger.USED_UP else entry.state,
            )
    console.print(table)


def next_commands() -> None:
    """What to try after the demo."""
    lines = {
        "nightcart recommend 1510": "another household's list",
        "nightcart replay --days 3": "the next three nights, as the scheduler would run them",
        "nightcart status": "what is fresh, what is missing, what failed",
        "nightcart decisions": "whether to train anew, night by night",
        "nightcart models": "versions, aliases, what each was trained on",
        "make ui": "the graph, the runs and the checks in the browser, with the schedule running",
        "make mlflow": "the model's record in MLflow",
        "nightcart init FILE": "your own baskets",
    }
    table = Table(box=None, show_header=False, padding=(0, 2))
    for command, what in lines.items():
        table.add_row(f"[cyan]{command if command.startswith('make') else 'uv run ' + command}[/]", f"[dim]{what}[/]")
    console.print(Panel(table, title="next", title_align="left", border_style="dim"))


def _decision(record: PromotionRecord) -> None:
    settings = load_settings()
    k, quality = settings.model.ranked_places, record.numbers["quality"]
    mark = "[green]promoted[/]" if record.is_promoted else "[yellow]not promoted[/]"
    console.print(
        f"[bold]Version {record.challenger}[/] of {settings.name}_recommender: {mark}; "
        f"champion is [bold]version {record.champion_after}[/].\n"
    )
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"On the same holdout week, {record.numbers['households']:,} households, "
        f"{settings.promotion.confidence:.0%} intervals",
        title_justify="left",
    )
    table.add_column("model")
    for metric in ("Recall", "nDCG", "hit rate"):
        table.add_column(f"{metric}@{k}", justify="right", no_wrap=True)
    for place, (name, metrics) in enumerate(quality.items()):
        style = "bold" if place == len(quality) - 1 else None
        cells = (
            f"{value:.4f} [dim]{low:.3f}–{high:.3f}[/]".replace("0.", ".") for value, low, high in metrics.values()
        )
        table.add_row(name, *cells, style=style)
    console.print(table)
    for reason in record.reasons:
        console.print(f"  [dim]·[/] {escape(reason)}")
    console.print()


def _recommendations_of(day: dt.date) -> pd.DataFrame:
    """A day's recommendations with product names, by household and rank."""
    found = _named(adapters().tables.read("recommendations", since=day, until=day))
    if found.empty:
        raise Refused(f"There are no recommendations of {day}.", remedy=f"`nightcart nightly --date {day}`.")
    return found


def _named(rows: ir.Table) -> pd.DataFrame:
    names = adapters().tables.read("products").select("product_id", "name", "department")
    joined = rows.left_join(names, "product_id").drop("product_id_right")
    return joined.order_by("household_id", "rank").to_pandas()


def _list_of(household: str, rows: pd.DataFrame, day: dt.date) -> None:
    own = rows[rows["household_id"] == household]
    if own.empty:
        own = rows[rows["household_id"].isna()]
        console.print(
            f"[yellow]Nothing is known of household {escape(household)}:[/] the fallback list that anybody gets."
        )
    elif own["is_fallback"].all():
        console.print(f"[yellow]Household {household} has not bought anything yet:[/] the fallback list.")
    else:
        console.print(_habits(household, day))
    version = int(own["model_version"].iloc[0])
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"Household {household}, after {day:%A} {day} · model version {version}",
        title_justify="left",
    )
    for column in ("", "product", "score", "reason"):
        table.add_column(column, justify="right" if column in ("", "score") else "left", no_wrap=column != "product")
    for row in own.itertuples():
        score = "" if row.is_fallback else f"{row.score:.2f}"
        table.add_row(
            str(row.rank),
            escape(_shortened(row.name, console.width - 54)),
            score,
            f"[cyan]{row.reason}[/] · {row.explanation}",
        )
    console.print(table)


def _shortened(text: str, width: int) -> str:
    """`text` in one line of a narrow terminal."""
    return text if len(text) <= max(width, 20) else text[: max(width, 20) - 1] + "…"


def _habits(household: str, day: dt.date) -> Text:
    tables = adapters().tables
    habits = tables.read("household_features", since=day, until=day)
    found = habits.filter(habits.household_id == household).to_pandas()
    if found.empty:
        return Text("")
    one = found.iloc[0]
    needs = tables.read("category_affinity", since=day, until=day)
    own = needs.filter(needs.household_id == household)
    best = own.order_by(own.category_decayed_90.desc()).limit(4).to_pandas()["category"].str.lower().tolist()
    gap = f"about every {one['trip_gap']:.1f} days" if one["trip_gap"] == one["trip_gap"] else "once so far"
    said = (
        f"Household {household} shops {gap}, {one['basket_products']:.0f} products at a time; "
        f"{one['repeat_share']:.0%} of its purchases are repeats"
        + (f". Most of all {', '.join(best)}." if best else ".")
    )
    return Text(said, style="italic")


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


def trail(entries: Sequence[audit.Entry]) -> None:
    """Entries of the audit trail, with the beginning of what each says."""
    table = Table(box=box.SIMPLE_HEAD, title="audit trail", title_justify="left")
    for column in ("entry", "what", "digest"):
        table.add_column(column, justify="right" if column == "entry" else "left", no_wrap=True)
    table.add_column("says", no_wrap=True, overflow="ellipsis", ratio=1)
    for entry in entries:
        table.add_row(str(entry.id), f"{entry.kind} {entry.record_id}", entry.digest[:8], escape(entry.payload))
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
