"""What all households bought up to a close, as arrays, for methods that want matrices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis
    import numpy as np
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """A row for each household, product and day of purchase, ordered by household, product and age.

    `households` and `products` are the sorted identifiers that `household` and `product` (int32, one a row) count
    into. `age` is in days before the close, `trips_ago` in shopping days of the household since (0 is its latest),
    `day_size` is how many different products the household bought that day.
    """

    households: np.ndarray
    products: np.ndarray
    household: np.ndarray
    product: np.ndarray
    age: np.ndarray
    trips_ago: np.ndarray
    day_size: np.ndarray

    @classmethod
    def of(cls, days: ibis.Table) -> History:
        """The history in a table of :func:`assets.grocery.features.purchases.shopping_days`."""
        import numpy as np
        import pandas as pd

        columns = ["household_id", "product_id", "age", "trips_ago", "day_size"]
        rows = days.select(columns).to_pyarrow().to_pandas()
        household, households = pd.factorize(rows["household_id"], sort=True)
        product, products = pd.factorize(rows["product_id"], sort=True)
        order = np.lexsort((rows["age"], product, household))
        numbers = {name: rows[name].to_numpy(dtype=np.int32)[order] for name in columns[2:]}
        return cls(
            households=np.asarray(households, dtype=object),
            products=np.asarray(products, dtype=object),
            household=household[order].astype(np.int32),
            product=product[order].astype(np.int32),
            **numbers,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """How many households and how many products."""
        return len(self.households), len(self.products)

    @cached_property
    def trips(self) -> np.ndarray:
        """The shopping days of each household, int32."""
        import numpy as np

        trips = np.zeros(len(self.households), dtype=np.int32)
        np.maximum.at(trips, self.household, self.trips_ago + 1)
        return trips

    def matrix(self, weights: np.ndarray) -> csr_matrix:
        """The float64 sums of `weights` (one a row), households x products; a sum of 0 is not stored."""
        import numpy as np
        from scipy.sparse import csr_matrix

        values = np.asarray(weights, dtype=float)
        sums = csr_matrix((values, (self.household, self.product)), shape=self.shape)
        sums.eliminate_zeros()
        return sums

    def counts(self, *, half_life: float | None = None) -> csr_matrix:
        """Days of purchase, households x products, each counting half for every `half_life` days since (None: fully)."""
        import numpy as np

        return self.matrix(np.ones(len(self.age)) if half_life is None else 0.5 ** (self.age / half_life))
