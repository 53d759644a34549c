"""Where the lifecycle's assets stand in the grocery graph."""

from __future__ import annotations

from assets.grocery.partitions import HISTORY, business_days
from assets.grocery.tables import TRANSACTIONS
from assets.lifecycle.assets import Graph
from assets.reporting import OWNERS
from resources.models.registry import CHAMPION

GRAPH = Graph(
    partitions=business_days,
    owners=OWNERS,
    mappings={TRANSACTIONS: HISTORY, CHAMPION: HISTORY},
)
