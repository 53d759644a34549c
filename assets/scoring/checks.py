"""What must hold of lists before anybody sees them."""

import dagster as dg

from assets.ingestion.assets import PRODUCTS
from assets.partitions import days_of
from assets.scoring.assets import RECOMMENDATIONS, recommendations
from resources.operations import OperationsDatabase
from resources.settings import Settings
from resources.table_store import TableStore


@dg.asset_check(
    asset=recommendations,
    blocking=True,
    description="Every household that ever bought has one full list, without repetition, in the order of its scores.",
)
def list_is_full_and_in_order(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], tables: TableStore
) -> dg.AssetCheckResult:
    days = days_of(context)
    rows = tables.read(RECOMMENDATIONS, since=days[0], until=days[-1])
    known = tables.read("household_features", since=days[0], until=days[-1]).select("business_date", "household_id")
    products = tables.read("product_features", since=days[0], until=days[-1])
    length = min(settings.model.top_k, int(products.product_id.nunique().execute()))
    personal = rows.filter(~rows.is_fallback)
    lists = personal.group_by("business_date", "household_id").agg(
        rows=personal.count(),
        products=personal.product_id.nunique(),
        last=personal["rank"].max(),
        disorder=personal.score.corr(personal["rank"].cast("float64"), how="pop"),
    )
    bad = (lists.rows != length) | (lists.products != length) | (lists["last"] != length) | (lists.disorder > 0)
    broken = int(lists.filter(bad).count().execute())
    without = int(known.anti_join(lists, ["business_date", "household_id"]).count().execute())
    return dg.AssetCheckResult(
        passed=broken == 0 and without == 0,
        metadata={"lists": int(lists.count().execute()), "broken_lists": broken, "households_without_list": without},
    )


@dg.asset_check(asset=recommendations, blocking=True, description="Nothing is recommended that is not recommendable.")
def product_is_recommendable(context: dg.AssetCheckExecutionContext, tables: TableStore) -> dg.AssetCheckResult:
    days = days_of(context)
    rows, catalogue = tables.read(RECOMMENDATIONS, since=days[0], until=days[-1]), tables.read(PRODUCTS)
    ruled_out = rows.anti_join(catalogue.filter(catalogue.is_recommendable), "product_id")
    found = ruled_out.product_id.topk(5).to_pandas()
    return dg.AssetCheckResult(passed=found.empty, metadata={"ruled_out": found.iloc[:, 0].tolist()})


@dg.asset_check(asset=recommendations, blocking=True, description="Every list was made by that night's champion.")
def list_is_the_champions(
    context: dg.AssetCheckExecutionContext, tables: TableStore, operations: OperationsDatabase
) -> dg.AssetCheckResult:
    wrong = {}
    for day in days_of(context):
        rows = tables.read(RECOMMENDATIONS, since=day, until=day)
        versions = rows.model_version.as_table().distinct().to_pyarrow()["model_version"].to_pylist()
        if versions != [operations.champion_as_of(day)]:
            wrong[day.isoformat()] = versions
    return dg.AssetCheckResult(passed=not wrong, metadata={"days_of_other_versions": wrong})
