"""`recommendations`: what each household is offered on the days after a business day's close."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from assets import gates
from assets.failures import RETRY_OUTSIDE, explained
from assets.features.assets import TABLES as FEATURES
from assets.ingestion.assets import HOUSEHOLDS
from assets.partitions import business_days, days_back, days_of, fresh_by
from assets.reporting import OWNERS, columns, lineage, picture, report_days, written
from assets.training.champions import serving
from resources.errors import Refused
from resources.model_registry import CHAMPION, ModelRegistry
from resources.operations import OperationsDatabase
from resources.records import PromotionRecord
from resources.settings import Settings
from resources.table_store import TableStore

RECOMMENDATIONS = "recommendations"

RECOMMENDATION_COLUMNS = columns(
    {
        "business_date": ("date", "The day at whose close the list was made, for the days after it; the partition."),
        "household_id": ("string", "For whom; null is the list for anybody who is not known yet."),
        "rank": ("long", "Place in the list, from 1."),
        "product_id": ("string", "What is recommended."),
        "score": (
            "double",
            "The probability that the household buys it in the seven days after, or what else the model's family says: "
            "higher is better; null in a fallback list.",
        ),
        "is_repeat": ("boolean", "Whether the household ever bought it."),
        "is_explore": ("boolean", "Whether it stands in a place that is kept for what the household never bought."),
        "is_fallback": ("boolean", "Whether nothing was known of the household."),
        "reason": ("string", "due, regular, again, new or fallback."),
        "explanation": ("string", "The reason for people."),
        "model_version": ("long", "The version of the champion that made the list."),
    }
)


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # A champion serves until another one is decided on: most nights have none of their own.
    deps=[*FEATURES, dg.AssetDep(CHAMPION, partition_mapping=days_back(364)), HOUSEHOLDS],
    retry_policy=RETRY_OUTSIDE,
    code_version="1",
    kinds={"deltalake", "lightgbm"},
    owners=OWNERS,
    metadata={
        "dagster/column_schema": RECOMMENDATION_COLUMNS,
        "dagster/column_lineage": lineage(
            household_id=("household_product_features", ["household_id"]),
            product_id=("household_product_features", ["product_id"]),
            is_repeat=("household_product_features", ["purchases"]),
            reason=("household_product_features", ["overdue", "purchases"]),
        ),
    },
    freshness_policy=fresh_by(7),
)
@explained
def recommendations(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
) -> dg.MaterializeResult:
    """The top products of every household as of a business day's close, each with its reason and the model's version.

    Scored by the champion of the latest night up to then that decided on one and passed its check; a training that is
    still under way, or died, changes nothing. A household without any purchase, and anybody who is not known yet, gets
    the month's best sellers, marked as a fallback.
    """
    days, now = days_of(context), dt.datetime.now(dt.UTC)
    # With none that passed its check, the gate says why not.
    decided = {day: serving(operations, day, now=now) or operations.promotion_as_of(day) for day in days}
    gates.require(operations, _scored_from(decided, tables), now=now)
    return [_score(context, day, record, settings, tables, registry) for day, record in decided.items()][-1]


def _scored_from(decided: Mapping[dt.date, PromotionRecord | None], tables: TableStore) -> dict[str, gates.Versions]:
    """What lists are made of: the days' features, the household file, and the champion as it was decided."""
    return {
        **{name: gates.of_days(tables, name, list(decided)) for name in FEATURES},
        HOUSEHOLDS: gates.whole(tables, HOUSEHOLDS),
        CHAMPION: {record.business_date: str(record.champion_after) for record in decided.values() if record},
    }


def _score(
    context: dg.AssetExecutionContext,
    day: dt.date,
    decided: PromotionRecord | None,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
) -> dg.MaterializeResult:
    from assets.features.definitions import FeatureTables
    from assets.scoring import lists, pictures
    from assets.training.candidates import best_sellers, candidates
    from assets.training.models.interface import Recommender

    model, version = settings.model, decided.champion_after if decided else None
    if version is None:
        raise Refused(
            f"No champion has been decided for {day} or before.",
            remedy=f"`nightcart nightly --date {day}` trains and decides one.",
        )
    with registry.files(registry.version(version)) as folder:
        recommender = Recommender.load(folder)
    built = FeatureTables.of(lambda name: tables.read(name, since=day, until=day).drop("business_date"))
    found = candidates(built, own=model.candidates, new=model.new_candidates)
    frame = found.order_by("household_id", "product_id").to_pyarrow().to_pandas()
    context.log.info(f"Scoring {len(frame):,} candidates with version {version}, {recommender.title}")
    personal = lists.personal(frame, recommender.score(frame), k=model.top_k, explore=model.explore_places)

    served = set(frame["household_id"].unique())
    listed = tables.read(HOUSEHOLDS).household_id.to_pyarrow().to_pylist()
    popular = best_sellers(built, most=model.top_k).select("product_id", "buyers_month").to_pandas()
    others = lists.fallback(popular, [*sorted(set(listed) - served), None])
    rows = lists.joined(personal, others, business_date=day, model_version=version)
    commit = tables.replace_days(RECOMMENDATIONS, rows, days=[day])
    report_days(context, commit, [day])
    return dg.MaterializeResult(
        metadata={
            **written(commit, tables),
            "model_version": version,
            "households": len(served),
            "households_with_fallback": int(others["household_id"].nunique()),
            "share_of_repeats": float(personal["is_repeat"].mean()),
            "reasons": {reason: int(n) for reason, n in personal["reason"].value_counts().items()},
            "scores": picture(pictures.scores(personal["score"].tolist(), k=model.top_k)),
        },
    )
