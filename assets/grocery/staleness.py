"""What of the grocery domain can be stale, and from which days of baskets it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assets.quality.staleness import Stale, stale
from resources.records.feeds import Delivery
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import DerivedFrom
from resources.records.store import OperationsDatabase

FEATURES, LISTS, PERFORMANCE, CHAMPION = "features", "recommendations", "realised_performance", "champion"
# The days, up to its own, that each is made of: the whole history, or the week that lists are compared with.
REACH: Mapping[str, int | None] = {FEATURES: None, LISTS: None, PERFORMANCE: 7, CHAMPION: None}


def of_champion(promotions: Sequence[PromotionRecord], deliveries: Sequence[tuple[int, Delivery]]) -> list[DerivedFrom]:
    """What today's champion was trained on, as if it were on record: all that had come when it was promoted."""
    newest = promotions[-1].champion_after if promotions else None
    first = next((record for record in promotions if record.champion_after == newest), None)
    if first is None:
        return []
    known = [number for number, delivery in deliveries if delivery.taken_in_at <= first.decided_at]
    return [
        DerivedFrom(
            subject=CHAMPION,
            business_date=first.business_date,
            deliveries=max(known, default=0),
            run_id=first.run_id,
            made_at=first.decided_at,
        )
    ]


def stale_now(operations: OperationsDatabase) -> list[Stale]:
    """What is stale now."""
    deliveries = operations.numbered(Delivery)
    made = [*operations.records(DerivedFrom), *of_champion(operations.promotions(), deliveries)]
    return stale(made, deliveries, REACH)
