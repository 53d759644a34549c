"""Which decision on the champion holds, when trainings die half-way."""

from __future__ import annotations

import datetime as dt

from assets.grocery.scoring.checks import champions_of
from assets.lifecycle.champion import CHAMPION_GATE, effective_promotions, serving
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import Override, Verdict

MONDAY, TUESDAY = dt.date(2024, 3, 4), dt.date(2024, 3, 5)
NOW = dt.datetime(2024, 3, 6, 2, tzinfo=dt.UTC)


def decided(day: dt.date, version: int) -> PromotionRecord:
    return PromotionRecord(
        business_date=day,
        challenger=version,
        champion_before=None,
        champion_after=version,
        is_promoted=True,
        reasons=["better"],
        decided_at=NOW,
        run_id="run",
    )


def checked(day: dt.date, version: int, outcome: str = Verdict.PASSED) -> Verdict:
    return Verdict(
        subject=CHAMPION_GATE.subject,
        partition=day,
        data_version=str(version),
        check=CHAMPION_GATE.check,
        outcome=outcome,
        run_id="run",
        decided_at=NOW,
    )


def version_of(operations, day: dt.date) -> int | None:
    found = serving(operations, day, now=NOW)
    return found.champion_after if found else None


def test_a_champion_serves_until_another_one_is_decided_on_and_checked(operations) -> None:
    assert version_of(operations, MONDAY) is None
    operations.record(decided(MONDAY, 1), checked(MONDAY, 1), decided(TUESDAY, 2))
    assert version_of(operations, TUESDAY) == 1  # the training of Tuesday is under way, or died
    operations.record(checked(TUESDAY, 2, Verdict.FAILED))
    assert version_of(operations, TUESDAY) == 1
    operations.record(checked(TUESDAY, 2))
    assert version_of(operations, TUESDAY) == 2
    assert version_of(operations, MONDAY) == 1


def test_a_day_that_was_decided_again_is_effective_promotions_for_what_was_decided_last(operations) -> None:
    operations.record(decided(MONDAY, 1), checked(MONDAY, 1), decided(TUESDAY, 2), checked(TUESDAY, 2))
    operations.record(decided(TUESDAY, 3))
    assert [(number, record.champion_after) for number, record in effective_promotions(operations, now=NOW)] == [(1, 1)]
    operations.record(checked(TUESDAY, 3))
    assert [(number, record.champion_after) for number, record in effective_promotions(operations, now=NOW)] == [
        (1, 1),
        (3, 3),
    ]


def test_a_person_can_let_one_out(operations) -> None:
    operations.record(decided(MONDAY, 1), checked(MONDAY, 1, Verdict.FAILED))
    assert version_of(operations, MONDAY) is None
    operations.record(
        Override(
            subject=CHAMPION_GATE.subject,
            partition=MONDAY,
            data_version="1",
            check=CHAMPION_GATE.check,
            reason="looked at it",
            by="ada",
            expires_at=NOW + dt.timedelta(days=1),
            decided_at=NOW,
        )
    )
    assert version_of(operations, MONDAY) == 1


def test_lists_are_of_the_champion_that_the_night_began_with_or_of_one_that_it_decided_on(operations) -> None:
    operations.record(decided(MONDAY, 1), checked(MONDAY, 1), decided(TUESDAY, 2), checked(TUESDAY, 2))
    assert champions_of(TUESDAY, operations) == [1, 2]
    assert champions_of(TUESDAY + dt.timedelta(days=1), operations) == [2]
    assert champions_of(MONDAY, operations) == [1]
