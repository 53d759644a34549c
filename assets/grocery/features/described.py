"""The columns of the five feature tables, each with what it means, and the numbers in their definitions.

Ages and gaps are in days, shares are between 0 and 1, prices in the retailer's currency (null when the feed has none).
A decayed count weighs a purchase by one half for every half-life that has passed since.
"""

HALF_LIVES = (14, 30, 60, 90, 180)  # days
TRIP_DECAYS = {80: 0.8, 90: 0.9, 97: 0.97}  # per shopping day of the household since
LATEST = (2, 3, 4, 5)  # the purchases before the last one whose age is a feature of its own
PRIOR_GAPS = 2.0  # a household's own gaps count fully once there are clearly more than this many
WEEK, MONTH = 7, 28  # days: whole weeks, so that every weekday is in them as often
PACE_DAYS = (14, 84)
OFFER_PRIOR = 2.0  # weeks of average sales, on offer and off, that an uplift is drawn towards 1 by
PACE_PRIOR = 3.0  # expected purchases below which a pace is drawn towards that of the level above

HOUSEHOLD_PRODUCT = {
    "purchases": "Days on which the household bought the product.",
    "purchases_month": "The same, in the last 28 days.",
    **{f"decayed_{h}": f"Purchases, decayed with a half-life of {h} days." for h in HALF_LIVES},
    **{
        f"decayed_trips_{name}": f"Purchases, decayed by {decay} for each shopping day of the household since."
        for name, decay in TRIP_DECAYS.items()
    },
    "decayed_share": "Purchases weighted by one over the products of that day, decayed over 90 days: small baskets count.",
    "decayed_root_share": "The same, weighted by one over their square root.",
    "days_since_last": "Days since the last purchase.",
    **{f"days_since_{n}": f"Days since the purchase that is number {n} from the end; null for fewer." for n in LATEST},
    "days_since_first": "Days since the first purchase.",
    "trips_since_last": "The household's shopping days since the last purchase.",
    "trips_since_first": "The household's shopping days since the first purchase, that day included.",
    "gap": "Typical days between purchases: the household's own, drawn towards the product's where they are few.",
    "gap_deviation": "Standard deviation of the household's own gaps; null below three purchases.",
    "gap_shortest": "The shortest of them; null for a single purchase.",
    "gap_longest": "The longest of them; null for a single purchase.",
    "overdue": "Days since the last purchase over the typical gap: 1 is due today.",
    "quantity": "Average quantity of a purchase.",
    "price": "Average price of a unit that the household paid.",
    "decayed_on_offer": "Purchases while the product was on offer, decayed with a half-life of 90 days.",
    "days_since_on_offer": "Days since the last purchase while the product was on offer; null without one.",
    "days_since_off_offer": "Days since the last purchase while it was not; null without one.",
    "subcategory_offered": "Of the household's decayed purchases from the subcategory, the part that is on offer next.",
    "rivals_offered": "The same without the product itself; null when the household buys nothing else there.",
}
HOUSEHOLD = {
    "trips": "Days on which the household bought anything.",
    "trips_month": "The same, in the last 28 days.",
    "days_since_trip": "Days since it last bought anything.",
    "trip_gap": "Average days between its shopping days; null for a single one.",
    "basket_products": "Average different products of a shopping day.",
    "basket_products_lately": "The same, of its last five shopping days.",
    "products": "Different products that it ever bought.",
    "product_days": "Products of all its shopping days together.",
    "repeat_share": "Share of its purchases that were not the first of the product.",
    "spend_month": "What it paid in the last 28 days.",
    "offer_share": "Part of its purchases, decayed over 90 days, that were of products on offer.",
}
PRODUCT = {
    "buyers": "Households that ever bought the product.",
    "buyers_month": "Households that bought it in the last 28 days.",
    "buyers_week": "Households that bought it in the last 7 days.",
    "popularity": "Purchases by all households, decayed with a half-life of 30 days.",
    "trend": "Purchases of the last 28 days over those of the last 84, times three: 1 is steady.",
    "trend_week": "Purchases of the last 7 days over those of the last 28, times four: 1 is steady.",
    "repeat_rate": "Share of its buyers who bought it on more than one day.",
    "purchases_per_buyer": "Average purchases of a buyer.",
    "product_gap": "Average days between a household's purchases of it; null if nobody repeated.",
    "price_month": "Average price of a unit in the last 28 days.",
    "price_week": "Average price of a unit in the last 7 days.",
    "price_change": "The month's price over the average of all time: below 1 is cheaper than usual.",
    "price_change_week": "The week's price over the average of all time.",
    **{
        f"{level}pace_{days}": f"How much the owners of {whose} bought it again in the last {days} days, over what their "
        "purchases before let expect: 1 is as much."
        for level, whose in (("", "the product"), ("subcategory_", "its subcategory"), ("category_", "its category"))
        for days in PACE_DAYS
    },
    "offered_next": "Share of the next seven days, and of the stores, for which an offer is already announced.",
    "offered_last": "Share of the last seven days, and of the stores, in which it was on offer.",
    "offered_half_year": "The same of the last 182 days.",
    "days_since_offer": "Days since it was last on offer; null when it was not in those 182 days.",
    "offer_uplift": "Purchases a week while on offer over those a week while not, in those 182 days.",
    "offer_price": "Price of a unit while on offer over the price while not, of all time.",
    "subcategory_offered_next": "Of the sales of its subcategory in the last 84 days, the part that is on offer next.",
}


def _affinity(level: str) -> dict[str, str]:
    return {
        f"{level}_purchases": f"Days on which the household bought from the {level}.",
        f"{level}_purchases_month": "The same, in the last 28 days.",
        f"{level}_purchases_week": "The same, in the last 7 days.",
        f"{level}_decayed_30": "The same, decayed with a half-life of 30 days.",
        f"{level}_decayed_90": "The same, decayed with a half-life of 90 days.",
        f"{level}_products": f"Different products of the {level} that it bought.",
        f"{level}_days_since_last": f"Days since it last bought from the {level}.",
        f"{level}_gap": f"Average days between its purchases from the {level}; null for a single one.",
    }


CATEGORY_AFFINITY = _affinity("category")
SUBCATEGORY_AFFINITY = _affinity("subcategory")
