"""The question of a promotion, as the policy is asked it: what was measured and what is known, in numbers. Pure.

Whether it is allowed is said by `config/policy/promotion.rego`, or by a retailer's own policy, and by nothing else.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.grocery.training.examples import LABEL_DAYS
from assets.grocery.training.metrics import Estimate, estimate
from resources.records.lifecycle import PromotionRecord

if TYPE_CHECKING:
    import pandas as pd

    from assets.lifecycle.evaluation import Judgement
    from resources.config.lifecycle import PromotionConfig
    from resources.models.registry import ModelVersion
    from resources.policy.client import Answer
    from resources.records.lifecycle import Signal

PACKAGE = "nightcart.promotion"
# Who asks: a training that has ended, a person for a version, a person who takes the last promotion back.
NIGHT, PROMOTE, ROLLBACK = PromotionRecord.NIGHT, PromotionRecord.PROMOTE, PromotionRecord.ROLLBACK
HOLDOUT = "holdout_from_closes"  # parameter of a version: the closes that its holdout weeks begin after


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The challenger against one opponent on the same lists: the paired difference, and whether it is a win."""

    opponent: str
    difference: Estimate

    @property
    def is_won(self) -> bool:
        """Better by more than chance: the whole interval is above zero. A tie is not a win."""
        return self.difference.low > 0


def compared_with(
    challenger: pd.DataFrame, opponents: Mapping[str, pd.DataFrame], *, rule: PromotionConfig, seed: int
) -> tuple[Comparison, ...]:
    """The challenger's lists (:func:`assets.grocery.training.metrics.by_list`) against the same lists of each opponent.

    In `rule.metric`, by a paired bootstrap over households.
    """
    return tuple(
        Comparison(
            opponent=name,
            difference=estimate(
                challenger[rule.metric] - lists[rule.metric],
                samples=rule.bootstrap_samples,
                confidence=rule.confidence,
                seed=seed,
            ),
        )
        for name, lists in opponents.items()
    )


def best_of(lists: Mapping[str, pd.DataFrame], *, metric: str) -> str:
    """The name of the lists with the highest mean of `metric`."""
    return max(lists, key=lambda name: float(lists[name][metric].mean()))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is known of a version beside its quality; days are None where the record does not tell them."""

    version: int
    made_on: dt.date | None
    newest_label: dt.date | None
    can_be_loaded: bool = True
    sample_matches: bool = True
    was_champion: bool = False

    @classmethod
    def of(cls, version: ModelVersion, **found: bool) -> Candidate:
        """From the registry's record; `found` is what was tried out: `can_be_loaded`, `sample_matches`, `was_champion`."""
        from resources.models.registry import BUSINESS_DATE

        made_on, closes = version.tags.get(BUSINESS_DATE), version.parameters.get(HOLDOUT, "").split()
        return cls(
            version=version.version,
            made_on=dt.date.fromisoformat(made_on) if made_on else None,
            newest_label=max(map(dt.date.fromisoformat, closes)) + dt.timedelta(days=LABEL_DAYS) if closes else None,
            **found,
        )


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is to be said of the data: gates that are shut, in words, and the newest signal of each watch."""

    closed_gates: Sequence[str] = ()
    signals: Sequence[Signal] = ()


@dataclass(frozen=True, kw_only=True)
class Said:
    """The word of a person who lets a promotion through."""

    by: str
    reason: str


def question(
    kind: str,
    day: dt.date,
    candidate: Candidate,
    *,
    judgement: Judgement | None = None,
    inputs: Inputs | None = None,
    missing_on_card: Sequence[str] = (),
    override: Said | None = None,
) -> dict[str, Any]:
    """What the policy is asked of `candidate` on the business day `day`; docs/policy.md lists the parts.

    `kind` is :data:`NIGHT`, :data:`PROMOTE` or :data:`ROLLBACK`; the last needs neither `judgement` nor `inputs`. Of
    what the others lack the policy is not told, and denies.
    """
    return {
        "kind": kind,
        "business_date": day.isoformat(),
        "version": {
            "number": candidate.version,
            "days_since_made": _days(candidate.made_on, day),
            "days_since_labels": _days(candidate.newest_label, day),
            "can_be_loaded": candidate.can_be_loaded,
            "sample_matches": candidate.sample_matches,
            "was_champion": candidate.was_champion,
        },
        **({"measured": _measured(judgement)} if judgement else {}),
        **({"inputs": _inputs(inputs)} if inputs else {}),
        "card": {"missing": list(missing_on_card)},
        "override": {"by": override.by, "reason": override.reason} if override else None,
    }


def reasons(answer: Answer, judgement: Judgement) -> tuple[str, ...]:
    """The decision in sentences: what was measured, what the policy denied, what was won, and every slice that lost."""
    verdict = "Promoted" if answer.is_allowed else "Not promoted"
    return (
        f"{verdict}: {judgement.metric} over {judgement.households:,} households, "
        f"paired interval of {judgement.confidence:.0%}.",
        *(denial.says for denial in answer.fired),
        *(f"beats {won.opponent} by {_interval(won.difference)}" for won in judgement.comparisons if won.is_won),
        *_of_slices(judgement),
    )


def _of_slices(judgement: Judgement) -> list[str]:
    worse = [found for found in judgement.slices if found.is_worse]
    if judgement.slices and not worse:
        return [f"worse in none of {len(judgement.slices)} slices by history, department and weekday"]
    return [
        f"worse in {found.slice} {found.value} by {_interval(found.difference)} over {found.households:,} households"
        for found in worse
    ]


def _interval(difference: Estimate) -> str:
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _measured(judgement: Judgement) -> dict[str, Any]:
    opponents = {won.opponent: {"name": won.opponent, **_difference(won.difference)} for won in judgement.comparisons}
    return {
        "metric": judgement.metric,
        "confidence": judgement.confidence,
        "households": judgement.households,
        "baselines": [told for name, told in opponents.items() if name != judgement.champion],
        "champion": opponents[judgement.champion] if judgement.champion else None,
        "slices": [
            {
                "slice": found.slice,
                "value": found.value,
                "households": found.households,
                "recall": _number(found.recall),
                **_difference(found.difference),
            }
            for found in judgement.slices
        ],
        "scores_are_probabilities": judgement.scores_are_probabilities,
        "calibration_error": _number(judgement.calibration_error),
    }


def _inputs(inputs: Inputs) -> dict[str, Any]:
    return {
        "closed_gates": list(inputs.closed_gates),
        "signals": [
            {
                "watch": signal.watch,
                "level": signal.level,
                "business_date": signal.business_date.isoformat(),
                "says": signal.says,
            }
            for signal in inputs.signals
        ],
    }


def _difference(found: Estimate) -> dict[str, float | None]:
    return {"difference": _number(found.value), "low": _number(found.low), "high": _number(found.high)}


def _number(value: float | None) -> float | None:
    """JSON knows no other number: what could not be measured is null, which is on the right side of no limit."""
    return float(value) if value is not None and math.isfinite(value) else None


def _days(since: dt.date | None, day: dt.date) -> int | None:
    return (day - since).days if since else None
