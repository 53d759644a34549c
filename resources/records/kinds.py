"""All kinds of records, in the order in which they came to be."""

from __future__ import annotations

from resources.records.alerts import Alert, Heartbeat
from resources.records.feeds import Arrival, Delivery
from resources.records.lifecycle import (
    Attempt,
    PolicyDecision,
    PromotionRecord,
    Registration,
    RetrainingDecision,
    RetrainingRequest,
    Scoring,
    Signal,
)
from resources.records.privacy import Erasure
from resources.records.publication import Publication
from resources.records.quality import DerivedFrom, Override, Verdict

KINDS: tuple[type, ...] = (
    Registration,
    PromotionRecord,
    Scoring,
    Publication,
    PolicyDecision,
    Verdict,
    Override,
    Signal,
    RetrainingRequest,
    RetrainingDecision,
    Attempt,
    Arrival,
    Delivery,
    DerivedFrom,
    Alert,
    Erasure,
    Heartbeat,
)
