"""The assets that every domain's lifecycle has: `challenger` and `champion`, `drift_signals` and `retraining_decision`.

A domain's modules make them with :func:`training_assets` and :func:`monitoring_assets`; what they are made of
(:class:`assets.lifecycle.domain.Domain`) and where they stand in its graph (:class:`Graph`) is the domain's.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.failures import RETRIES, raise_if_interrupted
from assets.lifecycle import card, pictures, retraining_ledger
from assets.lifecycle.champion import sync_aliases
from assets.lifecycle.checks import CHALLENGER
from assets.lifecycle.decision import stands_on
from assets.lifecycle.domain import Domain, Lifecycle, Watch
from assets.lifecycle.drift import LEVELS
from assets.lifecycle.signals import BAD, newest
from assets.lifecycle.training import already_decided, decide, refuse_an_emptied_registry, train
from assets.lifecycle.watching import failure, look
from assets.partitions import days_of
from assets.quality.costs import costed
from assets.quality.fence import begin, fenced
from assets.quality.gates import Gates
from assets.reporting import picture
from resources import markdown
from resources.config.deployment import pod_for
from resources.models.registry import CHAMPION, ModelRegistry
from resources.policy.client import Policy
from resources.records.lifecycle import Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

DRIFT_SIGNALS, RETRAINING_DECISION = "drift_signals", "retraining_decision"
VERSION = "2"  # of the code of these assets
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
        retry_policy=RETRIES,
        kinds={"mlflow", "lightgbm"},
        pool="training",
        op_tags=pod_for("training"),
        **graph.options("training"),
    )
    @fenced
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
        refuse_an_emptied_registry(registry, operations)
        trained = [train(day, work) for day in days][-1]
        metrics, estimates, curve = trained.evaluation.metrics(), trained.evaluation.estimates, trained.evaluation.curve
        shares = trained.model.importance()
        return dg.MaterializeResult(
            metadata={
                "model_version": trained.version.version,
                "mlflow_run_id": trained.version.run_id,
                "examples": trained.examples,
                **metrics,
                **{f"{name}_interval": f"{of.low:.4f} … {of.high:.4f}" for name, of in estimates.items()},
                **({"what_it_looks_at": picture(pictures.importance(shares))} if shares else {}),
                **({"reliability": picture(pictures.reliability(curve, domain.outcome))} if curve is not None else {}),
            }
        )

    @dg.asset(
        deps=graph.deps([CHALLENGER, domain.examples_table, *domain.holdout_tables]),
        retry_policy=RETRIES,
        kinds={"mlflow"},
        pool="promotion",
        op_tags=pod_for("training"),
        **graph.options("training"),
    )
    @fenced
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
            record = already_decided(operations, day, candidate)
            if record is None:
                decision = decide(day, candidate, work)
                record = decision.record
                # To decide takes minutes: of other data by now it would be another decision.
                gates.require(operations, stands_on({day: candidate}, work), now=dt.datetime.now(dt.UTC))
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
                "reasons": dg.MetadataValue.md(markdown.bullets(last.reasons)),
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


def monitoring_assets(domain: Domain, graph: Graph) -> tuple[dg.AssetsDefinition, dg.AssetsDefinition]:
    """`drift_signals`, with a check for each of the domain's drift checks, and `retraining_decision`."""

    @dg.asset(
        deps=graph.deps([CHAMPION, *itertools.chain.from_iterable(watch.reads for watch in domain.watches)]),
        check_specs=[
            dg.AssetCheckSpec(watch.check, asset=DRIFT_SIGNALS, description=watch.description)
            for watch in domain.watches
        ],
        kinds={"python"},
        retry_policy=RETRIES,
        **graph.options("monitoring"),
    )
    @fenced
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
        results = [_checked(watch, days_of(context), work, context) for watch in domain.watches]
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
        with costed(context, {"settings": settings, "operations": operations}):
            try:
                operations = begin(context, {"tables": tables, "operations": operations})["operations"]
                for day in days_of(context):
                    retraining_ledger.decide(
                        day,
                        domain,
                        rule=settings.retraining,
                        tables=tables,
                        operations=operations,
                        run_id=context.run.run_id,
                        say=context.log.info,
                    )
                ledger = retraining_ledger.read(operations, now=dt.datetime.now(dt.UTC))
                entries = ledger.entries(rule=settings.retraining)
            except Exception as error:  # not to decide costs a day; to fail would cost the night its scores
                raise_if_interrupted(error)
                context.log.exception(f"Whether to retrain stays undecided tonight: {type(error).__name__}: {error}")
                return
        own = [entry.decision for entry in entries if entry.decision.business_date == days_of(context)[-1]]
        reasons = own[-1].reasons if own else ["A later night was decided before."]
        yield dg.MaterializeResult(
            metadata={
                "is_retraining": bool(own) and own[-1].is_retraining,
                "reasons": dg.MetadataValue.md(markdown.bullets(reasons)),
                "ledger": _ledger_table(entries[-LEDGER_ROWS:]),
            }
        )

    return drift_signals, retraining_decision  # pyright: ignore[reportReturnType]


def _checked(
    watch: Watch, days: Sequence[dt.date], work: Lifecycle, context: dg.AssetExecutionContext
) -> dg.AssetCheckResult:
    """The result of a drift check; whatever happens in it, no night is lost for it."""
    try:
        return _check_result(watch, look(watch, days, work, context.log))
    except Exception as error:  # a mistake in a drift check is told by the check, and costs no night its scores
        raise_if_interrupted(error)
        context.log.warning(f"The drift check {watch.name} failed", exc_info=True)
        return dg.AssetCheckResult(
            check_name=watch.check,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=failure(error),
            metadata={"watch": watch.name, "level_number": 0},
        )


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
