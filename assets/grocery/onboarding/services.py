"""Products that are none: postage, fees, bags and deposits among what was sold, by their names and codes."""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.grocery.onboarding.columns import one_row
from assets.grocery.onboarding.proposed import Note
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
