"""Commands that look: each draws a report, or prints it as JSON."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assets.grocery.publication.publication import age
from assets.lifecycle.retraining_ledger import UNFINISHED, USED_UP
from orchestration.cli import context
from orchestration.cli.decide import draw_overrides
from orchestration.cli.drawing import DAY, Json, console, print_json, say, show, styled, table
from orchestration.reports import governance, lists, monitoring
from orchestration.reports import models as model_reports
from orchestration.reports import status as reports
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.models.registry import BUSINESS_DATE, CHAMPION, TABLE
from resources.records.lifecycle import Signal
from resources.text import on_one_line

if TYPE_CHECKING:
    from assets.grocery.scoring.explanation import Explanation

Household = Annotated[str, typer.Argument(help="The household's identifier, as it stands in the feed.")]
Nights = Annotated[int, typer.Option(min=1, help="How many of the latest nights.")]
LEFT_OUT = 8  # products that are named, of those that are not on a list
BAD = (Signal.WARN, Signal.ERROR)
MARKS = {
    Signal.OK: styled("[green]ok[/]"),
    Signal.WARN: styled("[yellow]WARN[/]"),
    Signal.ERROR: styled("[red]ERROR[/]"),
    Signal.UNKNOWN: styled("[dim]unknown[/]"),
}


def recommend(
    household: Household,
    date: Annotated[
        dt.datetime | None, typer.Option(**DAY, help="The list made at this day's close; default: what is published.")
    ] = None,
    json_: Json = False,
) -> None:
    """A household's list, by product name, each with its reason.

    Without a date, what is served now; lists that are carried over from an earlier night say so. A household that nothing is known of has the fallback list, and is told so.

    Example: `nightcart recommend 1510`
    """
    report = lists.household_list(context.resources().tables, household, date.date() if date else None)
    show(report, draw_list, as_json=json_)


def draw_list(report: lists.HouseholdList) -> None:
    """Draw a household's list."""
    served, household = report.published, report.household_id
    if served and served.is_carried_over:
        late = age(served.made_on, served.published_for - ONE_DAY)
        say("[yellow]Carried over from the night of {}, {}:[/] {}\n", served.made_on, late, served.carried_over_because)
    if not report.is_known:
        say("[yellow]Nothing is known of household {}:[/] the fallback list that anybody gets.", household)
    elif report.is_fallback:
        say("[yellow]Household {} has not bought anything yet:[/] the fallback list.", household)
    elif habits := report.habits:
        gap = f"about every {habits.trip_gap:.1f} days" if habits.trip_gap is not None else "once so far"
        needs = f" Most of all {', '.join(habits.categories).lower()}." if habits.categories else ""
        say(
            "[italic]Household {} shops {}, {:.0f} products at a time; {:.0%} of its purchases are repeats.{}[/]",
            *(household, gap, habits.basket_products, habits.repeat_share, needs),
        )
    of = f"Household {household}, after {report.made_on:%A} {report.made_on} · model version {report.model_version}"
    score_is = "probability" if report.is_probability else "score"
    drawn = table("", "product", score_is, "reason", title=of, right=("", score_is), wrap=("product", "reason"))
    for place in report.places:
        score = "" if place.score is None else f"{place.score:.2f}"
        why = styled("[cyan]{}[/] · {}", place.reason, place.explanation)
        drawn.add_row(str(place.rank), on_one_line(place.name), score, why)
    console.print(drawn)


def explain(
    household: Household,
    date: Annotated[dt.datetime, typer.Argument(**DAY, help="The business day at whose close the list was made.")],
    json_: Json = False,
) -> None:
    """How a household's list came to be: its own purchases, the features that spoke for each product, the model and why it was champion.

    Everything is read in the versions that the list was made from, and scored again with the model that made it.

    Examples: `nightcart explain 1510 2017-11-27`, `nightcart explain 1510 2017-11-27 --json`
    """
    from assets.grocery.scoring.explanation import explain as explained

    reached = context.resources()
    report = explained(
        household,
        date.date(),
        settings=reached.settings,
        tables=reached.tables,
        registry=reached.registry,
        operations=reached.operations,
    )
    print_json(report.as_json()) if json_ else _explanation(report)


def _explanation(report: Explanation) -> None:
    """Draw a list with what stands behind each place, then the model behind all of it."""
    drawn = table(
        *("", "product", "score", "bought before", "what spoke most for (+) or against (-)"),
        title=f"household {report.household_id}, close of {report.business_date}",
        right=("", "score"),
        wrap=("product", "bought before", "what spoke most for (+) or against (-)"),
    )
    for place in report.places:
        days = [f"{each['business_date']:%d %b}" for each in place.bought[-5:]]
        earlier = len(place.bought) - len(days)
        bought = ("" if not earlier else f"{earlier} more, ") + ", ".join(days) if days else "never"
        speaks = ", ".join(
            f"{each.feature} {'-' if each.value is None else f'{each.value:.3g}'} ({each.contribution:+.2f})"
            for each in place.speaks[:4]
        )
        drawn.add_row(
            str(place.rank),
            on_one_line(place.name or place.product_id),
            "" if place.score is None else f"{place.score:.3f}",
            bought,
            speaks or place.explanation,
        )
    console.print(drawn)
    for each in report.left_out[:LEFT_OUT]:
        of = "" if each.score is None else f", score {each.score:.3f}"
        say("[bold]Not listed[/] {}{}: {}", on_one_line(each.name or each.product_id), of, each.why)
    if (more := len(report.left_out) - LEFT_OUT) > 0:
        say("[dim]and {} more; `nightcart explain … --json` has them all[/]", more)
    if report.is_fallback:
        say("Nothing was known of the household: it has the list of best sellers that everybody unknown has.")
    model, champion = report.model, report.champion
    say(
        "[bold]Made[/] on {:%Y-%m-%d %H:%M} UTC in run {} by version {}, {}, trained in the night of {} with code {}.",
        *(report.scored_at, report.run_id[:8], model["version"], model["title"]),
        *(model["trained_in_the_night_of"], model["code"]),
    )
    if champion:
        how = f" ({champion['kind']} by {champion['by']})" if champion["by"] else ""
        night, reasons = champion["in_the_night_of"], "; ".join(champion["reasons"])
        say("[bold]Champion[/] since the night of {}{}: {}", night, how, reasons)
    if policy := report.policy:
        rules = ", ".join(sorted({each["rule"] for each in policy["kept_out"]}))
        kept = f"{len(policy['kept_out'])} kinds of products out by {rules}" if rules else "nothing out"
        say("[bold]Policy[/] {} ({}) kept {}, and let these through.", policy["package"], policy["digest"][:12], kept)
    say("[bold]From[/] {}", ", ".join(f"{name} version {of}" for name, of in sorted(report.tables.items())))
    if not report.is_fallback:
        again = styled("the same scores" if report.is_reproduced else "[red]other scores than it did[/]")
        say("Scored again from these versions, the model gives {}.", again)


def models(json_: Json = False) -> None:
    """All model versions: aliases, metrics, what each was trained on, and the last decisions.

    Example: `nightcart models`
    """
    report = model_reports.models(context.resources().registry, context.resources().operations)
    show(report, _models, as_json=json_)


def _models(report: model_reports.Models) -> None:
    k = context.resources().settings.model.ranked_places
    numbers = (f"Recall@{k}", f"nDCG@{k}", f"hit rate@{k}")
    columns = ("version", "alias", "night of", "family", *numbers)
    drawn = table(
        *columns, title=f"{report.name}: versions in MLflow", right=numbers, wrap=("alias", "family", numbers[2])
    )
    for each in report.versions:
        metrics = [each.metrics.get(f"{name}_at_{k}") for name in ("recall", "ndcg", "hit_rate")]
        drawn.add_row(
            str(each.version),
            ", ".join(each.aliases),
            each.tags.get(BUSINESS_DATE, ""),
            each.tags.get("nightcart.title", ""),
            *(f"{value:.4f}" if value is not None else "" for value in metrics),
        )
    console.print(drawn)
    say("[dim]Metrics are of each version's own holdout; they compare within a night, not across nights.[/]\n")
    for each in report.versions:
        trained = "nothing"
        if weeks := each.parameters.get("label_weeks_from_closes", "").split():
            trained = f"{int(each.parameters.get('examples', 0)):,} examples, weeks from {weeks[-1]} … {weeks[0]}"
        tables = {tag.removeprefix(TABLE): at for tag, at in sorted(each.tags.items()) if tag.startswith(TABLE)}
        inputs = "".join(f"; {name} v{version}" for name, version in tables.items())
        say("[bold]version {}[/] was trained on {}[dim]{}[/]", each.version, trained, inputs)
    for one in report.decisions:
        who = f"{one.kind} by {one.by}: " if one.by else ""
        say("[bold]{}[/] {}{}", one.business_date, who, "; ".join(one.reasons))


def card(
    version: Annotated[int | None, typer.Argument(help="The version's number; default: the champion.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as a page that prints, instead.")] = None,
    json_: Json = False,
) -> None:
    """The model card of a version: what it learnt from, how good it is and for whom, who decided on it and why.

    Examples: `nightcart card`, `nightcart card 3 --html card.html`
    """
    from rich.markdown import Markdown

    from assets.lifecycle import card as cards

    work = context.lifecycle()
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
        say("[green]✓[/] {}", html)
        return
    report = model_reports.Card(version=number, markdown=text)
    show(report, lambda one: console.print(Markdown(one.markdown, hyperlinks=False)), as_json=json_)


def drift(days: Nights = 14, json_: Json = False) -> None:
    """Whether nights are still like what their champion was made of: which column moved, how far, since when.

    The watches of inputs, features, predictions and outcomes, night by night; in `make ui`, each has its picture on the
    check's page.

    Example: `nightcart drift --days 28`
    """
    show(monitoring.drift(context.resources().operations, days), _drift, as_json=json_)


def _drift(report: monitoring.Drift) -> None:
    """A mark a check and night, then every sentence worth reading."""
    checks, furthest = report.signals, "furthest from usual (1 is the limit)"
    drawn = table("night", "champion", *checks, furthest, wrap=("night", furthest))
    for day in report.nights:
        of_day = {check: signals[day] for check, signals in checks.items() if day in signals}
        far = [
            (worst["far"], f"{check}: {worst['column']} {worst['far']:.1f}")
            for check, signal in of_day.items()
            for worst in signal.details.get("findings", ())[:1]
        ]
        versions = {signal.model_version for signal in of_day.values() if signal.model_version}
        drawn.add_row(
            f"{day:%a} {day}",
            ", ".join(map(str, sorted(versions))),
            *(MARKS[of_day[check].level] if check in of_day else "" for check in checks),
            max(far)[1] if far else "",
        )
    console.print(drawn)
    for check, signals in checks.items():
        worth_reading = [signal for signal in signals.values() if signal.level in BAD]
        last = signals.get(report.nights[-1])
        if not worth_reading and last and last.level == Signal.UNKNOWN:
            worth_reading = [last]
        for one in worth_reading:
            say("{} [bold]{}[/] of {}: {}", MARKS[one.level], check, one.business_date, one.says)


def decisions(days: Nights = 14, json_: Json = False) -> None:
    """Whether the model was to be trained anew, night by night: the reasons, the attempts, and how they ended.

    Example: `nightcart decisions --days 30`
    """
    rule, now = context.resources().settings.retraining, dt.datetime.now(dt.UTC)
    show(monitoring.decisions(context.resources().operations, days, rule=rule, now=now), _decisions, as_json=json_)


def _decisions(report: monitoring.Decisions) -> None:
    drawn = table(
        *("night of", "decided", "reasons", "attempts", ""),
        title="Whether to train anew, by night",
        wrap=("reasons", "attempts", ""),
    )
    for entry in report.decisions:
        decision = entry.decision
        drawn.add_row(
            decision.business_date.isoformat(),
            styled("[bold]train[/]" if decision.is_retraining else "no"),
            ("\n" if decision.is_retraining else "; ").join(decision.reasons),
            "\n".join(attempt.summary() for attempt in entry.attempts),
            styled("[red]{}[/]" if entry.state == USED_UP else "{}", entry.state or ""),
        )
    console.print(drawn)


def status(json_: Json = False) -> None:
    """What is fresh, what is missing, what failed, and what to do about it.

    Example: `nightcart status`
    """
    root = context.resources().tables.root
    if "://" not in root and not Path(root).exists():
        show(reports.status_before_anything_ran(context.resources().settings), _status, as_json=json_)
        return
    import dagster as dg

    from orchestration.definitions import GATES

    with dg.DagsterInstance.get() as instance:
        report = reports.status(context.probe_context(instance), GATES)
    show(report, _status, as_json=json_)


def _status(report: reports.Status) -> None:
    say("[bold]{}[/] · {} · state in {}", report.title, report.config, report.state)
    for line in report.switched_off:
        say("  [dim]{}[/]", line)
    if report.assets:
        drawn = table("asset", "newest day", "days", "made", "checks", right=("days",))
        for asset in report.assets:
            drawn.add_row(*_asset(asset))
        console.print(drawn)
    else:
        say("\nNothing has run yet.")
    if one := report.champion:
        how = f"decided in the night of {one.business_date}"
        if one.by:
            how = f"{one.kind} by {one.by} after the night of {one.business_date}: {'; '.join(one.reasons)}"
        say("champion: version {}, {}", one.champion_after, how)
    if report.retraining and report.retraining.state in UNFINISHED:
        say("retraining: decided on {}, {}", report.retraining.decision.business_date, report.retraining.state)
    if served := report.published:
        late = styled(", [yellow]carried over[/]: {}", served.carried_over_because) if served.is_carried_over else ""
        say("published: the lists of {}, for {}{}", served.made_on, served.published_for, late)
    if report.costs:
        say("costs: {}", report.costs)
    if report.overrides:
        draw_overrides(governance.Overrides(overrides=report.overrides))
    for run in report.under_way[:5]:
        say("under way: {} {} (run {})", run.job, run.day, run.run_id[:8])
    if not report.advice:
        say("[green]Everything is as it should be.[/]")
        return
    say("[bold]What to do[/]")
    for line in report.advice:
        say("  [yellow]→[/] {}", line)


def _asset(asset: reports.Asset) -> list[object]:
    if asset.made_at is None:
        return [asset.name, styled("[red]never[/]"), "", "", ""]
    days: object = "" if asset.days is None else f"{asset.days:,}"
    if asset.missing_days:
        days = styled("[red]{:,} of {:,}[/]", asset.days or 0, (asset.days or 0) + asset.missing_days)
    checks: object = f"{asset.passed} passed" if asset.passed else ""
    if asset.failed:
        checks = styled("[red]{} failed[/]" if asset.shut else "[yellow]{} failed[/]", len(asset.failed))
    newest = "snapshot" if asset.days is None else str(asset.newest_day or "")
    return [asset.name, newest, days, f"{asset.made_at.astimezone():%m-%d %H:%M}", checks]


def watch(json_: Json = False) -> None:
    """Look for all that is wrong, tell it where alerts go, and end with 1 if there is anything: for cron or systemd.

    It sees what Dagster cannot tell of itself: a daemon that died, a sensor that stopped, a night that never began.

    Example: `*/5 * * * * nightcart watch`
    """
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        lasting = [incident for incident in context.watched(instance) if not incident.is_event]
    show(reports.Incidents(incidents=lasting), _incidents, as_json=json_)
    if lasting:
        raise typer.Exit(1)


def _incidents(report: reports.Incidents) -> None:
    from orchestration.alerting.incidents import text

    if not report.incidents:
        say("[green]Everything is as it should be.[/]")
    for incident in report.incidents:
        alert = incident.as_alert(now=dt.datetime.now(dt.UTC))
        say("[red]✗[/] [bold]{}[/]: {}\n", alert.kind, text(alert))
