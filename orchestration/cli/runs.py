"""Commands that make something: `demo`, `nightly`, `retrain`, `backfill`, `replay`."""

from __future__ import annotations

import datetime as dt
import getpass
import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import DAY, say
from orchestration.cli.night import draw_next_commands, draw_night
from resources.days import ONE_DAY, ranges
from resources.errors import Damaged, NightcartError, Refused, Unavailable, Unwritable, of_the_machine
from resources.records.lifecycle import RetrainingDecision, RetrainingRequest
from resources.text import listed, plural

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.cli.launch import Outcome

Force = Annotated[bool, typer.Option("--force", help="Do again what is done.")]

DEMO_HISTORY = (dt.date(2017, 1, 1), dt.date(2017, 11, 26))
DEMO_NIGHT = dt.date(2017, 11, 27)
INGESTION = "group:ingestion"


def demo() -> None:
    """One night on real data: eleven months of a grocery chain, then everything for 2017-11-27.

    Takes in 2017-01-01 to 2017-11-26 as one run and runs the nightly of the day after, through Dagster. Run again, it
    goes on where it stopped and does not redo what is done.

    Example: `nightcart demo`
    """
    from orchestration.cli.launch import running

    settings = context.resources().settings
    if settings.name != "complete_journey":
        raise Refused(
            f"The retailer in use is {settings.title}, not the demo.",
            remedy="`nightcart use config/complete_journey.toml`.",
        )
    say("\n[bold]Nightcart[/] · one night on real data · {}\n", settings.title)
    with running() as instance:
        _backfill(instance, *DEMO_HISTORY, assets="transactions", is_forced=False, is_dry=False)
        _night(instance, DEMO_NIGHT, is_forced=False)
    draw_night(DEMO_NIGHT)
    draw_next_commands()


def nightly(
    date: Annotated[dt.datetime, typer.Option(**DAY, help="The business day that has closed.")],
    force: Force = False,
) -> None:
    """Everything for one business day: baskets, features, lists for tomorrow, how earlier lists did.

    A night that failed or was killed goes on with what it had not finished; one that is done stays as it is. While there
    is no champion it trains one; later on it decides whether to train anew, and does so afterwards, as a run of its
    own: a training that fails costs no lists, and is tried again by the daemon or with the next night.

    Example: `nightcart nightly --date 2017-11-28`
    """
    from orchestration.cli.launch import mark_lists, running

    day = date.date()
    require_days(day)
    try:
        with running() as instance:
            _night(instance, day, is_forced=force)
            _retrain_as_decided(instance)
    except Exception as error:  # no run began, or none that the records could tell a look of
        known = error if isinstance(error, NightcartError) else of_the_machine(error)
        if isinstance(known, Damaged | Unavailable | Unwritable):
            mark_lists(day, because=known.message)
            if known is error:  # what is no error of ours, `main` says it of
                again = f"`nightcart nightly --date {day}` goes on where it stopped."
                known.remedy = f"{known.remedy.rstrip('.')}. Then {again}"
        raise
    draw_night(day)


def retrain(
    reason: Annotated[str, typer.Option(help="Why: it stands in the ledger with your name.")],
    later: Annotated[bool, typer.Option("--later", help="Leave it to the daemon, also when none is running.")] = False,
) -> None:
    """Train the model anew with what is known by the last night, because a person wishes it.

    The wish feeds the same decision as drift and age do; no cool-down holds it back. The daemon carries it out within a
    minute or so; when none is running, it is done here and now. The new model still has to beat the champion.

    Examples: `nightcart retrain --reason "new leaflet layout"`, `nightcart retrain --reason "after the move" --later`
    """
    import dagster as dg

    from orchestration.cli.launch import has_sensors, run_range, running

    operations = context.resources().operations
    with running() as instance:
        nights = instance.get_materialized_partitions(dg.AssetKey("recommendations"))
        days = nights or instance.get_materialized_partitions(dg.AssetKey("transactions"))
        if not days:
            raise Refused(
                "There are no baskets to train on.",
                remedy="`nightcart backfill --from YYYY-MM-DD --to YYYY-MM-DD` takes in the history.",
            )
        day = dt.date.fromisoformat(max(days))
        operations.record(RetrainingRequest(reason=reason, by=getpass.getuser(), made_at=dt.datetime.now(dt.UTC)))
        outcome = run_range(instance, {dg.AssetKey("retraining_decision")}, day, day)
        report_outcome(outcome, f"the decision of {day}", again=f"nightcart retrain --reason {reason!r}")
        decided = operations.records(RetrainingDecision, last=1)
        if not decided or not decided[-1].is_retraining:
            raise Refused(
                f"The wish is on record, but nothing was decided on {day} (run {outcome.run_id[:8]}).",
                remedy="`nightcart decisions` shows why; the next night takes it up.",
            )
        if later or has_sensors(instance):
            say(
                "On record for {}. The daemon carries it out; `nightcart decisions` shows how it went.{}",
                *(day, "" if has_sensors(instance) else " It is not running now: `make ui` starts it."),
            )
            return
        if not _retrain_as_decided(instance):
            raise Refused("The model was not trained anew.", remedy="`nightcart decisions` shows how it stands.")
    draw_night(day)


def backfill(
    from_: Annotated[dt.datetime, typer.Option("--from", **DAY, help="First business day.")],
    to: Annotated[dt.datetime, typer.Option("--to", **DAY, help="Last business day.")],
    assets: Annotated[str, typer.Option(help="What to make, in Dagster's selection syntax.")] = "transactions",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    force: Force = False,
) -> None:
    """Make a range of days: says first what it will do, uses one run for every gap, and leaves alone what is done.

    Examples: `nightcart backfill --from 2017-01-01 --to 2017-11-26`,
    `nightcart backfill --from 2017-11-01 --to 2017-11-26 --assets group:features`
    """
    from orchestration.cli.launch import running

    with running() as instance:
        _backfill(instance, from_.date(), to.date(), assets=assets, is_forced=force, is_dry=dry_run)


def replay(
    days: Annotated[int, typer.Option(min=1, help="How many business days.")] = 1,
) -> None:
    """The next nights, one after the other, as the scheduler would run them.

    Goes on after the last night that is done, or else after the last day that was taken in.

    Example: `nightcart replay --days 7`
    """
    import dagster as dg

    from assets.grocery.partitions import business_days
    from orchestration.cli.launch import running
    from orchestration.runs.nights import newest_runs

    settings = context.resources().settings
    with running() as instance:
        nights = [str(day) for day in newest_runs(instance, dg.DagsterRunStatus.SUCCESS)]
        taken_in = instance.get_materialized_partitions(dg.AssetKey("transactions"))
        last = max(nights or taken_in, default=None)
        if last is None:
            raise Refused(
                "There is nothing to go on from.",
                remedy=f"`nightcart backfill --from {settings.first_business_day} --to YYYY-MM-DD` takes in the history.",
            )
        first = dt.date.fromisoformat(last) + ONE_DAY
        nights = [first + n * ONE_DAY for n in range(days)]
        there = [day for day in nights if business_days.has_partition_key(day.isoformat())]
        if not there:
            raise Refused(
                f"{first} is not over, or after the last business day of {settings.title}.", remedy="wait for it."
            )
        for number, day in enumerate(there, start=1):
            say("[bold]night {} of {}[/]: {:%A} {}", number, len(there), day, day)
            _night(instance, day, is_forced=False)
            _retrain_as_decided(instance)
    draw_night(there[-1])


def take_in(instance: dg.DagsterInstance, first: dt.date, last: dt.date) -> None:
    """Take in those of the days' baskets, and the catalogue, that are not there yet."""
    _backfill(instance, first, last, assets=INGESTION, is_forced=False, is_dry=False)


def _night(instance: dg.DagsterInstance, day: dt.date, *, is_forced: bool) -> None:
    import dagster as dg

    from assets.lifecycle.champion import serving
    from orchestration.cli.launch import run_night
    from orchestration.runs.nights import require_later, runs_of_night

    attempts = runs_of_night(instance, day)
    if attempts and attempts[0].status == dg.DagsterRunStatus.SUCCESS and not is_forced:
        require_later(instance, attempts[0], now=dt.datetime.now(dt.UTC))
        if not _gone() & {day, None}:
            say("[green]✓[/] The night of {} is done (run {}).", day, attempts[0].run_id[:8])
            return
        say(
            "[yellow]![/] The night of {} was done, but not all that it wrote is in the tables any more: it is made again.",
            day,
        )
        is_forced = True
    if attempts and not attempts[0].is_finished:
        raise Refused(
            f"The night of {day} is under way (run {attempts[0].run_id[:8]}).",
            remedy="wait for it; `make ui` shows it.",
        )
    failed = list(itertools.takewhile(lambda run: run.status != dg.DagsterRunStatus.SUCCESS, attempts))
    say("[bold]The night of {}[/], through Dagster", day)
    champion = serving(context.resources().operations, day - ONE_DAY, now=dt.datetime.now(dt.UTC))
    outcome = run_night(instance, day, attempts=[] if is_forced else failed, has_champion=champion is not None)
    for incident in context.watched(instance):
        if incident.night == day and not outcome.is_success:
            say("[yellow]{}[/]", incident.meaning)
    report_outcome(outcome, f"the night of {day}", again=f"nightcart nightly --date {day}")


def _retrain_as_decided(instance: dg.DagsterInstance) -> bool:
    """Carry the newest decision to retrain out, if there is one to carry out now; a failure is told, and no more.

    Whether the model was trained.
    """
    from orchestration.cli.launch import assets_of_training, run_retraining
    from orchestration.runs import attempts

    operations, settings = context.resources().operations, context.resources().settings
    plan = attempts.ask(
        instance, operations, settings=settings, training=assets_of_training(), now=dt.datetime.now(dt.UTC)
    )
    if not (plan.attempt and plan.entry):
        if plan.entry and plan.entry.state in attempts.WORTH_TELLING:
            say("[yellow]![/] {}\n", plan.why)
        return False
    day = plan.entry.decision.business_date
    say("[bold]Retraining[/], decided on {}: {}", day, "; ".join(plan.entry.decision.reasons))
    outcome = run_retraining(instance, plan.attempt, day)
    attempts.settle(instance, operations, of=settings.name, now=dt.datetime.now(dt.UTC))
    if outcome.is_success:
        say("[green]✓[/] retraining in {:.0f} s (run {})\n", outcome.seconds, outcome.run_id[:8])
    else:
        say(
            "[yellow]![/] The retraining failed (run {}, attempt {} of {}): {}\n  The lists stand, and the champion serves on. "
            "It is tried again by the daemon, or with the next night; `nightcart decisions` shows the ledger.\n",
            *(outcome.run_id[:8], plan.attempt.number, settings.retraining.attempts, " | ".join(outcome.failures)),
        )
    return outcome.is_success


def _backfill(
    instance: dg.DagsterInstance, first: dt.date, last: dt.date, *, assets: str, is_forced: bool, is_dry: bool
) -> None:
    import dagster as dg

    from orchestration import definitions
    from orchestration.cli.launch import run_range

    if last < first:
        raise Refused(f"--to {last} is before --from {first}.", remedy="exchange them.")
    require_days(first, last)
    graph = definitions.defs.resolve_asset_graph()
    try:
        chosen = dg.AssetSelection.from_string(assets).resolve(graph)
    except dg.DagsterError as error:
        raise Refused(
            f"{assets!r} selects nothing: {error}",
            remedy="name assets as `nightcart status` lists them, or a group, such as group:features.",
        ) from error
    # What is made in one step is made together: of the features, one cannot be had alone.
    chosen = {each for key in chosen for each in graph.get(key).execution_set_asset_keys}
    by_day = {key for key in chosen if graph.get(key).partitions_def}
    if not by_day:
        raise Refused(f"{assets!r} has no asset with days.", remedy="materialise it with `dg launch --assets …`.")
    wanted = [first + n * ONE_DAY for n in range((last - first).days + 1)]
    done = set.intersection(*(set(instance.get_materialized_partitions(key)) for key in by_day))
    gone = _gone({key.to_user_string() for key in by_day})
    if gone := [day for day in wanted if day in gone]:
        done -= {day.isoformat() for day in gone}
        say("[yellow]![/] Written once, and not in the tables any more: {}.", listed(gone, 3))
    todo = wanted if is_forced else [day for day in wanted if day.isoformat() not in done]
    # A table without days was perhaps what failed in the run that made them.
    if not todo and any(instance.get_latest_materialization_event(key) is None for key in chosen):
        todo = [last]
    gaps = ranges(todo)
    names = ", ".join(sorted(key.to_user_string() for key in chosen))
    runs = f" in {plural(len(gaps), 'run')}: {', '.join(f'{a} … {b}' for a, b in gaps[:5])}" if gaps else "."
    say(
        "[bold]Backfill[/] of {}: {} days, {} done, {} to make{}{}",
        *(names, len(wanted), len(wanted) - len(todo), len(todo), runs, " …" if len(gaps) > 5 else ""),
    )
    for start, end in [] if is_dry else gaps:
        outcome = run_range(instance, chosen, start, end)
        again = f"nightcart backfill --from {first} --to {last}" + (
            f" --assets {assets!r}" if assets != "transactions" else ""
        )
        # Days that broke a check are there, and would be left alone as done.
        report_outcome(outcome, f"{start} … {end}", again=again + " --force" * outcome.has_broken_checks)


def _gone(assets: set[str] | None = None) -> set[dt.date | None]:
    """The days of which tables have not what was written any more: those of `assets`, or all; None for a whole table."""
    from resources.tables import contents

    gone = contents.gone(context.resources().tables, context.resources().operations)
    return {day for table in gone if assets is None or table in assets for day in gone[table]}


def require_days(*days: dt.date) -> None:
    """Refuse days that are none of the retailer's."""
    from assets.grocery.partitions import business_days

    settings = context.resources().settings
    for day in days:
        if not business_days.has_partition_key(day.isoformat()):
            end = settings.last_business_day or "yesterday"
            raise Refused(
                f"{day} is no business day of {settings.title}: they are {settings.first_business_day} … {end}.",
                remedy="choose one of them, or change first_business_day and last_business_day in the configuration.",
            )


def report_outcome(outcome: Outcome, what: str, *, again: str) -> None:
    """Say that a run went well; raises :class:`Refused` with what failed, and with `again`, the command that goes on."""
    if outcome.is_success:
        say("[green]✓[/] {} in {:.0f} s (run {})\n", what, outcome.seconds, outcome.run_id[:8])
        return
    raise Refused(
        f"{what[0].upper() + what[1:]} failed (run {outcome.run_id[:8]}): " + " | ".join(outcome.failures),
        remedy=f"mend what it names, then `{again}` goes on where it stopped.",
    )
