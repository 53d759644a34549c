"""The reference profile of a model's version: what it was made of, what it said then, and what it promised."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from assets.grocery.profiles.days import DayProfile
from assets.grocery.profiles.numbers import Counts, Cuts

# Whole weeks, so that every weekday is in it as often; as many as the volume is compared with.
REFERENCE_DAYS = 56
# A day whose own past is shorter knows too few households and products to be like the days that follow.
PAST_NEEDED = 28

# Nothing of a bounded time looks back further (a pace, a season): with less past, such columns fill up as nights go by,
# whatever households do. On a shop of eleven weeks it was an alarm every night from the twelfth on.
LOOK_BACK = dt.timedelta(days=84)

# Nights on which a closed day shows in ages: later, few households were last there on the day that is missing.
AGES_MOVED = 3


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Columns of numbers: where they are cut, and how often each class was there, by the night of the count."""

    cuts: Cuts
    nights: Mapping[dt.date, Counts]

    def like(self, day: dt.date) -> Counts | None:
        """The newest night of the same weekday as `day`, or else the newest."""
        same = [night for night in self.nights if night.weekday() == day.weekday()]
        return self.nights[max(same or self.nights)] if self.nights else None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The version's `days`, `features` and `lists`, and the metrics that it `promised` (value, low, high), by name.

    What could not be known when the version was made is empty; it is then not watched.
    """

    business_date: dt.date
    days: Sequence[DayProfile]
    features: Numbers = field(default_factory=lambda: Numbers(cuts={}, nights={}))
    lists: Numbers = field(default_factory=lambda: Numbers(cuts={}, nights={}))
    promised: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def has_a_past(self, *, first_day: dt.date) -> bool:
        """Whether the history, which began on `first_day`, was long enough for features to be like those of later nights."""
        return self.business_date - first_day >= LOOK_BACK

    def as_text(self) -> str:
        """The reference as JSON."""
        return json.dumps(
            {
                "business_date": self.business_date.isoformat(),
                "days": [day.as_json() for day in self.days],
                **{name: _as_json(numbers) for name, numbers in (("features", self.features), ("lists", self.lists))},
                "promised": {name: list(values) for name, values in self.promised.items()},
            }
        )

    @classmethod
    def of_text(cls, text: str) -> Reference:
        """The reference that :meth:`as_text` gave."""
        stored = json.loads(text)
        return cls(
            business_date=dt.date.fromisoformat(stored["business_date"]),
            days=[DayProfile.of_json(day) for day in stored["days"]],
            features=_of_json(stored["features"]),
            lists=_of_json(stored["lists"]),
            promised=stored["promised"],
        )


def reference_days(until: dt.date, *, first_day: dt.date) -> list[dt.date]:
    """The days that a reference made at `until`'s close has a profile of, in order."""
    days = (until - dt.timedelta(days=back) for back in reversed(range(REFERENCE_DAYS)))
    return [day for day in days if day >= first_day + dt.timedelta(days=PAST_NEEDED)]


def days_of_ages(night: dt.date) -> list[dt.date]:
    """The days that must have been open for ages at the close of `night` to be as usual."""
    return [night - dt.timedelta(days=n) for n in range(AGES_MOVED)]


def _as_json(numbers: Numbers) -> dict[str, object]:
    return {
        "cuts": numbers.cuts,
        "nights": {night.isoformat(): asdict(counts) for night, counts in numbers.nights.items()},
    }


def _of_json(stored: Mapping[str, Mapping]) -> Numbers:
    nights = {dt.date.fromisoformat(night): Counts(**counts) for night, counts in stored["nights"].items()}
    return Numbers(cuts=stored["cuts"], nights=nights)
