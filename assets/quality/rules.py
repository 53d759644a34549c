"""Rules of a table, each in one place: what must hold as a range of a column, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resources.text import listed, plural
from resources.validation import Expectation

# What of Great Expectations' is used, by its names for it.
BETWEEN, GIVEN, UNIQUE = (f"expect_column_values_to_{what}" for what in ("be_between", "not_be_null", "be_unique"))

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
    return Expectation(type=BETWEEN, kwargs={"column": column, **limits})


def unique_and_given(*columns: str) -> list[Expectation]:
    """The first column is a key; the others are given."""
    given = [Expectation(type=GIVEN, kwargs={"column": each}) for each in columns]
    return [*given, Expectation(type=UNIQUE, kwargs={"column": columns[0]})]


def expected(expectation: Expectation) -> str:
    """What must hold, in a sentence: `recommendable is at least 10`."""
    column, kind = _words(expectation.kwargs.get("column", "the table")), expectation.type
    if kind == BETWEEN:
        return f"{column} is {_limits(expectation)}"
    if kind in (GIVEN, UNIQUE):
        return f"{column} is given in every row" if kind == GIVEN else f"every {column} stands in one row"
    return f"{column}: {_words(kind.removeprefix('expect_'))}"


def unmet(expectation: Expectation, values: Sequence[Any], *, rows: int) -> str:
    """What is there instead, in a sentence; `values` are those of the `rows` that break it, or none are named."""
    column, kind = _words(expectation.kwargs.get("column", "the table")), expectation.type
    named = f" ({listed(list(dict.fromkeys(map(str, values))))})" if values else ""
    if kind == GIVEN:
        return f"{column} is missing in {plural(rows, 'row')}"
    if kind == UNIQUE:
        return f"{plural(rows, 'row')} have a {column} that stands in several{named}"
    if kind == BETWEEN and rows == 1 and values:
        return f"{column} is {_number(values[0])}, and must be {_limits(expectation)}"
    if not rows:
        return f"it does not hold that {expected(expectation)}"
    return f"it does not hold in {plural(rows, 'row')} that {expected(expectation)}{named}"


def _limits(expectation: Expectation) -> str:
    low, high = (expectation.kwargs.get(end) for end in ("min_value", "max_value"))
    if low is not None and high is not None:
        return _number(low) if low == high else f"from {_number(low)} to {_number(high)}"
    if low is not None:
        return f"at least {_number(low)}"
    return "any number" if high is None else f"at most {_number(high)}"


def _number(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
