"""What is fresh, what is missing, what failed, and what to do about it.

The one report that asks Dagster, for what was made and what is under way; what is wrong is what the probes of
`orchestration.alerting` see.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.grocery.publication.publication import Published
from assets.grocery.staleness import CHAMPION, FEATURES, stale_now
from assets.grocery.tables import TRANSACTIONS
from assets.lifecycle import retraining_ledger as ledger
from assets.privacy.proof import pending
from orchestration.reports.costs import costs, in_a_line
from orchestration.reports.lists import days_with_lists
from orchestration.reports.report import Report
from resources import home
from resources.config.retailer import Settings
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import Override
from resources.records.store import OperationsDatabase
from resources.text import listed

if TYPE_CHECKING:
    import dagster as dg

    from assets.quality.gates import Gates
    from orchestration.alerting.incidents import Incident
    from orchestration.alerting.probes import ProbeContext
    from orchestration.runs.dagster_internals import AssetGraph


@dataclass(frozen=True, kw_only=True)
class Asset:
    """How an asset stands: its newest day and how many it has (None without days), and its checks as they ran last.

    `shut` are the failed checks that stop what is downstream, and that nobody has let through.
    """

    name: str
    made_at: dt.datetime | None
    first_day: dt.date | None = None
    newest_day: dt.date | None = None
    days: int | None = None
    missing_days: int = 0
    passed: int = 0
    failed: Sequence[str] = ()
    shut: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """A run under way; `day` is empty for one of several days or of none."""

    run_id: str
    job: str
    day: str


@dataclass(frozen=True, kw_only=True)
class Status(Report):
    """How everything stands; `advice` is what is wrong and what to do about it, a sentence each, and empty when all is well."""

    title: str
    config: str
    state: str
    switched_off: Sequence[str]
    assets: Sequence[Asset] = ()
    champion: PromotionRecord | None = None
    retraining: ledger.Entry | None = None
    published: Published | None = None
    costs: str | None = None
    under_way: Sequence[UnderWay] = ()
    overrides: Sequence[Override] = ()
    incidents: Sequence[Incident] = ()
    advice: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Incidents(Report):
    """What is wrong now, as the probes see it."""

    incidents: Sequence[Incident]


def status_before_anything_ran(settings: Settings) -> Status:
    """The report of a retailer whose history has not been taken in."""
    command = f"`nightcart backfill --from {settings.first_business_day} --to YYYY-MM-DD`"
    return Status(**_heading(settings), advice=[f"{command} takes in the history."])


def status(context: ProbeContext, gates: Gates) -> Status:
    """The report, as of the context's moment; `gates` are those of the code location."""
    from assets.partitions import PARTITION_TAG
    from orchestration.alerting.probes import look
    from orchestration.runs.nights import runs_under_way

    settings, operations, now = context.settings, context.operations, context.now
    graph, overrides = context.repository.asset_graph, operations.overrides(now=now)
    let_through = {each.check for each in overrides}
    assets = _assets(context.instance, graph, gates, let_through)
    incidents = look(context)
    decided = operations.promotions()
    return Status(
        **_heading(settings),
        assets=assets,
        champion=decided[-1] if decided else None,
        retraining=ledger.read(operations, now=now).current(rule=settings.retraining),
        published=context.served,
        costs=in_a_line(costs(operations, settings.costs)) if operations.nights_with_costs(1) else None,
        under_way=[
            UnderWay(run_id=run.run_id, job=run.job_name, day=run.tags.get(PARTITION_TAG, ""))
            for run in runs_under_way(context.instance)
        ],
        overrides=overrides,
        incidents=incidents,
        advice=list(
            dict.fromkeys(
                [
                    *_of_assets(assets),
                    *(f"{incident.happened} {incident.command}" for incident in incidents),
                    *_of_daemon(context.instance),
                    *_of_stale(operations),
                    *unfinished_erasures(operations),
                    *_of_lists(context),
                ]
            )
        ),
    )


def _heading(settings: Settings) -> dict[str, Any]:
    return {
        "title": settings.title,
        "config": str(home.config_file()),
        "state": str(home.state()),
        "switched_off": settings.switched_off(),
    }


def _assets(instance: dg.DagsterInstance, graph: AssetGraph, gates: Gates, let_through: set[str]) -> list[Asset]:
    """Every asset, those that others are made of first."""
    from orchestration.runs.dagster_internals import latest_evaluations

    rows = []
    evaluations = latest_evaluations(instance, sorted(graph.asset_check_keys))
    made_at = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_record
        for record in instance.get_asset_records(list(graph.toposorted_asset_keys))
    }
    for key in graph.toposorted_asset_keys:
        name, event = key.to_user_string(), made_at.get(key)
        if event is None:
            rows.append(Asset(name=name, made_at=None))
            continue
        days = sorted(map(dt.date.fromisoformat, instance.get_materialized_partitions(key)))
        outcomes = {check.name: one.passed for check, one in evaluations.items() if check.asset_key == key}
        failed = sorted(check for check, is_good in outcomes.items() if not is_good)
        stopping = {gate.check for of_subject in gates.of_asset(name).values() for gate in of_subject}
        has_days = graph.get(key).partitions_def is not None
        rows.append(
            Asset(
                name=name,
                made_at=dt.datetime.fromtimestamp(event.timestamp, dt.UTC),
                first_day=min(days, default=None),
                newest_day=max(days, default=None),  # none is left where a person deleted the runs
                days=len(days) if has_days else None,
                missing_days=(days[-1] - days[0]).days + 1 - len(days) if days and name == TRANSACTIONS else 0,
                passed=sum(outcomes.values()),
                failed=failed,
                shut=[check for check in failed if check in stopping and check not in let_through],
            )
        )
    return rows


def _of_assets(assets: Sequence[Asset]) -> list[str]:
    advice = [
        f"{asset.missing_days} days of {asset.name} are missing: "
        f"`nightcart backfill --from {asset.first_day} --to {asset.newest_day}`."
        for asset in assets
        if asset.missing_days
    ]
    advice += [
        f"{asset.name} breaks {check}: see the check in `make ui`, mend the feed, then run the day's nightly again."
        for asset in assets
        for check in asset.shut
    ]
    if never := [asset.name for asset in assets if asset.made_at is None]:
        advice.append(f"Never made: {', '.join(never)}. `nightcart nightly --date YYYY-MM-DD` makes everything.")
    return advice


def _of_daemon(instance: dg.DagsterInstance) -> list[str]:
    healthy = [kind for kind, status in instance.get_daemon_statuses().items() if status.healthy]
    if "SCHEDULER" in healthy:
        return []
    return [
        "The daemon is not running, so nothing runs by itself: `make ui` starts it with the web server, or the service that runs it."
    ]


def _of_stale(operations: OperationsDatabase) -> list[str]:
    """What was made before a day that it is made of was corrected."""
    advice = []
    for stale in stale_now(operations):
        first, last = min(stale.days), max(stale.days)
        days = str(first) if first == last else f"{first} … {last}"
        assets = "group:features" if stale.subject == FEATURES else stale.subject
        mend = f"`nightcart backfill --from {first} --to {last} --assets {assets} --force`."
        if stale.subject == CHAMPION:
            mend = "the next training learns from them."
        lines = f"made before {listed(stale.corrected)} had the lines that it has now"
        advice.append(f"Stale: {stale.subject} of {days}, {lines}: {mend}")
    return advice


def unfinished_erasures(operations: OperationsDatabase) -> list[str]:
    """Households that are to be forgotten and are not: who they are is on no record."""
    return [
        f"{asked.by} asked on {asked.at:%Y-%m-%d %H:%M} UTC for a household to be forgotten ({asked.reason}), and it is not "
        "done: the same `nightcart forget HOUSEHOLD` again finishes it."
        for asked in pending(operations)
    ]


def _of_lists(context: ProbeContext) -> list[str]:
    """Business days that have closed since the newest lists."""
    from assets.grocery.partitions import last_day

    made, last = days_with_lists(context.tables), last_day(context.settings, now=context.now)
    if not made or made[-1] >= last:
        return []
    return [f"Lists are of {made[-1]}; {last} has closed: `nightcart replay --days {(last - made[-1]).days}`."]
