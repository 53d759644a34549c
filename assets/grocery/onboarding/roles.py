"""Which column of the basket lines is which: candidates by their names, confirmed by their values.

Each function proposes the setting of one column, from the columns that no other role has taken; None as its value means
that there is none. A household or a product that cannot be found raises :class:`Refused`, naming what there is.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.numbers import number_of
from assets.grocery.onboarding.columns import MOSTLY, ColumnProfile, described, finite, one_row
from assets.grocery.onboarding.proposed import A_FILE, JOIN, UNNAMED, ProposedSetting, unpivoted
from assets.grocery.onboarding.words import KEYS, matching_columns, split_name
from resources.config.retailer import TransactionsConfig
from resources.errors import Refused
from resources.identifiers import identifiers
from resources.text import listed

if TYPE_CHECKING:
    import ibis

Columns = Mapping[str, ColumnProfile]

ADDRESSES = frozenset("email mail phone telefon tel mobile".split())  # of customers, where they have no number
NEARLY_ALL = 0.99
MIXED_BASKETS = 0.01  # the share of lines in baskets of several households above which a column names no baskets
LINES = "nightcart_lines"  # no feed's column
EVIDENCE_PRODUCTS = 5  # products sold in different quantities from which a line's value is told from a unit's price


def household(columns: Columns) -> ProposedSetting:
    """The column that says who bought; raises :class:`Refused` without one."""
    for column, _, is_guess in _candidates(columns, ("household", 0), ("household", 1)):
        # Somebody who never comes back cannot be told from a number of the line.
        if not column.is_measure and 2 <= column.different < MOSTLY * column.lines * column.given:
            return ProposedSetting("household_id", column.name, column.summary, is_guess)
    _refuse_one_value(columns, "household", "household_id")
    near = matching_columns("household", columns) or [
        name for name in columns if not ADDRESSES.isdisjoint(split_name(name))
    ]
    may_be = f"{listed(near)} may tell customers apart: --column household_id='{near[0]}'. Else " if near else ""
    raise Refused(
        f"No column says who bought; the others are {described(columns)}.",
        remedy=f"{may_be}name the column of customers, cards or households: --column household_id=NAME. Without one there is "
        f"nobody to recommend to. {JOIN}",
    )


def product(columns: Columns) -> ProposedSetting:
    """The column that says what was bought; raises :class:`Refused` without one."""
    found = [
        (column, role, is_guess)
        for column, role, is_guess in _candidates(columns, ("product", 0), ("name", 0), ("product", 1))
        if not column.is_measure and column.different >= 2
    ]
    if found:
        column, role, is_guess = found[0]
        # What is weighed has no barcode: of two identifiers, the one that lines have.
        others = [each for each in found if each[1:] == found[0][1:] and not KEYS.isdisjoint(split_name(each[0].name))]
        if column.given < NEARLY_ALL:
            column = next((other for other, *_ in others if other.given >= NEARLY_ALL), column)
        why = column.summary + "; products are known by their name alone" * (role == "name")
        return ProposedSetting("product_id", column.name, why, is_guess)
    _refuse_one_value(columns, "product", "product_id")
    raise Refused(
        f"No column says what was bought; the others are {described(columns)}.",
        remedy=f"name the column of products: --column product_id=NAME. If every product is a column of its own, "
        f"{unpivoted(A_FILE, 'product', 'quantity', but=['customer', 'bought_at'])} {JOIN}",
    )


def _refuse_one_value(columns: Columns, role: str, setting: str) -> None:
    for column, _, _ in _candidates(columns, (role, 0)):
        if column.different == 1:
            raise Refused(
                f"{column.name} has one value, {column.example}: nothing can be told apart by it.",
                remedy=f"if that is so, say it: --column {setting}={column.name}.",
            )


def _candidates(columns: Columns, *attempts: tuple[str, int]) -> Iterator[tuple[ColumnProfile, str, bool]]:
    """Columns that match a role, with at most so many unknown words: the column, the role, whether it is a guess."""
    for role, max_unknown_words in attempts:
        for name in matching_columns(role, columns, max_unknown_words=max_unknown_words):
            yield columns[name], role, max_unknown_words > 0


def store(columns: Columns) -> ProposedSetting:
    """The column that says where, if there is one."""
    for column, _, _ in _candidates(columns, ("store", 0)):
        if not column.is_measure:
            return ProposedSetting("store_id", column.name, f"{column.different:,} different")
    return ProposedSetting("store_id", None, f"{UNNAMED} a store")


def basket(columns: Columns, lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> ProposedSetting:
    """The column whose values are baskets: each of one household, and most of several lines."""
    why = f"{UNNAMED} a basket"
    for name in matching_columns("basket", columns):
        # As they are written there are far fewer baskets than lines, and their times and identifiers are read once.
        written = lines.group_by(*{name, feed.columns.household_id, *feed.columns.occurred_at, "file_date"})
        written = written.agg(**{LINES: lines.count()})
        read = written.select(
            LINES,
            day=cleaning.business_date_of(written, feed, timezone=timezone),
            basket=identifiers(written[name], nothing=feed.empty_values),
            household=identifiers(written[feed.columns.household_id], nothing=feed.empty_values),
        )
        read = read.filter(read.basket.notnull())
        baskets = read.group_by("day", "basket").agg(
            lines=read[LINES].sum(), is_mixed=read.household.min() != read.household.max()
        )
        in_mixed = baskets.lines.sum(where=baskets.is_mixed)
        counts = one_row(baskets.agg(baskets=baskets.count(), lines=baskets.lines.sum(), mixed=in_mixed))
        if not counts["lines"]:
            continue
        mixed = (counts["mixed"] or 0) / counts["lines"]
        size = counts["lines"] / counts["baskets"]
        if mixed > MIXED_BASKETS:
            why = f"{name} is none: {mixed:.0%} of lines share it with another household's"
        elif size < 1.02:  # a line's own number, not a basket's
            why = f"{name} is none: nearly every line has its own"
        else:
            why = f"{counts['baskets']:,} different, {size:.1f} lines each, of one household each"
            return ProposedSetting("basket_id", name, why)
    return ProposedSetting("basket_id", None, why)


def quantity(columns: Columns) -> ProposedSetting:
    """The column that says how many, if there is one."""
    money = {*matching_columns("line_total", columns), *matching_columns("price", columns)}
    near = [name for name in matching_columns("quantity", columns, max_unknown_words=1) if columns[name].is_number]
    near = [name for name in near if name not in money]
    why = f"{near[0]} may be it: --column quantity='{near[0]}'" if near else f"{UNNAMED} a quantity"
    for name in matching_columns("quantity", columns):
        column = columns[name]
        # `amount` is a number of items or of money: of items when they are whole and the money stands elsewhere.
        is_money = name in money and (column.wholes < NEARLY_ALL or money == {name})
        if column.is_number and not is_money:
            doubt = "whole numbers, and the money stands elsewhere" * (name in money)
            return ProposedSetting("quantity", name, doubt, name in money)
        if not column.is_number:
            why = f"{name} ({column.example}) holds no numbers"
    return ProposedSetting("quantity", None, why)


def sales_value(columns: Columns, lines: ibis.Table, feed: TransactionsConfig) -> ProposedSetting:
    """The column of what was paid for the line: a total grows with the quantity, the price of one does not.

    `feed` has the columns of the basket and the quantity.
    """
    basket, quantity = feed.columns.basket_id, feed.columns.quantity
    prices = matching_columns("price", columns)
    totals = [name for name in matching_columns("line_total", columns) if name not in prices]
    near = [name for name in matching_columns("line_total", columns, max_unknown_words=1) if columns[name].is_number]
    why = f"{near[0]} may be it: --column sales_value={near[0]}" if near else f"{UNNAMED} a value or a price"
    bought = one_row(lines.agg(share=lines[feed.columns.product_id].notnull().mean()))["share"] or 0
    for name in [*totals, *prices]:
        if not columns[name].is_number:
            why = f"{name} ({columns[name].example}) holds no numbers"
            continue
        if columns[name].given < MOSTLY * bought:
            why = f"{name} is given in {columns[name].given:.0%} of lines: not what was paid for each"
            continue
        if basket and _is_the_baskets(lines, name, basket, feed):
            why = f"{name} is the same on all lines of a basket: its total"
            continue
        growth = _growth(lines, name, quantity, feed) if quantity else None
        others = [each for each in totals if each != name and columns[each].is_number] if name in totals else []
        other = f"; {listed(others)} may be what was paid" * bool(others)
        if growth is not None and growth >= 0.5:
            return ProposedSetting(
                "sales_value", name, f"grows with the quantity: the line's total{other}", bool(others)
            )
        if name in totals:
            is_flat = growth is not None
            doubt = "; it does not grow with the quantity: leave it out if it is the price of one" * is_flat
            return ProposedSetting("sales_value", name, f"by its name{doubt}{other}", is_flat or bool(others))
        if quantity is None:
            why = "the price; without a quantity every line is one item"
            return ProposedSetting("sales_value", name, why, is_guess=True)
        why = (
            f"{name} is the price of one item, not what was paid for the line"
            if growth is not None
            else f"{name} is a price, and nothing shows that it is the whole line's"
        )
    return ProposedSetting("sales_value", None, why)


def _growth(lines: ibis.Table, value: str, quantity: str, feed: TransactionsConfig) -> float | None:
    """By which power a column grows with the quantity within a product: 1 for a line's total, 0 for a unit's price.

    The pooled slope of log value on log quantity; None without enough products sold in different quantities.
    """
    both = lines.select(
        product=feed.columns.product_id, x=number_of(lines, quantity, feed), y=number_of(lines, value, feed)
    )
    are_given = (both.x > 0) & (both.y > 0) & (both.x < math.inf) & (both.y < math.inf)
    x, y = (are_given.ifelse(number, None).ln() for number in (both.x, both.y))
    by_product = both.group_by("product").agg(
        spread=x.var(how="pop") * x.count(), shared=x.cov(y, how="pop") * x.count()
    )
    varied = by_product.filter(by_product.spread > 1e-9)
    sums = one_row(varied.agg(spread=varied.spread.sum(), shared=varied.shared.sum(), products=varied.count()))
    return sums["shared"] / sums["spread"] if sums["products"] >= EVIDENCE_PRODUCTS else None


def _is_the_baskets(lines: ibis.Table, value: str, basket: str, feed: TransactionsConfig) -> bool:
    """Whether nearly all baskets of several lines have one value on all of them."""
    read = lines.select(basket=basket, number=number_of(lines, value, feed))
    number = finite(read.number)
    baskets = read.group_by("basket").agg(n=read.count(), is_one=number.min() == number.max())
    several = baskets.filter(baskets.n > 1)
    counts = one_row(several.agg(baskets=several.count(), one=several.is_one.mean()))
    return counts["baskets"] >= EVIDENCE_PRODUCTS and counts["one"] > 0.95
