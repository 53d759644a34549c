"""Commands of whoever answers for the model and the gates: `override`, `promote`, `rollback`, `reconcile`."""

from __future__ import annotations

import datetime as dt
import getpass
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from orchestration.cli import context
from orchestration.cli.drawing import DAY, console, say, show, table
from orchestration.reports import governance
from orchestration.reports.lists import days_with_lists
from resources.days import ONE_DAY
from resources.errors import Refused
from resources.records.quality import Override, Verdict
from resources.text import plural

if TYPE_CHECKING:
    from assets.lifecycle.manual import Person
    from assets.quality.gates import Gate

HOURS = 24  # long enough for the night and the morning after it; whoever needs longer says so
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

    work = context.lifecycle(say=lambda line: say("[dim]{}[/]", line))
    with work.tables.together():  # no pruning removes the version meanwhile, no backup has the half of it
        record = manual.promote(version, _person(reason), work, is_overriding=override)
    for line in record.reasons:
        say("  {}", line)
    say(
        "[green]✓[/] Version {} is champion, instead of version {}. The next lists are scored with it; "
        '`nightcart rollback --reason "…"` undoes it.',
        *(record.champion_after, record.champion_before),
    )


def rollback(
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="An earlier champion; default: the one before.")] = None,
) -> None:
    """Make the champion before serve again, from the next lists on. Takes seconds.

    Examples: `nightcart rollback --reason "complaints about empty offers"`, `nightcart rollback --to 3 --reason "…"`
    """
    from assets.lifecycle.manual import roll_back

    person, work = _person(reason), context.lifecycle()
    with work.tables.together():
        record = roll_back(person, work, to=to)
    say(
        "[green]✓[/] Version {} is champion again, instead of version {}. The next lists are scored with it; "
        "`nightcart nightly --date {} --force` makes the last ones again.",
        *(record.champion_after, record.champion_before, person.day),
    )


def reconcile() -> None:
    """Make the parts of the state fit again: after a restore from a backup, or where MLflow is not what the ledger says.

    Records that somebody changed in the database are put back from the audit trail, erasures on record are applied anew to
    what was brought back, days that tables lack are named with their command, aliases follow the ledger, and a champion that
    was deleted is registered again from its files.

    Example: `nightcart reconcile`
    """
    from assets.lifecycle import manual
    from orchestration.cli.erasure import forget_again
    from orchestration.cli.launch import running
    from resources.tables import contents

    work = context.lifecycle()
    with running() as instance:
        for each in (put_back := work.operations.put_back()):
            say("[green]✓[/] {}", each)
        work.operations.require_recorded()
        if n := forget_again(instance):
            say("[green]✓[/] {} that had been erased and were there again: removed.", plural(n, "household"))
        context.parts(instance).set_marks(now=dt.datetime.now(dt.UTC))
    for what, again in contents.lacking(context.resources().tables, work.operations).values():
        say("[yellow]![/] {} {}", what, again)
    done = manual.reconcile(_person("reconciled"), work)
    for each in done:
        say("[green]✓[/] {}", each)
    for each in manual.differences(work.registry, work.operations):
        say("[yellow]![/] {}", each.says)
    if not (done or put_back):
        say("The registry is what the ledger says.")


def _person(reason: str) -> Person:
    """Whoever types, deciding for the newest night that there are lists of."""
    from assets.lifecycle.manual import Person

    if not reason.strip():
        raise Refused("A decision on the champion has a reason.", remedy='add --reason "…".')
    reached = context.resources()
    days = [record.business_date for record in reached.operations.promotions()] + days_with_lists(reached.tables)
    if not days:
        raise Refused("There has been no night yet.", remedy="`nightcart nightly --date YYYY-MM-DD` makes one.")
    return Person(name=getpass.getuser(), reason=reason.strip(), day=max(days), now=dt.datetime.now(dt.UTC))


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
        dt.datetime | None, typer.Option(**DAY, help="Instead: to the end of this day, local time.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the overrides that have not lapsed, and stop.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="With --list: as JSON, for machines.")] = False,
) -> None:
    """Let what failed one check through for a while, by name: for this very version, with a reason, on record.

    A check that never looked cannot be overridden; `nightcart check` makes it look. Data that changes is judged anew.

    Examples: `nightcart override transactions volume_is_like_the_same_weekday 2017-11-23 --reason "Thanksgiving"`,
    `nightcart override --list`
    """
    operations, zone = context.resources().operations, ZoneInfo(context.resources().settings.timezone)
    now = dt.datetime.now(dt.UTC)
    if list_:
        show(governance.Overrides(overrides=operations.overrides(now=now)), draw_overrides, as_json=json_)
        return
    if not (subject and check_name and reason.strip()):
        raise Refused(
            "An override names what is let through, and why.",
            remedy='`nightcart override SUBJECT CHECK DAY --reason "…"`; `nightcart override --list` shows those that hold.',
        )
    verdict = _to_override(_gate(subject, check_name), day.date() if day else None)
    expires_at = now + dt.timedelta(hours=hours)
    if until:
        expires_at = dt.datetime.combine(until.date() + ONE_DAY, dt.time(), tzinfo=zone)
    if expires_at <= now:
        raise Refused(f"--until {until:%Y-%m-%d} is over.", remedy="name a later day, or --hours.")
    operations.record(
        Override(
            subject=verdict.subject,
            partition=verdict.partition,
            data_version=verdict.data_version,
            check=verdict.check,
            reason=reason.strip(),
            by=getpass.getuser(),
            expires_at=expires_at,
            decided_at=now,
        )
    )
    say(
        "[green]✓[/] {} may be used although {} {}: {}\n  until {:%Y-%m-%d %H:%M}, or until it changes. A night that it "
        "stopped goes on with `nightcart nightly --date YYYY-MM-DD`.",
        f"{subject} of {verdict.partition}" if verdict.partition else subject,
        *(check_name, verdict.outcome, verdict.reason, expires_at.astimezone(zone)),
    )


def draw_overrides(report: governance.Overrides) -> None:
    """Draw the overrides that hold, with who, why and until when."""
    if not report.overrides:
        say("Nothing is overridden.")
        return
    zone, columns = ZoneInfo(context.resources().settings.timezone), ("what", "check", "reason", "by", "until")
    drawn = table(*columns, title="overridden", wrap=columns)
    for each in report.overrides:
        what = each.subject + (f" of {each.partition}" if each.partition else "")
        until = f"{each.expires_at.astimezone(zone):%Y-%m-%d %H:%M}"
        drawn.add_row(what, each.check, each.reason, each.by, until)
    console.print(drawn)


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
    if day and not gate.has_days:
        raise Refused(f"{gate.subject} has no days.", remedy="leave the day out.")
    since = (day or dt.date.min) if gate.has_days else None
    verdicts = context.resources().operations.verdicts(gate.subject, since=since, until=day)
    of_the_gate = [verdict for (_, name), verdict in verdicts.items() if name == gate.check]
    shut = [verdict for verdict in of_the_gate if verdict.outcome != Verdict.PASSED]
    look = f"`nightcart check {gate.asset_key}{f' --from {day} --to {day}' if day else ''}`"
    what = f"{gate.check} of {gate.subject}{f' of {day}' if day else ''}"
    if not of_the_gate:
        raise Refused(f"There is no verdict of {what}: it has never looked.", remedy=f"{look} makes it look.")
    if not shut:
        raise Refused(f"The newest verdict of {what} is that it passed.", remedy="nothing has to be overridden.")
    verdict = max(shut, key=lambda each: each.partition or dt.date.min)
    days = [verdict.partition] if verdict.partition else []
    if gate.present(days, **context.resources().by_name()).get(verdict.partition) != verdict.data_version:
        raise Refused(
            f"{gate.subject}{f' of {verdict.partition}' if verdict.partition else ''} has changed since {gate.check} "
            "looked at it.",
            remedy=f"{look} judges it as it is now.",
        )
    return verdict
