"""What must hold of features before a model sees them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportOperatorIssue=false, reportArgumentType=false

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from assets.grocery.features.tables import TABLES
from assets.grocery.tables import CATEGORY_AFFINITY, HOUSEHOLD, HOUSEHOLD_PRODUCT, SUBCATEGORY_AFFINITY
from assets.partitions import days_of
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate
from resources.records.store import OperationsDatabase
from resources.tables.slices import slices_for
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import ibis

BYTES_A_KEY = 100  # that the engine holds to tell whether there is another of it
# Ages in days: below zero, something from after the close has reached the features.
AGES = {
    HOUSEHOLD_PRODUCT: "days_since_last",
    HOUSEHOLD: "days_since_trip",
    CATEGORY_AFFINITY: "category_days_since_last",
    SUBCATEGORY_AFFINITY: "subcategory_days_since_last",
}


UNIQUE = {
    name: Gate(subject=name, check="row_is_unique", description=f"One row for each {' and '.join(table.key)}.")
    for name, table in TABLES.items()
}
PAST = {
    name: Gate(
        subject=name,
        check="nothing_is_from_after_the_close",
        description=f"No {column} is below zero, and there are rows wherever there were purchases.",
    )
    for name, column in AGES.items()
}


@gate_checks([*UNIQUE.values(), *PAST.values()])
def features_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Count repeated rows and look for ages below zero, day by day."""
    days, tables = days_of(context), tables.at_scale
    for name, table in TABLES.items():
        rows = tables.read(name, since=days[0], until=days[-1])
        counts = tables.rows_by_day(name)
        twice = _repeated(
            rows, table.key, pieces=slices_for(sum(counts.get(day, 0) for day in days), bytes_a_row=BYTES_A_KEY)
        )
        yield GateResult(
            gate=UNIQUE[name],
            broken={day: f"{n:,} {' and '.join(table.key)} stand there twice" for day, n in twice.items()},
            metadata={"repeated": sum(twice.values())},
        )
    for name, column in AGES.items():
        rows = tables.read(name, since=days[0], until=days[-1])
        lowest = rows.group_by("business_date").agg(lowest=rows[column].min()).to_pyarrow().to_pylist()
        broken = {
            row["business_date"]: row["lowest"] for row in lowest if row["lowest"] is not None and row["lowest"] < 0
        }
        yield GateResult(
            gate=PAST[name],
            broken={day: f"{column} is {value:g}: something from after the close" for day, value in broken.items()},
            metadata={
                f"lowest_{column}": min((row["lowest"] for row in lowest if row["lowest"] is not None), default=0.0)
            },
        )


def _repeated(rows: "ibis.Table", key: Sequence[str], *, pieces: int) -> Counter[dt.date]:
    """How many keys each day has more than once, counted in so many pieces, that one's keys fit into memory."""
    repeated: Counter[dt.date] = Counter()
    for piece in range(pieces):
        # Nothing that is stored depends on the engine's own hash; its remainders are below zero too.
        part = rows if pieces == 1 else rows.filter((rows[key[0]].hash() % pieces).isin([piece, piece - pieces]))
        groups = part.group_by("business_date", *key).agg(rows=part.count())
        twice = groups.filter(groups.rows > 1)
        counted = twice.group_by("business_date").agg(rows=twice.count()).to_pyarrow().to_pylist()
        repeated.update({row["business_date"]: row["rows"] for row in counted})
    return repeated
