"""The statistics of the grocery drift checks, of a day and of columns of numbers, with their limits.

On many lines every difference is significant and few matter. So a statistic that counts is large in itself (its `least`, as an
effect size) and rare (by how much the reference's own days differ from each other, or by its sample), with the number
of columns that are looked at taken into account.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from assets.grocery.profiles.days import NONE, PRICE_CUTS, QUANTITY_CUTS, SIZE_CUTS, DayProfile
from assets.grocery.profiles.numbers import Counts
from assets.lifecycle.drift import DriftReport, DriftStatistic

if TYPE_CHECKING:
    import numpy as np

# By chance alone, one night a year may go beyond a limit, whatever the number of columns: each has its part of that.
CHANCE_OF_A_NIGHT = 1 / 365
# A day of every weekday, twice: with fewer, what is usual is a guess.
DAYS_NEEDED = 14
# A day is compared with the same weekday of the reference where there are so many of it, otherwise with all its days.
WEEKDAYS_NEEDED = 3
# Of fewer lines or baskets, shares of a tenth are noise.
SAMPLE_NEEDED = 30
# Known households or new ones are two values, of which one is rare: that all are new is no noise among a dozen.
SAMPLE_NEEDED_OF: Mapping[str, int] = {"household": 12}
# Of a column, so many values are told apart, those that are most frequent: a chain may have thousands of stores.
VALUES_KEPT = 200
# ERROR is twice the limit (assets.lifecycle.drift). On the demo's year the holidays reach that once (Thanksgiving, when
# stores close early); departments, prices, stores and identifiers that go wrong mostly do.

# Jensen-Shannon distance (0 … 1) beyond what is usual. A tenth of all lines in other places is .15 to .25, a tenth of
# prices or identifiers .1 to .15; holidays reach .07, and .22 in the hours in which stores are open. Categories are
# the season's (the eve of Thanksgiving: .11).
LEAST_DISTANCE: Mapping[str, float] = {"category": 0.15}
LEAST_DISTANCE_OF_OTHERS = 0.1
# Usual share of the values that are gone altogether, of those that are there nearly every day. On the demo's year the
# small departments leave up to .2 %, categories 2.5 % on a holiday, and stores 5 to 10 % on the days of few baskets.
LEAST_GONE: Mapping[str, float] = {"department": 0.002, "category": 0.03, "store": 0.04}
NEARLY_EVERY_DAY = 0.9
# How many lines or baskets there ought to have been: lines come in baskets of several, so this is few enough to miss.
GONE_NEEDED = 12
# Counts over the usual ones, below and above. Holidays move households from .8 to 1.54 and lines a household from .76 to
# 1.28; a household's baskets of a day vary by 7 %. Half a feed is .5, a doubled one 2.
LEAST_RATIO: Mapping[str, tuple[float, float]] = {
    "households": (0.7, 1.6),
    "lines a household": (1 / 1.4, 1.4),
    "baskets a household": (1 / 1.12, 1.12),
}

# Population stability index. By the convention of credit scoring .25 is much; what lies below is a history that grows
# (days since the first purchase, against five weeks before: .12) and the season's offers (.1 to .2). An error is twice that.
LEAST_INDEX = 0.25
# Independent households or products that a column is known from: with fewer, deciles are noise.
UNITS_NEEDED = 50

SHOWN = 12  # values in a picture
SAYS: Mapping[str, str] = {
    "department": "lines by department",
    "category": "lines by category",
    "quantity": "lines by quantity",
    "price": "prices over the products' usual ones",
    "product": "lines of known and new products",
    "store": "baskets by store",
    "hour": "baskets by local hour",
    "basket_size": "baskets by number of lines",
    "household": "known and new households",
}
CLASSES: Mapping[str, Sequence[str]] = {
    "price": [f"x{math.exp(cut):.2f}" for cut in PRICE_CUTS],
    "quantity": [f"{cut:,}" for cut in QUANTITY_CUTS],
    "basket_size": [f"{cut} lines" for cut in SIZE_CUTS],
}


class ReferenceWindow:
    """What the days of a reference are like, and by how much they differ from each other."""

    def __init__(self, days: Sequence[DayProfile]) -> None:
        self.days = days
        names = sorted({column for day in days for column in day.values})
        self._columns = [_Column.of(name, days) for name in names]

    def against(self, day: DayProfile) -> DriftReport:
        """How `day` compares with days like it."""
        if len(self.days) < DAYS_NEEDED:
            return DriftReport(
                message=f"The reference has {len(self.days)} days, {DAYS_NEEDED} are needed to know what is usual."
            )
        if day.counts.get("lines", 0) < SAMPLE_NEEDED:
            return DriftReport(
                message=f"The day has {day.counts.get('lines', 0)} lines, {SAMPLE_NEEDED} are needed to compare it."
            )
        rules = self._rules(day)
        z = _rare(len(rules))
        return DriftReport(statistics=[statistic for rule in rules for statistic in [rule(day, z)] if statistic])

    def _rules(self, day: DayProfile) -> list[Callable[[DayProfile, float], DriftStatistic | None]]:
        """Everything that a day is asked: of columns that it has a sample of, as the reference's days have."""
        columns = [column for column in self._columns if column.can_judge(day)]
        return [
            *(partial(self._ratio, name) for name in LEAST_RATIO),
            *(partial(self._distance, column) for column in columns),
            *(partial(self._gone, column) for column in columns if column.name in LEAST_GONE),
        ]

    def _ratio(self, name: str, day: DayProfile, z: float) -> DriftStatistic | None:
        import numpy as np

        above, _, below = name.partition(" a ")
        there = [past for past in self.days if _ratio_of(past, above, below)]
        value = _ratio_of(day, above, below)
        if not value or len(there) < DAYS_NEEDED:
            return None
        logs = np.log([_ratio_of(past, above, below) for past in there])
        weekdays = _weekdays(there)
        deviations = np.array(
            [log - np.median(logs[others]) for log, others in zip(logs, _others(weekdays), strict=True)]
        )
        usual = float(np.median(logs[_alike(weekdays, day.business_date.weekday())]))
        beyond = float(np.log(value)) - usual
        low, high = LEAST_RATIO[name]
        limit = max(z * _spread(deviations), -np.log(low) if beyond < 0 else np.log(high))
        ratio = float(np.exp(beyond))
        return DriftStatistic(
            column=name,
            statistic="ratio",
            value=ratio,
            usual=1.0,
            limit=float(np.exp(np.sign(beyond) * limit)),
            ratio_to_limit=abs(beyond) / limit,
            message=f"{name}: {_number(value)}, {ratio:.2f} times the usual {_number(float(np.exp(usual)))}",
            was={name: float(np.exp(usual))},
            now={name: value},
        )

    def _distance(self, column: _Column, day: DayProfile, z: float) -> DriftStatistic:
        now, expected = column.shares_of(day), column.expected(day)
        value = float(_distances(now, expected))
        usual, limit = _limit(column.distances, z=z, least=LEAST_DISTANCE.get(column.name, LEAST_DISTANCE_OF_OTHERS))
        moved = column.moved(expected, now)
        return DriftStatistic(
            column=column.name,
            statistic="distance",
            value=value,
            usual=usual,
            limit=limit,
            ratio_to_limit=(value - usual) / (limit - usual),
            message=f"{SAYS[column.name]}: distance {value:.2f} (usually {usual:.2f}, limit {limit:.2f}); "
            + ", ".join(f"{name} {moved[name][1]:.1%} instead of {moved[name][0]:.1%}" for name in list(moved)[:2]),
            was={name: was for name, (was, _) in moved.items()},
            now={name: is_ for name, (_, is_) in moved.items()},
        )

    def _gone(self, column: _Column, day: DayProfile, z: float) -> DriftStatistic:
        import numpy as np

        now, expected = column.shares_of(day), column.expected(day)
        is_gone = ((column.counts > 0).mean(0) >= NEARLY_EVERY_DAY) & (now == 0)
        is_gone[-1] = False  # the others are no value of their own
        value, size = float(expected[is_gone].sum()), sum(day.values[column.name].values())
        usual, limit = _limit(column.gone, z=z, least=LEAST_GONE[column.name])
        places = sorted(np.flatnonzero(is_gone), key=lambda place: -expected[place])
        names = [label(column.name, column.values[int(place)]) for place in places]
        return DriftStatistic(
            column=column.name,
            statistic="gone",
            value=value,
            usual=usual,
            limit=limit,
            ratio_to_limit=(value - usual) / (limit - usual) if value * size >= GONE_NEEDED else 0.0,
            message=f"{SAYS[column.name]}: "
            + (f"nothing from {_listed(names)}, usually {value:.1%}" if names else "nothing is gone")
            + f" (limit {limit:.1%})",
            was={name: float(expected[place]) for name, place in list(zip(names, places, strict=True))[:SHOWN]},
            now=dict.fromkeys(names[:SHOWN], 0.0),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Column:
    """A column on the days of a reference that have a sample of it, by their `weekdays` (0 is Monday).

    `counts` are days x values, the last one being all other values together.
    """

    name: str
    values: Sequence[str]
    counts: np.ndarray
    weekdays: np.ndarray

    @classmethod
    def of(cls, name: str, days: Sequence[DayProfile]) -> _Column:
        import numpy as np

        needed = SAMPLE_NEEDED_OF.get(name, SAMPLE_NEEDED)
        there = [day for day in days if sum(day.values.get(name, {}).values()) >= needed]
        totals: Counter[str] = Counter()
        for day in there:
            totals.update(day.values[name])
        values = [value for value, _ in totals.most_common(VALUES_KEPT)]
        counts = np.array([_counted(day.values[name], values) for day in there], dtype=float)
        return cls(name=name, values=values, counts=counts, weekdays=_weekdays(there))

    def can_judge(self, day: DayProfile) -> bool:
        """Whether there is a sample on both sides, and another value than the one that all days have."""
        now = day.values.get(self.name, {})
        needed = SAMPLE_NEEDED_OF.get(self.name, SAMPLE_NEEDED)
        is_known = len(self.counts) >= DAYS_NEEDED and sum(now.values()) >= needed
        return is_known and (len(self.values) > 1 or set(now) != set(self.values))

    def shares_of(self, day: DayProfile) -> np.ndarray:
        """The day's shares."""
        import numpy as np

        counts = np.array(_counted(day.values[self.name], self.values), dtype=float)
        return counts / counts.sum()

    def expected(self, day: DayProfile) -> np.ndarray:
        """The shares of the reference's days like `day`, together."""
        counts = self.counts[_alike(self.weekdays, day.business_date.weekday())].sum(0)
        return counts / counts.sum()

    @cached_property
    def distances(self) -> np.ndarray:
        """How far each day of the reference is from those that it is compared with."""
        return _distances(self._shares, self._expected_of_each)

    @cached_property
    def gone(self) -> np.ndarray:
        """The usual share of what was there on nearly all other days of the reference, but not on this one."""
        there = self.counts > 0
        on_others = (there.sum(0) - there) / (len(there) - 1)
        lacking = self._expected_of_each * (on_others >= NEARLY_EVERY_DAY) * ~there
        return lacking[:, :-1].sum(1)

    @cached_property
    def _shares(self) -> np.ndarray:
        return self.counts / self.counts.sum(1, keepdims=True)

    @cached_property
    def _expected_of_each(self) -> np.ndarray:
        counts = _others(self.weekdays) @ self.counts
        return counts / counts.sum(1, keepdims=True)

    def moved(self, expected: np.ndarray, now: np.ndarray) -> dict[str, tuple[float, float]]:
        """The values whose shares moved most, first, with both shares."""
        import numpy as np

        names = [*(label(self.name, value) for value in self.values), "(others)"]
        order = np.argsort(-np.abs(now - expected), kind="stable")[:SHOWN]
        return {names[place]: (float(expected[place]), float(now[place])) for place in order}


def label(column: str, value: str) -> str:
    """A value of a profile for people: the class of a price is `x0.95 to x0.98`."""
    if column == "hour" and value != NONE:
        return f"{value} h"
    if column not in CLASSES or value == NONE:
        return value
    cuts, place = CLASSES[column], int(value)
    low, high = cuts[place - 1] if place else "", cuts[place] if place < len(cuts) else ""
    return f"above {low}" if not high else f"up to {high}" if not low else f"{low} to {high}"


def moved_columns(now: Counts, was: Counts) -> DriftReport:
    """The columns of numbers of a night against those of the reference, in the reference's classes, by their stability index."""
    from scipy.stats import chi2

    names = [
        name
        for name in was.of
        if name in now.of and min(now.units[name], was.units[name]) >= UNITS_NEEDED and len(was.of[name]) > 1
    ]
    if not names:
        return DriftReport(
            message=f"No column is known from {UNITS_NEEDED} households or products, in the reference and now."
        )
    statistics = []
    for name in names:
        value, shares_was, shares_now = stability_index(now.of[name], was.of[name])
        # Without any drift the index over (1/n + 1/m) is chi-squared (Yurdakul 2018): of few units, it is large by chance.
        noise = 1 / now.units[name] + 1 / was.units[name]
        rare = float(chi2.isf(CHANCE_OF_A_NIGHT / len(names), len(was.of[name]) - 1)) * noise
        limit = max(LEAST_INDEX, rare)
        furthest = max(range(len(shares_was)), key=lambda place: abs(shares_now[place] - shares_was[place]))
        statistics.append(
            DriftStatistic(
                column=name,
                statistic="stability index",
                value=value,
                usual=0.0,
                limit=limit,
                ratio_to_limit=value / limit,
                message=f"{name}: stability index {value:.2f} (limit {limit:.2f}); its class {furthest + 1} of "
                f"{len(shares_was)} has {shares_now[furthest]:.1%} instead of {shares_was[furthest]:.1%}",
                was={str(place + 1): share for place, share in enumerate(shares_was)},
                now={str(place + 1): share for place, share in enumerate(shares_now)},
            )
        )
    return DriftReport(statistics=statistics)


def stability_index(now: Sequence[int], was: Sequence[int]) -> tuple[float, list[float], list[float]]:
    """The population stability index of two counts of the same classes, and the shares of both.

    Half a row is added to every class, so that an empty one is a small share rather than an infinite distance.
    """
    shares_was, shares_now = ([(n + 0.5) / (sum(counts) + len(counts) / 2) for n in counts] for counts in (was, now))
    index = sum((q - p) * math.log(q / p) for p, q in zip(shares_was, shares_now, strict=True))
    return index, shares_was, shares_now


def _weekdays(days: Sequence[DayProfile]) -> np.ndarray:
    import numpy as np

    return np.array([day.business_date.weekday() for day in days], dtype=int)


def _alike(weekdays: np.ndarray, weekday: int) -> np.ndarray:
    """Which days are compared with a `weekday`: the same ones, or all where those are too few."""
    same = weekdays == weekday
    return same if same.sum() >= WEEKDAYS_NEEDED else same | True


def _others(weekdays: np.ndarray) -> np.ndarray:
    """Which days each day is compared with, days x days: those like it, without itself."""
    import numpy as np

    alike = np.array([_alike(weekdays, weekday) for weekday in weekdays])
    return alike & ~np.eye(len(weekdays), dtype=bool)


def _ratio_of(day: DayProfile, above: str, below: str) -> float:
    """A count of the day, or over another one in the singular; 0 where there is nothing."""
    over = day.counts.get(f"{below}s", 0) if below else 1
    return day.counts.get(above, 0) / over if over else 0.0


def _counted(times: Mapping[str, float], values: Sequence[str]) -> list[float]:
    known = [times.get(value, 0) for value in values]
    return [*known, sum(times.values()) - sum(known)]


def _rare(questions: int) -> float:
    """Standard deviations that one of `questions` goes beyond, either way, in so few nights."""
    from scipy.stats import norm

    return float(norm.isf(CHANCE_OF_A_NIGHT / 2 / questions))


def _spread(deviations: np.ndarray) -> float:
    """A standard deviation that a few odd days do not move: by the middle half, or by nine tenths where those are wider."""
    import numpy as np

    sizes = np.abs(deviations)
    return float(max(np.median(sizes) / 0.6745, np.quantile(sizes, 0.9) / 1.645))


def _limit(among: np.ndarray, *, z: float, least: float) -> tuple[float, float]:
    """What is usual among the reference's own days, and the limit: what is rare among them, but not without `least`."""
    import numpy as np

    usual = float(np.median(among))
    upwards = (np.quantile(among, 0.9) - usual) / 1.2816
    return usual, usual + float(max(z * _spread(among - usual), z * upwards, least))


def _distances(shares: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distances with logarithms of base 2, of each row: 0 is the same, 1 has nothing in common."""
    from scipy.spatial.distance import jensenshannon

    return jensenshannon(shares, expected, base=2, axis=-1)  # pyright: ignore[reportCallIssue]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
