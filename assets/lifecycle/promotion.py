"""The question of a promotion, as the policy is asked it: what was measured and what is known, in numbers. Pure.

Whether it is allowed is said by `config/policy/promotion.rego`, or by a domain's own policy, and by nothing else.
"""

# pandas types a selection by all that it might be: a frame, a series or a scalar.
# pyright: reportArgumentType=false

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.lifecycle.evaluation import Judgement
from resources.models.registry import BUSINESS_DATE
from resources.records.lifecycle import PromotionRecord

if TYPE_CHECKING:
    from assets.lifecycle.domain import Domain
    from assets.lifecycle.estimates import Estimate
    from resources.models.registry import ModelVersion
    from resources.policy.client import Answer
    from resources.records.lifecycle import Signal

PACKAGE = "nightcart.promotion"
OF_PROBABILITIES = (
    "scores_mean_what_they_say"  # the rule of what has another meaning where it speaks, whether it denies or not
)
# Who asks: a training that has ended, a person for a version, a person who takes the last promotion back.
NIGHT, PROMOTE, ROLLBACK = PromotionRecord.NIGHT, PromotionRecord.PROMOTE, PromotionRecord.ROLLBACK
# Parameters of a version: the closes that its label windows begin after.
TRAINED_ON, HOLDOUT = "label_weeks_from_closes", "holdout_from_closes"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is known of a version beside its quality; days are None where the record does not have them."""

    version: int
    made_on: dt.date | None
    newest_label: dt.date | None
    can_be_loaded: bool = True
    sample_matches: bool = True
    was_champion: bool = False

    @classmethod
    def of(cls, version: ModelVersion, domain: Domain, **tried: bool) -> Candidate:
        """From the registry's record; `tried` is what was tried out: `can_be_loaded`, `sample_matches`, `was_champion`."""
        made_on, closes = version.tags.get(BUSINESS_DATE), version.parameters.get(HOLDOUT, "").split()
        newest = max(map(dt.date.fromisoformat, closes)) + dt.timedelta(days=domain.label_days) if closes else None
        return cls(
            version=version.version,
            made_on=dt.date.fromisoformat(made_on) if made_on else None,
            newest_label=newest,
            **tried,
        )


@dataclass(frozen=True, kw_only=True)
class DataHealth:
    """The state of the data: gates that are shut, in words, and the newest signal of each drift check."""

    closed_gates: Sequence[str] = ()
    signals: Sequence[Signal] = ()


@dataclass(frozen=True, kw_only=True)
class HumanOverride:
    """A person who lets a promotion through, and why."""

    by: str
    reason: str


def question(
    kind: str,
    day: dt.date,
    candidate: Candidate,
    domain: Domain,
    *,
    judgement: Judgement | None = None,
    health: DataHealth | None = None,
    missing_on_card: Sequence[str] = (),
    override: HumanOverride | None = None,
) -> dict[str, Any]:
    """What the policy is asked of `candidate` on the business day `day`; docs/policy.md lists the parts.

    `kind` is :data:`NIGHT`, :data:`PROMOTE` or :data:`ROLLBACK`; the last needs neither `judgement` nor `health`. Of
    what the others lack the policy is not told, and denies.
    """
    return {
        "kind": kind,
        "business_date": day.isoformat(),
        "words": {"subjects": domain.subjects, "slice_metric": domain.slice_metric},
        "version": {
            "number": candidate.version,
            "days_since_made": _days(candidate.made_on, day),
            "days_since_labels": _days(candidate.newest_label, day),
            "can_be_loaded": candidate.can_be_loaded,
            "sample_matches": candidate.sample_matches,
            "was_champion": candidate.was_champion,
        },
        **({"measured": _measured(judgement, domain)} if judgement else {}),
        **({"inputs": _health(health)} if health else {}),
        "card": {"missing": list(missing_on_card)},
        "override": {"by": override.by, "reason": override.reason} if override else None,
    }


def reasons(answer: Answer, judgement: Judgement, domain: Domain) -> tuple[str, ...]:
    """The decision in sentences: what was measured, what the policy denied, what was won, and every slice that lost."""
    verdict = "Promoted" if answer.is_allowed else "Not promoted"
    return (
        f"{verdict}: {judgement.metric} over {judgement.subjects:,} {domain.subjects}, "
        f"paired interval of {judgement.confidence:.0%}.",
        *(denial.says for denial in answer.fired),
        *(f"beats {won.opponent} by {_interval(won.difference)}" for won in judgement.comparisons if won.is_won),
        *_of_slices(judgement, domain),
    )


def _of_slices(judgement: Judgement, domain: Domain) -> list[str]:
    worse = [each for each in judgement.slices if each.is_worse]
    if judgement.slices and not worse:
        kinds = list(dict.fromkeys(each.slice for each in judgement.slices))
        listed = f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else kinds[0]
        return [f"worse in none of {len(judgement.slices)} slices by {listed}"]
    return [
        f"worse in {each.slice} {each.value} by {_interval(each.difference)} over {each.subjects:,} {domain.subjects}"
        for each in worse
    ]


def _interval(difference: Estimate) -> str:
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _measured(judgement: Judgement, domain: Domain) -> dict[str, Any]:
    opponents = {won.opponent: {"name": won.opponent, **_difference(won.difference)} for won in judgement.comparisons}
    return {
        "metric": judgement.metric,
        "confidence": judgement.confidence,
        domain.subjects: judgement.subjects,
        "baselines": [numbers for name, numbers in opponents.items() if name != judgement.champion],
        "champion": opponents[judgement.champion] if judgement.champion else None,
        "slices": [
            {
                "slice": each.slice,
                "value": each.value,
                domain.subjects: each.subjects,
                domain.slice_metric: _number(each.score),
                **_difference(each.difference),
            }
            for each in judgement.slices
        ],
        "scores_are_probabilities": judgement.scores_are_probabilities,
        "calibration_error": _number(judgement.calibration_error),
    }


def _health(health: DataHealth) -> dict[str, Any]:
    return {
        "closed_gates": list(health.closed_gates),
        "signals": [
            {
                "watch": signal.watch,
                "level": signal.level,
                "business_date": signal.business_date.isoformat(),
                "says": signal.says,
            }
            for signal in health.signals
        ],
    }


def _difference(estimate: Estimate) -> dict[str, float | None]:
    return {"difference": _number(estimate.value), "low": _number(estimate.low), "high": _number(estimate.high)}


def _number(value: float | None) -> float | None:
    """JSON knows no other number: what could not be measured is null, which is on the right side of no limit."""
    return float(value) if value is not None and math.isfinite(value) else None


def _days(since: dt.date | None, day: dt.date) -> int | None:
    return (day - since).days if since else None
