"""Great Expectations behind one call."""

from __future__ import annotations

import pandas as pd
import pytest

from resources.validation import Expectation, validate


def between(column: str, low: float, high: float) -> Expectation:
    kwargs = {"column": column, "min_value": low, "max_value": high}
    return Expectation(type="expect_column_values_to_be_between", kwargs=kwargs)


DAYS = pd.Index(["mon", "tue", "wed"], name="day")
FRAME = pd.DataFrame({"lines": [10, 0, 30], "share": [0.5, None, 0.1]}, index=DAYS)


def test_outcomes_are_in_order_with_the_offenders_and_what_was_seen():
    met, broken, not_given = validate(
        FRAME,
        [
            between("share", 0, 1),  # an empty value breaks no range
            between("lines", 5, 20),
            Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "share"}),
        ],
    )
    assert (met.is_met, list(met.offenders)) == (True, [])
    assert (broken.is_met, list(broken.offenders), list(broken.observed)) == (False, ["tue", "wed"], [0, 30])
    assert [type(value) for value in broken.observed] == [int, int]  # numpy's would not go into metadata
    assert (not_given.is_met, list(not_given.offenders)) == (False, ["tue"])


def test_expectation_of_a_column_that_is_not_there_is_an_error_not_a_pass():
    with pytest.raises(RuntimeError, match=r"expect_column_values_to_be_between\(.*lnes.*could not be evaluated"):
        validate(FRAME, [between("lnes", 0, 1)])
