"""What was made from a day's lines before they were corrected."""

from __future__ import annotations

import datetime as dt

from assets.grocery.staleness import CHAMPION, FEATURES, LISTS, PERFORMANCE, REACH, of_champion
from assets.quality.staleness import stale
from resources.records.feeds import Delivery
from resources.records.lifecycle import PromotionRecord
from resources.records.quality import DerivedFrom

DAY = dt.date(2024, 1, 9)
AT = dt.datetime(2024, 1, 10, tzinfo=dt.UTC)
DAYS = [DAY + dt.timedelta(days=n) for n in range(10)]


def deliveries(*told: tuple[dt.date, str]) -> list[tuple[int, Delivery]]:
    """Numbered from 1, an hour apart."""
    return [
        (
            number,
            Delivery(
                business_date=day,
                files={},
                columns={},
                rows=1,
                broken={},
                content=content,
                run_id="r",
                taken_in_at=AT + number * dt.timedelta(hours=1),
            ),
        )
        for number, (day, content) in enumerate(told, start=1)
    ]


def made(subject: str, day: dt.date, of: int) -> DerivedFrom:
    return DerivedFrom(subject=subject, business_date=day, deliveries=of, run_id="r", made_at=AT)


def told(records: list[DerivedFrom], *of: tuple[dt.date, str]) -> dict[str, list[int]]:
    """The stale days of each subject, as places in DAYS."""
    return {each.subject: [DAYS.index(day) for day in each.days] for each in stale(records, deliveries(*of), REACH)}


def test_a_correction_makes_its_own_day_and_later_ones_stale():
    records = [made(FEATURES, DAYS[n], n + 1) for n in range(3)]
    came = [(DAYS[n], "as it came") for n in range(3)]
    assert told(records, *came) == {}
    assert told(records, *came, (DAYS[1], "corrected")) == {FEATURES: [1, 2]}
    # made again, with the correction
    assert told([*records, made(FEATURES, DAYS[2], 4)], *came, (DAYS[1], "corrected")) == {FEATURES: [1]}


def test_the_same_lines_once_more_make_nothing_stale_nor_does_a_correction_that_is_taken_back():
    records = [made(LISTS, DAYS[1], 2)]
    came = [(DAYS[0], "a"), (DAYS[1], "b")]
    assert told(records, *came, (DAYS[0], "a")) == {}
    assert told(records, *came, (DAYS[0], "x"), (DAYS[0], "a")) == {}


def test_a_day_that_came_late_counts():
    assert told([made(LISTS, DAYS[2], 2)], (DAYS[0], "a"), (DAYS[2], "c"), (DAYS[1], "late")) == {LISTS: [2]}


def test_what_lists_were_worth_is_made_of_a_week_alone():
    came = [(day, "a") for day in DAYS]
    records = [made(PERFORMANCE, DAYS[6], 10), made(PERFORMANCE, DAYS[7], 10)]
    assert told(records, *came, (DAYS[0], "corrected")) == {PERFORMANCE: [6]}


def test_the_champion_knows_what_had_come_when_it_was_promoted():
    def promoted(day: dt.date, version: int, hours: float) -> PromotionRecord:
        return PromotionRecord(
            business_date=day, challenger=version, champion_before=None, champion_after=version, is_promoted=True,
            reasons=[], decided_at=AT + dt.timedelta(hours=hours), run_id="r",
        )  # fmt: skip

    came = deliveries((DAYS[0], "a"), (DAYS[1], "b"), (DAYS[0], "corrected"))
    assert of_champion([], came) == []
    old, new = promoted(DAYS[1], 1, 2.5), promoted(DAYS[1], 2, 3.5)
    assert [each.subject for each in stale(of_champion([old], came), came, REACH)] == [CHAMPION]
    assert stale(of_champion([old, new], came), came, REACH) == []
    assert len(stale(of_champion([old, old], came), came, REACH)) == 1  # confirmed later, but not trained anew
