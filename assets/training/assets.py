"""From labelled weeks to a champion: `training_examples`, `challenger`, `champion`, each for one business day's night."""

import datetime as dt
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.failures import RETRY_OUTSIDE, explained
from assets.features.assets import HISTORY
from assets.ingestion.assets import PRODUCTS, TRANSACTIONS
from assets.partitions import business_days, days_of
from assets.reporting import OWNERS, picture, written
from resources.engine import content_digest
from resources.errors import Refused
from resources.model_registry import CHAMPION, PREVIOUS, ModelRecord, ModelRegistry, ModelVersion, digest
from resources.operations import OperationsDatabase, PromotionRecord
from resources.provenance import code_version
from resources.settings import Settings
from resources.table_store import TableStore

if TYPE_CHECKING:
    import pandas as pd

    from assets.training.models.interface import Recommender

EXAMPLES = "training_examples"
# A label week's day in its own table: the close at which its candidates were known.
AS_OF = "as_of_date"


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep(TRANSACTIONS, partition_mapping=HISTORY), PRODUCTS],
    code_version="1",
    kinds={"deltalake", "duckdb"},
    owners=OWNERS,
    pool="training",
)
@explained
def training_examples(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings], tables: TableStore
) -> dg.MaterializeResult:
    """Labelled weeks for a night: what each household could have been offered, and what it then bought.

    The label weeks end on the partition's day, a week before, and so on; the candidates of each are made with the
    features as of the close before its first day. A week is made once and kept: it is made again only when the lines
    up to its end, the catalogue or the definitions have changed. The newest weeks are the holdout that nobody trains on.
    """
    import ibis

    from assets.training.examples import LABEL_DAYS, as_of_dates, examples, inputs_of

    model, catalogue = settings.model, tables.read(PRODUCTS).cache()
    catalogue_digest = content_digest(catalogue)
    commit, made, kept = None, 0, 0
    for day in days_of(context):
        for as_of in _weeks(day, settings):
            end = as_of + dt.timedelta(days=LABEL_DAYS)
            inputs = inputs_of(
                transactions=tables.fingerprint(TRANSACTIONS, until=end), products=catalogue_digest, model=model
            )
            if _inputs_on_record(tables, as_of) == inputs:
                kept += 1
                continue
            context.log.info(f"Labelling the week to {end}")
            week = examples(tables.read(TRANSACTIONS, until=end), catalogue, as_of=as_of, model=model)
            week = week.mutate(inputs=ibis.literal(inputs), **{AS_OF: ibis.literal(as_of)})
            commit = tables.replace_days(EXAMPLES, week.order_by("household_id", "product_id"), days=[as_of], by=AS_OF)
            made += 1
    counts = tables.rows_by_day(EXAMPLES)
    weeks = _weeks(days_of(context)[-1], settings)
    return dg.MaterializeResult(
        metadata={
            **(written(commit, tables) if commit else {"table_version": tables.version(EXAMPLES)}),
            "dagster/partition_row_count": sum(counts.get(as_of, 0) for as_of in weeks),
            "weeks_made": made,
            "weeks_kept": kept,
            "label_weeks_from_closes": [as_of.isoformat() for as_of in weeks],
        }
    )


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[training_examples],
    retry_policy=RETRY_OUTSIDE,
    code_version="1",
    kinds={"mlflow", "lightgbm"},
    owners=OWNERS,
    pool="training",
)
@explained
def challenger(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: TableStore,
    registry: ModelRegistry,
) -> dg.MaterializeResult:
    """Tonight's model: a version in MLflow, trained on the label weeks before the holdout.

    Its record names the exact versions of its input tables, parameters, seed and code, its quality on the holdout that
    it has not seen, and the digest of its files, which are of a native format. Trained again from the same inputs it is
    the same model, and stays the same version.
    """
    from assets.training import pictures
    from assets.training.metrics import estimates
    from assets.training.models.interface import Recommender

    model, rule = settings.model, settings.promotion
    for day in days_of(context):
        train, holdout = _training_weeks(day, settings), _holdout_weeks(day, settings)
        learn_from = _read_examples(tables, train)
        recommender = Recommender.create(model.family, model.parameters)
        context.log.info(f"Fitting {recommender.title} on {len(learn_from):,} examples of {len(train)} label weeks")
        recommender.fit(learn_from, seed=model.seed)
        quality = estimates(
            _lists(recommender, _read_examples(tables, holdout), settings),
            samples=rule.bootstrap_samples, confidence=rule.confidence, seed=model.seed,
        )  # fmt: skip
        metrics = {f"{name}_at_{model.top_k}": value.value for name, value in quality.items()}
        context.log.info("Registering the version in MLflow")
        version = _register(
            recommender,
            day,
            registry=registry,
            identity=f"{[_inputs_on_record(tables, as_of) for as_of in train]} {model.seed}",
            tables={name: tables.version(name) for name in (TRANSACTIONS, PRODUCTS, EXAMPLES)},
            parameters={
                "seed": model.seed,
                "examples": len(learn_from),
                "label_weeks_from_closes": " ".join(as_of.isoformat() for as_of in train),
                "holdout_from_closes": " ".join(as_of.isoformat() for as_of in holdout),
            },
            metrics=metrics,
            tags={"dagster.run_id": context.run.run_id},
        )
    shares = recommender.importance()
    return dg.MaterializeResult(
        metadata={
            "model_version": version.version,
            "mlflow_run_id": version.run_id,
            "examples": len(learn_from),
            **metrics,
            **{f"{name}_interval": f"{value.low:.4f} … {value.high:.4f}" for name, value in quality.items()},
            **({"what_it_looks_at": picture(pictures.importance(shares))} if shares else {}),
        }
    )


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[challenger, training_examples],
    retry_policy=RETRY_OUTSIDE,
    code_version="1",
    kinds={"mlflow"},
    owners=OWNERS,
    pool="promotion",
)
@explained
def champion(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
) -> dg.MaterializeResult:
    """Who scores the households from tonight on: the promotion, decided by rule and put on record.

    On the holdout that it has not seen, the challenger must beat every baseline and, if there is one, the champion:
    paired, by household, by more than chance; a tie does not promote. Then the alias `champion` moves and the old one
    stays as `previous`. A night that was decided is not decided again for the same challenger.
    """
    from assets.training import pictures
    from assets.training.models.interface import Recommender
    from assets.training.promotion import decide

    from assets.training import pictures

    for day in days_of(context):
        candidate = registry.challenger_of(day.isoformat())
        record = _already_decided(operations, day, candidate.version)
        if record is None:
            record = _decide(context, day, candidate, settings=settings, tables=tables, registry=registry, operations=operations)
            operations.record(record)
        # Also when nothing was decided: a run that died between the ledger and the registry is made good here.
        newest = operations.promotions()[-1]
        _follow(registry, newest)
        for reason in record.reasons:
            context.log.info(reason)
    return dg.MaterializeResult(
        metadata={
            "model_version": record.champion_after,
            "is_promoted": record.is_promoted,
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in record.reasons)),
            "quality": picture(pictures.quality(record.numbers["quality"], k=settings.model.top_k)),
        }
    )


def _already_decided(operations: OperationsDatabase, day: dt.date, challenger_version: int) -> PromotionRecord | None:
    """The decision of `day` on this very challenger. A night is decided anew only while no later one stands on it."""
    decided = operations.promotions()
    of_the_day = [record for record in decided if record.business_date == day]
    if of_the_day and of_the_day[-1].challenger == challenger_version:
        return of_the_day[-1]
    if of_the_day and decided[-1].business_date > day:
        raise Refused(
            f"{day} was decided with version {of_the_day[-1].challenger}, and later nights, up to "
            f"{decided[-1].business_date}, stand on it; it is not decided again with version {challenger_version}.",
            remedy="leave it, or run the nightly of the latest day again.",
        )
    return None


def _decide(
    context: dg.AssetExecutionContext,
    day: dt.date,
    candidate: ModelVersion,
    *,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
) -> PromotionRecord:
    """Judge a challenger on its holdout against the baselines and the champion of the night before."""
    from assets.training.metrics import estimates
    from assets.training.models.interface import Recommender
    from assets.training.promotion import best_of, decide

    rule, seed = settings.promotion, settings.model.seed
    before = operations.champion_as_of(day - dt.timedelta(days=1))
    holdout = _read_examples(tables, _holdout_weeks(day, settings))
    context.log.info(f"Judging version {candidate.version} on {len(holdout):,} candidates of the holdout")
    baselines = {family: Recommender.create(family) for family in settings.model.baselines}
    bar = {baseline.title: _lists(baseline, holdout, settings) for baseline in baselines.values()}
    judged = _lists_of_version(registry, candidate, holdout, settings)
    defender = None
    if before is not None and before != candidate.version:
        defender = (f"champion (version {before})", _lists_of_version(registry, registry.version(before), holdout, settings))
    decision = decide(judged, baselines=bar, champion=defender, rule=rule, seed=seed)

    after, reasons = (candidate.version if decision.is_promoted else before), decision.reasons
    if after is None:
        # Households are not left without a list: the best baseline serves until a challenger beats it.
        title = best_of(bar, metric=rule.metric)
        stand_in = next(baseline for baseline in baselines.values() if baseline.title == title)
        after = _register(stand_in, day, identity=f"{stand_in.family()} as of the first night", registry=registry).version
        reasons = (*reasons, f"{title} serves as champion, version {after}, until a challenger beats it")
    shown = bar | dict([defender] if defender else []) | {f"challenger (version {candidate.version})": judged}
    quality = {
        name: {
            metric: [value.value, value.low, value.high]
            for metric, value in estimates(
                lists, samples=rule.bootstrap_samples, confidence=rule.confidence, seed=seed
            ).items()
        }
        for name, lists in shown.items()
    }
    return PromotionRecord(
        business_date=day,
        challenger=candidate.version,
        champion_before=before,
        champion_after=after,
        is_promoted=decision.is_promoted,
        reasons=reasons,
        numbers={"quality": quality, "households": int(judged.index.get_level_values("household_id").nunique())},
        decided_at=dt.datetime.now(dt.UTC),
        run_id=context.run.run_id,
    )


def _follow(registry: ModelRegistry, newest: PromotionRecord) -> None:
    """Let the registry's aliases say what the ledger says; the ledger is written first."""
    if newest.champion_after is not None and registry.aliased(CHAMPION) != newest.champion_after:
        if newest.champion_before is not None:
            registry.point(PREVIOUS, newest.champion_before)
        registry.point(CHAMPION, newest.champion_after)


def _training_weeks(day: dt.date, settings: Settings) -> list[dt.date]:
    return _weeks(day, settings)[settings.model.holdout_weeks :]


def _holdout_weeks(day: dt.date, settings: Settings) -> list[dt.date]:
    return _weeks(day, settings)[: settings.model.holdout_weeks]


def _weeks(day: dt.date, settings: Settings) -> list[dt.date]:
    """The closes of a night's label weeks, newest first: the holdout's, then those to train on."""
    from assets.training.examples import HISTORY_NEEDED, LABEL_DAYS, as_of_dates

    model, first_day = settings.model, settings.first_business_day
    weeks = as_of_dates(day, weeks=model.holdout_weeks + model.label_weeks, first_day=first_day)
    if len(weeks) <= model.holdout_weeks:
        needed = HISTORY_NEEDED + LABEL_DAYS * (model.holdout_weeks + 1)
        raise Refused(
            f"There is too little history before {day} to train on and to judge: a holdout and a label week after four "
            "weeks of history are the least.",
            remedy=f"begin the nightly on {first_day + dt.timedelta(days=needed)}; ingest the days before as one range.",
        )
    return weeks


def _inputs_on_record(tables: TableStore, as_of: dt.date) -> str | None:
    """The digest of the inputs that a stored label week was made from; None when it is not stored."""
    if not tables.rows_by_day(EXAMPLES).get(as_of):
        return None
    return tables.read(EXAMPLES, since=as_of, until=as_of).select("inputs").limit(1).to_pyarrow()["inputs"][0].as_py()


def _read_examples(tables: TableStore, weeks: list[dt.date]) -> "pd.DataFrame":
    """The labelled candidates of some weeks, in a fixed order: the same rows in another order are another model."""
    from assets.training.candidates import FEATURES

    rows = tables.read(EXAMPLES, since=min(weeks), until=max(weeks))
    wanted = rows.filter(rows[AS_OF].isin(weeks)).select(AS_OF, "household_id", "product_id", "label", "truth_size", *FEATURES)
    if (found := wanted[AS_OF].nunique().execute()) != len(weeks):
        raise Refused(
            f"{EXAMPLES} has {found} of the {len(weeks)} label weeks {min(weeks)} … {max(weeks)}.",
            remedy="materialise training_examples for this business day first.",
        )
    return wanted.order_by(AS_OF, "household_id", "product_id").to_pandas()


def _lists(model: "Recommender", candidates: "pd.DataFrame", settings: Settings) -> "pd.DataFrame":
    from assets.training.metrics import by_list

    return by_list(candidates, model.score(candidates), k=settings.model.top_k)


def _lists_of_version(
    registry: ModelRegistry, version: ModelVersion, candidates: "pd.DataFrame", settings: Settings
) -> "pd.DataFrame":
    from assets.training.models.interface import Recommender

    with registry.files(version) as folder:
        return _lists(Recommender.load(folder), candidates, settings)


def _register(model: "Recommender", day: dt.date, *, registry: ModelRegistry, identity: str, **record: Any) -> ModelVersion:
    """Save a model and put it on record as a version."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        model.save(folder)
        return registry.register(
            folder,
            ModelRecord(
                business_date=day.isoformat(),
                identity=hashlib.sha256(f"{identity} {digest(folder)}".encode()).hexdigest(),
                inputs=list(model.features),
                parameters={"family": model.family(), **model.parameters, **record.pop("parameters", {})},
                tags={"nightcart.title": model.title, "nightcart.code": code_version(), **record.pop("tags", {})},
                description=f"{model.title} of the night of {day}.",
                **record,
            ),
        )
