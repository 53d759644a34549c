"""Planted shifts that must be found, resamples that must not, and samples that are too small to say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from assets.grocery.monitoring.drift import DAYS_NEEDED, ReferenceWindow, label, moved_columns, stability_index
from assets.grocery.profiles.days import DayProfile
from assets.grocery.profiles.numbers import Counts
from assets.lifecycle.drift import DriftReport

MONDAY = dt.date(2024, 3, 4)
SHARES: Mapping[str, Mapping[str, float]] = {
    "department": {"GROCERY": 0.6, "PRODUCE": 0.2, "MEAT": 0.1, "DELI": 0.05, "FLORAL": 0.03, "FISH": 0.02},
    "store": {f"S{n}": 0.05 for n in range(20)},
    "hour": {str(hour): 1 / 12 for hour in range(8, 20)},
    "price": {"5": 0.1, "6": 0.7, "7": 0.1, "10": 0.1},
    "household": {"known": 0.97, "new": 0.03},
    "quantity": {"1": 0.8, "2": 0.2},
}
Shares = dict[str, dict[str, float]]


def day(
    date: dt.date,
    *,
    seed: int = 0,
    lines: int = 3_000,
    scale: Mapping[str, float] | None = None,
    change: Callable[[Shares], None] = lambda shares: None,
) -> DayProfile:
    """A day drawn from :data:`SHARES`; a Sunday sells more produce. `scale` is what counts are multiplied with."""
    random = np.random.default_rng([date.toordinal(), seed])
    shares = {name: dict(of) for name, of in SHARES.items()}
    if date.weekday() == 6:
        shares["department"] |= {"GROCERY": 0.4, "PRODUCE": 0.4}
    change(shares)
    sizes = {"department": lines, "price": lines, "quantity": lines, "store": lines // 8, "hour": lines // 8}
    values = {}
    for name, of in shares.items():
        weights = np.array(list(of.values())) / sum(of.values())
        drawn = random.multinomial(sizes.get(name, lines // 10), weights)
        values[name] = {value: int(times) for value, times in zip(of, drawn, strict=True) if times}
    counts, volume = {"lines": lines, "baskets": lines // 8, "households": lines // 10}, random.normal(1, 0.05)
    noisy = {name: int(n * volume * random.normal(1, 0.01) * (scale or {}).get(name, 1)) for name, n in counts.items()}
    return DayProfile(business_date=date, counts=noisy, values=values)


@pytest.fixture(scope="module")
def usual() -> ReferenceWindow:
    """Eight weeks up to Sunday, 3 March."""
    return ReferenceWindow([day(MONDAY - dt.timedelta(days=back)) for back in reversed(range(1, 57))])


def named(seen: DriftReport) -> set[tuple[str, str]]:
    return {(found.column, found.statistic) for found in seen.statistics if found.level != "ok"}


@pytest.mark.parametrize("weekday", range(7))
def test_another_draw_of_the_same_is_no_alarm(usual, weekday: int):
    for seed in range(1, 15):
        seen = usual.against(day(MONDAY + dt.timedelta(days=weekday), seed=seed))
        assert seen.level == "ok", seen.worst


def gone(*values: str, column: str = "department") -> Callable[[Shares], None]:
    return lambda shares: [shares[column].pop(value) for value in values]  # pyright: ignore[reportReturnType]


def later(shares: Shares) -> None:
    shares["hour"] = {str((int(hour) + 5) % 24): share for hour, share in shares["hour"].items()}


@pytest.mark.parametrize(
    ("change", "column", "statistic"),
    [
        (gone("PRODUCE"), "department", "gone"),
        (gone("FISH"), "department", "gone"),
        (gone("S1", "S7", "S11", column="store"), "store", "gone"),
        (later, "hour", "distance"),
        (lambda s: s.update(price={"9": 0.2, "10": 0.7, "12": 0.1}), "price", "distance"),
        (lambda s: s.update(household={"new": 1.0}), "household", "distance"),
        (lambda s: s.update(household={"known": 0.85, "new": 0.15}), "household", "distance"),
        (lambda s: s.update(store={"(none)": 1.0}), "store", "distance"),
        (lambda s: s.update(quantity={"1": 0.2, "9": 0.8}), "quantity", "distance"),
    ],
)
def test_a_planted_shift_is_found_and_named(usual, change, column: str, statistic: str):
    seen = usual.against(day(MONDAY, seed=1, change=change))
    assert seen.level in ("warn", "error")
    assert (column, statistic) in named(seen)


@pytest.mark.parametrize(
    ("scale", "column"),
    [
        ({"households": 0.5}, "households"),
        ({"households": 2.0}, "households"),
        ({"lines": 2.0, "baskets": 2.0}, "baskets a household"),
        ({"lines": 0.5}, "lines a household"),
    ],
)
def test_counts_are_compared_with_the_same_weekday(usual, scale, column: str):
    assert (column, "ratio") in named(usual.against(day(MONDAY, seed=1, scale=scale)))


def test_like_is_compared_with_like(usual):
    sunday, monday = MONDAY + dt.timedelta(days=6), MONDAY
    as_on_a_sunday = lambda shares: shares["department"].update(GROCERY=0.4, PRODUCE=0.4)  # noqa: E731
    assert usual.against(day(sunday, seed=1)).level == "ok"
    assert ("department", "distance") in named(usual.against(day(monday, seed=1, change=as_on_a_sunday)))


def test_the_sentence_says_which_column_how_far_and_from_what(usual):
    worst = usual.against(day(MONDAY, seed=1, change=gone("PRODUCE"))).worst
    assert worst.statistic == "gone"
    assert worst.message.startswith("lines by department: nothing from PRODUCE, usually 19.")
    assert worst.was["PRODUCE"] == pytest.approx(0.2, abs=0.02)
    assert worst.level == "error"


def test_a_single_odd_day_in_the_reference_does_not_hide_the_next_one(usual):
    spoilt = ReferenceWindow([*usual.days[:-10], day(usual.days[-10].business_date, change=later), *usual.days[-9:]])
    assert ("hour", "distance") in named(spoilt.against(day(MONDAY, seed=1, change=later)))


def test_a_day_of_next_to_nothing_in_the_reference_switches_nothing_off(usual):
    empty = DayProfile(business_date=usual.days[3].business_date, counts={}, values={"hour": {"7": 2}})
    holed = ReferenceWindow([*usual.days[:3], empty, *usual.days[4:]])
    assert holed.against(day(MONDAY, seed=1)).level == "ok"
    seen = holed.against(day(MONDAY, seed=1, change=later, scale={"households": 0.4}))
    assert named(seen) >= {("hour", "distance"), ("households", "ratio")}


def test_too_little_is_unknown_with_the_reason(usual):
    few = ReferenceWindow(usual.days[: DAYS_NEEDED - 1]).against(day(MONDAY))
    assert (few.level, few.worst) == ("unknown", None)
    assert "13 days" in few.message
    assert usual.against(day(MONDAY, lines=20)).level == "unknown"


def test_a_small_shop_does_not_cry_wolf_and_still_misses_a_department():
    days = [day(MONDAY - dt.timedelta(days=back), lines=160) for back in reversed(range(1, 57))]
    small = ReferenceWindow(days)
    alarms = [
        small.against(day(MONDAY + dt.timedelta(days=ahead), seed=seed, lines=160)).level
        for ahead in range(7)
        for seed in range(1, 21)
    ]
    assert sum(level != "ok" for level in alarms) <= 2  # of 140 nights
    assert small.against(day(MONDAY, seed=1, lines=160, change=gone("PRODUCE"))).level != "ok"
    anew = small.against(day(MONDAY, seed=1, lines=160, change=lambda shares: shares.update(household={"new": 1.0})))
    assert (anew.level, anew.worst and anew.worst.column) == ("error", "household")


def test_a_shop_without_stores_prices_or_hours_is_watched_by_what_it_has():
    def bare(date: dt.date, **kwargs) -> DayProfile:
        nothing = {key: {"(none)": 1.0} for key in ("store", "price", "category")} | {"hour": {"0": 1.0}}
        return day(date, change=lambda shares: shares.update(nothing), **kwargs)  # pyright: ignore[reportReturnType]

    usual = ReferenceWindow([bare(MONDAY - dt.timedelta(days=back)) for back in range(1, 57)])
    seen = usual.against(bare(MONDAY, seed=1))
    assert seen.level == "ok"
    assert not {found.column for found in seen.statistics} & {"store", "price", "category", "hour"}
    assert usual.against(bare(MONDAY, seed=1, scale={"households": 0.3})).level == "error"
    suddenly = usual.against(day(MONDAY, seed=1))
    assert ("store", "distance") in named(suddenly)  # where there never was one


def test_a_shop_younger_than_three_weeks_is_compared_with_all_its_days():
    young = ReferenceWindow([day(MONDAY - dt.timedelta(days=back)) for back in reversed(range(1, 15))])
    assert ("hour", "distance") in named(young.against(day(MONDAY, seed=1, change=later)))


def test_labels_are_for_people():
    assert label("price", "10") == "x1.22 to x1.42"
    assert label("price", "0") == "up to x0.50"
    assert label("basket_size", "11") == "above 90 lines"
    assert (label("hour", "7"), label("hour", "(none)"), label("store", "7")) == ("7 h", "(none)", "7")


# Columns of numbers


def test_stability_index_by_hand():
    # shares .5/.5 and .8/.2, half a row added to each class of 1,000: .3 ln(.8/.5) - .3 ln(.2/.5)
    index, was, now = stability_index([800, 200], [500, 500])
    assert index == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4), abs=0.005)
    assert (was[0], now[0]) == (pytest.approx(0.5), pytest.approx(0.8, abs=0.001))
    assert stability_index([10, 0], [10, 0])[0] == 0
    assert np.isfinite(stability_index([0, 10], [10, 0])[0])


def numbers(random, shares, *, units: int, columns: int = 40, shifted: int = 0) -> Counts:
    """Columns of ten classes and one of nulls; the first `shifted` have half of their lowest classes in the highest."""
    of = {}
    for column in range(columns):
        classes = random.multinomial(units, shares)
        if column < shifted:
            moved = classes[:5] // 2
            classes[:5] -= moved
            classes[5:10] += moved
        of[f"t.c{column}"] = [*classes.tolist(), 0]
    return Counts(of=of, units=dict.fromkeys(of, units))


@pytest.mark.parametrize("units", [60, 300, 2_000])
def test_columns_of_another_sample_are_no_alarm_however_small_it_is(units: int):
    random = np.random.default_rng(units)
    tenths = np.full(10, 0.1)
    for _ in range(30):
        seen = moved_columns(numbers(random, tenths, units=units), numbers(random, tenths, units=units))
        assert seen.level == "ok", seen.worst


def test_a_column_that_moved_is_found_among_many():
    random = np.random.default_rng(1)
    seen = moved_columns(
        numbers(random, np.full(10, 0.1), units=2_000, shifted=1), numbers(random, np.full(10, 0.1), units=2_000)
    )
    assert named(seen) == {("t.c0", "stability index")}
    assert seen.worst.message.startswith("t.c0: stability index ")


def test_columns_known_from_too_few_are_not_judged():
    random = np.random.default_rng(1)
    few = numbers(random, np.full(10, 0.1), units=40, shifted=40)
    seen = moved_columns(few, few)
    assert seen.level == "unknown"
    assert "50" in seen.message
    assert moved_columns(Counts(of={}, units={}), few).level == "unknown"
