"""The operations database: the store of all records, with the queries of each concern."""

from __future__ import annotations

from resources.records.alerts import Heartbeats
from resources.records.contents import ContentsStore
from resources.records.costs import CostStore
from resources.records.fencing import FencingTokens
from resources.records.lifecycle import PromotionLedger
from resources.records.quality import VerdictStore
from resources.records.recorded import Recorded


class OperationsDatabase(PromotionLedger, VerdictStore, ContentsStore, CostStore, Heartbeats, FencingTokens, Recorded):
    """The records of one retailer, in SQLite or Postgres."""
