"""Records of the model lifecycle: versions, decisions on the champion, scorings, signals, retraining.

A record is never changed: what came of it later is another record. Dates are business days, instants are in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A version that was put into the model registry: what was made of what, and where it can be made a version again.

    `digest` is of the version's files, `tables` the versions of those that it was learnt from, `source` where the
    registry keeps the files, and `tags` what stands on the version.
    """

    TABLE: ClassVar = "registrations"

    version: int
    business_date: dt.date
    title: str
    identity: str
    digest: str
    tables: Mapping[str, int] = field(default_factory=dict)
    source: str
    mlflow_run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    run_id: str
    registered_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class PromotionRecord:
    """A decision on who is champion; versions are those of the model registry.

    `kind` tells a night's own decision from a person's, and from a version that had to be registered again; `by` is
    who took it, and is empty for a night. `business_date` is the night whose lists are the first that may follow it.
    """

    TABLE: ClassVar = "promotions"

    business_date: dt.date
    challenger: int
    champion_before: int | None
    champion_after: int | None
    is_promoted: bool
    reasons: Sequence[str]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "night"
    by: str = ""
    decided_at: dt.datetime
    run_id: str

    NIGHT: ClassVar = "night"
    PROMOTE: ClassVar = "promote"
    ROLLBACK: ClassVar = "rollback"
    RESTORE: ClassVar = "restore"


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """The lists of `business_date` as they were made last: by which model, from which versions of which tables."""

    TABLE: ClassVar = "scorings"

    business_date: dt.date
    model_version: int
    tables: Mapping[str, int]
    run_id: str
    scored_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class PolicyDecision:
    """What a package of the policy answered; `subject` is what it was asked about: a version, the lists of a day.

    `fired` are the rules that denied, each a `rule` and what it `says`; `policy_digest` is of the rules as they were.
    """

    TABLE: ClassVar = "policy_decisions"

    package: str
    subject: str
    question: Mapping[str, Any]
    is_allowed: bool
    fired: Sequence[Mapping[str, Any]]
    policy_digest: str
    run_id: str
    decided_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What a watch saw at a business day's close; `level` is `ok`, `warn`, `error`, or `unknown` with too little to say.

    `value` is the effect size that the level was given for and `says` the sentence; `details` are the numbers behind it.
    """

    TABLE: ClassVar = "signals"

    business_date: dt.date
    watch: str
    level: str
    value: float | None
    says: str
    details: Mapping[str, Any] = field(default_factory=dict)
    model_version: int | None
    run_id: str
    seen_at: dt.datetime

    OK: ClassVar = "ok"
    WARN: ClassVar = "warn"
    ERROR: ClassVar = "error"
    UNKNOWN: ClassVar = "unknown"


@dataclass(frozen=True, kw_only=True)
class RetrainingRequest:
    """A person's request to train the model anew."""

    TABLE: ClassVar = "wishes"

    reason: str
    by: str
    made_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class RetrainingDecision:
    """Whether the model is trained anew with what is known at `business_date`'s close, and why or why not."""

    TABLE: ClassVar = "retraining_decisions"

    business_date: dt.date
    is_retraining: bool
    reasons: Sequence[str]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    run_id: str
    decided_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A run that was asked for to carry a decision out (`asked`), and, as a second record, how it ended.

    `run_key` names decision and attempt, `run_id` is of the run that was seen to end, `reason` why it did not succeed.
    """

    TABLE: ClassVar = "attempts"
    UNIQUE: ClassVar = ("run_key", "outcome")  # of two processes that ask at the same time, one is the first

    decision_id: int
    number: int
    run_key: str
    outcome: str = "asked"
    reason: str = ""
    run_id: str = ""
    asked_at: dt.datetime
    ended_at: dt.datetime | None = None

    ASKED: ClassVar = "asked"
    SUCCEEDED: ClassVar = "succeeded"
    FAILED: ClassVar = "failed"
    VANISHED: ClassVar = "vanished"  # no run of it is there: whoever asked died first, or the run was deleted
    CANCELLED: ClassVar = "cancelled"  # by a person

    def summary(self) -> str:
        """The attempt in a few words: its number, how it ended, why."""
        return f"{self.number}: {self.outcome}{f' ({self.reason})' if self.reason else ''}"
