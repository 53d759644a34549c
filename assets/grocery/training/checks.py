"""What must hold of what was learnt before it may score a household."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from assets.grocery.tables import AS_OF, EXAMPLES, TRANSACTIONS
from assets.grocery.training.examples import LABEL_DAYS
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


def _label_weeks(days: Iterable[dt.date], *, tables: TableStore, **_: Any) -> dict[dt.date | None, str]:
    return dict(tables.fingerprints(EXAMPLES))


EXAMPLES_GATE = Gate(
    subject=EXAMPLES,
    check="label_weeks_are_over",
    description="Every label week is over by the business day's close, and has households that bought and that did not.",
    versions=_label_weeks,
    reads=(TRANSACTIONS,),
)


@gate_checks([EXAMPLES_GATE])
def training_examples_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Look at every label week that is stored."""
    last_day = max(filter(None, tables.rows_by_day(TRANSACTIONS)))
    while settings.is_closed(last_day + ONE_DAY):  # it has no rows, and will have none
        last_day += ONE_DAY
    rows = tables.read(EXAMPLES)
    weeks = rows.group_by(AS_OF).agg(examples=rows.count(), positives=rows.label.sum()).to_pyarrow().to_pylist()
    broken = {
        week[AS_OF]: f"{week['positives']:,} of {week['examples']:,} examples are purchases: nothing to tell apart"
        for week in weeks
        if not 0 < week["positives"] < week["examples"]
    }
    broken |= {
        week[AS_OF]: f"its week is not over: baskets are there up to {last_day}"
        for week in weeks
        if week[AS_OF] + dt.timedelta(days=LABEL_DAYS) > last_day
    }
    total = sum(week["examples"] for week in weeks)
    yield GateResult(
        gate=EXAMPLES_GATE,
        broken=broken,
        metadata={
            "weeks": len(weeks),
            "share_of_positives": sum(week["positives"] for week in weeks) / total if total else 0.0,
        },
    )
