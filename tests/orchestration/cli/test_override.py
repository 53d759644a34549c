"""`nightcart override`: one verdict, of this version, for a while; everything else is refused."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from assets.quality import gates
from orchestration.cli.decide import override
from resources.errors import Refused
from resources.records.quality import Override, Verdict

DAY, EARLIER = dt.date(2024, 2, 2), dt.date(2024, 2, 1)
VOLUME = "volume_is_like_the_same_weekday"


@pytest.fixture
def shop(tables, operations, reached):
    """Two days of baskets, whose volume was judged: not passed."""
    for day in (EARLIER, DAY):
        deliver(tables, day)
        judge(tables, operations, day)
    return operations


def deliver(tables, day: dt.date) -> None:
    rows = pa.table({"business_date": pa.array([day], pa.date32()), "product_id": ["P"]})
    tables.replace_days("transactions", rows, days=[day])


def judge(tables, operations, day: dt.date, outcome: str = Verdict.FAILED) -> None:
    version = gates.of_days(tables, "transactions", [day])[day]
    operations.record(
        Verdict(
            subject="transactions", partition=day, data_version=version, check=VOLUME, outcome=outcome,
            reason="a tenth", run_id="run", decided_at=dt.datetime.now(dt.UTC),
        )
    )  # fmt: skip


def at(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


def test_a_verdict_is_overridden_with_who_why_and_until_when(shop) -> None:
    began = dt.datetime.now(dt.UTC)
    override("transactions", VOLUME, at(EARLIER), reason="Thanksgiving", hours=6)
    (made,) = shop.records(Override)
    (judged,) = [each for each in shop.records(Verdict) if each.partition == EARLIER]
    assert gates.key_of(made) == gates.key_of(judged)
    assert (made.reason, bool(made.by)) == ("Thanksgiving", True)
    assert dt.timedelta(hours=6) <= made.expires_at - began < dt.timedelta(hours=7)


def test_without_a_day_it_is_the_newest_that_did_not_pass(shop) -> None:
    override("transactions", VOLUME, reason="Thanksgiving")
    assert [made.partition for made in shop.records(Override)] == [DAY]


def test_until_a_day_is_to_its_end_where_the_shops_are(shop, settings) -> None:
    tomorrow = dt.datetime.now(ZoneInfo(settings.timezone)).date() + dt.timedelta(days=1)
    override("transactions", VOLUME, reason="Thanksgiving", until=at(tomorrow))
    (made,) = shop.records(Override)
    assert made.expires_at.astimezone(ZoneInfo(settings.timezone)).replace(tzinfo=None) == at(
        tomorrow + dt.timedelta(days=1)
    )


def test_what_has_changed_since_is_not_overridden(shop, tables) -> None:
    deliver(tables, DAY)
    with pytest.raises(Refused, match=f"of {DAY} has changed since .*nightcart check transactions"):
        override("transactions", VOLUME, at(DAY), reason="Thanksgiving")
    assert shop.records(Override) == []


def test_what_has_passed_meanwhile_is_not_overridden(shop, tables) -> None:
    judge(tables, shop, DAY, Verdict.PASSED)
    with pytest.raises(Refused, match="it passed"):
        override("transactions", VOLUME, at(DAY), reason="Thanksgiving")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("transactions", VOLUME, at(dt.date(2024, 2, 3))), "has never looked.*nightcart check"),
        (("transactions", "basket_has_one_household", at(DAY)), "has never looked"),
        (("transactions", "nonsense"), f"has no check nonsense.*{VOLUME}"),
        (("nonsense", VOLUME), "Nothing called nonsense is checked.*transactions"),
        (("products", "product_is_known_once", at(DAY)), "has no days"),
        (("products", "product_is_known_once"), "has never looked"),
        ((), "names what is let through"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(shop, arguments, says) -> None:
    with pytest.raises(Refused, match=says):
        override(*arguments, reason="Thanksgiving")
    assert shop.records(Override) == []


def test_a_reason_is_asked_for_and_a_day_to_come(shop) -> None:
    with pytest.raises(Refused, match="why"):
        override("transactions", VOLUME, reason=" ")
    with pytest.raises(Refused, match="is over"):
        override("transactions", VOLUME, reason="Thanksgiving", until=at(DAY))
