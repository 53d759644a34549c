"""The assets of the model lifecycle as they stand in the grocery graph."""

from __future__ import annotations

from assets.grocery.domain import GROCERY
from assets.grocery.partitions import HISTORY, business_days
from assets.grocery.tables import TRANSACTIONS
from assets.lifecycle.assets import Graph, monitoring_assets, training_assets
from assets.reporting import OWNERS
from resources.models.registry import CHAMPION

GRAPH = Graph(partitions=business_days, owners=OWNERS, mappings={TRANSACTIONS: HISTORY, CHAMPION: HISTORY})
challenger, champion = training_assets(GROCERY, GRAPH)
drift_signals, retraining_decision = monitoring_assets(GROCERY, GRAPH)
