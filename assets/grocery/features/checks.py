"""What must hold of features before a model sees them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportOperatorIssue=false

from collections.abc import Iterator

import dagster as dg

from assets.grocery.features.tables import TABLES
from assets.grocery.tables import CATEGORY_AFFINITY, HOUSEHOLD, HOUSEHOLD_PRODUCT, SUBCATEGORY_AFFINITY
from assets.partitions import days_of
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

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
        groups = rows.group_by("business_date", *table.key).agg(rows=rows.count())
        twice = groups.filter(groups.rows > 1)
        repeated = twice.group_by("business_date").agg(rows=twice.count()).to_pyarrow().to_pylist()
        yield GateResult(
            gate=UNIQUE[name],
            broken={
                row["business_date"]: f"{row['rows']:,} {' and '.join(table.key)} stand there twice" for row in repeated
            },
            metadata={"repeated": sum(row["rows"] for row in repeated)},
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
