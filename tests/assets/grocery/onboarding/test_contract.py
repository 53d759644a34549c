"""Ranges of the contract."""

from __future__ import annotations

import pytest

from assets.grocery.onboarding import contract


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (0.3, 0.5), (1, 1), (3, 5), (924, 1_000), (98_602, 100_000)])
def test_ranges_are_rounded_outward(value, expected):
    assert contract.outward(value) == pytest.approx(expected)
