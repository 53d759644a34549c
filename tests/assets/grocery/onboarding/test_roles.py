"""Which column is which, by what is known of each."""

from __future__ import annotations

import pytest

from assets.grocery.onboarding import roles
from assets.grocery.onboarding.columns import ColumnProfile
from resources.errors import Refused


def columns(**given: float) -> dict[str, ColumnProfile]:
    """Columns of identifiers by name, with the share of lines that have each."""
    of_all = {"lines": 100, "different": 20, "numbers": 1.0, "wholes": 1.0, "example": "4711"}
    return {name: ColumnProfile(name=name, given=share, **of_all) for name, share in given.items()}


@pytest.mark.parametrize(
    ("given", "product"),
    [
        ({"GTIN": 0.9, "ART_NR": 1.0}, "ART_NR"),  # what is weighed has no barcode
        ({"GTIN": 0.9, "ART_NR": 0.9}, "GTIN"),
        ({"SKU": 0.9, "Item": 1.0}, "SKU"),  # a name is no identifier
        ({"product_id": 1.0, "item_no": 1.0}, "product_id"),
    ],
)
def test_product_is_the_identifier_that_lines_have(given, product):
    assert roles.product(columns(**given)).value == product


def test_what_may_be_it_is_named_where_nothing_is():
    assert roles.quantity(columns(**{"Quantity (- Refund)": 1.0})).why.startswith(
        "Quantity (- Refund) may be it: --column"
    )
    with pytest.raises(Refused) as refused:
        roles.household(columns(sku=1.0, Email=1.0))
    assert "Email may tell customers apart: --column household_id='Email'. Else name" in refused.value.remedy
