"""`recommendations`, what each household is offered after a business day's close; `published_recommendations`, what is served."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportArgumentType=false

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from assets.failures import RETRIES
from assets.grocery.candidates.candidates import best_sellers
from assets.grocery.partitions import business_days, fresh_by
from assets.grocery.publication import publication
from assets.grocery.publication.publication import Published
from assets.grocery.publication.served import publish, record_publication, served_version
from assets.grocery.scoring import allowed, lists, pictures, sliced
from assets.grocery.scoring.inputs import features_of, placed, require_newest_inputs
from assets.grocery.staleness import FEATURES as FEATURES_MADE
from assets.grocery.tables import (
    FEATURES,
    HOUSEHOLD,
    HOUSEHOLD_PRODUCT,
    HOUSEHOLDS,
    PRODUCTS,
    PUBLISHED,
    RECOMMENDATIONS,
    TABLES,
    TRANSACTIONS,
)
from assets.lifecycle.champion import are_probabilities, serving
from assets.lifecycle.model import Model
from assets.partitions import days_back, days_of
from assets.quality.fence import fenced
from assets.quality.gates import Gates, Versions, of_days, whole
from assets.quality.staleness import delivery_watermark, record_made
from assets.reporting import OWNERS, columns, lineage, picture, report_days, written
from resources.config.deployment import pod_for
from resources.config.retailer import Settings
from resources.errors import Damaged, Refused
from resources.models.registry import CHAMPION, ModelRegistry
from resources.policy.client import Policy
from resources.records.lifecycle import PromotionRecord, Scoring
from resources.records.store import OperationsDatabase
from resources.tables.slices import slices_for
from resources.tables.store import TableStore

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # A champion serves until another one is decided on: most nights have none of their own.
    deps=[*FEATURES, dg.AssetDep(CHAMPION, partition_mapping=days_back(364)), TRANSACTIONS, PRODUCTS, HOUSEHOLDS],
    retry_policy=RETRIES,
    code_version=lists.VERSION,
    kinds={"deltalake", "lightgbm"},
    owners=OWNERS,
    op_tags=pod_for("scoring"),
    metadata={
        "dagster/column_schema": columns(TABLES[RECOMMENDATIONS]),
        "dagster/column_lineage": lineage(
            household_id=(HOUSEHOLD_PRODUCT, ["household_id"]),
            product_id=(HOUSEHOLD_PRODUCT, ["product_id"]),
            is_repeat=(HOUSEHOLD_PRODUCT, ["purchases"]),
            reason=(HOUSEHOLD_PRODUCT, ["overdue", "purchases"]),
        ),
    },
    freshness_policy=fresh_by(7),
)
@fenced
def recommendations(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    registry: dg.ResourceParam[ModelRegistry],
    operations: dg.ResourceParam[OperationsDatabase],
    policy: dg.ResourceParam[Policy],
    gates: dg.ResourceParam[Gates],
) -> dg.MaterializeResult:
    """The top products of every household as of a business day's close, each with its reason and the model's version.

    Scored by the champion of the latest night up to then that decided on one and passed its check; a training that is
    still under way, or died, changes nothing. A household without any purchase, and anybody who is not known yet, gets
    the month's best sellers, marked as a fallback. What the policy denies a household is not among them
    (`nightcart policy show`), and at most `model.places_a_subcategory` of a list replace each other.
    """
    days, now = days_of(context), dt.datetime.now(dt.UTC)
    # With none that passed its check, the gate says why not.
    decided = {day: serving(operations, day, now=now) or operations.promotion_as_of(day) for day in days}
    gates.require(operations, _scored_from(decided, tables), now=now)
    watermarks = delivery_watermark(operations, FEATURES_MADE, days)
    results = [
        _score(context, day, record, settings, tables, registry, operations, policy) for day, record in decided.items()
    ]
    record_made(operations, RECOMMENDATIONS, watermarks, run_id=context.run.run_id, now=now)
    return results[-1]


def _scored_from(decided: Mapping[dt.date, PromotionRecord | None], tables: TableStore) -> dict[str, Versions]:
    """What lists are made of: the days' features, the catalogue, the household file, and the champion as it was decided."""
    return {
        **{name: of_days(tables, name, list(decided)) for name in FEATURES},
        PRODUCTS: whole(tables, PRODUCTS),
        HOUSEHOLDS: whole(tables, HOUSEHOLDS),
        CHAMPION: {record.business_date: str(record.champion_after) for record in decided.values() if record},
    }


def _score(
    context: dg.AssetExecutionContext,
    day: dt.date,
    decided: PromotionRecord | None,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
    policy: Policy,
) -> dg.MaterializeResult:
    import ibis
    import pyarrow as pa

    model, version = settings.model, decided.champion_after if decided else None
    if version is None:
        raise Refused(
            f"No champion has been decided for {day} or before.",
            remedy=f"`nightcart nightly --date {day}` trains and decides one.",
        )
    with registry.files(registry.version(version)) as folder:
        recommender = Model.load(folder)
    read = {name: tables.version(name) for name in (*FEATURES, HOUSEHOLDS, TRANSACTIONS, PRODUCTS)}
    built = features_of(day, tables.at_scale, versions=read)
    sold = placed(built.product, tables.at_scale, version=read[PRODUCTS]).to_pandas()
    answer = policy.ask(allowed.PACKAGE, allowed.question(day, sold))
    operations.record(
        answer.on_record(subject=allowed.subject(day), run_id=context.run.run_id, now=dt.datetime.now(dt.UTC))
    )
    kept_back = allowed.denied(answer, sold)
    candidates = tables.rows_by_day(HOUSEHOLD).get(day, 0) * (model.candidates + model.new_candidates)
    slices = slices_for(candidates, bytes_a_row=sliced.BYTES_A_CANDIDATE)
    context.log.info(
        f"Scoring with version {version}, {recommender.title}" + f", in {slices} slices of households" * (slices > 1)
    )
    is_probability = are_probabilities(operations.promotions(), version, recommender)
    as_rows = partial(lists.joined, business_date=day, model_version=version, is_probability=is_probability)
    personal = sliced.personal_lists(built, recommender, model, kept_back=kept_back, slices=slices, as_rows=as_rows)

    served = set(personal["household_id"].unique().to_pylist())
    registered = tables.read(HOUSEHOLDS, version=read[HOUSEHOLDS]).household_id.to_pyarrow().to_pylist()
    denied = ibis.memtable(kept_back) if len(kept_back) else None
    popular = best_sellers(built, most=model.top_k, denied=denied, places=model.places_a_subcategory)
    popular = popular.select("product_id", "buyers_month").to_pandas()
    others = lists.fallback(popular, [*sorted(set(registered) - served), None])
    commit = tables.replace_days(RECOMMENDATIONS, pa.concat_tables([personal, as_rows(others)]), days=[day])
    operations.record(
        Scoring(
            business_date=day,
            model_version=version,
            tables={**read, RECOMMENDATIONS: commit.version},
            run_id=context.run.run_id,
            scored_at=dt.datetime.now(dt.UTC),
        )
    )
    report_days(context, commit, [day])
    shown = personal.select(["is_repeat", "reason", "score"]).to_pandas()
    return dg.MaterializeResult(
        metadata={
            **written(commit, tables),
            "model_version": version,
            "households": len(served),
            "households_with_fallback": int(others["household_id"].nunique()),
            "products_kept_back_by_the_policy": int(kept_back["product_id"].nunique()),
            "policy_digest": answer.digest,
            "share_of_repeats": float(shown["is_repeat"].mean()),
            "reasons": {reason: int(n) for reason, n in shown["reason"].value_counts().items()},
            "scores": picture(pictures.scores(shown["score"], k=model.top_k)),
        },
    )


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[RECOMMENDATIONS, *FEATURES, PRODUCTS, HOUSEHOLDS],
    retry_policy=RETRIES,  # an alert that marks what is served at the same moment
    code_version=publication.VERSION,
    kinds={"deltalake"},
    owners=OWNERS,
    metadata={"dagster/column_schema": columns(TABLES[PUBLISHED])},
    freshness_policy=fresh_by(7),
)
@fenced
def published_recommendations(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],  # of the tariff that the step is priced by
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
    gates: dg.ResourceParam[Gates],
) -> dg.MaterializeResult:
    """What is served now: the lists of the newest good night, whole, and whether they are carried over from an earlier one.

    Replaced in one commit once the night's lists have passed their gates; a reader sees the lists of one night. A night
    that cannot be made good leaves the last good ones here, marked as such, with the reason; an older night that is made
    again does not replace a newer one's, nor do lists whose baskets, features, catalogue or households are others by now.
    A commit of this table is a publication: its version tells one from the next.
    """
    days = days_of(context)
    gates.require(operations, {RECOMMENDATIONS: of_days(tables, RECOMMENDATIONS, days)}, now=dt.datetime.now(dt.UTC))
    version, served = _served_before(context, tables)
    published = publication.after_a_good_night(
        served, night=days[-1], today=settings.local_day(dt.datetime.now(dt.UTC))
    )
    if published:
        require_newest_inputs(days[-1], tables, operations)
        rows = tables.read(RECOMMENDATIONS, since=days[-1], until=days[-1]).drop("business_date")
        # Its own gate comes too late for those who have read it by then.
        if without := households_without_list(rows, tables, made_on=days[-1]):
            raise Refused(
                f"{without:,} households would have no list if those of {days[-1]} were published.",
                remedy=f"`nightcart nightly --date {days[-1]} --force` makes them again.",
            )
        publish(rows, published, tables, expected_version=version)
    # Also when nothing was published: what a run that died after it did not put on record is made good here.
    record_publication(tables, operations, run_id=context.run.run_id, now=dt.datetime.now(dt.UTC))
    commit, now_served = tables.newest(PUBLISHED), published or served
    assert now_served
    report_days(context, commit, [days[-1]])
    return dg.MaterializeResult(
        metadata={
            **written(commit, tables),
            "is_published": published is not None,
            # In Dagster's own database: with the head of a night kept there, nobody cuts off the end of the trail unseen.
            "audit_head": operations.audit_head(),
            **{name: str(value) for name, value in vars(now_served).items()},
        }
    )


def _served_before(context: dg.AssetExecutionContext, tables: TableStore) -> tuple[int | None, Published | None]:
    """What is served until now; lists that nobody can read any more make way for any that are good."""
    try:
        return served_version(tables)
    except Damaged as error:
        context.log.warning(f"What is served cannot be read, and is replaced: {error.message}")
        return tables.version(PUBLISHED), None


def households_without_list(lists: "ir.Table", tables: TableStore, *, made_on: dt.date) -> int:
    """How many households known at the close of `made_on` have no list, counting anybody who is not known as one."""
    known = tables.read(HOUSEHOLD, since=made_on, until=made_on)
    nobody_in_particular = lists.filter(lists.household_id.isnull()).limit(1).count()
    without = known.anti_join(lists, "household_id").count()
    return int(without.execute()) + (not int(nobody_in_particular.execute()))
