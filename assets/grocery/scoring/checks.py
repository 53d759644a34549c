"""What must hold of lists before anybody sees them."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from assets.grocery.publication.served import served_now
from assets.grocery.scoring import allowed
from assets.grocery.scoring.assets import households_without_list
from assets.grocery.scoring.inputs import placed
from assets.grocery.tables import HOUSEHOLD, HOUSEHOLD_PRODUCT, PRODUCT, PRODUCTS, PUBLISHED, RECOMMENDATIONS
from assets.lifecycle.champion import serving
from assets.partitions import days_of
from assets.quality.evaluation import GateResult, gate_checks
from assets.quality.gates import Gate, good_days
from resources.config.retailer import Settings
from resources.days import ONE_DAY
from resources.errors import Damaged
from resources.policy.client import Answer, Policy
from resources.records.lifecycle import PolicyDecision, PromotionRecord, Scoring
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore
from resources.text import listed

if TYPE_CHECKING:
    import ibis.expr.types as ir

FULL = Gate(
    subject=RECOMMENDATIONS,
    check="list_is_full_and_in_order",
    description="Every household that ever bought has one full list, without repetition, in the order of its scores.",
    reads=(HOUSEHOLD, PRODUCT),
)
RECOMMENDABLE = Gate(
    subject=RECOMMENDATIONS,
    check="product_is_recommendable",
    description="Nothing is recommended that is not recommendable.",
    reads=(PRODUCTS,),
)
ALLOWED = Gate(
    subject=RECOMMENDATIONS,
    check="product_is_allowed",
    description="The policy allows what is listed: no tobacco, and nothing age-restricted that a household never bought.",
    reads=(HOUSEHOLD_PRODUCT, PRODUCTS),
)
KEPT_BACK = Gate(
    subject=RECOMMENDATIONS,
    check="policy_keeps_back_as_before",
    description="What the policy kept back on the last good day it keeps back still, while its rules are the same.",
    reads=(PRODUCT, PRODUCTS),
)
THE_CHAMPIONS = Gate(
    subject=RECOMMENDATIONS,
    check="list_is_the_champions",
    description="Every list was made by that night's champion: the one that it began with, or one that it decided on.",
)
EVERYBODY = Gate(
    subject=PUBLISHED,
    check="every_household_has_a_list",
    description="Every household that ever bought has a published list, and so has anybody who is not known.",
    has_days=False,
    reads=(HOUSEHOLD,),
)


A_FEW = 0.1  # of what was kept back may have moved in the catalogue
LISTS_GATES = (FULL, RECOMMENDABLE, ALLOWED, KEPT_BACK, THE_CHAMPIONS)


@gate_checks(LISTS_GATES)
def recommendations_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    policy: dg.ResourceParam[Policy],
) -> Iterator[GateResult]:
    """Look at the lists of each day of the run."""
    broken: dict[Gate, dict[dt.date | None, str]] = {gate: {} for gate in LISTS_GATES}
    tables = tables.at_scale
    catalogue = tables.read(PRODUCTS)
    recommendable = catalogue.filter(catalogue.is_recommendable)
    lists = 0
    for day in days_of(context):
        rows = tables.read(RECOMMENDATIONS, since=day, until=day)
        wrong, without, lists = _lists(day, settings, tables, operations)
        if wrong or without:
            such = f" (such as that of household {wrong[0][0]}, with {wrong[0][1]:,} products)" if wrong else ""
            broken[FULL][day] = f"{len(wrong):,} of {lists:,} lists are not{such}, and {without:,} households have none"
        ruled_out = rows.anti_join(recommendable, "product_id").product_id.topk(5).to_pandas().iloc[:, 0].tolist()
        if ruled_out:
            broken[RECOMMENDABLE][day] = f"products that may not be recommended stand in lists: {listed(ruled_out)}"
        if kept_back := _not_allowed(day, tables, operations, policy, run_id=context.run.run_id):
            broken[ALLOWED][day] = kept_back
        if freed := _freed(day, tables, operations):
            broken[KEPT_BACK][day] = freed
        versions = rows.model_version.as_table().distinct().to_pyarrow()["model_version"].to_pylist()
        champions = champions_of(day, operations)
        if len(versions) != 1 or versions[0] not in champions:
            made_by, champion = (listed(numbers) or "none" for numbers in (versions, champions))
            broken[THE_CHAMPIONS][day] = f"they were made by version {made_by}, the champion is {champion}"
    for gate, days in broken.items():
        yield GateResult(gate=gate, broken=days, metadata={"lists": lists})


def champions_of(day: dt.date, operations: OperationsDatabase) -> list[int | None]:
    """Who may have made the lists of `day`: a training that it decided on ends after they are made, or before."""
    before = serving(operations, day - ONE_DAY, now=dt.datetime.now(dt.UTC))
    own = operations.records(PromotionRecord, business_date=day)
    return [record.champion_after for record in (before, *own) if record]


def _lists(
    day: dt.date, settings: Settings, tables: TableStore, operations: OperationsDatabase
) -> tuple[list[tuple[str, int]], int, int]:
    """Of a day: households whose lists are not as they should be with their products, those without one, lists in all."""
    rows = tables.read(RECOMMENDATIONS, since=day, until=day)
    known = tables.read(HOUSEHOLD, since=day, until=day).select("household_id")
    personal = rows.filter(~rows.is_fallback)
    lists = personal.group_by("household_id").agg(
        rows=personal.count(),
        products=personal.product_id.nunique(),
        last=personal["rank"].max(),
        disorder=personal.score.corr(personal["rank"].cast("float64"), how="pop"),
    )
    lists = lists.left_join(_lengths(day, settings, tables, operations), "household_id").drop("household_id_right")
    bad = (lists.rows != lists.length) | (lists.products != lists.length) | (lists["last"] != lists.length)
    without = known.anti_join(lists, "household_id")
    # Of scores that are all the same there is no correlation: it is no number, which is above every one.
    is_out_of_order = (lists.disorder > 0) & ~lists.disorder.isnan()
    wrong = lists.filter(bad.fill_null(True) | is_out_of_order.fill_null(False)).order_by("household_id")
    wrong = wrong.select("household_id", "products").to_pyarrow().to_pylist()
    counts = [int(rows_of.count().execute()) for rows_of in (without, lists)]  # pyright: ignore[reportArgumentType]
    return [(row["household_id"], row["products"]) for row in wrong], counts[0], counts[1]


def _lengths(day: dt.date, settings: Settings, tables: TableStore, operations: OperationsDatabase) -> "ir.Table":
    """How long the list of each household is (`household_id`, `length`): as configured, or all that it may be offered.

    What it may not be offered is what the policy denied when the lists were made.
    """
    import ibis

    sold = tables.read(PRODUCT, since=day, until=day).select("product_id").distinct()
    asked = operations.records(PolicyDecision, subject=allowed.subject(day), last=1)
    denied = allowed.denied(Answer.recorded(asked[0]), placed(sold, tables).to_pandas()) if asked else None
    history = tables.read(HOUSEHOLD_PRODUCT, since=day, until=day).select("household_id", "product_id")
    households = tables.read(HOUSEHOLD, since=day, until=day).select("household_id")
    products = int(sold.count().execute())
    if denied is None or denied.empty:
        return households.mutate(length=ibis.literal(min(settings.model.top_k, products), "int64"))
    own = history.join(ibis.memtable(denied[["product_id", "is_repeat"]]), "product_id")
    # What is denied to those who never bought it is lost to all but those who did.
    changes = own.group_by("household_id").agg(change=own.is_repeat.ifelse(-1, 1).sum())
    lists = households.left_join(changes, "household_id").drop("household_id_right")
    offered = lists.change.fill_null(0) + (products - int((~denied["is_repeat"]).sum()))
    return lists.select("household_id", length=ibis.least(offered, settings.model.top_k).cast("int64"))


def _not_allowed(
    day: dt.date, tables: TableStore, operations: OperationsDatabase, policy: Policy, *, run_id: str
) -> str:
    """What stands in the lists of a day against the policy, in words; empty when nothing does.

    Whether a household bought a product is looked up in its history: the lists' own word is not taken for it.
    """
    rows = tables.read(RECOMMENDATIONS, since=day, until=day).select("household_id", "product_id")
    products = placed(rows, tables).to_pandas()
    answer = policy.ask(allowed.PACKAGE, allowed.question(day, products))
    now = dt.datetime.now(dt.UTC)
    operations.record(answer.on_record(subject=f"what is listed in {RECOMMENDATIONS} of {day}", run_id=run_id, now=now))
    history = tables.read(HOUSEHOLD_PRODUCT, since=day, until=day)
    bought = history.select("household_id", "product_id", "purchases")
    rows = rows.left_join(bought, ["household_id", "product_id"])
    rows = rows.group_by("product_id", is_repeat=rows.purchases.notnull()).agg(lists=rows.count())
    against = rows.to_pandas().merge(allowed.denied(answer, products), on=["product_id", "is_repeat"])
    if against.empty:
        return ""
    return f"{against['lists'].sum():,} rows hold what the policy denies, among them: {against['says'].iloc[0]}"


def _freed(day: dt.date, tables: TableStore, operations: OperationsDatabase) -> str:
    """What the same policy kept back on the last good day and lets through on `day`, in words; empty when it is little.

    The rules know places by name: when the catalogue calls them otherwise, they match nothing, and nobody notices.
    """
    before = next(iter(good_days(operations, RECOMMENDATIONS, [KEPT_BACK.check], before=day)), None)
    asked = [
        operations.records(PolicyDecision, subject=allowed.subject(each), last=1) for each in (before, day) if each
    ]
    made = operations.records(Scoring, business_date=before, last=1) if before else []
    if not made or len(asked) < 2 or not all(asked) or asked[0][0].policy_digest != asked[1][0].policy_digest:
        return ""
    sold = tables.read(PRODUCT, since=day, until=day).semi_join(tables.read(PRODUCTS), "product_id")
    try:
        then = placed(sold, tables, version=made[0].tables[PRODUCTS]).to_pandas()
    except Damaged:  # so old a version of the catalogue is no longer kept
        return ""
    kept, still = (
        {
            tuple(row)
            for row in allowed.denied(Answer.recorded(answer), products)[["product_id", "is_repeat"]].to_numpy()
        }
        for (answer,), products in zip(asked, (then, placed(sold, tables).to_pandas()), strict=True)
    )
    freed = sorted({product for product, _ in kept - still})
    if len(freed) <= A_FEW * len({product for product, _ in kept}):
        return ""
    return (
        f"{len(freed):,} products that the policy kept back on {before} ({listed(freed)}) have other places in the catalogue "
        "now, which its rules do not name: correct the catalogue, or the rules"
    )


@gate_checks([EVERYBODY])
def published_recommendations_are_fit_to_use(
    context: dg.AssetCheckExecutionContext,
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[GateResult]:
    """Look for households without a list among those known when the lists were made."""
    served = served_now(tables)
    if served is None:
        yield GateResult(gate=EVERYBODY, broken={None: "nothing is published"})
        return
    without = households_without_list(tables.read(PUBLISHED), tables, made_on=served.made_on)
    yield GateResult(
        gate=EVERYBODY,
        broken={None: f"{without:,} households known at the close of {served.made_on} have none"} if without else {},
        metadata={"made_on": str(served.made_on), "is_carried_over": served.is_carried_over},
    )
