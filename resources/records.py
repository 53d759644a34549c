"""What goes on record in the operations database: one frozen dataclass a kind, one table each (`resources.operations`).

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
class Publication:
    """What is served from `published_at` on: the lists made at the close of `made_on`, for the day `published_for`.

    `table_version` is that of `published_recommendations`, `model_version` the one that made the lists.
    """

    TABLE: ClassVar = "publications"

    made_on: dt.date
    published_for: dt.date
    is_carried_over: bool
    because: str = ""
    table_version: int
    model_version: int | None
    rows: int
    run_id: str
    published_at: dt.datetime


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
class Wish:
    """A person wants the model to be trained anew."""

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

    def told(self) -> str:
        """The attempt in a few words."""
        return f"{self.number}: {self.outcome}{f' ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A delivered file, seen once for every content: `outcome` says what became of it, `reason` why.

    `taken`; `repeated`, for its bytes came for that day under another name; `set aside`, for it or its event cannot be
    used; `given up`, for its runs failed as often as they are tried.
    """

    TABLE: ClassVar = "arrivals"

    path: str
    digest: str
    business_date: dt.date | None
    event_id: str
    outcome: str
    reason: str
    seen_at: dt.datetime

    TAKEN: ClassVar = "taken"
    REPEATED: ClassVar = "repeated"
    SET_ASIDE: ClassVar = "set aside"
    GIVEN_UP: ClassVar = "given up"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A business day's feed as it was taken in: what a later one is compared with.

    `files` are digests by name, `columns` types by name (in the files' order), `rows` all lines that came, `broken` those
    that were set aside by rule, and `content` a digest of the day's lines in `transactions`, wherever they came from.
    Where it is no delivery but what an erasure left of one, `instead_of` is the content that was there before.
    """

    TABLE: ClassVar = "deliveries"

    business_date: dt.date
    files: Mapping[str, str]
    columns: Mapping[str, str]
    rows: int
    broken: Mapping[str, int]
    content: str
    run_id: str
    taken_in_at: dt.datetime
    instead_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Made:
    """Something was made for a business day from all deliveries up to the one with the number `deliveries`."""

    TABLE: ClassVar = "made"

    subject: str
    business_date: dt.date
    deliveries: int
    run_id: str
    made_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that people are told of, or its end (`is_over`); `key` is the same for what is one and the same thing.

    `happened` says what, `meaning` what that means for the recommendations that are served, and `command` what to run
    next. It is on record before it is told, and again once it `is_delivered`. An event (`is_event`) has no end: it is
    told once; anything else is so for as long as it lasts.
    """

    TABLE: ClassVar = "alerts"

    key: str
    kind: str
    happened: str
    meaning: str
    command: str
    is_event: bool = False
    is_over: bool = False
    is_delivered: bool = False
    told_at: dt.datetime

    REFUSAL: ClassVar = "refusal"
    FAILURE: ClassVar = "failure"
    MISSED: ClassVar = "missed night"
    OVERDUE: ClassVar = "feed overdue"
    DRIFT: ClassVar = "drift"
    USED_UP: ClassVar = "attempts used up"
    SILENCE: ClassVar = "silence"


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """A household is to be forgotten (`asked`), and, as a second record, is (`done`); it is not named, not even here.

    `household` is its keyed hash, and `key` tells which key that was made with (`assets.ingestion.erased`). Once it is
    done, `removed` has the rows by table, `versions` the first one of each table that can still be read, and `proof`
    what was looked through and found afterwards.
    """

    TABLE: ClassVar = "erasures"

    household: str
    key: str
    step: str
    by: str
    reason: str
    removed: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    at: dt.datetime

    ASKED: ClassVar = "asked"
    DONE: ClassVar = "done"


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A schedule or sensor was at work."""

    TABLE: ClassVar = "heartbeats"

    name: str
    beat_at: dt.datetime


KINDS: tuple[type, ...] = (
    Registration,
    PromotionRecord,
    Scoring,
    Publication,
    PolicyDecision,
    Verdict,
    Override,
    Signal,
    Wish,
    RetrainingDecision,
    Attempt,
    Arrival,
    Delivery,
    Made,
    Alert,
    Erasure,
    Heartbeat,
)
