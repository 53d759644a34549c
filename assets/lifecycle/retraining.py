"""Whether to train anew: one decision a night from all that speaks for it. Pure, so that it can be read and tested.

Which drift checks count is the domain's to say (:class:`assets.lifecycle.domain.Watch`). One that judges what scores
turned out to be worth is the harm itself; those of features and scores say that the champion is fed, or gives, something
else than what it was judged on: it may be the next harm, and the newest labels know more of it. One of the inputs alone
never counts, but excuses: what moves in the delivered data alone is a feed that broke or changed its meaning, and to
train on that is to learn the fault. Since such a feed moves everything else too, a night on which it is in error is no
bad window of any other check. What has truly changed for good is learnt with the next training, by age at the latest.

Only the level `error` makes a window bad. A warning is meant to come now and then on good nights; enough of them in a row
would be a retraining by chance.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.days import ONE_DAY
from resources.records.lifecycle import RetrainingDecision, RetrainingRequest, Signal

if TYPE_CHECKING:
    from assets.lifecycle.domain import Watch
    from resources.config.lifecycle import RetrainingConfig

WEEK = 7  # days


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known at a business day's close.

    `signals` and `decisions` may reach past it; `trained_on` is the day that the last model was trained for, by then,
    `serving` the version that serves, and `serving_since` the day whose training it won; `days_with_data` are those that
    new labels come from, named `new_data`; requests and promotions have their numbers in the ledger.
    """

    signals: Sequence[Signal] = ()
    decisions: Sequence[RetrainingDecision] = ()
    requests: Sequence[tuple[int, RetrainingRequest]] = ()
    trained_on: dt.date | None = None
    serving: int | None = None
    serving_since: dt.date | None = None
    newest_promotion: int = 0
    days_with_data: Collection[dt.date] = ()
    new_data: str = "data"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Whether to train anew, why or why not, and the numbers behind it."""

    is_retraining: bool
    reasons: tuple[str, ...]
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def is_that_of(self, record: RetrainingDecision) -> bool:
        """Whether this is on record already."""
        return (self.is_retraining, list(self.reasons), self.numbers) == (
            record.is_retraining,
            list(record.reasons),
            record.numbers,
        )


@dataclass(frozen=True, kw_only=True)
class _Argument:
    """One thing that may speak for a training."""

    cause: str
    speaks: bool
    message: str


def choose(day: dt.date, known: Known, *, rule: RetrainingConfig, watches: Sequence[Watch]) -> Choice | None:
    """The decision at `day`'s close; None when what was decided for the day, if anything, stays as it is.

    It stays once a later day was decided, whose model would be the newer one, and once it was carried out, unless a
    person asks for more. At most one training is in flight: nights of the cool-down decide none, and a request that comes
    meanwhile is a decision that takes the older one's place when the run under way has ended.
    """
    own = [decision for decision in known.decisions if decision.business_date == day]
    is_carried_out = bool(own) and own[-1].is_retraining and known.trained_on == day
    # The requests that other decisions answered; this day's own decision is made anew from the same ones.
    others = [d for d in known.decisions if d.business_date != day or is_carried_out]
    answered = {number for decision in others for number in decision.numbers.get("wishes", ())}
    requests = [(number, request) for number, request in known.requests if number not in answered]
    if any(decision.business_date > day for decision in known.decisions) or (is_carried_out and not requests):
        return None

    bad = _bad_nights(day, known, rule=rule, watches=watches)
    arguments = [
        *(
            _of_watch(watch, day, known, bad[watch.name], rule=rule, watches=watches)
            for watch in watches
            if watch.makes_bad_nights
        ),
        *_of_time(day, known, rule=rule),
        _of_requests(requests),
    ]
    speaking = [argument for argument in arguments if argument.speaks]
    held_back = None if requests else _held_back(day, known, rule=rule)
    numbers = {
        "causes": [argument.cause for argument in speaking],
        "bad_nights": {name: [night.isoformat() for night in nights] for name, nights in bad.items()},
        "trained_on": known.trained_on.isoformat() if known.trained_on else None,
    }
    if held_back or not speaking:
        # Held back: what would have spoken is told all the same.
        messages = [argument.message for argument in (speaking if held_back else arguments)]
        return Choice(
            is_retraining=False,
            reasons=tuple([held_back, *messages] if held_back else filter(None, messages)),
            numbers=numbers,
        )
    return Choice(
        is_retraining=True,
        reasons=tuple(argument.message for argument in speaking),
        numbers=numbers | {"wishes": [number for number, _ in requests], "newest_promotion": known.newest_promotion},
    )


def _held_back(day: dt.date, known: Known, *, rule: RetrainingConfig) -> str | None:
    if known.trained_on is None:
        return "Nobody is champion yet: the nightly trains by itself until somebody is."
    if known.trained_on == day:
        return "The model was trained tonight already."
    decided = max((d.business_date for d in known.decisions if d.is_retraining and d.business_date < day), default=None)
    last = max(filter(None, (decided, known.trained_on)))
    if (day - last).days >= rule.cool_down_days:
        return None
    what = "the model was trained" if last == known.trained_on else "a training was decided on"
    free = last + rule.cool_down_days * ONE_DAY
    return f"Not before {free}: {what} in the night of {last}, and {rule.cool_down_days} days are to pass."


def _of_watch(
    watch: Watch,
    day: dt.date,
    known: Known,
    bad: Sequence[dt.date],
    *,
    rule: RetrainingConfig,
    watches: Sequence[Watch],
) -> _Argument:
    tonight = _signals(watch, day, known).get(day)
    counted = f"{len(bad)} of the last {rule.windows} nights bad"
    if len(bad) >= rule.bad_windows and day in bad and tonight:
        return _Argument(cause=watch.name, speaks=True, message=f"{watch.name}: {counted}, and tonight: {tonight.says}")
    parts = [f"tonight {tonight.level}" if tonight else "nothing was seen tonight"]
    if tonight and tonight.level == Signal.ERROR and day not in bad:
        excusing = " or ".join(each.name for each in watches if each.excuses)
        parts[0] += f", which does not count while {excusing} is in error too"
    if bad:
        parts.append(counted + f" ({rule.bad_windows} are asked for)" * (len(bad) < rule.bad_windows))
    return _Argument(cause=watch.name, speaks=False, message=f"{watch.name}: {', '.join(parts)}")


def _signals(watch: Watch, day: dt.date, known: Known) -> dict[dt.date, Signal]:
    """The newest signal of each night since the last training, of what the version that serves did.

    What came before was answered by that training.
    """
    answered = [known.trained_on] if known.trained_on else []
    if watch.lag and known.serving_since:
        answered.append(known.serving_since + watch.lag)
    return {
        signal.business_date: signal
        for signal in known.signals
        if signal.watch == watch.name
        and max(answered, default=dt.date.min) < signal.business_date <= day
        and signal.model_version in (None, known.serving)
    }


def _bad_nights(
    day: dt.date, known: Known, *, rule: RetrainingConfig, watches: Sequence[Watch]
) -> dict[str, list[dt.date]]:
    """The bad ones among the latest windows of each check; one without a signal, or an `unknown` one, is not."""
    nights = [day - n * ONE_DAY for n in reversed(range(rule.windows))]
    errors = {
        watch.name: {night for night, signal in _signals(watch, day, known).items() if signal.level == Signal.ERROR}
        for watch in watches
    }
    excused = set().union(*(errors[watch.name] for watch in watches if watch.excuses))
    return {
        watch.name: [night for night in nights if night in errors[watch.name] - excused]
        for watch in watches
        if watch.makes_bad_nights
    }


def _of_time(day: dt.date, known: Known, *, rule: RetrainingConfig) -> list[_Argument]:
    if known.trained_on is None:
        return []
    age = (day - known.trained_on).days
    weeks = sum(known.trained_on < delivered <= day for delivered in known.days_with_data) // WEEK
    return [
        _Argument(
            cause="new labels",
            speaks=weeks >= rule.new_label_weeks,
            message=f"new labels: {weeks} {'week' if weeks == 1 else 'weeks'} of {known.new_data} since the last training, "
            f"{rule.new_label_weeks} are worth a new one",
        ),
        _Argument(
            cause="age",
            speaks=age >= rule.max_age_days,
            message=f"age: last trained on {known.trained_on}, {age} {'day' if age == 1 else 'days'} ago, at most "
            f"{rule.max_age_days} are allowed",
        ),
    ]


def _of_requests(requests: Sequence[tuple[int, RetrainingRequest]]) -> _Argument:
    requested = "; ".join(f"{request.by}: {request.reason}" for _, request in requests)
    return _Argument(cause="wish", speaks=bool(requests), message=f"wished by {requested}" if requested else "")
