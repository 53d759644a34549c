"""Watches: whether a night is still like what its champion was made of, and its lists are worth what was promised.

None of them stops a night: what is broken is the gates' business. Each writes one signal a night, of which the newest
counts; the decision to train anew and the alerts read them.
"""

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.grocery.monitoring.drift import Seen
from assets.grocery.profiles.days import WEEKS_BEFORE
from assets.grocery.profiles.reference import REFERENCE, Reference, days_of_ages
from assets.grocery.tables import FEATURES, HOUSEHOLD, PERFORMANCE, PRODUCTS, RECOMMENDATIONS, TRANSACTIONS
from assets.lifecycle.champions import serving
from assets.lifecycle.signals import BAD, NIGHTS_KEPT, newest, signal
from assets.partitions import ONE_DAY, days_of
from assets.reporting import picture
from resources.config.retailer import Settings
from resources.models.registry import ModelRegistry
from resources.records.lifecycle import Signal
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore

INPUTS, LOOKED_AT, PREDICTIONS, OUTCOMES = "inputs", "features", "predictions", "outcomes"
WATCHES = (INPUTS, LOOKED_AT, PREDICTIONS, OUTCOMES)


@dataclass(frozen=True, kw_only=True)
class Night:
    """A business day that a watch looks at, and what it looks with.

    `reference_of` is the reference profile that was kept with a version of the model, if there is one.
    """

    day: dt.date
    settings: Settings
    tables: TableStore
    reference_of: Callable[[int], Reference | None]


Look = Callable[[Night, Reference], Seen]


def watch(
    name: str, *, asset: str, check: str, also_of: Iterable[str] = (), nights_champion: bool = False
) -> Callable[[Look], dg.AssetChecksDefinition]:
    """Make a check that does not block from a function that says what it saw of a night, and put that on record.

    The function is given the night and the reference of the champion that served before it (`nights_champion`: that made
    its lists). Where there is none, or the function fails, the signal is `unknown` and says why.
    """

    def decorate(look: Look) -> dg.AssetChecksDefinition:
        @dg.asset_check(
            asset=asset,
            name=check,
            blocking=False,
            description=look.__doc__,
            additional_deps=[other for other in also_of if other != asset],
        )
        def run(
            context: dg.AssetCheckExecutionContext,
            settings: dg.ResourceParam[Settings],
            tables: dg.ResourceParam[TableStore],
            operations: dg.ResourceParam[OperationsDatabase],
            registry: dg.ResourceParam[ModelRegistry],
        ) -> dg.AssetCheckResult:
            @functools.cache
            def reference_of(version: int) -> Reference | None:
                text = registry.document(registry.version(version), REFERENCE)
                return None if text is None else Reference.of_text(text)

            def seen_of(day: dt.date, version: int | None) -> Seen:
                night = Night(day=day, settings=settings, tables=tables, reference_of=reference_of)
                try:
                    return _looked(look, night, version)
                except Exception as error:  # a day that cannot be looked at hides no other, and stops no night
                    context.log.warning(f"The watch could not look at {day}", exc_info=True)
                    return Seen(says=_failed(error), has_failed=True)

            # Whatever happens here, no night is lost for it: the check fails, and says so.
            try:
                signals = operations.records(Signal, watch=name, last=NIGHTS_KEPT)
                for day in days_of(context):
                    now = dt.datetime.now(dt.UTC)
                    decided = serving(operations, day if nights_champion else day - ONE_DAY, now=now)
                    version = decided.champion_after if decided else None
                    new = signal(
                        seen_of(day, version),
                        watch=name,
                        day=day,
                        earlier=signals,
                        model_version=version,
                        run_id=context.run.run_id,
                        seen_at=now,
                    )
                    operations.record(new)
                    signals.append(new)
                return _result(signals)
            except Exception as error:  # a watch stops no night, not even by a mistake of its own
                context.log.warning("The watch failed", exc_info=True)
                return dg.AssetCheckResult(
                    passed=False,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=_failed(error),
                )

        return run

    return decorate


def _looked(look: Look, night: Night, version: int | None) -> Seen:
    if version is None:
        return Seen(says="There is no champion yet, so nothing to compare with.")
    reference = night.reference_of(version)
    if reference is None:
        return Seen(says=f"Version {version} has no reference profile: the next version that is trained will have one.")
    return look(night, reference)


def _failed(error: Exception) -> str:
    return f"It could not look: {type(error).__name__}: {error}"


def _result(signals: list[Signal]) -> dg.AssetCheckResult:
    from assets.grocery.monitoring import pictures

    last = signals[-1]
    shown = newest([one for one in signals if one.business_date <= last.business_date])
    metadata: dict[str, Any] = {
        "level": last.level,
        "compared_with_version": str(last.model_version),
        **({"since": last.details["since"]} if last.details.get("since") else {}),
        **({"moved": last.details["moved"]} if last.details.get("moved") else {}),
        **({"what_moved": picture(pictures.drift(shown))} if "findings" in last.details else {}),
    }
    return dg.AssetCheckResult(
        passed=last.level not in BAD and not last.details.get("has_failed"),
        severity=dg.AssetCheckSeverity.ERROR if last.level == Signal.ERROR else dg.AssetCheckSeverity.WARN,
        description=last.says,
        metadata=metadata,
    )


@watch(INPUTS, asset=TRANSACTIONS, check="day_is_like_those_the_champion_learnt_from")
def inputs(night: Night, reference: Reference) -> Seen:
    """The day's lines are spread over departments, stores, hours, prices and so on as on the same weekdays before.

    A feed that is broken and yet keeps its contract shows here: a department without lines, prices in another unit,
    identifiers issued anew, a clock in the wrong zone.
    """
    from assets.grocery.monitoring.drift import Usual
    from assets.grocery.profiles.days import profiles

    since = night.day - dt.timedelta(weeks=WEEKS_BEFORE + 1)
    lines, products = night.tables.read(TRANSACTIONS, since=since, until=night.day), night.tables.read(PRODUCTS)
    found = profiles(lines, products, days=[night.day], timezone=night.settings.timezone)
    return Usual(reference.days).against(found[0]) if found else Seen(says="The day has no lines.")


@watch(LOOKED_AT, asset=HOUSEHOLD, check="features_are_like_the_champions", also_of=FEATURES)
def features(night: Night, reference: Reference) -> Seen:
    """Every feature is spread as it was when the champion was made, on the same weekday where that is known."""
    from assets.grocery.monitoring.drift import moved_columns
    from assets.grocery.profiles.numbers import feature_counts
    from assets.grocery.training.reference import features_are_there, features_of

    if not reference.has_a_past(first_day=night.settings.first_business_day):
        return Seen(says="The champion was made of fewer than twelve weeks: what looks back as far changes by itself.")
    was = reference.features.like(night.day)
    if closed := [day for day in days_of_ages(night.day) if night.settings.is_closed(day)]:
        return Seen(says=f"The stores were closed on {closed[0]}: nothing is as many days ago as usual.")
    if was is None or not features_are_there(night.tables, night.day):
        return Seen(says="There are no features of the night, or none were kept with the champion.")
    return moved_columns(feature_counts(features_of(night.tables, night.day), reference.features.cuts), was)


@watch(PREDICTIONS, asset=RECOMMENDATIONS, check="lists_are_like_the_champions_first", nights_champion=True)
def predictions(night: Night, reference: Reference) -> Seen:
    """The scores of the lists, and the reasons in them, are spread as they were when the champion was made."""
    from assets.grocery.monitoring.drift import moved_columns
    from assets.grocery.profiles.numbers import list_counts

    was = reference.lists.like(night.day)
    rows = night.tables.read(RECOMMENDATIONS, since=night.day, until=night.day)
    personal = rows.filter(~rows.is_fallback).select("household_id", "score", "reason").to_pandas()
    if was is None or personal.empty:
        return Seen(says="There are no lists of the night, or none were kept with the champion.")
    return moved_columns(list_counts(personal, reference.lists.cuts), was)


@watch(OUTCOMES, asset=PERFORMANCE, check="lists_are_worth_what_was_promised")
def outcomes(night: Night, reference: Reference) -> Seen:
    """What was bought in the week after a night's lists is as well hit as the version promised when it was promoted."""
    from assets.lifecycle.decay import WEEK, WEEKS_SHOWN, Window, decay

    rows = night.tables.read(PERFORMANCE, since=night.day - WEEKS_SHOWN * WEEK, until=night.day)
    weeks = rows.filter(rows.horizon == "week").drop("recommended_on", "horizon").to_pyarrow().to_pylist()

    def promised(version: int) -> Mapping[str, Sequence[float]]:
        found = night.reference_of(version)
        return found.promised if found else {}

    windows = [Window(**row) for row in weeks]
    return decay(windows, day=night.day, promised=promised, min_households=night.settings.promotion.min_subjects)
