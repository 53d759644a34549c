"""Records of data quality: what gates said, who let a verdict through, what was made from which deliveries.

A record is never changed: what came of it later is another record. Dates are business days, instants are in UTC.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one gate said of one version of a day of a table (`partition`; None is a table without days).

    `outcome` is `passed`, `failed` or `crashed`: only the first opens the gate. `reason` says why not.
    """

    TABLE: ClassVar = "verdicts"

    subject: str
    partition: dt.date | None
    data_version: str
    check: str
    outcome: str
    reason: str = ""
    run_id: str
    decided_at: dt.datetime

    PASSED: ClassVar = "passed"
    FAILED: ClassVar = "failed"
    CRASHED: ClassVar = "crashed"


@dataclass(frozen=True, kw_only=True)
class Override:
    """A person lets one verdict that is not `passed` count as if it were, for this very version, until `expires_at`."""

    TABLE: ClassVar = "overrides"

    subject: str
    partition: dt.date | None
    data_version: str
    check: str
    reason: str
    by: str
    expires_at: dt.datetime
    decided_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class DerivedFrom:
    """Something was made for a business day from all deliveries up to the one with the number `deliveries`."""

    TABLE: ClassVar = "made"

    subject: str
    business_date: dt.date
    deliveries: int
    run_id: str
    made_at: dt.datetime
