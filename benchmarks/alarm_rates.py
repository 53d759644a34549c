"""How often the watch of the inputs cries wolf on the demo's real year, and whether it notices what is broken on the first night.

Every night is compared with the eight weeks up to the Sunday before, as if a champion had been made at its close. Then
each fault is planted on every third day, one day at a time: the day alone is broken, its past and its reference are not.
Beside the watch stand the gates that would have refused the day (`assets.grocery.ingestion.checks`).
"""

# Ibis types a column by what it is at run time: to the checker each is a plain `Column`.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
from bare_night import take_in

from assets.grocery.ingestion import profile as volume
from assets.grocery.ingestion.cleaning import TYPES
from assets.grocery.ingestion.rules import expectations
from assets.grocery.monitoring.drift import DriftReport, ReferenceWindow
from assets.grocery.profiles.days import DayProfile, profiles
from assets.grocery.profiles.reference import PAST_NEEDED, REFERENCE_DAYS, reference_days
from resources import home
from resources.config.loader import load_settings
from resources.config.retailer import Settings
from resources.feeds.reader import FeedReader
from resources.records.lifecycle import Signal
from resources.tables.engine import in_zone, to_utc
from resources.tables.store import TableStore
from resources.validation import validate

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

FIRST_DAY, LAST_DAY = dt.date(2017, 1, 1), dt.date(2017, 12, 31)
# Four weeks until households and products are known, eight of reference.
WARM_UP = dt.timedelta(days=PAST_NEEDED + REFERENCE_DAYS)
EVERY = 3  # days: coprime with the week, so that all weekdays have their turn
DEPARTMENTS_FROM = 0.01  # share of lines from which a department is large
BAD = (Signal.WARN, Signal.ERROR)

Plant = Callable[[ibis.Table], ibis.Table]


@dataclass
class Year:
    """The demo's year as ingested, without faults."""

    settings: Settings
    engine: Backend
    transactions: ibis.Table
    products: ibis.Table
    quarantine: ibis.Table
    lines_by_day: Mapping[dt.date | None, int]
    days: Mapping[dt.date, DayProfile] = field(default_factory=dict)

    @classmethod
    def taken_in(cls, folder: Path) -> Year:
        """Ingest the year into `folder`."""
        settings, tables = load_settings(home.DEFAULT_CONFIG), TableStore(root=str(folder / "tables"))
        if not tables.exists("transactions"):
            take_in(settings, FeedReader(raw=folder / "raw"), tables, since=FIRST_DAY, until=LAST_DAY)
        year = cls(
            settings,
            tables.engine,
            tables.read("transactions").cache(),
            tables.read("products").cache(),
            tables.read("transactions_quarantine"),
            tables.rows_by_day("transactions"),
        )
        every_day = [FIRST_DAY + dt.timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
        year.days = {found.business_date: found for found in year.profiles(year.transactions, every_day)}
        return year

    def profiles(self, lines: ibis.Table, days: Sequence[dt.date]) -> list[DayProfile]:
        """The profiles of days with the `lines`, whose past is the year's."""
        zone = self.settings.timezone
        return profiles(lines, self.products, days=days, timezone=zone, before=self.transactions)

    def local(self, lines: ibis.Table) -> ibis.Table:
        """`lines` cut into business days by their times, as ingestion cuts them."""
        return lines.mutate(business_date=in_zone(lines.occurred_at, self.settings.timezone).date())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder in which the ingested year is kept, and found the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        year = Year.taken_in(given.keep or Path(scratch))
        false_alarms(year)
        planted = [day for day in year.days if day >= FIRST_DAY + WARM_UP][::EVERY]
        print(f"\n| planted on {len(planted)} days, one at a time | watch | of them ERROR | gates | either |", end="")
        print(" what the watch named |\n|---|---|---|---|---|---|")
        for fault, plant in faults(year).items():
            notice(year, fault, plant, planted)
        print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)


def false_alarms(year: Year) -> None:
    """Every night of the real year after the warm-up: each alarm is a false one."""
    seen = {
        day: usual(year, sunday_before(day)).against(of) for day, of in year.days.items() if day >= FIRST_DAY + WARM_UP
    }
    alarms = {day: found for day, found in seen.items() if found.level in BAD}
    months = len(seen) / (365 / 12)
    levels = Counter(found.level for found in alarms.values())
    by_month = Counter(f"{day:%Y-%m}" for day in alarms)
    lasting = max((sum(day - dt.timedelta(days=back) in alarms for back in range(7)) for day in seen), default=0)
    print(
        f"{len(seen)} nights after {WARM_UP.days} days of warm-up: {len(alarms)} alarms, {len(alarms) / months:.2f} a month"
    )
    print(
        f"(ERROR {levels[Signal.ERROR]}, WARN {levels[Signal.WARN]}; at most {max(by_month.values(), default=0)} in a month, ",
        end="",
    )
    print(f"{lasting} in any seven nights)")
    for day, found in alarms.items():
        print(f"- {day:%a} {day} {found.level}: {found.worst.message if found.worst else ''}")


def notice(year: Year, fault: str, plant: Plant, planted: Sequence[dt.date]) -> None:
    """Print how many of the planted days are noticed, by what."""
    broken = plant(year.transactions).filter(lambda rows: rows.business_date.isin(list(planted))).select(*TYPES).cache()
    found = {
        of.business_date: usual(year, sunday_before(of.business_date)).against(of)
        for of in year.profiles(broken, planted)
    }
    refused = refusals(year, broken, planted)
    watch = {day for day, seen in found.items() if seen.level in BAD}
    errors = sum(seen.level == Signal.ERROR for seen in found.values())
    named = Counter(_named(found[day]) for day in watch)
    shares = [len(days) / len(planted) for days in (watch, range(errors), refused, watch | refused)]
    cells = [fault, *(f"{share:.0%}" for share in shares), ", ".join(f"{name} {n}" for name, n in named.most_common(2))]
    print(f"| {' | '.join(cells)} |", flush=True)


def _named(seen: DriftReport) -> str:
    return f"{seen.worst.column} ({seen.worst.statistic})" if seen.worst else ""


def sunday_before(day: dt.date) -> dt.date:
    """The close at which the champion that a night meets was made."""
    return day - dt.timedelta(days=day.weekday() + 1)


_usual: dict[dt.date, ReferenceWindow] = {}


def usual(year: Year, made_at: dt.date) -> ReferenceWindow:
    """The reference of a champion that was made at a close."""
    if made_at not in _usual:
        days = reference_days(made_at, first_day=FIRST_DAY)
        _usual[made_at] = ReferenceWindow([year.days[day] for day in days if day in year.days])
    return _usual[made_at]


def refusals(year: Year, broken: ibis.Table, planted: Sequence[dt.date]) -> set[dt.date]:
    """The days that a gate of the transactions refuses; each day's volume is compared with the year's as it was."""
    counts = broken.group_by("business_date").agg(lines=broken.count()).to_pyarrow().to_pylist()
    lines = {row["business_date"]: row["lines"] for row in counts}
    feed = year.settings.transactions
    frame = volume.profile(
        broken,
        year.quarantine,
        days=planted,
        closed=[],
        lines_by_day=lines,
        feed=feed,
        timezone=year.settings.timezone,
    )
    frame["volume_against_weekday"] = [
        volume.volume_against_weekday(day, {**year.lines_by_day, day: lines.get(day, 0)}) for day in planted
    ]
    outcomes = validate(frame, [each for group in expectations(feed).values() for each in group])
    return {day for outcome in outcomes if not outcome.is_met for day in outcome.offenders}


def faults(year: Year) -> dict[str, Plant]:
    """What is planted, by name; what is drawn is drawn by a hash, another lot every day."""
    shares = year.transactions.left_join(year.products, "product_id").group_by("department").agg(lines=ibis._.count())
    rows = shares.filter(shares.department.notnull()).order_by("department").to_pyarrow().to_pylist()
    total = sum(row["lines"] for row in rows)
    large = [row["department"] for row in rows if row["lines"] >= DEPARTMENTS_FROM * total]
    small = [row["department"] for row in rows if 0.003 * total <= row["lines"] < DEPARTMENTS_FROM * total]

    def of_department(names: Sequence[str]) -> Plant:
        def plant(lines: ibis.Table) -> ibis.Table:
            catalogue = year.products.select("product_id", "department")
            joined = lines.left_join(catalogue, "product_id").drop("product_id_right")
            turn = (joined.business_date.delta(ibis.literal(FIRST_DAY), unit="day") // EVERY) % len(names)
            gone = ibis.array(list(names))[turn]
            return joined.filter(joined.department.fill_null("") != gone).drop("department")

        return plant

    def lot(lines: ibis.Table, *columns: str, parts: int):
        text = lines.business_date.cast("string")
        for column in columns:
            text = text + lines[column]
        return (text.hash() % parts).abs()

    def doubled(lines: ibis.Table) -> ibis.Table:
        return lines.union(lines.mutate(basket_id=lines.basket_id + "b"))

    def of_a_group(lines: ibis.Table) -> ibis.Table:
        """The stores of one of eight regions, by their numbers."""
        region = lines.store_id.cast("int64") % 40 // 5
        return lines.filter(region != lines.business_date.day_of_week.index())

    def shifted(hours: int) -> Plant:
        return lambda lines: year.local(lines.mutate(occurred_at=lines.occurred_at + ibis.interval(hours=hours)))

    def first_half(lines: ibis.Table) -> ibis.Table:
        place = ibis.percent_rank().over(ibis.window(group_by="business_date", order_by="occurred_at"))
        return lines.mutate(place=place).filter(ibis._.place < 0.5).drop("place")

    return {
        f"a department vanishes (one of {len(large)} with 1 % of lines or more)": of_department(large),
        f"a small department vanishes (one of {len(small)} with .3 to 1 %)": of_department(small),
        "prices x 1.3": lambda lines: lines.mutate(sales_value=lines.sales_value * 1.3),
        "prices x 1.1": lambda lines: lines.mutate(sales_value=lines.sales_value * 1.1),
        "the feed doubled, baskets numbered anew": doubled,
        "the feed doubled, line by line": lambda lines: lines.union(lines),
        "a fifth of the stores silent": lambda lines: lines.filter(lot(lines, "store_id", parts=5) != 0),
        "a tenth of the stores silent": lambda lines: lines.filter(lot(lines, "store_id", parts=10) != 0),
        "the stores of one region silent (an eighth)": of_a_group,
        "households issued anew": lambda lines: lines.mutate(household_id="n" + lines.household_id),
        "a tenth of the households issued anew": lambda lines: lines.mutate(
            household_id=(lot(lines, "household_id", parts=10) == 0).ifelse("n", "") + lines.household_id
        ),
        "products issued anew": lambda lines: lines.mutate(product_id="n" + lines.product_id),
        "a tenth of the products issued anew": lambda lines: lines.mutate(
            product_id=(lot(lines, "product_id", parts=10) == 0).ifelse("n", "") + lines.product_id
        ),
        "times 5 h late": shifted(5),
        "times 5 h early": shifted(-5),
        "UTC taken as local": lambda lines: year.local(
            lines.mutate(occurred_at=to_utc(lines.occurred_at, year.settings.timezone))
        ),
        "times 1 h late": shifted(1),
        "half a file, the first half by time": first_half,
        "half a file, every other basket": lambda lines: lines.filter(lot(lines, "basket_id", parts=2) == 0),
        "half a file, every other line": lambda lines: lines.filter(
            lot(lines, "basket_id", "product_id", parts=2) == 0
        ),
        "quantities x 10": lambda lines: lines.mutate(quantity=lines.quantity * 10),
        "nothing (the real day again)": lambda lines: lines,
    }


if __name__ == "__main__":
    main()
