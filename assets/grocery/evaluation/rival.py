"""What a published method is asked for, to be measured beside our model: scores, of which it makes lists as long as ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

    from assets.grocery.evaluation.history import History

# Scores that are held at a time, 64 MB of them: households are ranked in blocks of this over the products.
BLOCK_CELLS = 2**23


class Rival(ABC):
    """A method; its parameters are the fields of the dataclass."""

    title: ClassVar[str]

    def fit(self, history: History, *, seed: int) -> None:
        """Learn from what all households bought up to a close."""
        self.shape = history.shape
        self.learn(history, seed=seed)

    @abstractmethod
    def learn(self, history: History, *, seed: int) -> None:
        """What :meth:`fit` does; the same seed and history give the same scores."""

    @abstractmethod
    def scores(self, households: np.ndarray) -> csr_matrix | np.ndarray:
        """A row for each of these households (indexes), a column a product; 0 or less does not recommend it."""

    def top(self, k: int) -> np.ndarray:
        """The `k` best products of every household, int64 (households, k), best first; -1 where there are no more.

        Equal scores go to the lower product index.
        """
        import numpy as np
        from scipy.sparse import issparse

        households, products = self.shape
        found = np.full((households, k), -1, dtype=np.int64)
        for block in blocks(households, width=products):
            scores = self.scores(block)
            dense = np.asarray(scores.toarray() if issparse(scores) else scores)  # pyright: ignore[reportAttributeAccessIssue]
            found[block] = best(np.where(dense > 0, dense, -np.inf), k)
        return found


def blocks(rows: int, *, width: int) -> Iterator[np.ndarray]:
    """The indexes 0 … `rows` in runs of :data:`BLOCK_CELLS` / `width`."""
    import numpy as np

    step = max(1, BLOCK_CELLS // max(1, width))
    for start in range(0, rows, step):
        yield np.arange(start, min(start + step, rows))


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """The columns of the `k` highest scores of each row, best first, ties to the lower column; -1 instead of -inf."""
    import numpy as np

    height, width = scores.shape
    found = np.full((height, k), -1, dtype=np.int64)
    if not width:
        return found
    last = np.partition(scores, max(width - k, 0), axis=1)[:, max(width - k, 0), None]
    # All that tie for the last place are there, so that the lowest column of them can win.
    rows, columns = np.nonzero((scores >= last) & (scores > -np.inf))
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    found[rows[place < k], place[place < k]] = columns[place < k]
    return found


def sales_share(history: History, *, days: int) -> np.ndarray:
    """Each product's share of all purchases of the last `days` days, float64 (products,)."""
    import numpy as np

    sold = np.bincount(history.product[history.age < days], minlength=history.shape[1])
    return sold / max(1, sold.sum())
