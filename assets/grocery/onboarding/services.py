"""Products that are none: postage, fees, bags, deposits and totals among what was sold, by their names, codes and numbers."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assets.grocery.ingestion import cleaning
from assets.grocery.ingestion.numbers import number_of
from assets.grocery.onboarding.columns import MOSTLY, one_row, some_of
from assets.grocery.onboarding.proposed import Note
from assets.grocery.onboarding.purchases import as_key
from resources.config.retailer import TransactionsConfig
from resources.identifiers import identifiers
from resources.text import listed

if TYPE_CHECKING:
    import ibis

# Of postage, fees, deposits, bags, taxes and vouchers, in the languages that `words.toml` has.
WORDS = "|".join(
    [
        *("postage", "porto", "versand", "shipping", "fees?", "geb(ü|ue)hr", "surcharge", "zuschlag", "donation", "spende"),
        *("deposit", "pfand", "leergut", "consigne", "fianza", "statiegeld", "carrier bag", "tragetasche"),
        *("discount", "rabatt", "remise", "descuento", "sconto", "rounding", "rundung", "vat", "mwst", "tva"),
        *("gift ?(card|voucher)s?", "geschenkkarte", "gutschein", "vouchers?", "coupons?", "tips?", "trinkgeld", "gratuity"),
    ]
)  # fmt: skip
# These are services as an identifier; in a product's name they say what it is for: a bag of flour, a post box.
IN_CODES = "post|delivery|carriage|freight|livraison|envio|bank charges?|amazonfee|commission|bags?|t(ü|ue)te|sac caisse|bolsa|manual|adjust(ment)?|test|samples?|service"
SERVICE = rf"(?i)\b({WORDS}|{IN_CODES})\b"
# At the beginning of a name, and little after it: a word further on may be what a product is for.
CALLED_SERVICE = rf"(?i)^({WORDS}|(delivery|service) (fee|charge))(\b.{{0,12}})?$"
CODED = 0.9  # the share of identifiers with a digit from which one without is a word among codes
MOST_WORDS = 0.02  # of the identifiers, those that may be such words
SHOWN = 8
EVIDENCE_LINES = 5  # of a product, from which it is no chance what they have in common
CENT = 0.01


def note_on(standard: ibis.Table, names: ibis.Table | None = None) -> list[Note]:
    """A note on products of `standard` (lines under our names) that look like services or fees, by themselves or by `names`.

    `names` are `product_id` and `name`.
    """
    named = standard.filter(standard.product_id.notnull() & standard.occurred_at.notnull())  # a header again is none
    sold = named.group_by("product_id").agg(lines=named.count())
    sold = sold.mutate(is_word=~sold.product_id.re_search(r"\d"), is_service=sold.product_id.re_search(SERVICE))
    counts = one_row(sold.agg(products=sold.count(), words=sold.is_word.sum()))
    products, words = counts["products"], counts["words"] or 0
    are_codes = products and words <= (1 - CODED) * products and words <= max(MOST_WORDS * products, SHOWN)
    # Among names, a word such as "bag" is in many that are products; among codes, it is none.
    strange = sold.filter(sold.is_word) if are_codes else sold.filter(sold.is_service & (sold.product_id.length() < 16))
    if names is not None:
        called = names.filter(names.name.strip().re_search(CALLED_SERVICE)).product_id
        strange = sold.filter(sold.product_id.isin(called)).union(strange, distinct=True)
    rows = strange.order_by(strange.lines.desc(), strange.product_id).limit(SHOWN + 1).to_pyarrow().to_pylist()
    if not rows:
        return []
    ids = [row["product_id"] for row in rows]
    examples = listed([f"{row['product_id']} ({row['lines']:,} lines)" for row in rows[:SHOWN]], SHOWN)
    more = " and others" * (len(rows) > SHOWN)
    return [
        Note(
            "to know",
            f"These products look like services, fees or bags: {examples}{more}. They would be recommended.",
            f"rule them out under [products.not_recommendable]: product_id = {ids[:SHOWN]}.",
        )
    ]


def by_numbers(lines: ibis.Table, feed: TransactionsConfig, *, timezone: str) -> Iterator[Note]:
    """Notes on products that are totals, or deposits, by what stands beside them in the baskets of the feed's `lines`."""
    import ibis

    columns = feed.columns
    if columns.sales_value is None:
        return
    of = [columns.basket_id] if columns.basket_id else list(columns.occurred_at)
    lines = some_of(lines, columns.household_id)
    product, household = (
        identifiers(lines[name], nothing=feed.empty_values) for name in (columns.product_id, columns.household_id)
    )
    quantity = number_of(lines, columns.quantity, feed) if columns.quantity else ibis.literal(1.0)
    sold = lines.select(
        "source_file",
        "source_row",
        **{f"of_{place}": lines[name] for place, name in enumerate(of)},
        product=product,
        household=household,
        day=cleaning.business_date_of(lines, feed, timezone=timezone),
        paid=number_of(lines, columns.sales_value, feed),
        quantity=quantity,
    )
    sold = sold.filter(sold["product"].notnull() & sold.paid.notnull())
    basket = ("household", "day", *(f"of_{place}" for place in range(len(of))))
    whole, row = ibis.window(group_by=basket), ("source_file", "source_row")
    above = ibis.cumulative_window(group_by=basket, order_by=row)
    before = ibis.window(group_by=basket, order_by=row)
    sold = sold.mutate(
        place=ibis.row_number().over(before),
        others=sold.paid.sum().over(whole) - sold.paid,
        above=sold.paid.sum().over(above) - sold.paid,
        upper=sold["product"].lag().over(before),
        as_many=(sold.quantity == sold.quantity.lag().over(before)).fill_null(False),
        n=sold.count().over(whole),
    ).cache()
    yield from _totals(sold, columns.product_id)
    yield from _deposits(sold)


def _totals(sold: ibis.Table, column: str) -> Iterator[Note]:
    """That what a product costs is what the other lines of its basket do, or those above it."""
    several = sold.filter(sold.n > 2)
    is_sum = ((several.paid - several.others).abs() < CENT) | (
        (several.place > 1) & ((several.paid - several.above).abs() < CENT)
    )
    products = several.group_by("product").agg(n=several.count(), sums=is_sum.sum())
    products = products.filter((products.n >= EVIDENCE_LINES) & (products.sums >= MOSTLY * products.n))
    ids = sorted(products.to_pyarrow()["product"].to_pylist())
    if ids:
        says = f"{listed(ids, SHOWN)} of {column} cost what the other lines of their baskets do together: totals, which count as purchases."
        remedy = f"leave them out under [transactions]: unless = {{ {as_key(column)} = {json.dumps(ids, ensure_ascii=False)} }}."
        yield Note("left out", says, remedy)


def _deposits(sold: ibis.Table) -> Iterator[Note]:
    """That a product of one price stands below certain others each time, as many, and nowhere else."""
    price = (sold.paid / sold.quantity).round(2)
    all_of = sold.group_by("product").agg(n=sold.count(), low=price.min(), high=price.max())
    pairs = sold.group_by("upper", "product").agg(n=sold.as_many.sum())
    pairs = pairs.join(all_of.select(upper="product", of_upper="n"), "upper")
    bound = pairs.filter((pairs.of_upper >= EVIDENCE_LINES) & (pairs.n >= MOSTLY * pairs.of_upper))
    bound = bound.group_by("product").agg(below=bound.n.sum(), uppers=bound.count())
    found = bound.join(all_of, "product")
    found = found.filter((found.below >= MOSTLY * found.n) & (found.uppers > 1) & (found.low == found.high))
    ids = sorted(found.to_pyarrow()["product"].to_pylist())
    if ids:
        says = f"{listed(ids, SHOWN)} stand below certain products each time, as many and at one price, and nowhere else: deposits, or parts of sets. They would be recommended."
        yield Note(
            "to know",
            says,
            f"rule them out under [products.not_recommendable]: product_id = {json.dumps(ids[:SHOWN], ensure_ascii=False)}.",
        )
