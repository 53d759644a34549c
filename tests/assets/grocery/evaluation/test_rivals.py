"""The rivals' rankings, worked out by hand on histories of a few baskets."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from assets.grocery.evaluation import rival as base
from assets.grocery.evaluation.history import History
from assets.grocery.evaluation.rival import Rival, best, sales_share
from assets.grocery.evaluation.rivals import (
    EASE,
    RIVALS,
    TIFUKNN,
    UPCF,
    GlobalTop,
    HalfLife,
    ImplicitALS,
    ImplicitItemItem,
    PersonalThenGlobal,
    PersonalTopFrequency,
    TIFUKNNCalendar,
)
from assets.grocery.features.purchases import purchases, shopping_days
from resources.errors import Refused
from tests.support.histories import CLOSE, products, transactions

Baskets = Mapping[str, Sequence[tuple[int, str]]]  # of each household: the age of a shopping day, a letter a product
SEED = 1


def history(baskets: Baskets, *, catalogue: str = "ABCDEF") -> History:
    rows = [
        (household, catalogue.index(product), age, ago, len(bought))
        for household, days in enumerate(baskets.values())
        for ago, (age, bought) in enumerate(sorted(days))
        for product in bought
    ]
    numbers = np.array(sorted(rows), dtype=np.int32).reshape(-1, 5).T
    names = ("household", "product", "age", "trips_ago", "day_size")
    return History(
        households=np.array(list(baskets), dtype=object),
        products=np.array(list(catalogue), dtype=object),
        **dict(zip(names, numbers, strict=True)),
    )


def top(rival: Rival, known: History, k: int) -> list[str]:
    """The lists as words, a dot for no product."""
    rival.fit(known, seed=SEED)
    letters = [*known.products, "."]
    return ["".join(letters[product] for product in row) for row in rival.top(k)]


def scores(rival: Rival, known: History) -> np.ndarray:
    rival.fit(known, seed=SEED)
    found = rival.scores(np.arange(len(known.households)))
    return found if isinstance(found, np.ndarray) else found.toarray()


def at_random(*, households: int = 30, catalogue: str = "ABCDEFGHIJKLMNOPQRST") -> History:
    """Baskets of up to six products, the first letters the likeliest, on up to eight days; the first bought once."""
    random = np.random.default_rng(7)
    likely = 1 / np.arange(1, len(catalogue) + 1)

    def basket() -> str:
        size = random.integers(1, 7)
        return "".join(random.choice(list(catalogue), size=size, replace=False, p=likely / likely.sum()))

    found = {
        f"H{n:02}": [(int(age), basket()) for age in random.choice(120, size=random.integers(1, 9), replace=False)]
        for n in range(1, households)
    }
    return history({"H00": [(3, "T")], **found}, catalogue=catalogue)


class TestHistory:
    LINES = (
        ("H2", "P3", 0, 1, 1.0),
        ("H1", "P3", 5, 1, 1.0),
        ("H1", "P1", 5, 1, 1.0),
        ("H1", "P1", 5, 2, 1.0),  # the same day: one row
        ("H1", "P1", 1, 1, 1.0),
        ("H1", "BAG", 1, 1, 1.0),  # nothing to recommend
        ("H1", "P2", -1, 1, 1.0),  # not yet known
        (None, "P4", 1, 1, 1.0),  # nobody's
    )

    @pytest.fixture
    def found(self, engine) -> History:
        return History.of(shopping_days(purchases(transactions(engine, self.LINES), products()), as_of=CLOSE))

    def test_has_a_row_for_each_household_product_and_day_in_order(self, found):
        assert found.households.tolist() == ["H1", "H2"]
        assert found.products.tolist() == ["P1", "P3"]
        columns = (found.household, found.product, found.age, found.trips_ago, found.day_size)
        assert {column.dtype for column in columns} == {np.dtype(np.int32)}
        rows = zip(*(column.tolist() for column in columns), strict=True)
        assert list(rows) == [(0, 0, 1, 0, 1), (0, 0, 5, 1, 2), (0, 1, 5, 1, 2), (1, 1, 0, 0, 1)]

    def test_counts_trips(self, found):
        assert found.trips.tolist() == [2, 1]

    def test_matrix_sums_the_weights_and_leaves_out_what_sums_to_nothing(self, found):
        matrix = found.matrix(np.array([1.0, 2.0, 0.0, 4.0]))
        assert matrix.toarray().tolist() == [[3, 0], [0, 4]]
        assert matrix.nnz == 2

    def test_counts_decay_by_half_lives(self, found):
        assert found.counts().toarray().tolist() == [[2, 1], [0, 1]]
        assert found.counts(half_life=4).toarray() == pytest.approx(np.array([[2**-0.25 + 2**-1.25, 2**-1.25], [0, 1]]))


class TestBest:
    def test_is_by_score_then_by_column(self):
        assert best(np.array([[1.0, 3.0, 2.0], [2.0, 2.0, 2.0]]), 2).tolist() == [[1, 2], [0, 1]]

    def test_tie_for_the_last_place_goes_to_the_lower_column(self):
        many = np.zeros((1, 1000))
        many[0, 700] = 1.0
        assert best(many, 3).tolist() == [[700, 0, 1]]

    def test_has_no_column_where_there_is_no_score(self):
        assert best(np.array([[-np.inf, 0.5, -np.inf], [-np.inf] * 3]), 2).tolist() == [[1, -1], [-1, -1]]

    def test_may_be_asked_for_more_than_there_are(self):
        assert best(np.array([[1.0, 2.0]]), 4).tolist() == [[1, 0, -1, -1]]
        assert best(np.empty((2, 0)), 2).tolist() == [[-1, -1], [-1, -1]]


class TestGlobalTop:
    def test_is_the_same_for_everybody_and_only_of_the_last_days(self):
        known = history({"H1": [(0, "BA"), (28, "CDEF")], "H2": [(27, "B"), (28, "CDEF")], "H3": [(300, "C")]})
        assert top(GlobalTop(), known, 3) == ["BA."] * 3
        assert top(GlobalTop(days=29), known, 6) == ["BCDEFA"] * 3

    def test_share_is_of_all_sales(self):
        known = history({"H1": [(0, "BA"), (28, "C")], "H2": [(1, "B")]}, catalogue="ABC")
        assert sales_share(known, days=28) == pytest.approx([1 / 3, 2 / 3, 0])
        assert sales_share(known, days=0).tolist() == [0, 0, 0]


PERSONAL: Baskets = {
    "H1": [(0, "E"), (10, "CE"), (20, "DA")],  # E twice; A, C and D once
    "H2": [(5, "D"), (6, "DA"), (7, "A"), (8, "D")],
    "H3": [(9, "F")],
}


class TestPersonalFrequency:
    def test_p_topfreq_is_the_household_alone(self):
        assert top(PersonalTopFrequency(), history(PERSONAL), 5) == ["EACD.", "DA...", "F...."]

    def test_gp_topfreq_lets_best_sellers_break_ties_and_fill_up(self):
        # Sold in the last 28 days: D 4, A 3, E 2, C 1, F 1.
        assert top(PersonalThenGlobal(), history(PERSONAL), 5) == ["EDACF", "DAECF", "FDAEC"]

    def test_gp_topfreq_has_nothing_to_fill_up_with_when_nothing_was_sold(self):
        assert top(PersonalThenGlobal(days=0), history(PERSONAL), 3) == ["EAC", "DA.", "F.."]

    def test_half_life_prefers_the_latest(self):
        known = history({"H1": [(0, "B"), (10, "A"), (20, "AC")], "H2": [(0, "D")]})  # A weighs .5 + .25, B 1, C .25
        assert top(HalfLife(half_life=10), known, 4) == ["BACD", "DABC"]
        assert top(HalfLife(half_life=1000), known, 4) == ["ABCD", "DABC"]

    def test_best_seller_is_never_worth_a_purchase(self):
        crowd = {f"H{n}": [(age, "A") for age in range(28)] for n in range(2, 40)}
        assert top(HalfLife(), history({"H1": [(4 * 365, "B")], **crowd}), 2)[0] == "BA"


COMMON: Baskets = {"H1": [(0, "A"), (1, "B"), (2, "B")], "H2": [(0, "AC")], "H3": [(0, "A"), (9, "D"), (10, "EF")]}


class TestUPCF:
    def test_everybody_is_heard_by_what_is_in_common(self):
        # Sizes 2, 2 and 4, A in common: cosines of H1 are 1 / sqrt(2 * 2) and 1 / sqrt(2 * 4); shares of days are thirds.
        found = scores(UPCF(recency=9, alpha=0.5, locality=1), history(COMMON))
        to_h3 = 1 / math.sqrt(8)
        assert found[0] == pytest.approx([1 / 3 + 1 / 2 + to_h3 / 3, 2 / 3, 1 / 2, *[to_h3 / 3] * 3])
        assert found[1] == pytest.approx([1 / 6 + 1 + to_h3 / 3, 1 / 3, 1, *[to_h3 / 3] * 3])

    def test_alpha_is_the_part_of_the_own_size(self):
        known = history({"H1": [(0, "ABCD")], "H2": [(0, "A")]})
        assert scores(UPCF(alpha=1, locality=1), known)[:, 0] == pytest.approx([1 + 1 / 4, 1 + 1])
        assert scores(UPCF(alpha=0, locality=1), known)[:, 0] == pytest.approx([1 + 1, 1 + 1 / 4])

    def test_locality_is_a_power(self):
        known = history({"H1": [(0, "ABCD")], "H2": [(0, "A")]})
        assert scores(UPCF(alpha=1, locality=3), known)[0, 0] == pytest.approx(1 + 1 / 64)

    def test_only_the_latest_days_are_counted_but_all_are_compared(self):
        known = history(COMMON)
        assert scores(UPCF(recency=1, alpha=0.5, locality=1), known)[0] == pytest.approx(
            [1 + 1 / 2 + 1 / math.sqrt(8), 0, 1 / 2, 0, 0, 0]
        )
        assert top(UPCF(recency=1), known, 3) == ["AC.", "AC.", "AC."]
        assert top(UPCF(recency=2), known, 4)[0] == "ABCD"


class TestTIFUKNN:
    def test_days_weigh_by_trip_and_group_over_equal_groups(self):
        # Five days in two groups: the latest has three. H2 has fewer days than groups: each is one.
        known = history({"H1": [(age, "A") for age in (1, 4, 9, 16, 25)], "H2": [(0, "B")]})
        weights = TIFUKNN(groups=2, trip_decay=0.5, group_decay=0.1).weights(known)
        latest, older = [1 / 6, 0.5 / 6, 0.25 / 6], [0.125 * 0.1 / 4, 0.0625 * 0.1 / 4]
        assert weights == pytest.approx([*latest, *older, 1])

    def test_groups_of_equal_size(self):
        known = history({"H1": [(age, "A") for age in range(6)]})
        weights = TIFUKNN(groups=3, trip_decay=1, group_decay=0.5).weights(known)
        assert weights == pytest.approx(np.array([1, 1, 0.5, 0.5, 0.25, 0.25]) / 6)

    def test_own_purchases_are_mixed_with_the_nearest_households(self):
        # From H1 it is 1 to H2, 2 to H4 (squared), 4 to H3; only as near as the nearest two counts.
        known = history({"H1": [(0, "B")], "H2": [(0, "AB")], "H3": [(0, "CDE")], "H4": [(0, "BCD")]})
        found = scores(TIFUKNN(neighbours=2, alpha=0.6), known)
        assert found[0] == pytest.approx([0.4 / 2, 0.6 + 0.4, 0.4 / 2, 0.4 / 2, 0, 0])
        assert top(TIFUKNN(neighbours=2, alpha=0.6), known, 5)[0] == "BACD."

    def test_of_equally_near_households_the_first_counts(self):
        known = history({"H1": [(0, "A")], "H2": [(0, "AC")], "H3": [(0, "AB")]})
        assert top(TIFUKNN(neighbours=1), known, 3)[0] == "AC."

    def test_fewer_households_than_neighbours(self):
        known = history({"H1": [(0, "A")], "H2": [(0, "AB")]})
        assert scores(TIFUKNN(neighbours=300, alpha=0.7), known)[0] == pytest.approx([1, 0.3, 0, 0, 0, 0])
        assert top(TIFUKNN(), history({"H1": [(0, "A"), (3, "B")]}), 3) == ["AB."]


class TestTIFUKNNCalendar:
    def test_purchases_decay_by_the_calendar(self):
        known = history({"H1": [(0, "A"), (10, "B"), (30, "B")]})
        assert scores(TIFUKNNCalendar(half_life=10, alpha=0.5), known)[0, :2] == pytest.approx([0.5, 0.3125])

    def test_nearest_are_those_who_buy_alike_however_much(self):
        # H2 buys what H1 does, four times as often; H3 as little as H1, but something else.
        often = [(age, "AB") for age in range(3)]
        known = history({"H1": [(0, "AB")], "H2": [*often, (3, "ABC")], "H3": [(0, "AD")]})
        assert top(TIFUKNNCalendar(half_life=1000, neighbours=1), known, 4)[0] == "ABC."
        assert top(TIFUKNN(neighbours=1, trip_decay=1, group_decay=1, groups=1), known, 4)[2] == "ADB."


class TestEASE:
    def test_two_products(self):
        # X'X + I = [[4, 2], [2, 3]], P = [[3, -2], [-2, 4]] / 8: A speaks for B with 2 / 4, B for A with 2 / 3.
        known = history({"H1": [(0, "AB")], "H2": [(0, "AB")], "H3": [(0, "A")]}, catalogue="AB")
        found = scores(EASE(half_life=None, ridge=1), known)
        assert found == pytest.approx(np.array([[2 / 3, 1 / 2], [2 / 3, 1 / 2], [0, 1 / 2]]))

    def test_is_the_textbooks_solution(self):
        known = at_random()
        bought = known.counts(half_life=30).toarray()
        inverse = np.linalg.inv(bought.T @ bought + 5 * np.eye(bought.shape[1]))
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        assert scores(EASE(half_life=30, ridge=5), known) == pytest.approx(bought @ weights)


TWO_TASTES: Baskets = {
    **{f"H{n}": [(0, "AB"), (7, "AB")] for n in (1, 2, 3)},
    **{f"H{n}": [(0, "CD"), (7, "CD")] for n in (4, 5, 6)},
    "H7": [(0, "A")],
    "H8": [(0, "D")],
}


class TestImplicit:
    def test_als_finds_what_goes_together(self):
        pytest.importorskip("implicit")
        lists = top(ImplicitALS(factors=2, regularization=0.01), history(TWO_TASTES, catalogue="ABCD"), 2)
        assert ["".join(sorted(found)) for found in lists] == ["AB"] * 3 + ["CD"] * 3 + ["AB", "CD"]

    def test_item_item_finds_what_goes_together(self):
        pytest.importorskip("implicit")
        lists = top(ImplicitItemItem(neighbours=2), history(TWO_TASTES, catalogue="ABCD"), 3)
        assert lists[6:] == ["AB.", "DC."]
        assert {"".join(sorted(found)) for found in lists[:6]} == {".AB", ".CD"}

    def test_item_item_of_one_neighbour_is_the_household_alone(self):
        pytest.importorskip("implicit")
        assert top(ImplicitItemItem(neighbours=1), history(TWO_TASTES), 3)[6:] == ["A..", "D.."]

    @pytest.mark.parametrize("rival", [ImplicitALS(factors=2), ImplicitItemItem()], ids=lambda rival: rival.title)
    def test_is_quiet(self, rival, capfd):
        pytest.importorskip("implicit")
        from threadpoolctl import threadpool_limits

        with threadpool_limits(2, "blas"), warnings.catch_warnings():
            warnings.simplefilter("error")
            rival.fit(history(TWO_TASTES), seed=SEED)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("rival", [ImplicitALS(), ImplicitItemItem()], ids=lambda rival: rival.title)
    def test_is_refused_without_the_library(self, rival, monkeypatch):
        for name in [name for name in sys.modules if name.split(".")[0] == "implicit"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "implicit", None)
        with pytest.raises(Refused, match=r"uv sync --group rivals"):
            rival.fit(history(TWO_TASTES), seed=SEED)


@pytest.fixture(params=RIVALS, ids=lambda rival: rival.__name__)
def rival(request) -> Rival:
    if request.param.__name__.startswith("Implicit"):
        pytest.importorskip("implicit")
    return request.param()


class TestEveryRival:
    def test_lists_have_no_product_twice_and_gaps_only_at_the_end(self, rival):
        known, k = at_random(), 25
        rival.fit(known, seed=SEED)
        found = rival.top(k)
        assert found.shape == (len(known.households), k)
        assert found.dtype == np.int64
        for row in found:
            listed = row[row >= 0]
            assert len(set(listed)) == len(listed)
            assert (row[: len(listed)] >= 0).all()
            assert listed.max(initial=-1) < len(known.products)

    def test_household_with_one_purchase_has_a_list(self, rival):
        rival.fit(at_random(), seed=SEED)
        assert (rival.top(1)[0] >= 0).all()

    def test_longer_list_begins_with_the_shorter_one(self, rival):
        rival.fit(at_random(), seed=SEED)
        assert (rival.top(10)[:, :3] == rival.top(3)).all()

    def test_same_seed_gives_the_same_lists(self, rival):
        rival.fit(at_random(), seed=SEED)
        again = type(rival)()
        again.fit(at_random(), seed=SEED)
        assert (rival.top(10) == again.top(10)).all()

    def test_lists_do_not_depend_on_the_blocks(self, rival, monkeypatch):
        rival.fit(at_random(), seed=SEED)
        whole = rival.top(10)
        monkeypatch.setattr(base, "BLOCK_CELLS", 3 * 20)
        rival.fit(at_random(), seed=SEED)
        assert (rival.top(10) == whole).all()

    def test_has_a_title_of_its_own(self, rival):
        assert [other.title for other in RIVALS].count(rival.title) == 1
