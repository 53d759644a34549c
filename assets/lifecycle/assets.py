"""The assets that every domain's lifecycle has: `challenger` and `champion`, `drift_signals` and `retraining_decision`.

A domain's modules make them with :func:`training_assets` and :func:`monitoring_assets`; what they are made of
(:class:`assets.lifecycle.domain.Domain`) and where they stand in its graph (:class:`Graph`) is the domain's.
"""

import dataclasses
import datetime as dt
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.failures import RETRY_OUTSIDE, explained
from assets.lifecycle import card, pictures, retraining_ledger
from assets.lifecycle.champion import effective_promotions, serving, sync_aliases
from assets.lifecycle.checks import CHALLENGER
from assets.lifecycle.decision import PromotionDecision, evaluate_candidate, stands_on
from assets.lifecycle.domain import Domain, Lifecycle, Watch
from assets.lifecycle.drift import LEVELS, DriftReport
from assets.lifecycle.estimates import Estimate
from assets.lifecycle.evaluation import evaluate
from assets.lifecycle.model import Model
from assets.lifecycle.promotion import HOLDOUT, NIGHT, TRAINED_ON
from assets.lifecycle.retraining import Known, choose
from assets.lifecycle.signals import BAD, NIGHTS_KEPT, newest, signal
from assets.lifecycle.versions import RECIPE, SAMPLE, golden_sample, register
from assets.partitions import ONE_DAY, days_of
from assets.quality.gates import Gates, of_days
from assets.reporting import picture
from resources.errors import Refused
from resources.models.registry import CHAMPION, ModelRegistry, ModelVersion
from resources.policy.client import Policy
from resources.records.lifecycle import PromotionRecord, RetrainingDecision, RetrainingRequest, Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

REFERENCE = "reference.json"  # under which name a reference is kept on a version's record
DRIFT_SIGNALS, RETRAINING_DECISION = "drift_signals", "retraining_decision"
VERSION = "2"  # of the code of these assets
SIGNALS_READ = 500  # of the newest: a few drift checks over the nights that are judged, looked at again many times
LEDGER_ROWS = 60  # decisions that the asset's page shows: two months of nights


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Where a domain's lifecycle assets stand: their days, how they depend on a table's days, and whose they are."""

    partitions: dg.DailyPartitionsDefinition
    owners: Sequence[str] = ()
    mappings: Mapping[str, dg.PartitionMapping] = field(default_factory=dict)

    def deps(self, tables: Iterable[str]) -> list[dg.AssetDep]:
        """The dependencies on some tables or assets, each once."""
        return [dg.AssetDep(name, partition_mapping=self.mappings.get(name)) for name in dict.fromkeys(tables)]

    def options(self, group: str) -> dict[str, Any]:
        """What all of the assets of a group have in common."""
        return {
            "group_name": group,
            "partitions_def": self.partitions,
            "backfill_policy": dg.BackfillPolicy.single_run(),
            "owners": list(self.owners),
            "code_version": VERSION,
        }


def training_assets(domain: Domain, graph: Graph) -> tuple[dg.AssetsDefinition, dg.AssetsDefinition]:
    """`challenger` and `champion` of a domain."""

    @dg.asset(
        deps=graph.deps([domain.examples_table, *domain.reference_tables]),
        retry_policy=RETRY_OUTSIDE,
        kinds={"mlflow", "lightgbm"},
        pool="training",
        **graph.options("training"),
    )
    @explained
    def challenger(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Any],
        tables: dg.ResourceParam[TableStore],
        registry: dg.ResourceParam[ModelRegistry],
        operations: dg.ResourceParam[OperationsDatabase],
        policy: dg.ResourceParam[Policy],
        gates: dg.ResourceParam[Gates],
    ) -> dg.MaterializeResult:
        """Tonight's model: a version in MLflow, trained on the label windows before the holdout.

        Its record names the exact versions of its input tables, parameters, seed and code, its quality on the holdout
        that it has not seen, and the digest of its files, which are of a native format. Beside it lies the reference
        that later nights are compared with. Trained again from the same inputs it is the same model, and stays the same
        version.
        """
        work = _work(domain, settings, tables, registry, operations, policy, gates, context)
        days = days_of(context)
        for day in days:
            gates.require(operations, domain.inputs(day, work), now=dt.datetime.now(dt.UTC))
        _require_the_same(registry, operations)
        return [_train(day, work) for day in days][-1]

    @dg.asset(
        deps=graph.deps([CHALLENGER, domain.examples_table, *domain.holdout_tables]),
        retry_policy=RETRY_OUTSIDE,
        kinds={"mlflow"},
        pool="promotion",
        **graph.options("training"),
    )
    @explained
    def champion(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Any],
        tables: dg.ResourceParam[TableStore],
        registry: dg.ResourceParam[ModelRegistry],
        operations: dg.ResourceParam[OperationsDatabase],
        policy: dg.ResourceParam[Policy],
        gates: dg.ResourceParam[Gates],
    ) -> dg.MaterializeResult:
        """Whose scores count from tonight on: the promotion, decided by the policy and put on record.

        On the holdout that it has not seen, the challenger is measured against every baseline and, if there is one, the
        champion: paired, by subject. The policy says whether that is enough (`nightcart policy show`). Then the alias
        `champion` moves and the old one stays as `previous`. A night that was decided is not decided again for the same
        challenger. Until a challenger was promoted, the best of the baselines serves.
        """
        work = _work(domain, settings, tables, registry, operations, policy, gates, context)
        records, days = [], days_of(context)
        challengers = {day: registry.challenger_of(day.isoformat()) for day in days}
        gates.require(operations, stands_on(challengers, work), now=dt.datetime.now(dt.UTC))
        for day in days:
            candidate, expected = challengers[day], operations.last_decision()
            record = _already_decided(operations, day, candidate)
            if record is None:
                decision = _decide(day, candidate, work)
                record = decision.record
                operations.decide(record, decision.answered, expected_version=expected)
                card.attach(registry, candidate, decision.card)
            records.append(record)
        # Also when nothing was decided: what a run that died between the ledger and the registry left is made good here.
        sync_aliases(registry, operations)
        last = records[-1]
        card.bring_up_to_date(last, work)
        text = card.current(challengers[days[-1]], work)
        for reason in last.reasons:
            context.log.info(reason)
        slices = last.numbers.get("slices")
        return dg.MaterializeResult(
            metadata={
                "model_version": last.champion_after,
                "is_promoted": last.is_promoted,
                "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in last.reasons)),
                "quality": picture(pictures.quality(last.numbers["quality"])),
                **({"slices": picture(_slices(slices, domain))} if slices else {}),
                **({"model_card": dg.MetadataValue.md(text)} if text else {}),
            }
        )

    return challenger, champion  # pyright: ignore[reportReturnType]


def _work(
    domain: Domain,
    settings: Any,
    tables: TableStore,
    registry: ModelRegistry,
    operations: OperationsDatabase,
    policy: Policy,
    gates: Gates,
    context: dg.AssetExecutionContext,
) -> Lifecycle:
    return Lifecycle(
        domain=domain,
        settings=settings,
        tables=tables,
        registry=registry,
        operations=operations,
        policy=policy,
        gates=gates,
        run_id=context.run.run_id,
        say=context.log.info,
    )


def _slices(slices: Sequence[Mapping[str, Any]], domain: Domain) -> Any:
    return pictures.slices(slices, subjects=domain.subjects, metric=domain.slice_metric)


def _require_the_same(registry: ModelRegistry, operations: OperationsDatabase) -> None:
    """Refuse an empty registry that is not new: it would give the numbers of the ledger's versions to other models."""
    if (known := operations.promotions()) and not registry.versions():
        raise Refused(
            f"The registry at {registry.tracking_uri} is empty, and the ledger knows version {known[-1].challenger}: it is "
            "not the one that it was.",
            remedy="bring MLflow's database back to where it was, or from a backup.",
        )


def _train(day: dt.date, work: Lifecycle) -> dg.MaterializeResult:
    domain, config = work.domain, work.settings.model
    windows = domain.windows(day, work.settings)
    learn_from = domain.examples(windows.train, work, with_keys=False)
    model = Model.create(config.family, config.parameters)
    work.say(f"Fitting {model.title} on {len(learn_from):,} examples of {len(windows.train)} label weeks")
    model.fit(learn_from, seed=config.seed)

    holdout = domain.examples(windows.holdout, work)
    evaluation = evaluate(model, holdout, work)
    metrics = evaluation.metrics()
    work.say("Registering the version in MLflow")
    recipe = {"family": model.family(), "parameters": dict(model.parameters), "seed": config.seed}
    version = register(
        model,
        day,
        work,
        made_from=[*domain.made_from(windows.train, work), config.seed],
        tables={name: work.tables.version(name) for name in domain.input_tables},
        parameters={
            "seed": config.seed,
            "examples": len(learn_from),
            TRAINED_ON: " ".join(as_of.isoformat() for as_of in windows.train),
            HOLDOUT: " ".join(as_of.isoformat() for as_of in windows.holdout),
        },
        metrics=metrics,
        documents=_documents(model, day, evaluation.promised, holdout, work),
        tags={RECIPE: json.dumps(recipe)},  # MLflow's own parameters are texts
    )
    shares, curve = model.importance(), evaluation.curve
    return dg.MaterializeResult(
        metadata={
            "model_version": version.version,
            "mlflow_run_id": version.run_id,
            "examples": len(learn_from),
            **metrics,
            **{f"{name}_interval": f"{of.low:.4f} … {of.high:.4f}" for name, of in evaluation.estimates.items()},
            **({"what_it_looks_at": picture(pictures.importance(shares))} if shares else {}),
            **({"reliability": picture(pictures.reliability(curve, domain.outcome))} if curve is not None else {}),
        }
    )


def _documents(
    model: Model, day: dt.date, promised: Mapping[str, Estimate], holdout: Any, work: Lifecycle
) -> dict[str, str]:
    """What is kept with a version: the reference that later nights are compared with, and the golden sample."""

    def may_be_used(night: dt.date) -> bool:
        needs = {name: of_days(work.tables, name, [night]) for name in work.domain.feature_tables}
        return not work.gates.closed(work.operations, needs, now=dt.datetime.now(dt.UTC))

    numbers = {name: estimate.as_list() for name, estimate in promised.items()}
    return {
        REFERENCE: work.domain.reference(day, model, numbers, work, may_be_used),
        SAMPLE: golden_sample(model, holdout.drop(columns=list(work.domain.labels))),
    }


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


def _decide(day: dt.date, candidate: ModelVersion, work: Lifecycle) -> PromotionDecision:
    """Decide on the challenger of `day`; where there is no champion and it is none, the best baseline stands in."""
    decision = evaluate_candidate(
        candidate,
        work,
        kind=NIGHT,
        day=day,
        judged_by=day,
        before=work.operations.champion_as_of(day - ONE_DAY),
    )
    if decision.record.champion_after is not None:
        return decision
    # Nobody is left without scores.
    judgement = decision.judgement
    stand_in = next(model for model in decision.baselines if model.title == judgement.best_baseline)
    documents = _documents(stand_in, day, judgement.quality[stand_in.title], decision.holdout, work)
    version = register(stand_in, day, work, made_from=["stand-in"], documents=documents).version
    note = f"{stand_in.title} serves as champion, version {version}, until a challenger beats it"
    record = dataclasses.replace(decision.record, champion_after=version, reasons=[*decision.record.reasons, note])
    return dataclasses.replace(decision, record=record)


def monitoring_assets(domain: Domain, graph: Graph) -> tuple[dg.AssetsDefinition, dg.AssetsDefinition]:
    """`drift_signals`, with a check for each of the domain's drift checks, and `retraining_decision`."""

    @dg.asset(
        deps=graph.deps([CHAMPION, *itertools.chain.from_iterable(watch.reads for watch in domain.watches)]),
        check_specs=[
            dg.AssetCheckSpec(watch.check, asset=DRIFT_SIGNALS, description=watch.description)
            for watch in domain.watches
        ],
        kinds={"python"},
        **graph.options("monitoring"),
    )
    def drift_signals(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Any],
        tables: dg.ResourceParam[TableStore],
        registry: dg.ResourceParam[ModelRegistry],
        operations: dg.ResourceParam[OperationsDatabase],
        policy: dg.ResourceParam[Policy],
        gates: dg.ResourceParam[Gates],
    ) -> dg.MaterializeResult:
        """Whether the night is still like what its champion was made of, and its scores worth what was promised.

        Each drift check puts one signal a night on record, of which the newest counts; the retraining decision and the
        alerts read them. None of them stops a night: what is broken is the gates' business. Where there is no champion
        to compare with, or a check fails, its signal is `unknown` and says why.
        """
        work = _work(domain, settings, tables, registry, operations, policy, gates, context)
        results = [_look(watch, days_of(context), work, context) for watch in domain.watches]
        levels = {f"{result.metadata['watch'].text}_level": result.metadata["level_number"] for result in results}
        return dg.MaterializeResult(metadata=levels, check_results=results)

    @dg.asset(
        deps=graph.deps([DRIFT_SIGNALS, CHAMPION, domain.data_table]),
        output_required=False,
        kinds={"python"},
        **graph.options("monitoring"),
    )
    def retraining_decision(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Any],
        tables: dg.ResourceParam[TableStore],
        operations: dg.ResourceParam[OperationsDatabase],
    ) -> Iterator[dg.MaterializeResult]:
        """Whether to train the model anew, decided once for every night: by drift, decay, new labels, age, or a request.

        The decision goes on record with its reasons, those against it too, and the sensor `retrain_on_decision` carries
        it out. Decided again from the same, it stays as it is. An error here costs no night: the scores are made by
        then, the day stays undecided, and the next night decides.
        """
        try:
            for day in days_of(context):
                _decide_on_retraining(context, day, domain, settings, tables, operations)
            ledger = retraining_ledger.read(operations, now=dt.datetime.now(dt.UTC))
            entries = ledger.entries(rule=settings.retraining)
        except Exception as error:  # not to decide costs a day; to fail would cost the night its scores
            context.log.exception(f"Whether to retrain stays undecided tonight: {type(error).__name__}: {error}")
            return
        own = [entry.decision for entry in entries if entry.decision.business_date == days_of(context)[-1]]
        reasons = own[-1].reasons if own else ["A later night was decided before."]
        yield dg.MaterializeResult(
            metadata={
                "is_retraining": bool(own) and own[-1].is_retraining,
                "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in reasons)),
                "ledger": _ledger_table(entries[-LEDGER_ROWS:]),
            }
        )

    return drift_signals, retraining_decision  # pyright: ignore[reportReturnType]


def _look(
    watch: Watch, days: Sequence[dt.date], work: Lifecycle, context: dg.AssetExecutionContext
) -> dg.AssetCheckResult:
    """Put the signals of a drift check on record, one a day; whatever happens here, no night is lost for it."""
    try:
        signals = work.operations.records(Signal, watch=watch.name, last=NIGHTS_KEPT)
        for day in days:
            now = dt.datetime.now(dt.UTC)
            decided = serving(work.operations, day if watch.is_of_nights_champion else day - ONE_DAY, now=now)
            version = decided.champion_after if decided else None
            try:
                report = _report(watch, day, version, work)
            except Exception as error:  # a day that cannot be looked at hides no other, and stops no night
                context.log.warning(f"The drift check {watch.name} could not look at {day}", exc_info=True)
                report = DriftReport(message=_failure(error), has_failed=True)
            new = signal(
                report,
                watch=watch.name,
                day=day,
                earlier=signals,
                model_version=version,
                run_id=work.run_id,
                seen_at=now,
            )
            work.operations.record(new)
            signals.append(new)
        return _check_result(watch, signals)
    except Exception as error:  # nor by a mistake of its own
        context.log.warning(f"The drift check {watch.name} failed", exc_info=True)
        return dg.AssetCheckResult(
            check_name=watch.check,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=_failure(error),
            metadata={"watch": watch.name, "level_number": 0},
        )


def _report(watch: Watch, day: dt.date, version: int | None, work: Lifecycle) -> DriftReport:
    if version is None:
        return DriftReport(message="There is no champion yet, so nothing to compare with.")
    reference = work.registry.document(work.registry.version(version), REFERENCE)
    if not reference:
        return DriftReport(
            message=f"Version {version} has no reference profile: the next version that is trained will have one."
        )
    return watch.look(work, day, reference)


def _failure(error: Exception) -> str:
    return f"It could not look: {type(error).__name__}: {error}"


def _check_result(watch: Watch, signals: Sequence[Signal]) -> dg.AssetCheckResult:
    last = signals[-1]
    shown = newest([one for one in signals if one.business_date <= last.business_date])
    statistics = last.details.get("findings")
    return dg.AssetCheckResult(
        check_name=watch.check,
        passed=last.level not in BAD and not last.details.get("has_failed"),
        severity=dg.AssetCheckSeverity.ERROR if last.level == Signal.ERROR else dg.AssetCheckSeverity.WARN,
        description=last.says,
        metadata={
            "watch": watch.name,
            "level": last.level,
            "level_number": LEVELS.index(last.level),
            "compared_with_version": str(last.model_version),
            **({"value": float(last.value)} if last.value is not None else {}),
            **({"ratio_to_limit": float(statistics[0]["far"])} if statistics else {}),
            **({"since": last.details["since"]} if last.details.get("since") else {}),
            **({"moved": last.details["moved"]} if last.details.get("moved") else {}),
            **({"what_moved": picture(pictures.drift(shown))} if statistics else {}),
        },
    )


def _decide_on_retraining(
    context: dg.AssetExecutionContext,
    day: dt.date,
    domain: Domain,
    settings: Any,
    tables: TableStore,
    operations: OperationsDatabase,
) -> None:
    """Put the decision of `day` on record, unless it is there."""
    now, rule = dt.datetime.now(dt.UTC), settings.retraining
    trained = [record for _, record in effective_promotions(operations, until=day, now=now)]
    champion = trained[-1].champion_after if trained else None
    its_nights = list(itertools.takewhile(lambda record: record.champion_after == champion, reversed(trained)))
    known = Known(
        signals=operations.records(Signal, last=SIGNALS_READ),
        decisions=operations.records(RetrainingDecision),
        requests=operations.numbered(RetrainingRequest),
        trained_on=trained[-1].business_date if trained else None,
        serving=champion,
        serving_since=its_nights[-1].business_date if its_nights else None,
        newest_promotion=operations.last_decision(),
        days_with_data=domain.days_with_data(tables),
        new_data=domain.new_data,
    )
    choice = choose(day, known, rule=rule, watches=domain.watches)
    decided = [decision for decision in known.decisions if decision.business_date == day]
    if choice is None or (decided and choice.is_that_of(decided[-1])):
        context.log.info(f"What was decided for {day} stays as it is.")
        return
    context.log.info(f"{'Retraining' if choice.is_retraining else 'No retraining'}: {'; '.join(choice.reasons)}")
    operations.record(
        RetrainingDecision(
            business_date=day,
            is_retraining=choice.is_retraining,
            reasons=choice.reasons,
            numbers=choice.numbers,
            run_id=context.run.run_id,
            decided_at=now,
        )
    )


def _ledger_table(entries: Sequence[retraining_ledger.Entry]) -> dg.TableMetadataValue:
    """The ledger as the UI shows it, the newest first."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "business_date": entry.decision.business_date.isoformat(),
                    "is_retraining": entry.decision.is_retraining,
                    "reasons": "; ".join(entry.decision.reasons),
                    "attempts": "; ".join(attempt.summary() for attempt in entry.attempts),
                    "state": entry.state or "",
                }
            )
            for entry in reversed(entries)
        ]
    )
