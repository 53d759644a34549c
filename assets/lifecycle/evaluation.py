"""A version measured on a holdout that it has not seen, alone and against others; what follows is the policy's to say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.lifecycle.estimates import Bootstrap, Estimate, calibration_error, reliability

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assets.lifecycle.domain import Domain, Lifecycle
    from assets.lifecycle.model import Model


SOME = 1_000  # examples


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model on a holdout: each recorded metric, those that are `promised`, and the reliability of its probabilities.

    `some` are a few of the holdout's examples, with their features.
    """

    estimates: Mapping[str, Estimate]
    promised: Mapping[str, Estimate]
    curve: pd.DataFrame | None
    some: pd.DataFrame

    def metrics(self) -> dict[str, float]:
        """The plain numbers, as MLflow records them."""
        error = {} if self.curve is None else {"calibration_error": calibration_error(self.curve)}
        return {name: estimate.value for name, estimate in self.estimates.items()} | error


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate against one opponent on the same units: the paired difference, and whether it is a win."""

    opponent: str
    difference: Estimate

    @property
    def is_won(self) -> bool:
        """Better by more than chance: the whole interval is above zero. A tie is not a win."""
        return self.difference.low > 0


@dataclass(frozen=True, kw_only=True)
class SliceComparison:
    """The slice metric in one slice: the candidate's mean, and its paired difference to its opponent."""

    slice: str
    value: str
    subjects: int
    score: float
    difference: Estimate

    @property
    def is_worse(self) -> bool:
        """Worse by more than chance."""
        return self.difference.high < 0


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was measured: the quality of everybody by name (the candidate last), and the candidate against each.

    `champion` is the name of the one that it was compared with, if there is one. Comparisons are in `metric`, their
    intervals of `confidence`; slices are against the champion, or else the best baseline.
    """

    metric: str
    confidence: float
    subjects: int
    quality: Mapping[str, Mapping[str, Estimate]]
    comparisons: Sequence[Comparison]
    champion: str | None
    best_baseline: str
    slices: Sequence[SliceComparison]
    scores_are_probabilities: bool
    calibration_error: float | None

    def numbers(self, *, subjects: str, slice_metric: str) -> dict[str, Any]:
        """The numbers behind the decision, as they go on record under the domain's names for subjects and slice metric."""
        return {
            subjects: self.subjects,
            "calibration_error": self.calibration_error,
            "comparisons": {each.opponent: each.difference.as_list() for each in self.comparisons},
            "quality": {
                name: {metric: estimate.as_list() for metric, estimate in metrics.items()}
                for name, metrics in self.quality.items()
            },
            "slices": [
                {
                    "slice": each.slice,
                    "value": each.value,
                    subjects: each.subjects,
                    slice_metric: each.score,
                    "difference": each.difference.as_list(),
                }
                for each in self.slices
            ],
        }


def bootstrap(work: Lifecycle) -> Bootstrap:
    """The bootstrap of the domain's subjects, as it is configured."""
    rule = work.settings.promotion
    return Bootstrap(
        subject=work.domain.keys[0],
        samples=rule.bootstrap_samples,
        confidence=rule.confidence,
        seed=work.settings.model.seed,
    )


def evaluate(model: Model, holdout: Iterable[pd.DataFrame], work: Lifecycle) -> Evaluation:
    """Evaluate a model on the labelled examples of a holdout that it has not seen (:meth:`Domain.holdout`)."""
    scored, draw = _scored({model.title: model}, holdout, work.domain), bootstrap(work)
    scores = scored.scores[model.title]
    return Evaluation(
        estimates=draw.means(work.domain.recorded_metrics(scored.rows, scores, work.settings)),
        promised=draw.means(work.domain.unit_metrics(scored.rows, scores, work.settings)),
        curve=_curve(model, scored.rows, scores, work),
        some=scored.some,
    )


@dataclass(frozen=True)
class _Scored:
    """The whole holdout without what metrics do not need, its scores by name of model, and some of it with all it has."""

    rows: pd.DataFrame
    scores: Mapping[str, np.ndarray]
    some: pd.DataFrame


def _scored(models: Mapping[str, Model], holdout: Iterable[pd.DataFrame], domain: Domain) -> _Scored:
    """Score a holdout part by part, of which one at a time is in memory."""
    import numpy as np
    import pandas as pd

    rows, scores, some = [], {name: [] for name in models}, pd.DataFrame()
    for part in holdout:
        for name, model in models.items():
            scores[name].append(model.score(part))
        rows.append(domain.scored(part))
        if some.empty:
            some = part.sample(min(len(part), SOME), random_state=0)
        del part  # the next takes its place in memory
    together = rows[0] if len(rows) == 1 else pd.concat(rows, ignore_index=True)
    return _Scored(together, {name: np.concatenate(of_parts) for name, of_parts in scores.items()}, some)


def _curve(model: Model, holdout: pd.DataFrame, scores: np.ndarray, work: Lifecycle) -> pd.DataFrame | None:
    if not model.scores_are_probabilities:
        return None
    return reliability(*work.domain.probabilities(holdout, scores, work.settings))


def judge(
    holdout: Iterable[pd.DataFrame],
    as_of: Sequence[dt.date],
    *,
    candidate: tuple[str, Model],
    baselines: Mapping[str, Model],
    champion: tuple[str, Model] | None,
    work: Lifecycle,
) -> Judgement:
    """Measure a candidate, by name, on the holdout of the windows `as_of` that it has not seen.

    Against every baseline and, if there is one, the champion, by a paired bootstrap; told apart by slices against the
    champion, or else the best baseline.
    """
    rule, domain, draw = work.settings.promotion, work.domain, bootstrap(work)
    name, model = candidate
    models = {**baselines, **(dict([champion]) if champion else {}), name: model}
    scored = _scored(models, holdout, domain)
    rows, scores = scored.rows, scored.scores
    units = {who: domain.unit_metrics(rows, each, work.settings) for who, each in scores.items()}
    best_baseline = max(baselines, key=lambda who: float(units[who][rule.metric].mean()))
    by_slice = domain.slice_metrics(rows, as_of, work)
    opponent = champion[0] if champion else best_baseline
    curve = _curve(model, rows, scores[name], work)
    others = [who for who in models if who != name]
    of_everybody = {(who, metric): column for who, each in units.items() for metric, column in each.items()}
    differences = {(who, None): units[name][rule.metric] - units[who][rule.metric] for who in others}
    estimates = draw.means({**of_everybody, **differences})
    return Judgement(
        metric=rule.metric,
        confidence=rule.confidence,
        comparisons=[Comparison(opponent=who, difference=estimates[who, None]) for who in others],
        champion=champion[0] if champion else None,
        scores_are_probabilities=model.scores_are_probabilities,
        calibration_error=None if curve is None else calibration_error(curve),
        quality={who: {str(metric): estimates[who, metric] for metric in each} for who, each in units.items()},
        subjects=int(units[name].index.get_level_values(draw.subject).nunique()),
        best_baseline=best_baseline,
        slices=compare_slices(by_slice(scores[name]), by_slice(scores[opponent]), draw, min_subjects=rule.min_subjects)
        if by_slice
        else [],
    )


def compare_slices(
    candidate: pd.DataFrame, opponent: pd.DataFrame, draw: Bootstrap, *, min_subjects: int
) -> list[SliceComparison]:
    """A candidate against its opponent slice by slice (:meth:`Domain.slice_metrics`), those of too few subjects left out.

    A model can gain overall and ruin a part: what is worse by more than chance is named, whoever wins.
    """
    keys: list[Any] = ["slice", "value"]
    index = [*candidate.index.names, *keys]
    both = candidate.set_index(keys, append=True).join(
        opponent.set_index(keys, append=True).rename(columns={"score": "opponent"}), how="inner"
    )
    both.index = both.index.set_names(index)
    both["difference"] = both["score"] - both["opponent"]
    groups = {
        key: rows.droplevel(keys)
        for key, rows in both.groupby(level=keys)
        if rows.index.get_level_values(draw.subject).nunique() >= min_subjects
    }
    each = draw.among(len(groups))
    return [
        SliceComparison(
            slice=str(name),
            value=str(value),
            subjects=int(rows.index.get_level_values(draw.subject).nunique()),
            score=float(rows["score"].mean()),
            difference=each.mean(rows["difference"]),
        )
        for (name, value), rows in groups.items()
    ]
