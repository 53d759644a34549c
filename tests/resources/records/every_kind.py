"""One record of every kind with awkward values, and the database that version 0.1 made of them (`operations_0_1.sql`)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from resources.records.alerts import Alert
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

DAY = dt.date(2024, 2, 29)
MICROSECONDS = dt.datetime(2024, 3, 1, 2, 3, 4, 567_891, tzinfo=dt.UTC)
WHOLE_SECOND = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
ELSEWHERE = dt.datetime(2024, 3, 31, 3, 30, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45)))

QUOTED = 'O\'Neil said "no"; 100 % -- \\ back\nand\ttab'
NESTED: dict[str, Any] = {
    "quality": {"challenger": {"recall": [0.1 + 0.2, 1 / 3, 1e-17, 1e300, -0.0, 5.0]}, "none": None},
    "Größe": {"水": [True, False, {"deep": [[], {}]}], "": "🥦"},
    "z": 1,
    "a": 2**53 + 1,
}
NUMBERED: dict[Any, Any] = {10: "ten", 9: "nine"}  # keys become texts, in the order of texts

EVERY_KIND: tuple[Any, ...] = (
    Registration(
        version=1, business_date=DAY, title="Käse & Brot", identity="i", digest="d" * 64,
        tables={"transactions": 3, "products": 0}, source="s3://bücket/1", mlflow_run_id="m", tags={"é": "ü"},
        run_id="r", registered_at=MICROSECONDS,
    ),
    PromotionRecord(
        business_date=DAY, challenger=1, champion_before=None, champion_after=1, is_promoted=True,
        reasons=(QUOTED, "первый"), numbers=NESTED, decided_at=ELSEWHERE, run_id="r",
    ),
    PromotionRecord(
        business_date=dt.date(1999, 12, 31), challenger=2, champion_before=1, champion_after=None, is_promoted=False,
        reasons=[], numbers=NUMBERED, kind=PromotionRecord.ROLLBACK, by="Zoë", decided_at=WHOLE_SECOND, run_id="",
    ),
    Scoring(business_date=DAY, model_version=1, tables={}, run_id="r", scored_at=WHOLE_SECOND),
    Publication(
        made_on=DAY, published_for=dt.date(2024, 3, 1), is_carried_over=True, because=QUOTED, table_version=7,
        model_version=None, rows=0, run_id="r", published_at=MICROSECONDS,
    ),
    PolicyDecision(
        package="nightcart.promotion", subject="1", question=NESTED, is_allowed=False,
        fired=({"rule": "ties", "says": "a tie does not promote"}, {"rule": "é", "says": "", "at": None}),
        policy_digest="p", run_id="r", decided_at=ELSEWHERE,
    ),
    Verdict(
        subject="products", partition=None, data_version="v", check="keys", outcome=Verdict.CRASHED, reason=QUOTED,
        run_id="r", decided_at=MICROSECONDS,
    ),
    Verdict(
        subject="transactions", partition=DAY, data_version="v", check="rows", outcome=Verdict.PASSED, run_id="r",
        decided_at=WHOLE_SECOND,
    ),
    Override(
        subject="transactions", partition=DAY, data_version="v", check="rows", reason="bekannt", by="Ægir",
        expires_at=dt.datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC), decided_at=WHOLE_SECOND,
    ),
    Signal(
        business_date=DAY, watch="volume", level=Signal.ERROR, value=0.1 + 0.2, says="½ of the lines", details=NESTED,
        model_version=1, run_id="r", seen_at=MICROSECONDS,
    ),
    Signal(
        business_date=DAY, watch="inputs", level=Signal.UNKNOWN, value=None, says="", model_version=None, run_id="r",
        seen_at=ELSEWHERE,
    ),
    Signal(
        business_date=DAY, watch="lists", level=Signal.OK, value=3, says="a whole number", model_version=1, run_id="r",
        seen_at=WHOLE_SECOND,
    ),
    RetrainingRequest(reason="новый каталог", by="", made_at=ELSEWHERE),
    RetrainingDecision(
        business_date=DAY, is_retraining=True, reasons=["age", QUOTED], run_id="r", decided_at=MICROSECONDS
    ),
    Attempt(decision_id=1, number=1, run_key="1/1", asked_at=WHOLE_SECOND),
    Attempt(
        decision_id=1, number=1, run_key="1/1", outcome=Attempt.FAILED, reason=QUOTED, run_id="r",
        asked_at=WHOLE_SECOND, ended_at=ELSEWHERE,
    ),
    Arrival(
        path="landing/día 1.csv", digest="d", business_date=None, event_id="", outcome=Arrival.SET_ASIDE,
        reason=QUOTED, seen_at=MICROSECONDS,
    ),
    Delivery(
        business_date=DAY, files={"día 1.csv": "d"}, columns={"Straße": "VARCHAR", "a": "BIGINT"}, rows=2**31 - 1,
        broken={"unknown product": 0}, content="c", run_id="r", taken_in_at=WHOLE_SECOND,
    ),
    Delivery(
        business_date=DAY, files={}, columns={}, rows=0, broken={}, content="e", run_id="", taken_in_at=MICROSECONDS,
        instead_of="c",
    ),
    DerivedFrom(subject="features", business_date=DAY, deliveries=2, run_id="r", made_at=ELSEWHERE),
    Alert(
        key="night 2024-02-29", kind=Alert.MISSED, happened=QUOTED, meaning="…", command="`nightcart run`",
        told_at=MICROSECONDS,
    ),
    Alert(
        key="", kind=Alert.DRIFT, happened="", meaning="", command="", is_event=True, is_over=True, is_delivered=True,
        told_at=WHOLE_SECOND,
    ),
    Erasure(household="h" * 64, key="k", step=Erasure.ASKED, by="ann", reason="", at=ELSEWHERE),
    Erasure(
        household="h" * 64, key="k", step=Erasure.DONE, by="ann", reason=QUOTED, removed={"transactions": 12},
        versions={"transactions": 4}, proof=NESTED, at=MICROSECONDS,
    ),
)  # fmt: skip
BEAT = ("nightly_schedule", MICROSECONDS)
