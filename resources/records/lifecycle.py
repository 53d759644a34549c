"""Records of the model lifecycle: versions, decisions on the champion, scorings, signals, retraining."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar

from resources.errors import Overtaken
from resources.records.base import Record, RecordStore


class Registration(Record, table="registrations"):
    """A version that was added to the model registry, with what is needed to register it again from its files.

    `digest` is of the version's files, `tables` the versions of the tables it was trained on, `source` where the
    registry keeps the files, `tags` the version's tags.
    """

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


class PromotionRecord(Record, table="promotions"):
    """A decision on the champion; versions are those of the model registry.

    `kind` is one of the constants below; a `RESTORE` registers a lost version again. `by` is the person who decided,
    empty for a night. `business_date` is the first night whose lists may follow the decision.
    """

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


class Scoring(Record, table="scorings"):
    """A run that made the lists of `business_date`: the model's version, and those of the tables it read."""

    business_date: dt.date
    model_version: int
    tables: Mapping[str, int]
    run_id: str
    scored_at: dt.datetime


class PolicyDecision(Record, table="policy_decisions"):
    """The answer of one package of the policy on `subject`, a version or the lists of a day.

    `fired` are the rules that denied, each a `rule` and what it `says`; `policy_digest` is of the rules at the time.
    """

    package: str
    subject: str
    question: Mapping[str, Any]
    is_allowed: bool
    fired: Sequence[Mapping[str, Any]]
    policy_digest: str
    run_id: str
    decided_at: dt.datetime


class Signal(Record, table="signals"):
    """The result of a drift check at a business day's close; its `level` is `unknown` where there is too little data.

    `value` is the effect size that decided the level, `says` the message, `details` the numbers behind it.
    """

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


class RetrainingRequest(Record, table="wishes"):
    """A person's request to train the model anew."""

    reason: str
    by: str
    made_at: dt.datetime


class RetrainingDecision(Record, table="retraining_decisions"):
    """Whether the model is retrained on the data up to `business_date`'s close, with the reasons."""

    business_date: dt.date
    is_retraining: bool
    reasons: Sequence[str]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    run_id: str
    decided_at: dt.datetime


class Attempt(Record, table="attempts", unique=("run_key", "outcome")):
    """A run that was requested to carry out a retraining decision (`asked`), and, as a second record, how it ended.

    `run_key` names decision and attempt; it is unique with `outcome`, so that of two processes that ask at once one is
    first. `run_id` is the run that ended, `reason` why it did not succeed.
    """

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


class PromotionLedger(RecordStore):
    """The versions and the decisions on the champion: adding one, and who was champion when."""

    def decide(self, record: PromotionRecord, *others: Record, expected_version: int) -> None:
        """Add a decision on the champion, and `others` with it, all or none.

        Optimistic lock: `expected_version` is :meth:`last_decision` as it was before the first read that the decision
        depends on. Raises :class:`resources.errors.Overtaken`, with nothing changed, if a decision was added since.
        """
        with self._writing() as connection:
            for number, first in self._read(connection, PromotionRecord, last=1):
                if number != expected_version:
                    raise Overtaken(
                        f"Version {record.challenger} was judged while somebody else decided: version "
                        f"{first.challenger}, {first.kind}{f' by {first.by}' if first.by else ''} at "
                        f"{first.decided_at:%Y-%m-%d %H:%M:%S} UTC; the champion is version {first.champion_after} now, "
                        "and nothing was changed here.",
                        remedy="`nightcart models` shows who is champion; then decide again, if that is still wanted.",
                    )
            self._add(connection, (record, *others))

    def sealed_digest(self, version: int) -> str | None:
        """The digest of a version's files as it was registered; None for a version that was not."""
        return next((each.digest for each in self.records(Registration, version=version, last=1)), None)

    def last_decision(self) -> int:
        """The number of the newest decision on the champion; 0 before the first."""
        return max((number for number, _ in self.numbered(PromotionRecord, last=1)), default=0)

    def promotions(self, *, until: dt.date | None = None) -> list[PromotionRecord]:
        """All decisions for business days up to `until`, by day, then in the order in which they were taken."""
        ledger = sorted(self.records(PromotionRecord), key=lambda record: record.business_date)
        return [record for record in ledger if until is None or record.business_date <= until]

    def promotion_as_of(self, day: dt.date) -> PromotionRecord | None:
        """The decision that named the champion of `day`'s close."""
        decided = self.promotions(until=day)
        return decided[-1] if decided else None

    def champion_as_of(self, day: dt.date) -> int | None:
        """The version that was champion after the night of `day`, by the last word of the ledger."""
        decided = self.promotion_as_of(day)
        return decided.champion_after if decided else None
