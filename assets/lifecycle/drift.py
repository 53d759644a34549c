"""How far a night is from what its champion was made of: effect sizes with limits, and sentences for people.

On many rows every difference is significant and few matter: a statistic has a limit that is large in itself and rare.
Which statistics a domain looks at, and their limits, are the domain's (:class:`assets.lifecycle.domain.Watch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resources.records.lifecycle import Signal

# WARN is at the limit, ERROR where a day is twice as far from what is usual.
ERROR_AT = 2.0
LEVELS = (Signal.UNKNOWN, Signal.OK, Signal.WARN, Signal.ERROR)


@dataclass(frozen=True, kw_only=True)
class DriftStatistic:
    """One statistic of one column: its value, what is usual, and the limit from which on it is worth a warning.

    `ratio_to_limit` is how far it is from what is usual, 1 at the limit. `was` and `now` are the shares that moved
    most, by value.
    """

    column: str
    statistic: str
    value: float
    usual: float
    limit: float
    ratio_to_limit: float
    error_at: float = ERROR_AT
    message: str
    was: Mapping[str, float] = field(default_factory=dict)
    now: Mapping[str, float] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """`ok`, `warn` or `error`."""
        return (
            Signal.OK
            if self.ratio_to_limit < 1
            else Signal.WARN
            if self.ratio_to_limit < self.error_at
            else Signal.ERROR
        )


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What a drift check saw in a night; without statistics it had too little to compare, or `has_failed`: see `message`."""

    statistics: Sequence[DriftStatistic] = ()
    message: str = ""
    has_failed: bool = False

    @property
    def worst(self) -> DriftStatistic | None:
        """The statistic that is furthest from what is usual."""
        return max(self.statistics, key=lambda statistic: statistic.ratio_to_limit, default=None)

    @property
    def level(self) -> str:
        """The level of the worst statistic, or `unknown`."""
        return max((statistic.level for statistic in self.statistics), key=LEVELS.index, default=Signal.UNKNOWN)
