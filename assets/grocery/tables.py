"""The tables of the grocery domain, each declared once: what is delivered, what is recommended, and what became of it.

The columns of the five feature tables are the features: `assets.grocery.features.tables`. Those of the label weeks are
the candidates' and the labels: `assets.grocery.training.label_weeks`.
"""

from __future__ import annotations

from assets.tables import Table, by_name

BUSINESS_DATE = "business_date"

TRANSACTIONS, QUARANTINE = "transactions", "transactions_quarantine"
PRODUCTS, HOUSEHOLDS, OFFERS = "products", "households", "offers"
HOUSEHOLD_PRODUCT, HOUSEHOLD, PRODUCT = "household_product_features", "household_features", "product_features"
CATEGORY_AFFINITY, SUBCATEGORY_AFFINITY = "category_affinity", "subcategory_affinity"
FEATURES = (HOUSEHOLD_PRODUCT, HOUSEHOLD, PRODUCT, CATEGORY_AFFINITY, SUBCATEGORY_AFFINITY)
EXAMPLES = "training_examples"
AS_OF = "as_of_date"  # what EXAMPLES is partitioned by: the close at which a label week's candidates were known
RECOMMENDATIONS, PUBLISHED = "recommendations", "published_recommendations"
PERFORMANCE = "realised_performance"

_LISTS = {
    "household_id": ("string", "For whom; null is the list for anybody who is not known yet."),
    "rank": ("long", "Place in the list, from 1."),
    "product_id": ("string", "What is recommended."),
    "score": (
        "double",
        "Higher is better: the probability that the household buys it in the seven days after, where `is_probability`; "
        "null in a fallback list.",
    ),
    "is_probability": (
        "boolean",
        "Whether the score is one: not a simple rule's, nor what the policy found too far off.",
    ),
    "is_repeat": ("boolean", "Whether the household ever bought it."),
    "is_explore": ("boolean", "Whether it stands in a place that is kept for what the household never bought."),
    "is_fallback": ("boolean", "Whether nothing was known of the household."),
    "reason": ("string", "due, regular, again, new or fallback."),
    "explanation": ("string", "The reason for people."),
    "model_version": ("long", "The version of the champion that made the list."),
}

TABLES = by_name(
    (
        Table(
            name=TRANSACTIONS,
            key=("basket_id", "product_id"),
            partitioned_by=BUSINESS_DATE,
            columns={
                BUSINESS_DATE: ("date", "The retailer's local day of the purchase; the partition."),
                "household_id": ("string", "Who bought."),
                "basket_id": ("string", "The basket: one household, one visit."),
                "product_id": ("string", "What was bought."),
                "store_id": ("string", "Where; null when the feed has none."),
                "occurred_at": ("timestamp", "When, in UTC."),
                "quantity": ("double", "Items, or the unit of the feed; 0 is no purchase."),
                "sales_value": ("double", "What was paid for the line, in the retailer's currency."),
                "source_file": ("string", "The delivered file; its bytes are kept in the raw store."),
                "source_row": ("long", "The row in that file, from 1."),
            },
        ),
        Table(
            name=QUARANTINE,
            key=("source_file", "source_row"),
            partitioned_by=BUSINESS_DATE,
            columns={
                BUSINESS_DATE: ("date", "The retailer's local day of the purchase; null when it cannot be read."),
                "rule": ("string", "The first rule that the line breaks."),
                "reason": ("string", "How it breaks it, for people."),
                "line": ("string", "The line as it was delivered, as JSON."),
                "source_file": ("string", "The delivered file; its bytes are kept in the raw store."),
                "source_row": ("long", "The row in that file, from 1."),
            },
        ),
        Table(
            name=PRODUCTS,
            key=("product_id",),
            columns={
                "product_id": ("string", "The product."),
                "name": ("string", "What a shopper would call it; the identifier when the catalogue has no name."),
                "category": ("string", "What a household needs rather than which product: milk."),
                "subcategory": ("string", "Finer than the category: what replaces what."),
                "department": ("string", "Where it stands."),
                "brand": ("string", "Whose it is."),
                "is_recommendable": ("boolean", "Whether it may be recommended: the catalogue's one rule."),
            },
        ),
        # The file's other columns follow, each a text.
        Table(name=HOUSEHOLDS, key=("household_id",), columns={"household_id": ("string", "The household.")}),
        Table(
            name=OFFERS,
            key=("product_id", "starts_on", "ends_on"),
            columns={
                "product_id": ("string", "What is on offer."),
                "starts_on": ("date", "The offer's first day."),
                "ends_on": ("date", "Its last day."),
                "known_from": ("date", "The day at whose close it is certain: earlier ones know nothing of it."),
                "reach": ("float", "Share of that period's stores that have it: above 0, up to 1."),
            },
        ),
        Table(
            name=RECOMMENDATIONS,
            key=("household_id", "rank"),
            partitioned_by=BUSINESS_DATE,
            columns={
                BUSINESS_DATE: (
                    "date",
                    "The day at whose close the list was made, for the days after it; the partition.",
                ),
                **_LISTS,
            },
        ),
        Table(
            name=PUBLISHED,
            key=("household_id", "rank"),
            columns={
                "made_on": ("date", "The business day at whose close the list was made."),
                "published_for": ("date", "The day that it is served on."),
                "is_carried_over": ("boolean", "Whether it is of an earlier night than it should be."),
                "carried_over_because": ("string", "Why, in words; empty for lists of the last night."),
                **_LISTS,
            },
        ),
        Table(
            name=PERFORMANCE,
            key=("recommended_on", "horizon", "metric"),
            partitioned_by=BUSINESS_DATE,
            columns={
                BUSINESS_DATE: ("date", "The day at whose close this was known; the partition."),
                "recommended_on": ("date", "The day at whose close the lists were made."),
                "horizon": ("string", "day: against the day after; week: against the seven days after."),
                "metric": (
                    "string",
                    "recall, ndcg or hit_rate of the places by score, explore_hit_rate of the others.",
                ),
                "value": ("double", "Mean over the households that bought anything in that time."),
                "low": ("double", "Lower end of its bootstrap interval."),
                "high": ("double", "Upper end."),
                "households": ("long", "How many households that is."),
                "model_version": ("long", "The version that made the lists."),
            },
        ),
    )
)
