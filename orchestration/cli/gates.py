"""Commands of whoever answers for the gates: `check` looks again, `override` lets one verdict through for a while."""

from __future__ import annotations

import datetime as dt
import getpass
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from resources.errors import Refused

if TYPE_CHECKING:
    from assets.quality.gates import Gate
    from resources.records.quality import Verdict

ONE_DAY = dt.timedelta(days=1)
HOURS = 24  # long enough for the night and the morning after it; whoever needs longer says so


def check(
    asset: Annotated[str, typer.Argument(help="The asset whose checks are to look again.")],
    from_: Annotated[
        dt.datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First business day; default: the newest."
        ),
    ] = None,
    to: Annotated[
        dt.datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last business day; default: the first."),
    ] = None,
) -> None:
    """Look again at what is stored: the checks of an asset, without making it anew. Their verdicts go on record.

    It mends a verdict that is missing, is of another version, or is that of a check that crashed.

    Example: `nightcart check transactions --from 2017-11-01 --to 2017-11-27`
    """
    from orchestration import definitions
    from orchestration.cli.launch import console, instance, run_checks
    from orchestration.cli.runs import require_days, tell_of

    graph = definitions.defs.resolve_asset_graph()
    known = {key.to_user_string(): key for key in graph.materializable_asset_keys}
    if asset not in known or not graph.get_check_keys_for_assets({known[asset]}):
        guarded = sorted(name for name, key in known.items() if graph.get_check_keys_for_assets({key}))
        raise Refused(f"{asset} is no asset with checks.", remedy=f"they are {', '.join(guarded)}.")
    key = known[asset]
    with instance() as found:
        if found.get_latest_materialization_event(key) is None:
            raise Refused(f"{asset} has never been made.", remedy="`nightcart status` says how to make it.")
        days = None
        if graph.get(key).partitions_def:
            newest = dt.date.fromisoformat(max(found.get_materialized_partitions(key)))
            first = from_.date() if from_ else to.date() if to else newest
            days = (first, to.date() if to else first)
            if days[1] < days[0]:
                raise Refused(f"--to {days[1]} is before --from {days[0]}.", remedy="exchange them.")
            require_days(*days)
        elif from_ or to:
            raise Refused(f"{asset} has no days.", remedy=f"`nightcart check {asset}`.")
        what = f"the checks of {asset}" + (f", {days[0]} … {days[1]}" if days else "")
        console.print(f"[bold]Looking again[/]: {what}")
        outcome = run_checks(found, key, days, title=what)
    again = f"nightcart check {asset}" + (f" --from {days[0]} --to {days[1]}" if days else "")
    tell_of(outcome, what, again=again)


def override(
    subject: Annotated[str | None, typer.Argument(help="What was judged: a table, challenger or champion.")] = None,
    check_name: Annotated[str | None, typer.Argument(metavar="CHECK", help="The check that did not pass.")] = None,
    day: Annotated[
        dt.datetime | None,
        typer.Argument(
            formats=["%Y-%m-%d"], metavar="DAY", help="Its partition; default: the newest that did not pass."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it may be used all the same; it goes on record.")] = "",
    hours: Annotated[int, typer.Option(min=1, help="For how long.")] = HOURS,
    until: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Instead: to the end of this day, local time."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the overrides that have not lapsed, and stop.")] = False,
) -> None:
    """Let what failed one check through for a while, by name: for this very version, with a reason, on record.

    A check that never looked cannot be overridden; `nightcart check` makes it look. Data that changes is judged anew.

    Examples: `nightcart override transactions volume_is_like_the_same_weekday 2017-11-23 --reason "Thanksgiving"`,
    `nightcart override --list`
    """
    from orchestration.cli import screens
    from orchestration.cli.adapters import adapters
    from orchestration.cli.launch import console
    from resources.records.quality import Override

    operations, settings = adapters().operations, adapters().settings
    now = dt.datetime.now(dt.UTC)
    if list_:
        screens.overrides(operations.overrides(now=now))
        return
    if not (subject and check_name and reason.strip()):
        raise Refused(
            "An override names what is let through, and why.",
            remedy='`nightcart override SUBJECT CHECK DAY --reason "…"`; `nightcart override --list` shows those that hold.',
        )
    verdict = _to_override(_gate(subject, check_name), day.date() if day else None)
    zone = ZoneInfo(settings.timezone)
    expires_at = (
        dt.datetime.combine(until.date() + ONE_DAY, dt.time(), tzinfo=zone)
        if until
        else now + dt.timedelta(hours=hours)
    )
    if expires_at <= now:
        raise Refused(f"--until {until:%Y-%m-%d} is over.", remedy="name a later day, or --hours.")
    made = Override(
        subject=verdict.subject,
        partition=verdict.partition,
        data_version=verdict.data_version,
        check=verdict.check,
        reason=reason.strip(),
        by=getpass.getuser(),
        expires_at=expires_at,
        decided_at=now,
    )
    operations.record(made)
    console.print(
        f"[green]✓[/] {subject}{f' of {verdict.partition}' if verdict.partition else ''} may be used although {check_name} "
        f"{verdict.outcome}: {verdict.reason}\n  until {expires_at.astimezone(zone):%Y-%m-%d %H:%M}, or until it changes. "
        "A night that it stopped goes on with `nightcart nightly`.",
        markup=True,
    )


def _gate(subject: str, check_name: str) -> Gate:
    from orchestration.definitions import GATES

    if subject not in GATES:
        raise Refused(f"Nothing called {subject} is checked.", remedy=f"it is one of {', '.join(sorted(GATES))}.")
    named = {gate.check: gate for gate in GATES[subject]}
    if check_name not in named:
        raise Refused(f"{subject} has no check {check_name}.", remedy=f"it has {', '.join(sorted(named))}.")
    return named[check_name]


def _to_override(gate: Gate, day: dt.date | None) -> Verdict:
    """The newest verdict of a gate that has not passed, of `day` or of the newest day that there is one for.

    Raises :class:`Refused` when there is none, or when what it judged has changed since.
    """
    from orchestration.cli.adapters import adapters
    from resources.records.quality import Verdict

    operations = adapters().operations
    if day and not gate.has_days:
        raise Refused(f"{gate.subject} has no days.", remedy="leave the day out.")
    since = (day or dt.date.min) if gate.has_days else None
    verdicts = operations.verdicts(gate.subject, since=since, until=day)
    of_the_gate = {partition: verdict for (partition, name), verdict in verdicts.items() if name == gate.check}
    shut = [verdict for verdict in of_the_gate.values() if verdict.outcome != Verdict.PASSED]
    look = f"`nightcart check {gate.asset_key}{f' --from {day} --to {day}' if day else ''}`"
    what = f"{gate.check} of {gate.subject}{f' of {day}' if day else ''}"
    if not of_the_gate:
        raise Refused(f"There is no verdict of {what}: it has never looked.", remedy=f"{look} makes it look.")
    if not shut:
        raise Refused(f"The newest verdict of {what} is that it passed.", remedy="nothing has to be overridden.")
    verdict = max(shut, key=lambda each: each.partition or dt.date.min)
    days = [verdict.partition] if verdict.partition else []
    if gate.present(days, **adapters().by_name()).get(verdict.partition) != verdict.data_version:
        raise Refused(
            f"{gate.subject}{f' of {verdict.partition}' if verdict.partition else ''} has changed since {gate.check} "
            "looked at it.",
            remedy=f"{look} judges it as it is now.",
        )
    return verdict
