"""Rules of a table, each in one place: what must hold as a range of a column, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resources.validation import Expectation

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class DayRule:
    """What must hold of a day in numbers (its profile, a row a day).

    `faults` says what is wrong by the column that is out of its range; `range_of`, called with the contract and a column,
    is that range, and None where the contract has no such rule.
    """

    check: str
    sentence: str
    faults: Mapping[str, str]
    range_of: Callable[[Any, str], Range | None] = lambda _contract, _column: (0, 0)

    def expectations(self, contract: Any) -> list[Expectation]:
        """The rule as Great Expectations takes it."""
        ranges = {column: self.range_of(contract, column) for column in self.faults}
        return [between(column, *of_column) for column, of_column in ranges.items() if of_column]


def expectations(rules: Sequence[DayRule], contract: Any) -> dict[str, list[Expectation]]:
    """What each check expects of the columns of the profile; a rule that the contract does not have has no check."""
    checks = {rule.check: rule.expectations(contract) for rule in rules}
    return {check: expected for check, expected in checks.items() if expected}


def between(column: str, low: float | None, high: float | None) -> Expectation:
    """A column's values are in a range; None is no bound."""
    limits = {"min_value": low, "max_value": high}
    return Expectation(type="expect_column_values_to_be_between", kwargs={"column": column, **limits})


def unique_and_given(*columns: str) -> list[Expectation]:
    """The first column is a key; the others are given."""
    given = [Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": each}) for each in columns]
    return [*given, Expectation(type="expect_column_values_to_be_unique", kwargs={"column": columns[0]})]
