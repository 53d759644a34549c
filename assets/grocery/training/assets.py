"""From labelled weeks to a champion: `training_examples`, `challenger`, `champion`, each for one business day's night."""

import dataclasses
import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.failures import RETRY_OUTSIDE, explained
from assets.grocery.features.assets import HISTORY
from assets.grocery.profiles.reference import REFERENCE
from assets.grocery.tables import EXAMPLES, FEATURES, OFFERS, PRODUCTS, TRANSACTIONS
from assets.grocery.training.label_weeks import inputs_on_record, make_missing, read_examples
from assets.grocery.training.metrics import METRICS, Estimate
from assets.lifecycle import card
from assets.lifecycle.champion_state import follow
from assets.lifecycle.decision import Weighed, delivered, label_weeks_of, learnt_from, stands_on, weigh
from assets.lifecycle.promotion import HOLDOUT, NIGHT
from assets.lifecycle.reproduce import CODE, RECIPE
from assets.lifecycle.versions import SAMPLE, frozen, registration
from assets.partitions import business_days, days_of
from assets.quality import gates
from assets.reporting import OWNERS, picture, written
from resources.config.retailer import Settings
from resources.errors import Refused
from resources.models.registry import ModelRecord, ModelRegistry, ModelVersion, digest
from resources.policy.client import Policy
from resources.provenance import code_version
from resources.records.lifecycle import PromotionRecord, Registration
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

if TYPE_CHECKING:
    from assets.lifecycle.model import Recommender


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep(TRANSACTIONS, partition_mapping=HISTORY), PRODUCTS, OFFERS],
    code_version="1",
    kinds={"deltalake", "duckdb"},
    owners=OWNERS,
    pool="training",
)
@explained
def training_examples(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableStore],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.MaterializeResult:
    """Labelled weeks for a night: what each household could have been offered, and what it then bought.

    The label weeks end on the partition's day, a week before, and so on; the candidates of each are made with the
    features as of the close before its first day. A week is made once and kept: it is made again only when the lines
    up to its end, the catalogue or the definitions have changed. The newest weeks are the holdout that nobody trains on.
    """
    days = days_of(context)
    gates.require(operations, delivered(tables, until=days[-1]), now=dt.datetime.now(dt.UTC))
    weeks = sorted({as_of for day in days for as_of in label_weeks_of(day, settings).all}, reverse=True)
    done = make_missing(weeks, sources=tables, kept_in=tables, model=settings.model, say=context.log.info)
    counts = tables.rows_by_day(EXAMPLES)
    weeks = label_weeks_of(days[-1], settings).all
    return dg.MaterializeResult(
        metadata={
            **(written(done.commit, tables) if done.commit else {"table_version": tables.version(EXAMPLES)}),
            "dagster/partition_row_count": sum(counts.get(as_of, 0) for as_of in weeks),
            "weeks_made": done.made,
            "weeks_kept": done.kept,
            "label_weeks_from_closes": [as_of.isoformat() for as_of in weeks],
        }
    )


@dg.asset(
    partitions_def=business_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # The features are for the reference that the version is compared with later: it learns from the examples alone.
    deps=[training_examples, *FEATURES],
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
    tables: dg.ResourceParam[TableStore],
    registry: dg.ResourceParam[ModelRegistry],
    operations: dg.ResourceParam[OperationsDatabase],
) -> dg.MaterializeResult:
    """Tonight's model: a version in MLflow, trained on the label weeks before the holdout.

    Its record names the exact versions of its input tables, parameters, seed and code, its quality on the holdout that
    it has not seen, and the digest of its files, which are of a native format. Beside it lies the reference profile that
    later nights are compared with. Trained again from the same inputs it is the same model, and stays the same version.
    """
    days = days_of(context)
    gates.require(operations, learnt_from(days, settings, tables), now=dt.datetime.now(dt.UTC))
    _require_the_same(registry, operations)
    return [_train(context, day, settings, tables, registry, operations) for day in days][-1]


def _require_the_same(registry: ModelRegistry, operations: OperationsDatabase) -> None:
    """Refuse an empty registry that is not new: it would give the numbers of the ledger's versions to other models."""
    if (known := operations.promotions()) and not registry.versions():
        raise Refused(
            f"The registry at {registry.tracking_uri} is empty, and the ledger knows version {known[-1].challenger}: it is "
            "not the one that it was.",
            remedy="bring MLflow's database back to where it was, or from a backup.",
        )


def _train(
    context: dg.AssetExecutionContext,
    day: dt.date,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
) -> dg.MaterializeResult:
    from assets.grocery.training import pictures
    from assets.lifecycle.evaluation import evaluated
    from assets.lifecycle.model import Recommender

    model, rule = settings.model, settings.promotion
    weeks = label_weeks_of(day, settings)
    learn_from = read_examples(tables, weeks.train, is_identified=False)
    recommender = Recommender.create(model.family, model.parameters)
    context.log.info(f"Fitting {recommender.title} on {len(learn_from):,} examples of {len(weeks.train)} label weeks")
    recommender.fit(learn_from, seed=model.seed)

    holdout = read_examples(tables, weeks.holdout)
    found = evaluated(recommender, holdout, model=model, rule=rule)
    metrics = found.metrics()
    promised = {name: found.estimates[f"{name}_at_{model.ranked_places}"] for name in METRICS}
    context.log.info("Registering the version in MLflow")
    version = _register(
        recommender,
        day,
        registry=registry,
        operations=operations,
        run_id=context.run.run_id,
        made_from=[*(inputs_on_record(tables, as_of) for as_of in weeks.train), model.seed],
        tables={name: tables.version(name) for name in (TRANSACTIONS, PRODUCTS, OFFERS, EXAMPLES)},
        parameters={
            "seed": model.seed,
            "examples": len(learn_from),
            "label_weeks_from_closes": " ".join(as_of.isoformat() for as_of in weeks.train),
            HOLDOUT: " ".join(as_of.isoformat() for as_of in weeks.holdout),
        },
        metrics=metrics,
        documents={
            **_reference(recommender, day, promised, settings=settings, tables=tables, operations=operations),
            SAMPLE: frozen(recommender, holdout),
        },
        tags={"dagster.run_id": context.run.run_id, RECIPE: _recipe(recommender, seed=model.seed)},
    )
    shares = recommender.importance()
    return dg.MaterializeResult(
        metadata={
            "model_version": version.version,
            "mlflow_run_id": version.run_id,
            "examples": len(learn_from),
            **metrics,
            **{f"{name}_interval": f"{value.low:.4f} … {value.high:.4f}" for name, value in found.estimates.items()},
            **({"what_it_looks_at": picture(pictures.importance(shares))} if shares else {}),
            **({"reliability": picture(pictures.reliability(found.curve))} if found.curve is not None else {}),
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
    tables: dg.ResourceParam[TableStore],
    registry: dg.ResourceParam[ModelRegistry],
    operations: dg.ResourceParam[OperationsDatabase],
    policy: dg.ResourceParam[Policy],
) -> dg.MaterializeResult:
    """Who scores the households from tonight on: the promotion, decided by the policy and put on record.

    On the holdout that it has not seen, the challenger is measured against every baseline and, if there is one, the
    champion: paired, by household. The policy says whether that is enough (`nightcart policy show`). Then the alias
    `champion` moves and the old one stays as `previous`. A night that was decided is not decided again for the same
    challenger. Until a challenger was promoted, the best of the baselines serves.
    """
    from assets.grocery.training import pictures

    records, days = [], days_of(context)
    challengers = {day: registry.challenger_of(day.isoformat()) for day in days}
    gates.require(operations, stands_on(challengers, settings, tables), now=dt.datetime.now(dt.UTC))
    for day in days:
        candidate, expected_version = challengers[day], operations.last_decision()
        record = _already_decided(operations, day, candidate)
        if record is None:
            weighed = _decide(context, day, candidate, settings, tables, registry, operations, policy)
            record = weighed.record
            operations.decide(record, weighed.answered, expected_version=expected_version)
            card.attach(registry, candidate, weighed.card)
        records.append(record)
    # Also when nothing was decided: what a run that died between the ledger and the registry left is made good here.
    follow(registry, operations)
    card.bring_up_to_date(registry, operations, records[-1])
    last = records[-1]
    text = card.current(registry, operations, challengers[days[-1]])
    for reason in last.reasons:
        context.log.info(reason)
    return dg.MaterializeResult(
        metadata={
            "model_version": last.champion_after,
            "is_promoted": last.is_promoted,
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in last.reasons)),
            "quality": picture(pictures.quality(last.numbers["quality"], k=settings.model.ranked_places)),
            **({"slices": picture(pictures.slices(last.numbers["slices"]))} if last.numbers.get("slices") else {}),
            **({"model_card": dg.MetadataValue.md(text)} if text else {}),
        }
    )


def _already_decided(operations: OperationsDatabase, day: dt.date, candidate: ModelVersion) -> PromotionRecord | None:
    """The decision of `day` on this very challenger. A night is decided anew only while no later one stands on it."""
    decided = [record for record in operations.promotions() if record.kind == PromotionRecord.NIGHT]
    of_the_day = [record for record in decided if record.business_date == day]
    if of_the_day and of_the_day[-1].challenger == candidate.version:
        return of_the_day[-1]
    if of_the_day and decided[-1].business_date > day:
        raise Refused(
            f"{day} was decided with version {of_the_day[-1].challenger}, and later nights, up to "
            f"{decided[-1].business_date}, stand on it; it is not decided again with version {candidate.version}.",
            remedy="leave it, or run the nightly of the latest day again.",
        )
    return None


def _decide(
    context: dg.AssetExecutionContext,
    day: dt.date,
    candidate: ModelVersion,
    settings: Settings,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
    policy: Policy,
) -> Weighed:
    """Weigh the challenger of the night of `day`; where there is no champion and it is none, the best baseline stands in."""
    weighed = weigh(
        NIGHT,
        candidate,
        day=day,
        judged_by=day,
        before=operations.champion_as_of(day - dt.timedelta(days=1)),
        settings=settings,
        tables=tables,
        registry=registry,
        operations=operations,
        policy=policy,
        run_id=context.run.run_id,
        now=dt.datetime.now(dt.UTC),
        say=context.log.info,
    )
    if weighed.record.champion_after is not None:
        return weighed
    # Households are not left without a list.
    stand_in = next(one for one in weighed.baselines if one.title == weighed.judgement.best_baseline)
    promised = weighed.judgement.quality[stand_in.title]
    version = _register(
        stand_in,
        day,
        registry=registry,
        operations=operations,
        run_id=context.run.run_id,
        made_from=["stand-in"],
        documents={
            **_reference(stand_in, day, promised, settings=settings, tables=tables, operations=operations),
            SAMPLE: frozen(stand_in, weighed.holdout),
        },
    ).version
    told = f"{stand_in.title} serves as champion, version {version}, until a challenger beats it"
    record = dataclasses.replace(weighed.record, champion_after=version, reasons=[*weighed.record.reasons, told])
    return dataclasses.replace(weighed, record=record)


def _reference(
    recommender: "Recommender",
    day: dt.date,
    promised: Mapping[str, Estimate],
    *,
    settings: Settings,
    tables: TableStore,
    operations: OperationsDatabase,
) -> dict[str, str]:
    """The document that later nights are compared with."""
    from assets.grocery.training.reference import reference

    def may_be_used(night: dt.date) -> bool:
        needs = {name: gates.of_days(tables, name, [night]) for name in FEATURES}
        return not gates.closed(operations, needs, now=dt.datetime.now(dt.UTC))

    made = reference(
        day,
        recommender,
        tables=tables,
        settings=settings,
        promised={name: (found.value, found.low, found.high) for name, found in promised.items()},
        may_be_used=may_be_used,
    )
    return {REFERENCE: made.as_text()}


def _recipe(recommender: "Recommender", *, seed: int) -> str:
    """What a fit needs beside its tables; MLflow's own parameters are texts."""
    return json.dumps({"family": recommender.family(), "parameters": dict(recommender.parameters), "seed": seed})


def _register(
    model: "Recommender",
    day: dt.date,
    *,
    registry: ModelRegistry,
    operations: OperationsDatabase,
    run_id: str,
    made_from: Sequence[Any],
    **record: Any,
) -> ModelVersion:
    """Save a model and put it on record; a model with the same files, made from the same, is the same version."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        model.save(folder)
        identity = hashlib.sha256(repr((day, *made_from, digest(folder))).encode()).hexdigest()
        version = registry.register(
            folder,
            ModelRecord(
                business_date=day.isoformat(),
                identity=identity,
                inputs=list(model.features),
                parameters={"family": model.family(), **model.parameters, **record.pop("parameters", {})},
                tags={"nightcart.title": model.title, CODE: code_version(), **record.pop("tags", {})},
                description=f"{model.title} of the night of {day}.",
                **record,
            ),
        )
    # Not before it is registered: a run that died between the two finds the version again, and comes here.
    if not operations.records(Registration, version=version.version, last=1):
        operations.record(registration(version, run_id=run_id, now=dt.datetime.now(dt.UTC)))
    return version
