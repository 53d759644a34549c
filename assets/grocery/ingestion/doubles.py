"""Lines that were delivered more than once, told from a product that was scanned twice.

Two scans of a product stand in one file, in one stretch, among other lines of their basket that stand there once. A
delivery that was doubled repeats all of a basket, line for line: in another file, or again in the same one. The evidence
is looked for day by day, in what is read of a line, so that it is the same every night.
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.grocery.ingestion import rules

if TYPE_CHECKING:
    import ibis

BASKET = ("business_date", "basket_id")
LINE = (*BASKET, "household_id", "product_id", "store_id", "occurred_at", "quantity", "sales_value")
SOURCE = ("source_file", "source_row")
MOST_BASKETS = 0.5  # the share of the baskets with repeated lines that must be repeated whole for a day to be doubled
FEWEST_BASKETS = 3


def once(judged: ibis.Table, *, has_receipts: bool) -> ibis.Table:
    """`judged` with a rule for the so far good lines that stand in an earlier file, or in the same one again.

    Without receipts (`has_receipts`), a household may buy the same twice a day: then a day is doubled or is not.
    """
    import ibis

    good = judged.filter(judged.rule.isnull() & judged.basket_id.notnull())
    products = good.group_by(*BASKET, "product_id").agg(n=good.count())
    repeated = products.filter(products.n > 1).select(*BASKET).distinct()
    lines = good.semi_join(repeated, BASKET).select(*LINE, *SOURCE).cache()
    if not lines.limit(1).count().to_pyarrow().as_py():
        return judged
    place = ibis.row_number()
    nth = place.over(ibis.window(group_by=[*LINE, "source_file"], order_by="source_row"))
    lines = lines.mutate(nth=nth)
    in_files = place.over(ibis.window(group_by=[*LINE, "nth"], order_by=SOURCE))
    lines = lines.mutate(in_files=in_files)
    elsewhere = lines.filter(lines.in_files > 0).select(*SOURCE, again=ibis.literal(rules.IN_ONE_FILE.name))
    whole = _whole(lines.filter(lines.in_files == 0), has_receipts=has_receipts)
    found = ibis.union(elsewhere, whole.select(*SOURCE, again=ibis.literal(rules.ONCE_IN_A_FILE.name))).cache()
    joined = judged.left_join(found, SOURCE)
    return joined.mutate(rule=joined.rule.coalesce(joined.again)).select(*judged.columns)


def _whole(lines: ibis.Table, *, has_receipts: bool) -> ibis.Table:
    """The second and further copies of baskets that stand in a file more than once, line for line."""
    basket = ["source_file", *BASKET]
    kinds = lines.group_by("source_file", *LINE).agg(n=lines.count())
    baskets = kinds.group_by(basket).agg(kinds=kinds.count(), least=kinds.n.min(), most=kinds.n.max())
    order = lines.group_by(basket).agg(
        first_ends=lines.source_row.max(where=lines.nth == 0), next_begins=lines.source_row.min(where=lines.nth > 0)
    )
    baskets = baskets.join(order, basket)
    baskets = baskets.mutate(
        is_whole=(baskets.least == baskets.most) & (baskets.most > 1),
        is_after=baskets.first_ends < baskets.next_begins,
        has_several=baskets.kinds > 1,
    )
    several = baskets.filter(baskets.has_several & (baskets.most > 1))
    days = several.group_by("source_file", "business_date").agg(
        doubled=several.is_whole.sum(), share=several.is_whole.mean()
    )
    days = days.filter((days.doubled >= FEWEST_BASKETS) & (days.share >= MOST_BASKETS))
    of_doubled_days = baskets.filter(baskets.is_whole).semi_join(days, ["source_file", "business_date"])
    bad = of_doubled_days.select(*basket)
    if has_receipts:
        import ibis

        bad = ibis.union(bad, baskets.filter(baskets.is_whole & baskets.has_several & baskets.is_after).select(*basket))
    return lines.filter(lines.nth > 0).semi_join(bad.distinct(), basket)
