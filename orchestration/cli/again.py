"""Commands that look again: `rebuild` at what a version was made from, `check` at what is stored."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from orchestration.cli import context
from orchestration.cli.drawing import DAY, say
from orchestration.cli.runs import report_outcome, require_days
from resources.errors import Refused
from resources.records.privacy import Erasure


def rebuild(
    version: Annotated[int, typer.Argument(help="The version's number, see `nightcart models`.")],
    from_lines: Annotated[
        bool, typer.Option("--from-lines", help="Make its label weeks again too, from the baskets on record.")
    ] = False,
) -> None:
    """Train a version again from its record, and compare files and scores with what was registered.

    Nothing is registered and nothing changes. Ends with an error when anything differs.

    Examples: `nightcart rebuild 1`, `nightcart rebuild 1 --from-lines`
    """
    from assets.lifecycle import reproduce

    work = context.lifecycle(say=lambda line: say("  {}", line))
    again = reproduce.rebuild(
        work.registry.version(version), work, from_lines=from_lines, erasures=work.operations.records(Erasure)
    )
    made_by = f" The version was made by other code ({again.other_code})." if again.other_code else ""
    if not again.is_identical:
        raise Refused(
            f"Version {version} made again is not the same: {', '.join(again.changed_files) or 'no file'} changed, scores "
            f"differ by up to {again.largest_difference:.3g}.{made_by}",
            remedy="check out the code on record, or look for what changed in the libraries (uv.lock).",
        )
    say(
        "[green]✓[/] Version {}, made again from {:,} examples: the same files, byte by byte, and the same scores of {:,} "
        "candidates of its holdout.{}",
        *(version, again.examples, again.rows, made_by),
    )


def check(
    asset: Annotated[str, typer.Argument(help="The asset whose checks are to look again.")],
    from_: Annotated[
        dt.datetime | None, typer.Option("--from", **DAY, help="First business day; default: the newest.")
    ] = None,
    to: Annotated[
        dt.datetime | None, typer.Option("--to", **DAY, help="Last business day; default: the first.")
    ] = None,
) -> None:
    """Look again at what is stored: the checks of an asset, without making it anew. Their verdicts go on record.

    It mends a verdict that is missing, is of another version, or is that of a check that crashed.

    Example: `nightcart check transactions --from 2017-11-01 --to 2017-11-27`
    """
    from orchestration import definitions
    from orchestration.cli.launch import run_checks, running
    from resources.tables import contents

    graph = definitions.defs.resolve_asset_graph()
    known = {key.to_user_string(): key for key in graph.materializable_asset_keys}
    if asset not in known or not graph.get_check_keys_for_assets({known[asset]}):
        guarded = sorted(name for name, key in known.items() if graph.get_check_keys_for_assets({key}))
        raise Refused(f"{asset} is no asset with checks.", remedy=f"they are {', '.join(guarded)}.")
    key = known[asset]
    with running() as instance:
        made = instance.get_materialized_partitions(key) if graph.get(key).partitions_def else None
        if made == set() or instance.get_latest_materialization_event(key) is None:
            raise Refused(f"{asset} has never been made.", remedy="`nightcart status` says how to make it.")
        days = None
        if made:
            newest = dt.date.fromisoformat(max(made))
            first = from_.date() if from_ else to.date() if to else newest
            days = (first, to.date() if to else first)
            if days[1] < days[0]:
                raise Refused(f"--to {days[1]} is before --from {days[0]}.", remedy="exchange them.")
            require_days(*days)
        elif from_ or to:
            raise Refused(f"{asset} has no days.", remedy=f"`nightcart check {asset}`.")
        if asset in (lacking := contents.lacking(context.resources().tables, context.resources().operations)):
            raise Refused(lacking[asset][0], remedy=lacking[asset][1])  # nobody wrote what a check would let through
        what = f"the checks of {asset}" + (f", {days[0]} … {days[1]}" if days else "")
        say("[bold]Looking again[/]: {}", what)
        outcome = run_checks(instance, key, days, title=what)
    again = f"nightcart check {asset}" + (f" --from {days[0]} --to {days[1]}" if days else "")
    report_outcome(outcome, what, again=again)
