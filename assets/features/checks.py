"""What must hold of features before a model sees them."""

from collections.abc import Iterator

import dagster as dg

from assets.features.assets import TABLES
from assets.partitions import days_of
from resources.table_store import TableStore

# Ages in days: below zero, something from after the close has reached the features.
AGES = {
    "household_product_features": "days_since_last",
    "household_features": "days_since_trip",
    "category_affinity": "category_days_since_last",
    "subcategory_affinity": "subcategory_days_since_last",
}


@dg.multi_asset_check(
    specs=[
        *(
            dg.AssetCheckSpec(
                "row_is_unique", asset=name, blocking=True, description=f"One row for each {' and '.join(keys)}."
            )
            for name, (keys, _, _) in TABLES.items()
        ),
        *(
            dg.AssetCheckSpec(
                "nothing_is_from_after_the_close",
                asset=name,
                blocking=True,
                description=f"No {column} is below zero, and there are rows wherever there were purchases.",
            )
            for name, column in AGES.items()
        ),
    ]
)
def features_are_fit_to_use(
    context: dg.AssetCheckExecutionContext, tables: TableStore
) -> Iterator[dg.AssetCheckResult]:
    days = days_of(context)
    for name, (keys, _, _) in TABLES.items():
        rows = tables.read(name, since=days[0], until=days[-1])
        # A product has one category: it is no part of what tells its rows apart.
        identity = ["product_id"] if "product_id" in keys and "household_id" not in keys else keys
        groups = rows.group_by("business_date", *identity).agg(rows=rows.count())
        repeated = int(groups.filter(groups.rows > 1).count().execute())
        yield dg.AssetCheckResult(
            asset_key=name, check_name="row_is_unique", passed=repeated == 0, metadata={"repeated": repeated}
        )
    for name, column in AGES.items():
        rows = tables.read(name, since=days[0], until=days[-1])
        lowest = rows[column].min().execute()
        yield dg.AssetCheckResult(
            asset_key=name,
            check_name="nothing_is_from_after_the_close",
            passed=not lowest < 0,
            metadata={f"lowest_{column}": float(lowest)},
        )
