"""Standing incidents as asset checks: an asset's page shows what is wrong with it, and that it is over.

They block nothing and open no gate. The job `alerting` reports them when they change; run by hand, they say what is on
record. What is an incident is decided in `orchestration.alerting.probes`.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from orchestration.alerting.incidents import Incident, open_now
from orchestration.jobs import NO_OPEN_INCIDENT
from orchestration.runs.dagster_internals import latest_evaluations
from resources.records.alerts import Alert
from resources.records.store import OperationsDatabase

# By the first word of incidents' keys: the assets that they belong to.
SHOWN_ON = {
    "night": ("recommendations", "published_recommendations"),
    "feed": ("transactions",),
    "arrival": ("transactions",),
    "drift": ("drift_signals",),
    "attempts": ("retraining_decision", "champion"),
    "registry": ("champion",),
}


@dg.multi_asset_check(
    name="open_incidents",
    specs=[
        dg.AssetCheckSpec(
            check.name,
            asset=check.asset_key,
            description="Nothing is wrong that people were told of: see `nightcart status`. Reported by the job `alerting`.",
        )
        for check in NO_OPEN_INCIDENT
    ],
    can_subset=True,
)
def open_incidents(
    context: dg.AssetCheckExecutionContext, operations: dg.ResourceParam[OperationsDatabase]
) -> Iterator[dg.AssetCheckResult]:
    """What is on record of the assets' incidents."""
    alerts = open_now(operations.records(Alert))
    for check in context.selected_asset_check_keys:
        why = _why(check, alerts)
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=check.asset_key,
            passed=not why,
            severity=dg.AssetCheckSeverity.WARN,
            description=why,
        )


def report(instance: dg.DagsterInstance, incidents: Iterable[Incident]) -> None:
    """Record an evaluation of each check whose incidents are others than when it was evaluated last."""
    incidents, latest = list(incidents), latest_evaluations(instance, NO_OPEN_INCIDENT)
    for check in NO_OPEN_INCIDENT:
        why, before = _why(check, incidents), latest.get(check)
        if before is None or (before.passed, before.description) != (not why, why):
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=check.asset_key,
                    check_name=check.name,
                    passed=not why,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=why,
                )
            )


def _why(check: dg.AssetCheckKey, incidents: Iterable[Incident | Alert]) -> str | None:
    asset = check.asset_key.to_user_string()
    happened = [each.happened for each in incidents if asset in SHOWN_ON.get(each.key.partition(" ")[0], ())]
    return " ".join(happened) or None
