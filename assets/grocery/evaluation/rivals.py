"""Published methods that our model has to beat, each with the best parameters that `benchmarks/tune_rivals.py` found.

A rival learns from a :class:`~assets.grocery.evaluation.history.History` alone and ranks products for all its households. It
must be given as good a chance as ours: where the paper leaves something open, the choice is the one that did better.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from assets.grocery.evaluation.rival import Rival, best, blocks, sales_share
from resources.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

    from assets.grocery.evaluation.history import History

# What a product's share of all sales weighs beside the household's own purchases: it breaks ties and fills short lists,
# and is less than one purchase of five years ago at a half-life of 90 days.
TIE = 1e-6


@dataclass(kw_only=True, eq=False)
class GlobalTop(Rival):
    """The best sellers of the last days, the same for everybody."""

    title = "global top"

    days: int = 28

    def learn(self, history: History, *, seed: int) -> None:
        self._share = sales_share(history, days=self.days)

    def scores(self, households: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.broadcast_to(self._share, (len(households), len(self._share)))


@dataclass(kw_only=True, eq=False)
class PersonalTopFrequency(Rival):
    """What the household bought on most days, and nothing else: P-TopFreq of Li et al., "A Next Basket Recommendation
    Reality Check", TOIS 2023."""

    title = "P-TopFreq"

    def learn(self, history: History, *, seed: int) -> None:
        self._own = history.counts()

    def scores(self, households: np.ndarray) -> csr_matrix | np.ndarray:
        return self._own[households]


@dataclass(kw_only=True, eq=False)
class PersonalThenGlobal(PersonalTopFrequency):
    """The same, filled up with best sellers: GP-TopFreq of Li et al., 2023. The better seller also wins a tie, which
    is worth 1 % (most of a household's products were bought once or twice)."""

    title = "GP-TopFreq"

    days: int = 28

    def learn(self, history: History, *, seed: int) -> None:
        super().learn(history, seed=seed)
        self._share = sales_share(history, days=self.days)

    def scores(self, households: np.ndarray) -> np.ndarray:
        return self._own[households].toarray() + TIE * self._share


@dataclass(kw_only=True, eq=False)
class HalfLife(PersonalThenGlobal):
    """The same, a purchase weighing half for every `half_life` days since."""

    title = "personal frequency with a half-life"

    half_life: float = 90

    def learn(self, history: History, *, seed: int) -> None:
        super().learn(history, seed=seed)
        self._own = history.counts(half_life=self.half_life)


@dataclass(kw_only=True, eq=False)
class UPCF(Rival):
    """UP-CF@r of Faggioli, Polato & Aiolli, "Recency Aware Collaborative Filtering for Next Basket Recommendation",
    UMAP 2020.

    All households, itself included, say on what share of their latest `recency` shopping days they bought a product.
    They are heard by the asymmetric cosine of what was ever bought, |u ∩ v| / (|u|^`alpha` |v|^(1 - `alpha`)), to the
    power of `locality`.
    """

    title = "UP-CF@r"

    recency: int = 20
    alpha: float = 0.75
    locality: float = 5

    def learn(self, history: History, *, seed: int) -> None:
        import numpy as np

        days = np.minimum(self.recency, history.trips)
        self._popularity = history.matrix((history.trips_ago < self.recency) / days[history.household])
        self._bought = history.counts().sign()  # pyright: ignore[reportAttributeAccessIssue]
        self._size = np.diff(self._bought.indptr).astype(float)

    def scores(self, households: np.ndarray) -> np.ndarray:
        common = (self._bought[households] @ self._bought.T).toarray()
        norm = self._size[households, None] ** self.alpha * self._size ** (1 - self.alpha)
        return (common / norm) ** self.locality @ self._popularity


@dataclass(kw_only=True, eq=False)
class NearestHouseholds(Rival):
    """A household's own purchases and the average of its `neighbours` nearest households', `alpha` to 1 - `alpha`."""

    neighbours: int
    alpha: float

    @abstractmethod
    def weights(self, history: History) -> np.ndarray:
        """What a purchase weighs in the vector of its household, one a row."""

    def compared(self, vectors: csr_matrix) -> csr_matrix:
        """What the Euclidean distance between households is taken of."""
        return vectors

    def learn(self, history: History, *, seed: int) -> None:
        import numpy as np

        self._vectors = history.matrix(self.weights(history))
        self._compared = self.compared(self._vectors)
        self._norms = np.asarray(self._compared.multiply(self._compared).sum(axis=1)).ravel()

    def scores(self, households: np.ndarray) -> csr_matrix:
        return self.alpha * self._vectors[households] + (1 - self.alpha) * self._average(households)

    def _average(self, households: np.ndarray) -> csr_matrix:
        """The average vector of the nearest other households of each household."""
        import numpy as np
        from scipy.sparse import csr_matrix

        products = (self._compared[households] @ self._compared.T).toarray()
        nearness = 2 * products - self._norms  # the squared distance, turned round, without what a row has in common
        nearness[np.arange(len(households)), households] = -np.inf
        nearest = best(nearness, self.neighbours)
        rows, places = np.nonzero(nearest >= 0)
        shares = 1 / np.bincount(rows, minlength=1)[rows]
        return csr_matrix((shares, (rows, nearest[rows, places])), shape=nearness.shape) @ self._vectors


@dataclass(kw_only=True, eq=False)
class TIFUKNN(NearestHouseholds):
    """TIFU-KNN of Hu, He, Gao & Zhang, "Modeling Personalized Item Frequency Information for Next-basket
    Recommendation", SIGIR 2020.

    The shopping days are cut into `groups` of equal size, the latest ones longer by a day where they do not divide. A
    purchase weighs `trip_decay` for each shopping day since (r_b) and `group_decay` for each group since (r_g), over
    the days of its group and the groups. r_b counts through the whole history, as in the authors' programme; counted
    within the group, as in their paper, it is 1 % worse.
    """

    title = "TIFU-KNN"

    groups: int = 7
    trip_decay: float = 0.97
    group_decay: float = 0.9
    neighbours: int = 300
    alpha: float = 0.7

    def weights(self, history: History) -> np.ndarray:
        import numpy as np

        trips, ago = history.trips[history.household], history.trips_ago
        groups = np.minimum(self.groups, trips)
        size, longer = np.divmod(trips, groups)
        in_longer = ago < longer * (size + 1)
        groups_ago = np.where(in_longer, ago // (size + 1), longer + (ago - longer * (size + 1)) // size)
        return self.trip_decay**ago * self.group_decay**groups_ago / ((size + in_longer) * groups)


@dataclass(kw_only=True, eq=False)
class TIFUKNNCalendar(NearestHouseholds):
    """TIFU-KNN with the calendar for a clock: a purchase weighs half for every `half_life` days since.

    The vectors are plain sums, so that a household that buys little leans more on its neighbours, and the nearest are
    those of the highest cosine: together 2 % better than the distance between averages.
    """

    title = "TIFU-KNN with calendar decay"

    half_life: float = 90
    neighbours: int = 100
    alpha: float = 0.7

    def weights(self, history: History) -> np.ndarray:
        return 0.5 ** (history.age / self.half_life)

    def compared(self, vectors: csr_matrix) -> csr_matrix:
        import numpy as np
        from scipy.sparse import diags_array

        lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
        return (diags_array(1 / lengths) @ vectors).tocsr()  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(kw_only=True, eq=False)
class EASE(Rival):
    """EASE^R of Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, on purchases that weigh half
    for every `half_life` days since.

    Its item-item weights are B = I - P diag(P)^-1 with P = (X'X + `ridge` I)^-1, a matrix of products x products. There
    are fewer households than products here, and by Woodbury's identity P = (I - X'KX) / `ridge` and XP = KX with
    K = (XX' + `ridge` I)^-1, of households x households: the same scores from the smaller inverse, without having to
    leave out products.
    """

    title = "EASE^R"

    half_life: float | None = 75
    ridge: float = 30

    def learn(self, history: History, *, seed: int) -> None:
        import numpy as np

        self._bought = history.counts(half_life=self.half_life)
        households, products = history.shape
        gram = (self._bought @ self._bought.T).toarray()
        self._inverse = np.linalg.inv(gram + self.ridge * np.eye(households))
        explained = np.zeros(products)
        for block in blocks(households, width=products):
            own = self._bought[block]
            explained += np.asarray(own.multiply(self._inverse[block] @ self._bought).sum(axis=0)).ravel()
        self._diagonal = (1 - explained) / self.ridge

    def scores(self, households: np.ndarray) -> np.ndarray:
        return self._bought[households].toarray() - (self._inverse[households] @ self._bought) / self._diagonal


@dataclass(kw_only=True, eq=False)
class ImplicitALS(Rival):
    """Matrix factorisation of Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM
    2008, as the library `implicit` has it. The confidence in a product is 1 + `alpha` times its decayed purchases."""

    title = "implicit ALS"

    factors: int = 256
    regularization: float = 15
    alpha: float = 1
    iterations: int = 15
    half_life: float | None = 90

    def learn(self, history: History, *, seed: int) -> None:
        with implicit_module("als") as als:
            model = als.AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularization,
                alpha=self.alpha,
                iterations=self.iterations,
                random_state=seed,
                use_gpu=False,
            )
            model.fit(history.counts(half_life=self.half_life), show_progress=False)
        self._households, self._products = model.user_factors, model.item_factors

    def scores(self, households: np.ndarray) -> np.ndarray:
        return self._households[households] @ self._products.T


@dataclass(kw_only=True, eq=False)
class ImplicitItemItem(Rival):
    """Item-item neighbours as the library `implicit` has them: a product's `neighbours` most similar ones, itself
    included, by the dot product of decayed purchases that BM25 has weighted by `k1` and `b`."""

    title = "implicit item-item BM25"

    neighbours: int = 3
    k1: float = 0.5
    b: float = 0.1
    half_life: float | None = 90

    def learn(self, history: History, *, seed: int) -> None:
        self._bought = history.counts(half_life=self.half_life)
        with implicit_module("nearest_neighbours") as nearest_neighbours:
            model = nearest_neighbours.BM25Recommender(K=self.neighbours, K1=self.k1, B=self.b)
            model.fit(self._bought, show_progress=False)
        self._similarity = model.similarity

    def scores(self, households: np.ndarray) -> csr_matrix:
        return self._bought[households] @ self._similarity


@contextlib.contextmanager
def implicit_module(name: str) -> Iterator[ModuleType]:
    """A module of the library `implicit`, which works with BLAS's threads off and its warnings about formats unheard.

    It has threads of its own, and warns of those of BLAS because they would fight for the cores. Raises
    :class:`Refused` when the library is not installed.
    """
    try:
        module = importlib.import_module(f"implicit.{name}")
    except ImportError as error:
        raise Refused(
            f"A rival needs the library `implicit`, which cannot be imported ({error}).",
            remedy="install it with `uv sync --group rivals`, or leave the rival out.",
        ) from error
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Method expects CSR input")
        yield module


RIVALS: tuple[type[Rival], ...] = (
    GlobalTop,
    ImplicitALS,
    ImplicitItemItem,
    EASE,
    PersonalTopFrequency,
    PersonalThenGlobal,
    UPCF,
    HalfLife,
    TIFUKNN,
    TIFUKNNCalendar,
)
